"""A ladder to climb, members on it, and what they gather."""

from copy import deepcopy
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction

from programme import documents, operations, queries
from programme.models import Version
from tests.factories import brand
from tests.factories.programme import PLAIN
from tiers import operations as tiers
from tiers.models import Decision, Standing
from tiers.operations import Measured

ZONE = ZoneInfo("Asia/Shanghai")
YEAR = {"months": 12}


def names(text):
    return {"zh-hans": text, "en": text}


def points(at_least, **more):
    return {"measure": "points", "at_least": str(at_least), **more}


def spend(at_least, **more):
    return {"measure": "spend", "at_least": str(at_least), **more}


def level(code, **more):
    return {"code": code, "names": names(code.title()), "color": "#9aa0a6", **more}


BASE = level("regular")
SILVER = level(
    "silver",
    upgrade={"any": [points(10000), spend(5000, window=YEAR)]},
    keep=points(5000),
    validity={"months": 24},
)
GOLD = level(
    "gold",
    upgrade={"any": [points(20000), spend(10000, window=YEAR)]},
    keep=points(8000),
    validity={"months": 24},
)
RETAIL = {"levels": [BASE, SILVER, GOLD]}


def simple(*thresholds, window="since_change", months=12, **terms):
    """Tiers t1, t2 … by points, each valid for some months."""
    rungs = [
        level(f"t{number}", upgrade=points(at_least), validity={"months": months})
        for number, at_least in enumerate(thresholds, start=1)
    ]
    return {"levels": [BASE, *rungs], "window": window, **terms}


def document(section=RETAIL, *, valid_from="2020-01-01"):
    brand()
    content = deepcopy(documents.parse(PLAIN.read_text()))
    return content | {"tiers": section, "valid_from": valid_from}


def publish(section=RETAIL, *, valid_from="2020-01-01") -> Version:
    version = operations.load(
        document=document(section, valid_from=valid_from), published_at=datetime.now(UTC)
    ).version
    queries.forget_cached()
    return version


def noon(day: date | str) -> datetime:
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(day, time(12), ZONE)


def gather(of, day, *, now=None, **amounts) -> Decision | None:
    """Tell what a member did on a day, as who posts it does."""
    if "spend" in amounts:
        amounts["spend"] = Decimal(amounts["spend"])
    at = noon(day)
    with transaction.atomic():
        return tiers.gathered(
            member=of,
            at=at,
            measured=Measured(**amounts),
            rulebook=queries.rulebook_on(at.date()),
            now=noon(now) if now else None,
        )


def standing(of) -> Standing:
    return Standing.objects.get(pk=of.id)


def decisions(of) -> list[tuple[str, str, str, str]]:
    """Kind, from, to and the day, oldest first."""
    found = Decision.objects.filter(member=of.id).order_by("pk")
    return [
        (each.kind, each.from_level, each.to_level, each.effective_on.isoformat()) for each in found
    ]
