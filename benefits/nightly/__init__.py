"""Whole-programme work on benefits, a module each subject. Never called by a request."""

from benefits.nightly import rights  # noqa: F401 - it registers itself
