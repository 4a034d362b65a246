"""Define why something that came in can't be used."""

from __future__ import annotations

from autograder.errors import UserError


class BadArchive(UserError):
    """Report that an archive or a file in it can't be used."""


class SubmissionRefused(UserError):
    """Report that one submission isn't taken; the others are."""
