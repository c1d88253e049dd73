"""Campaigns of a programme, and versions that have them."""

from campaigns.activity_rulebook import DEFAULT
from programme.models import Version
from tests.factories.partners import main_store
from tests.factories.programme import rulebook

# Around tests.factories.points.NOON.
JUNE = {"from": "2026-06-01", "until": "2026-06-30"}


def plan(code: str, *of: str, **fields) -> dict:
    return {
        "code": code,
        "names": {"zh-hans": f"活动{code}", "en": f"The {code}"},
        "kind": "festival",
        "of": list(of),
    } | (JUNE | fields)


def campaigning(*plans, rules=None, boosts=None, valid_from="1900-01-02", **activities) -> Version:
    """A published version of `plain` with these campaigns."""
    main_store()
    sections = {"campaigns": {"plans": list(plans)}}
    if activities:
        sections["activities"] = DEFAULT | activities
    return rulebook(rules=rules, boosts=boosts, sections=sections, valid_from=valid_from)
