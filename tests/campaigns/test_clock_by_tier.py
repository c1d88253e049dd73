"""Points of a pre-registered member begin to run at activation, with their tier's time (M3, P6)."""

from datetime import UTC, date, datetime

import pytest

from points import operations as points
from points.models import Lot
from tests.factories import buy, identity, rulebook
from tests.tiers.ladder import simple

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 2, tzinfo=UTC)
APRIL = datetime(2026, 4, 2, tzinfo=UTC)


@pytest.fixture
def bought():
    """Points at the base tier, then points at t1, of somebody who is not activated."""

    def of(until):
        validity = {"months": 6, "until": until, "extra_months": {"t1": 1}}
        rulebook(
            valid_from="2026-01-01",
            clock="activation",
            validity=validity,
            sections={"tiers": simple(10, months=24)},
        )
        who = identity(active=False)
        buy(who, "100", at=MARCH)
        buy(who, "200", at=APRIL)
        return who

    return of


def last_days(of):
    lots = Lot.objects.filter(member_id=of.id).order_by("remaining")
    return dict(lots.values_list("remaining", "expires_on"))


@pytest.mark.parametrize(
    ("until", "activated_on", "base", "t1"),
    [
        ("day", "2026-08-15", date(2027, 2, 15), date(2027, 3, 15)),
        # The 31st of a month that has none is its last day; a month more begins from the 31st.
        ("day", "2026-08-31", date(2027, 2, 28), date(2027, 3, 31)),
        ("month_end", "2026-08-01", date(2027, 2, 28), date(2027, 3, 31)),
        ("month_end", "2027-08-31", date(2028, 2, 29), date(2028, 3, 31)),
        ("year_end", "2026-06-30", date(2026, 12, 31), date(2027, 12, 31)),
    ],
)
def test_each_lives_as_long_as_the_tier_it_was_judged_at_says(
    bought, until, activated_on, base, t1
):
    of = bought(until)
    assert set(last_days(of).values()) == {date(9999, 12, 31)}
    at = datetime.fromisoformat(f"{activated_on}T04:00:00+00:00")

    points.start_clock(member_id=of.id, activated_at=at)

    assert last_days(of) == {10: base, 20: t1}
    assert points.start_clock(member_id=of.id, activated_at=at) is None
    assert last_days(of) == {10: base, 20: t1}
