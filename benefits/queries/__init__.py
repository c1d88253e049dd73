"""
Questions about benefits, a module each subject.

Those of rights are named here; the others are asked of their own module, such as
`from benefits.queries import items`.
"""

from benefits.queries.rights import (
    NO_BENEFITS,
    Guests,
    Offer,
    benefit_of,
    best_discount,
    discounts_on,
    guests_of,
    is_usable,
    left,
    matrix,
    matrix_on,
    offered,
    offers,
    rights,
    steps,
    usable,
    used,
)

__all__ = [
    "NO_BENEFITS",
    "Guests",
    "Offer",
    "benefit_of",
    "best_discount",
    "discounts_on",
    "guests_of",
    "is_usable",
    "left",
    "matrix",
    "matrix_on",
    "offered",
    "offers",
    "rights",
    "steps",
    "usable",
    "used",
]
