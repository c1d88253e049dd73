"""What went wrong, in one line a person can act on."""


class Problem(Exception):
    """Ends the command. The message says what is wrong and what to do, without a traceback."""
