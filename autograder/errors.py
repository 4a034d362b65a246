"""What goes wrong, said in one sentence to the person at the keyboard."""


class UserError(Exception):
    """Something the user can mend; the message says what happened and what to do.

    `exit_code` is what the command ends with: 2 for input that can't be used,
    3 for something in the surroundings (a gradebook in use, a full disk).
    """

    exit_code = 2


class AssignmentChanged(UserError):
    """The instructor's notebook is no longer the one that was released."""


class EnvironmentFault(UserError):
    """The input is fine; the machine, the disk or another program is in the way."""

    exit_code = 3
