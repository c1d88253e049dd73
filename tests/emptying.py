"""Emptying tables that refuse it to their owner too (tests/points/test_models.py)."""

from collections.abc import Sequence

APPEND_ONLY = (
    "points_entry",
    "points_activity",
    "points_funding",
    "points_notice",
    "common_auditrecord",
    "benefits_step",
    "benefits_couponstep",
    "benefits_couponconflict",
    "benefits_orderstep",
    "benefits_paymentnews",
    "benefits_itempicture",
    "benefits_stockmove",
    "benefits_drawoutcome",
    "benefits_prizehandover",
    "tiers_beginning",
    "tiers_decision",
    "tiers_downgradewarning",
    "messaging_choice",
    "members_consenttext",
    "members_consent",
    "members_mergepart",
    "campaigns_evaluation",
    "campaigns_segmentmember",
)


def around_the_triggers(statements: Sequence[str]) -> list[str]:
    """The same statements, with the owner stepping around the triggers for them."""
    return [*_switch("DISABLE"), *statements, *_switch("ENABLE")]


def _switch(how: str) -> list[str]:
    return [f"ALTER TABLE {table} {how} TRIGGER append_only" for table in APPEND_ONLY]
