"""Tiers with benefits, members on them, and what they are granted."""

from copy import deepcopy
from datetime import UTC, date, datetime

from benefits import operations, queries
from benefits.models import Proof, Right, Step
from benefits.nightly.rights import grant_rights, lapse_rights
from common import events
from programme import documents
from programme import operations as programmes
from programme import queries as programmes_queries
from tests.factories import brand, identity
from tests.factories.programme import PLAIN
from tests.tiers.ladder import noon, simple
from tiers.models import Decision, Standing

STORE_SAYS = operations.Shown(proof=Proof.STORE)
# Three tiers: regular, t1 from 10 points, t2 from 20.
LADDER = simple(10, 20, months=24)


def named(code, **more):
    return {"code": code, "names": {"zh-hans": code, "en": code.title()}, **more}


def service(code, per="month", *, lapse_days=None, on_downgrade=None, cost="10", **times):
    """So many a period for each tier: service("wash", t1=1, t2=2)."""
    optional = {"lapse_days": lapse_days, "on_downgrade": on_downgrade, "cost": cost}
    return named(
        code,
        source="own",
        kind="service",
        tiers={level: {per: count} for level, count in times.items()},
        **{name: value for name, value in optional.items() if value},
    )


def always(code, *levels, kind="service"):
    return named(code, source="own", kind=kind, tiers={each: {"always": True} for each in levels})


def discount(code, *, categories=None, days_of_month=None, **pays):
    optional = {"categories": categories, "days_of_month": days_of_month}
    return named(
        code,
        source="own",
        kind="discount",
        tiers={level: {"pays": percent} for level, percent in pays.items()},
        **{name: value for name, value in optional.items() if value},
    )


def document(*benefits, tiers=LADDER, valid_from="2020-01-01", **terms):
    brand()
    content = deepcopy(documents.parse(PLAIN.read_text()))
    section = {"benefits": {"of_tiers": list(benefits), **terms}}
    return content | {"tiers": tiers, "valid_from": valid_from} | section


def publish(*benefits, **options):
    version = programmes.load(
        document=document(*benefits, **options), published_at=datetime.now(UTC)
    ).version
    programmes_queries.forget_cached()
    return version


def someone(**fields):
    """A member of whose joining everybody has heard: they have what the base has today."""
    one = identity(**fields)
    told()
    return one


def on(level, *, since="2026-01-01", **fields):
    """A member who stands on a tier."""
    one = someone(**fields)
    stand(one, level, since=since)
    return one


def stand(one, level, *, since="2026-01-01"):
    day = date.fromisoformat(since)
    Decision.objects.create(
        member_id=one.id, kind="START", from_level="regular", to_level=level, earned=level,
        effective_on=day, decided_at=noon(day), granted=True,
    )  # fmt: skip
    Standing.objects.update_or_create(
        pk=one.id,
        defaults={"level": level, "earned": level, "since": day, "valid_until": date(2030, 1, 1)},
    )


def night(day):
    """The jobs of a night that concern rights, in their order."""
    day = date.fromisoformat(day)
    lapse_rights(day=day)
    return grant_rights(day=day)["rights"]


def told():
    """Deliver what rooms have told each other."""
    while events.deliver_waiting(now=datetime(2100, 1, 1, tzinfo=UTC)):
        pass


def rights(of, **only):
    """Period, number and state of each right of a member."""
    found = Right.objects.filter(member=of.id, **only).order_by("benefit", "period", "ordinal")
    return [(each.benefit, each.period, each.ordinal, each.state) for each in found]


def steps(right):
    found = Step.objects.filter(right=right).order_by("nth")
    return [(each.nth, each.kind) for each in found]


def deliver(of, benefit, day="2026-07-05", **more):
    return operations.deliver(
        member=of, benefit=benefit, **{"shown": STORE_SAYS, "at": noon(day)} | more
    )


def left(of, benefit, day="2026-07-05"):
    found = {each.benefit.code: each for each in queries.offers(of.id, date.fromisoformat(day))}
    return found[benefit].left if benefit in found else None
