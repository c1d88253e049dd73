"""Whole-programme work on benefits, a module each subject. Never called by a request."""

from benefits.nightly import coupons, orders, rights  # noqa: F401 - they register themselves
