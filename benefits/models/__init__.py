"""
Tables of benefits, a module each subject.

Those of rights are named here; the others are imported from their own module, such as
`from benefits.models.items import Item`.
"""

from benefits.models import (  # noqa: F401 - found by Django
    coupon_lists,
    coupons,
    draws,
    items,
    orders,
    payments,
    research,
)
from benefits.models.rights import (
    CODE_MAX,
    NOTE_MAX,
    OPEN,
    PAST,
    PERIOD_MAX,
    PROOF_BYTES_MAX,
    Benefit,
    BenefitTerms,
    Ended,
    Failure,
    Kind,
    OnDowngrade,
    Picture,
    Proof,
    Rating,
    Right,
    RightState,
    Source,
    Step,
    StepKind,
)

__all__ = [
    "CODE_MAX",
    "NOTE_MAX",
    "OPEN",
    "PAST",
    "PERIOD_MAX",
    "PROOF_BYTES_MAX",
    "Benefit",
    "BenefitTerms",
    "Ended",
    "Failure",
    "Kind",
    "OnDowngrade",
    "Picture",
    "Proof",
    "Rating",
    "Right",
    "RightState",
    "Source",
    "Step",
    "StepKind",
]
