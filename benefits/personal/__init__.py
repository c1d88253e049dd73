"""What this room knows of a person, a module each subject."""

from benefits.personal import rights  # noqa: F401 - it registers itself
