"""What a user can do something about: said in one line, never as a stack trace."""


class TrainingError(Exception):
    """A run that cannot be begun, continued or published; the message says why and what would help."""


def in_one_line(error: BaseException) -> str:
    """An error as one line: its message, or its type's name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def last_line(error: BaseException) -> str:
    """The end of Ray's account of an error, which begins with the traces of other processes."""
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__).strip()
