"""What benefits hear, a module each subject."""

from benefits.subscribers import coupons, research, rights  # noqa: F401 - they register themselves
