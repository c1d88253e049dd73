"""
The programme's policies: the decisions a rulebook version takes beside its rules.

Only what some room reads stands here; each is documented in docs/programme.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from programme.policies._bills import BILLS_SCHEMA, POINTS_MAX, BillTerms, worth
from programme.policies._contradictions import contradictions, of_funding
from programme.policies._days import NEVER, days_from, months_from
from programme.policies._groups import GROUPS_SCHEMA, GroupTerms
from programme.policies._orders import ORDERS_SCHEMA, OrderTerms
from programme.policies._terms import (
    AT_ONCE,
    BY_EVENT,
    FUNDING_SCHEMA,
    NOTICES_SCHEMA,
    POINTS,
    ROUNDING_SCHEMA,
    TRANSFERS_SCHEMA,
    VESTING_SCHEMA,
    WHOLE,
    FundingShare,
    Joining,
    Lead,
    Notices,
    Rounding,
    TransferLimit,
    Vest,
    Vesting,
)
from programme.policies._validity import (
    VALIDITY_SCHEMA,
    Cycle,
    ForMonths,
    Inactivity,
    UntilDate,
    UntilDayOfYear,
    Validity,
)

__all__ = [
    "AT_ONCE",
    "BY_EVENT",
    "FUNDING_SCHEMA",
    "NEVER",
    "POINTS_MAX",
    "POLICIES_SCHEMA",
    "BillTerms",
    "Cycle",
    "ForMonths",
    "FundingShare",
    "GroupTerms",
    "Inactivity",
    "Joining",
    "Lead",
    "Notices",
    "OrderTerms",
    "Policies",
    "Rounding",
    "TransferLimit",
    "UntilDate",
    "UntilDayOfYear",
    "Validity",
    "Vest",
    "Vesting",
    "contradictions",
    "days_from",
    "months_from",
    "of_funding",
    "worth",
]

# Unless a version says otherwise, and before there is one.
ERASURE_DAYS = 15

POLICIES_SCHEMA = {
    "type": "object",
    "properties": {
        "validity": VALIDITY_SCHEMA,
        "clock": {"enum": ["earning", "activation"]},
        "rounding": ROUNDING_SCHEMA,
        "return_after_spending": {"enum": ["debt", "write_off", "refuse"]},
        "vesting": VESTING_SCHEMA,
        "notices": NOTICES_SCHEMA,
        "reinstatement_days": {"type": "integer", "minimum": 0, "maximum": 366},
        "holds": {
            "type": "object",
            "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 7 * 24 * 60}},
            "required": ["minutes"],
            "additionalProperties": False,
        },
        "bills": BILLS_SCHEMA,
        "orders": ORDERS_SCHEMA,
        "adjustment_limit": POINTS | {"type": ["integer", "null"], "minimum": 0},
        "transfers": TRANSFERS_SCHEMA,
        "groups": GROUPS_SCHEMA,
        "funding": FUNDING_SCHEMA,
        "product_identifiers": {"enum": ["any", "vin"]},
        "erasure_days": {"type": "integer", "minimum": 0, "maximum": 90},
        "joining": {"enum": [option.value for option in Joining]},
        "application_days": {"type": "integer", "minimum": 1, "maximum": 366},
    },
    "required": ["validity", "rounding", "return_after_spending"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Policies:
    validity: Validity
    rounding: Rounding
    return_after_spending: str
    # Points of a pre-registered member wait; their validity starts on the day of activation.
    clock_from_activation: bool = False
    vesting: Vesting = field(default_factory=Vesting)
    notices: Notices = field(default_factory=Notices)
    # Points given back to their own lots live at least so many days more.
    reinstatement_days: int = 30
    # How long a hold lasts unless the till says less.
    hold_minutes: int = 15
    # How points pay a part of a bill at the counter. None: there they cannot.
    bills: BillTerms | None = None
    orders: OrderTerms = field(default_factory=OrderTerms)
    # A correction of more points, up or down, needs a second person. None: none does; 0: all do.
    adjustment_limit: int | None = None
    # None: members cannot give points away.
    transfer_limits: tuple[TransferLimit, ...] | None = None
    # By the kind; kinds that are not named there are none.
    groups: Mapping[str, GroupTerms] = field(default_factory=dict, hash=False)
    funding: tuple[FundingShare, ...] = (FundingShare(FundingShare.BRAND, WHOLE),)
    # Products are cars: what binds one has 17 characters and a check digit that fits.
    asks_for_vins: bool = False
    # For so many days a member who asked to be forgotten can take it back.
    erasure_days: int = ERASURE_DAYS
    # Whether somebody decides who becomes a member, and whose staff.
    joining: Joining = Joining.OPEN
    # An application nobody decided ends after so many days. None: it waits until somebody does.
    application_days: int | None = None

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Policies":
        """Read what POLICIES_SCHEMA has accepted and has no `contradictions`."""
        given: dict[str, Any] = {
            name: document[name]
            for name in (
                "reinstatement_days",
                "adjustment_limit",
                "erasure_days",
                "application_days",
            )
            if name in document
        }
        if "vesting" in document:
            given["vesting"] = Vesting.parse(document["vesting"])
        if "notices" in document:
            given["notices"] = Notices.parse(document["notices"])
        if "holds" in document:
            given["hold_minutes"] = document["holds"]["minutes"]
        if "bills" in document:
            given["bills"] = BillTerms.parse(document["bills"])
        if "orders" in document:
            given["orders"] = OrderTerms.parse(document["orders"])
        if "transfers" in document:
            limits = document["transfers"]["limits"]
            given["transfer_limits"] = tuple(TransferLimit(**limit) for limit in limits)
        if "groups" in document:
            given["groups"] = GroupTerms.parse_all(document["groups"])
        if "funding" in document:
            given["funding"] = tuple(FundingShare.parse(share) for share in document["funding"])
        return cls(
            validity=Validity.parse(document["validity"]),
            rounding=Rounding(**document["rounding"]),
            return_after_spending=document["return_after_spending"],
            clock_from_activation=document.get("clock") == "activation",
            asks_for_vins=document.get("product_identifiers") == "vin",
            joining=Joining(document.get("joining", Joining.OPEN)),
            **given,
        )
