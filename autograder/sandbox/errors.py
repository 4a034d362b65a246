"""What keeps the sandbox from being raised on this machine."""

from __future__ import annotations


class SandboxUnavailable(Exception):
    """The sandbox can't be raised on this machine; the message says what to do.

    Attributes:
        exit_code: what a command that needs it ends with.
    """

    exit_code = 3
