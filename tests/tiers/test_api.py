"""A member's tier over REST."""

import pytest
import time_machine

from partners.models import Scope
from tests import factories
from tests.factories import identity
from tests.tiers.ladder import BASE, gather, level, noon, points, publish, simple, spend
from tests.till import Till, refused
from tiers import operations

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return identity()


@pytest.fixture
def till():
    return Till(factories.api_client(factories.store(code="S1").organization))


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(noon("2026-06-15"), tick=False):
        yield


def ask(till, of):
    answer = till.ask(f"members/{of.number}/tier/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def threshold(measure, at_least, total, **more):
    return {
        "measure": measure,
        "at_least": at_least,
        "total": total,
        "met": False,
        "window_from": None,
        "window_to": "2026-06-15",
    } | more


class TestTier:
    def test_tells_where_a_member_stands_and_what_is_missing(self, till, of):
        publish()
        gather(of, "2025-08-01", points=10000)
        gather(of, "2026-06-01", points=700, spend="300.50")

        answer = ask(till, of)

        regular, silver, gold = (
            {"code": code, "names": {"zh-hans": code.title(), "en": code.title()}}
            for code in ("regular", "silver", "gold")
        )
        assert answer == {
            "member": of.number,
            "tier": silver,
            "earned": silver,
            "by_hand": False,
            "since": "2025-08-01",
            "valid_until": "2027-08-01",
            "next": {
                "tier": gold,
                "criterion": {
                    "needed": 1,
                    "thresholds": [
                        threshold("points", "20000", "700", window_from="2025-08-02"),
                        threshold("spend", "10000", "300.5", window_from="2025-06-16"),
                    ],
                    "criteria": [],
                    "met": False,
                },
            },
            "keep": {
                "tier": silver,
                "criterion": {
                    "needed": 1,
                    "thresholds": [
                        threshold(
                            "points", "5000", "700", window_from="2025-08-02",
                            window_to="2027-08-01",
                        )
                    ],
                    "criteria": [],
                    "met": False,
                },
            },
            "keep_by": "2027-08-01",
            "falls_on": "2027-08-02",
            "projected": regular,
        }  # fmt: skip

    def test_of_who_never_did_anything_is_the_base(self, till, of):
        publish()

        answer = ask(till, of)

        assert answer["tier"]["code"] == answer["projected"]["code"] == "regular"
        assert (answer["since"], answer["valid_until"], answer["keep"]) == (None, None, None)
        assert answer["next"]["criterion"]["thresholds"][0]["total"] == "0"

    def test_at_the_top_there_is_no_next_one(self, till, of):
        publish(simple(100))
        gather(of, "2026-06-01", points=100)

        assert ask(till, of)["next"] is None

    def test_what_is_kept_already_does_not_fall(self, till, of):
        publish(simple(100))
        gather(of, "2026-01-01", points=100)
        gather(of, "2026-02-01", points=100)

        answer = ask(till, of)

        assert (answer["falls_on"], answer["projected"]["code"]) == (None, "t1")

    def test_shows_the_earned_tier_beneath_one_by_hand(self, till, of):
        publish()
        operations.set_manual(
            member=of, level="gold", until=None, reason="活动", at=noon("2026-06-15"),
            by=factories.staff(),
        )  # fmt: skip

        answer = ask(till, of)

        assert (answer["tier"]["code"], answer["earned"]["code"]) == ("gold", "regular")
        assert answer["by_hand"] is True
        assert answer["next"]["tier"]["code"] == "silver"

    def test_tells_criteria_within_criteria(self, till, of):
        either = {"any": [points(100), spend(50)]}
        rung = level("t1", upgrade={"all": [either, {"measure": "products", "at_least": "1"}]})
        publish({"levels": [BASE, rung]})

        whole = ask(till, of)["next"]["criterion"]

        assert whole["needed"] == 2
        assert whole["thresholds"] == [
            threshold("products", "1", "0", window_to=None),
        ]
        [within] = whole["criteria"]
        assert (within["needed"], len(within["thresholds"])) == (1, 2)

    def test_is_null_where_the_programme_has_no_tiers(self, till, of):
        publish({"levels": []})

        answer = ask(till, of)

        assert answer.pop("member") == of.number
        assert set(answer.values()) == {None}


class TestWhoMayAsk:
    def test_another_organization_may_as_for_the_balance(self, of):
        publish()
        gather(of, "2026-06-01", points=10000)
        other = factories.store(code="S2").organization

        assert ask(Till(factories.api_client(other)), of)["tier"]["code"] == "silver"

    def test_a_client_needs_the_scope_of_the_balance(self, of):
        publish()
        client = factories.api_client(factories.brand(), scopes=[Scope.MEMBERS_READ])

        refused(Till(client).ask(f"members/{of.number}/tier/"), 403, "insufficient_scope")
        refused(Till(None).ask(f"members/{of.number}/tier/"), 401, "not_authenticated")

    @pytest.mark.parametrize("number", ["M0000000000", "M9999999997", "x"])
    def test_an_unknown_member_is_404(self, till, number):
        publish()

        refused(till.ask(f"members/{number}/tier/"), 404, "unknown_member")

    def test_costs_few_queries_however_long_the_history(
        self, till, of, django_assert_max_num_queries
    ):
        publish()
        for month in range(1, 7):
            gather(of, f"2026-{month:02d}-01", points=10)
        ask(till, of)

        with django_assert_max_num_queries(4):
            ask(till, of)
