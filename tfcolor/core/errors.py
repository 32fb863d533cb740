"""Errors that a user can mend; the commands print them as one line."""


class UserError(Exception):
    """Something the user gave cannot be used; the message says what would be.

    The commands print the message after their name and exit with
    `exit_status`, without a traceback.
    """

    exit_status = 1


class UsageError(UserError):
    """The command line itself is wrong: an unknown name or an illegal value."""

    exit_status = 2
