"""Whatever members do, and in whatever order it is told: no cap is ever exceeded in its period."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.activity_rules import compiled, span
from campaigns.limits import rooms
from points.models import Account, Activity
from tests.factories import buy, identity
from tests.factories.activities import cap, do, kind, rewarding

pytestmark = pytest.mark.django_db

FIRST = datetime(2026, 1, 28, 4, tzinfo=UTC)
KINDS = ["share", "event", "survey"]
PERIODS = ["day", "week", "month_quarter", "month", "year", "lifetime"]

limits = st.one_of(
    st.fixed_dictionaries({"points": st.integers(0, 60)}),
    st.fixed_dictionaries({"times": st.integers(0, 4)}),
)
caps = st.lists(
    st.tuples(
        st.sets(st.sampled_from(KINDS), min_size=1) | st.just({"activities"}),
        st.sampled_from(PERIODS),
        limits,
    ),
    min_size=1,
    max_size=4,
)
# What is done on which day; None: a purchase.
history = st.lists(
    st.tuples(st.sampled_from([*KINDS, None]), st.integers(0, 40)), min_size=1, max_size=20
)


class Undone(Exception):
    pass


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(caps, st.booleans(), history)
def test_no_cap_is_exceeded_in_any_period(asked, has_share, events):
    with pytest.raises(Undone):
        _undone(asked, has_share, events)


@transaction.atomic
def _undone(asked, has_share, events):
    _live(asked, has_share, events)
    raise Undone


def _live(asked, has_share, events):
    compiled.cache_clear()
    told = [
        cap(f"cap-{nth}", *sorted(of), per=per, **limit)
        for nth, (of, per, limit) in enumerate(asked)
    ]
    if has_share:
        told.append(cap("half", "activities", share="50", of_type="consumption"))
    version = rewarding(
        kinds=[
            kind("share", 7),
            kind("event", 20, once_per="day"),
            kind("survey", 1),
        ],
        caps=told,
    )
    of = identity()
    for code, days in events:
        at = FIRST + timedelta(days=days)
        if code is None:
            buy(of, "300.00", at=at)
        else:
            granted = do(of, code, at=at)
            cut = sum(each["points"] for each in granted.explanation["cut"])
            assert granted.explanation["points"] + cut == granted.explanation["worth"]

    given_ = Activity.objects.filter(member_id=of.id, points__gt=0).exclude(code=None)
    for rule in compiled(version.pk).caps:
        for day in {FIRST.date() + timedelta(days=days) for _code, days in events}:
            [room] = rooms(member_id=of.id, caps=[rule], day=day)
            used = room.used.times if rule.times is not None else room.used.points
            assert used <= room.limit, (rule, span(rule.per, day))
    balance = Account.objects.filter(pk=of.id).values_list("balance", flat=True).first() or 0
    bought = sum(1 for code, _days in events if code is None)
    assert balance == 30 * bought + sum(each.points for each in given_)
