"""
A member's year and a bit: joins at a dealer, buys, spends, returns, loses what lapsed, leaves.

Read it to see what the platform does. Every figure is worked out in the comments.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine

from campaigns import operations as campaigns
from campaigns.earning import Line
from common import tasks as common_tasks
from members import operations as members
from members import queries as members_queries
from points import operations as points
from points import queries
from tests.factories import dealer, plain, store

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(month, day, hour=12, year=2026):
    return datetime(year, month, day, hour, tzinfo=SHANGHAI)


def nights(first, last):
    """What beat does every night at ten past midnight."""
    day = first
    while day <= last:
        with time_machine.travel(datetime(day.year, day.month, day.day, 0, 10, tzinfo=SHANGHAI)):
            common_tasks.work()
        day += timedelta(days=1)


def test_a_member_year():
    # The programme `plain`: a point per 10 yuan, rounded down per document, good for 12 months
    # and to the end of that month.
    plain()
    garage = store(dealer(name="浦东店"))
    origin = points.Source(issuer_id=garage.organization_id, store_id=garage.pk)

    def buy(member, reference, amount, when, *lines):
        return campaigns.post_purchase(
            purchase=campaigns.Purchase(
                member=member,
                reference=reference,
                at=when,
                amount=Decimal(amount),
                lines=[Line(number, category, Decimal(value)) for number, category, value in lines],
                source=origin,
            ),
            now=when,
        )

    # 1 March: the garage pre-registers the owner of a new car, who may earn but not yet spend.
    owner = members.enroll(
        profile=members.Profile(name="王小明", phone="13812345678"),
        joined_at=at(3, 1),
        active=False,
        store_id=garage.pk,
        product=members.ProductFacts(identifier="LSVAA49J132047371", name="轿车"),
    )
    member = members_queries.identify(owner.number)
    # 268.00 is worth 26.8 points: 26, good to 31 March 2027.
    first = buy(
        member, "W-1", "268.00", at(3, 1), ("1", "labour", "120.00"), ("2", "parts", "148.00")
    )
    assert first.posting == points.Posting(seq=1, balance_after=26)
    with pytest.raises(members_queries.MemberNotActivated):
        points.redeem(member=member, points=5, at=at(3, 2), reference="G-0", source=origin)

    # 5 March: the phone is proved. The till sends the first bill once more; nothing happens.
    members.activate(member_id=owner.pk, activated_at=at(3, 5))
    member = members_queries.identify(owner.number)
    assert buy(
        member, "W-1", "268.00", at(3, 1), ("1", "labour", "120.00"), ("2", "parts", "148.00")
    ).replayed

    # 10 June: 1,234.50 → 123 points, good to 30 June 2027. 149 in all.
    buy(member, "W-2", "1234.50", at(6, 10))
    # 20 June: 100 points for a car wash: all 26 of March, which lapse first, and 74 of June.
    wash = points.redeem(
        member=member, points=100, at=at(6, 20), reference="G-1", source=origin, note="洗车"
    )
    assert wash.balance_after == 49

    # 1 July: parts for 1,000.00 come back. What is kept, 234.50, is worth 23 of the 123 points.
    # Of the 100 to take back 49 are there; 51 are owed.
    bought = campaigns.find_purchase(issuer_id=origin.issuer_id, reference="W-2")
    back = campaigns.post_return(
        returned=campaigns.Return(
            purchase=bought,
            member=member,
            reference="W-2-R",
            at=at(7, 1),
            amount=Decimal("1000.00"),
            source=origin,
        ),
        now=at(7, 1),
    )
    assert back.posting.balance_after == -51
    with pytest.raises(points.InsufficientPoints):
        points.redeem(member=member, points=1, at=at(7, 2), reference="G-2", source=origin)

    # 15 September: 1,000.00 → 100 points pay the 51; 49 are there, good to 30 September 2027.
    assert buy(member, "W-3", "1000.00", at(9, 15)).posting.balance_after == 49
    # A bill of 28 February turns up late: 50 points, good to 28 February 2027.
    assert buy(member, "W-0", "500.00", at(2, 28)).posting.balance_after == 99

    assert queries.expiries(owner.pk, on=date(2026, 9, 16)) == [
        queries.Expiry(date(2027, 2, 28), 50),
        queries.Expiry(date(2027, 9, 30), 49),
    ]

    # The night of 1 March 2027 writes off the 50; the nights around it find nothing to do.
    assert queries.spendable_points(owner.pk, on=date(2027, 2, 28)) == 99
    assert queries.spendable_points(owner.pk, on=date(2027, 3, 1)) == 49
    assert queries.balance(owner.pk) == 99
    nights(date(2027, 2, 27), date(2027, 3, 2))
    assert queries.balance(owner.pk) == 49

    # 1 April: the member leaves, and with that the last 49 end.
    with time_machine.travel(at(4, 1, year=2027), tick=False):
        members.close(
            member_id=owner.pk, closed_at=at(4, 1, year=2027), by=None, reason="sold the car"
        )
        common_tasks.deliver_waiting_events()

    statement = [
        (entry.seq, entry.kind, entry.points, entry.balance_after, entry.effective_at)
        for entry in queries.statement(owner.pk)
    ]
    assert statement == [
        (8, "FORFEIT", -49, 0, at(4, 1, year=2027)),
        (7, "EXPIRE", -50, 49, at(3, 1, 0, year=2027)),
        (6, "EARN", 50, 99, at(2, 28)),
        (5, "EARN", 100, 49, at(9, 15)),
        (4, "REVERSE", -100, -51, at(7, 1)),
        (3, "REDEEM", -100, 49, at(6, 20)),
        (2, "EARN", 123, 149, at(6, 10)),
        (1, "EARN", 26, 26, at(3, 1)),
    ]

    # As of any day, told from the end: what happened counts on its day, however late it came in.
    assert {
        day: queries.balance_as_of(owner.pk, day)
        for day in (
            date(2026, 2, 27),
            date(2026, 2, 28),
            date(2026, 6, 10),
            date(2026, 7, 1),
            date(2026, 9, 15),
            date(2027, 2, 28),
            date(2027, 3, 1),
            date(2027, 4, 1),
        )
    } == {
        date(2026, 2, 27): 0,
        date(2026, 2, 28): 50,
        date(2026, 6, 10): 199,
        date(2026, 7, 1): -1,
        date(2026, 9, 15): 99,
        date(2027, 2, 28): 99,
        date(2027, 3, 1): 49,
        date(2027, 4, 1): 0,
    }
    totals = queries.totals(as_of=date(2027, 4, 1))
    assert (totals.earned, totals.redeemed, totals.taken_back, totals.expired) == (
        299,
        100,
        100,
        99,
    )
    assert totals.outstanding == 0
