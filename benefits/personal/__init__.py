"""What this room knows of a person, a module each subject."""

from benefits.personal import (  # noqa: F401 - they register themselves
    coupons,
    draws,
    items,
    orders,
    research,
    rights,
)
