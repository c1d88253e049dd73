"""What this room knows of a person, a module each subject."""

from benefits.personal import coupons, items, research, rights  # noqa: F401 - they register themselves
