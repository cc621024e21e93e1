"""Who it is that promotes, publishes and issues keys, where nobody says."""

import getpass


def user_name() -> str:
    """The user of this process; "unknown" for a number that the system has no name for, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
