"""Name the error that no sandbox can be set up on this machine."""

from __future__ import annotations


class SandboxUnavailable(Exception):
    """The sandbox can't be set up on this machine; the message says what to do.

    Attributes:
        exit_code: what a command that needs it ends with.
    """

    exit_code = 3
