"""What benefits hear, a module each subject."""

from benefits.subscribers import rights  # noqa: F401 - it registers itself
