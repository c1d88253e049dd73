"""What went wrong, in one line a person can act on."""


class Problem(Exception):  # noqa: N818 - it says what is wrong; nobody handles it
    """Ends the command. The message says what is wrong and what to do, without a traceback."""
