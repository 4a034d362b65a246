"""Why something that came in can't be used."""

from __future__ import annotations

from autograder.errors import UserError


class BadArchive(UserError):
    """The archive can't be used."""


class SubmissionRefused(UserError):
    """A submission that isn't taken; the others are."""
