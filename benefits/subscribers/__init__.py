"""What benefits hear, a module each subject."""

from benefits.subscribers import research, rights  # noqa: F401 - they register themselves
