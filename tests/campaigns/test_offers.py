"""What one member can gain by a purchase today."""

from datetime import date

import pytest
from django.utils import translation

from campaigns import offers
from tests.factories.plans import campaigning, plan

pytestmark = pytest.mark.django_db
DAY = date(2026, 6, 15)


def boost(code, **when):
    return {"code": code, "gives": {"percent": "10"}, "when": when}


def told(**who):
    who = {"on": DAY, "tier": None, "birthday": None, "has_bought": True} | who
    return [offer.name for offer in offers.offers(**who)]


def test_those_of_the_day_the_birthday_and_the_first_purchase_are_for_whom_they_are():
    campaigning(
        boosts=[
            boost("always"),
            boost("stores", stores=["S1"], min_amount="100"),
            boost("june", dates=[{"from": "2026-06-01", "until": "2026-06-30"}]),
            boost("july", months=[7]),
            boost("monday", weekdays=["mon"]),
            boost("tuesday", weekdays=["tue"]),
            boost("birthday", birthday="month"),
            boost("first", first_purchase=True),
        ]
    )

    assert told() == ["always", "stores", "june", "monday"]
    assert told(birthday=date(1990, 6, 1)) == ["always", "stores", "june", "monday", "birthday"]
    assert told(has_bought=False)[-1] == "first"
    assert told(on=date(2026, 7, 7)) == ["always", "stores", "july", "tuesday"]


def test_a_campaign_says_until_when_and_one_without_boosts_stands_by_itself():
    campaigning(
        plan("a", "more"), plan("b", "base"), plan("c", "later", **{"from": "2026-06-20"}),
        rules=[{"code": "base", "points": "1", "per_amount": "10"}],
        boosts=[boost("more"), boost("later")],
    )  # fmt: skip

    with translation.override("zh-hans"):
        [more, other] = offers.offers(on=DAY, tier=None, birthday=None, has_bought=True)

    assert (more.name, more.campaign, more.until) == ("more", "活动a", date(2026, 6, 30))
    assert "10" in more.gives
    assert (other.name, other.gives, other.until) == ("活动b", "", date(2026, 6, 30))


def test_without_a_rulebook_there_are_none():
    assert told() == []
