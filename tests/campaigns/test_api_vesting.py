"""Pending points over REST: what waits, for what, and what makes it spendable."""

from datetime import timedelta

import pytest
import time_machine

from points import operations
from points.models import Entry, EntryKind
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused, wrong_places

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"
VESTING = {"days": 0, "categories": {"vehicle": {"event": True}, "parts": {"days": 7}}}
LINES = [
    {"line": "1", "category": "labour", "amount": "120.00"},
    {"line": "2", "category": "parts", "amount": "100.00"},
    {"line": "3", "category": "vehicle", "amount": "5000.00"},
    {"line": "4", "category": "vehicle", "amount": "1000.00"},
]
WAITS = [
    {"line": "2", "points": 10, "vests_on": "2026-06-22"},
    {"line": "3", "points": 500, "vests_on": None},
    {"line": "4", "points": 100, "vests_on": None},
]


@pytest.fixture
def store():
    factories.rulebook(vesting=VESTING)
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def of(store):
    return factories.identity()


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def bought(till, of):
    """The answer to a purchase of a car, parts and labour."""
    return till.send(
        "purchases/",
        {
            "reference": "R-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "amount": "6220.00",
            "lines": LINES,
        },
    )


def vest(till, *, of="R-1", **changes):
    return till.send(f"purchases/{of}/vesting/", {"reference": "D-1"} | changes)


def account(till, of):
    found = till.ask(f"members/{of.number}/account/").json()
    return found["spendable"], found["pending"]


class TestPurchase:
    def test_tells_what_waits_line_by_line(self, till, of, bought):
        document = bought.json()

        assert bought.status_code == 201
        assert (document["points"], document["pending"]) == (622, WAITS)
        assert (document["entry"]["points"], document["entry"]["pending"]) == (12, 610)
        assert document["entry"]["balance_after"] == 12
        assert account(till, of) == (12, 610)

    def test_repeated_tells_the_same_also_when_nothing_waits_any_more(self, till, of, bought):
        vest(till)
        again = till.send(
            "purchases/",
            {
                "reference": "R-1",
                "member": of.number,
                "store": "S1",
                "at": AT,
                "amount": "6220.00",
                "lines": LINES,
            },
        )

        assert (again.status_code, again.content) == (200, bought.content)

    def test_read_back_tells_what_waits_still(self, till, of, bought):
        vest(till, line="3")
        till.send(
            "purchases/R-1/returns/",
            {
                "reference": "T-1",
                "amount": "500",
                "lines": [{"line": "4", "amount": "500"}],
            },
        )

        found = till.ask("purchases/R-1/").json()

        assert found["pending"] == WAITS
        assert found["still_pending"] == [WAITS[0], WAITS[2] | {"points": 50}]

    def test_a_quote_tells_what_would_wait(self, till, store):
        quote = till.send(
            "quotes/", {"store": "S1", "at": AT, "amount": "6220.00", "lines": LINES}
        ).json()

        assert (quote["points"], quote["pending"]) == (622, WAITS)

    def test_without_lines_waits_as_a_whole(self, till, of, clock):
        factories.rulebook(valid_from="2026-06-15", vesting={"event": True})
        bill = {"reference": "R-2", "member": of.number, "store": "S1", "amount": "268"}

        answer = till.send("purchases/", bill).json()

        assert answer["pending"] == [{"line": "", "points": 26, "vests_on": None}]
        assert (answer["entry"]["points"], answer["entry"]["pending"]) == (0, 26)
        assert vest(till, of="R-2").json()["entry"]["points"] == 26


class TestVesting:
    def test_of_a_line_makes_its_points_spendable(self, till, of, bought, clock):
        clock.shift(timedelta(minutes=30))

        answer = vest(till, line="3")

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "D-1",
            "purchase": "R-1",
            "member": of.number,
            "store": "S1",
            "at": "2026-06-15T12:30:00+08:00",
            "line": "3",
            "entry": {
                "entry": f"{of.number}-2",
                "points": 500,
                "pending": -500,
                "balance_after": 512,
                "expires_on": "2027-06-30",
            },
        }
        assert account(till, of) == (512, 110)
        [entry, _earned] = till.ask(f"members/{of.number}/entries/").json()["results"]
        assert (entry["kind"], entry["line"], entry["reverses"]) == (
            "VEST",
            "3",
            f"{of.number}-1",
        )

    def test_of_all_of_it_takes_what_would_vest_later_too(self, till, of, bought):
        answer = vest(till)

        assert (answer.status_code, answer.json()["line"]) == (201, None)
        assert answer.json()["entry"]["points"] == 610
        assert account(till, of) == (622, 0)

    @pytest.mark.parametrize("given", [{}, {"line": "3"}])
    def test_repeated_answers_the_same(self, till, of, bought, clock, given):
        first = vest(till, **given)
        clock.shift(timedelta(minutes=50))

        again = vest(till, **given)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert Entry.objects.filter(kind=EntryKind.VEST).count() == 1

    @pytest.mark.parametrize("given", [{}, {"line": "4"}])
    def test_the_reference_of_another_one_is_refused(self, till, of, bought, given):
        vest(till, line="3")

        refused(vest(till, **given), 409, "reference_reused")

        assert account(till, of) == (512, 110)

    def test_again_under_another_reference_finds_nothing(self, till, of, bought):
        vest(till, line="3")

        refused(vest(till, line="3", reference="D-2"), 409, "nothing_pending")

    @pytest.mark.parametrize("line", ["1", "9"])
    def test_of_a_line_that_does_not_wait_is_refused(self, till, of, bought, line):
        refused(vest(till, line=line), 409, "nothing_pending")

        assert account(till, of) == (12, 610)

    def test_of_a_purchase_that_earned_nothing_is_refused(self, till, of):
        bill = {"reference": "R-2", "member": of.number, "store": "S1", "amount": "1"}
        till.send("purchases/", bill)

        refused(vest(till, of="R-2"), 409, "nothing_pending")

    def test_gives_what_a_return_has_left_of_it(self, till, of, bought):
        bill = {"reference": "X", "member": of.number, "store": "S1", "points": 12}
        till.send("redemptions/", bill)
        lines = [{"line": "1", "amount": "120.00"}]
        given_back = {"reference": "T-1", "amount": "120.00", "lines": lines}
        till.send("purchases/R-1/returns/", given_back)
        # Twelve of them were spent, so twelve of those that wait went instead.
        assert account(till, of) == (0, 598)

        entry = vest(till, line="4").json()["entry"]

        assert (entry["points"], entry["balance_after"]) == (100, 100)

    def test_of_what_was_given_back_is_refused(self, till, of, bought):
        till.send("purchases/R-1/returns/", {"reference": "T-1", "amount": "6220.00"})

        refused(vest(till), 409, "nothing_pending")

        assert account(till, of) == (0, 0)

    @pytest.mark.parametrize(
        ("at", "code"),
        [
            ("2026-06-15T11:54:59+08:00", "dated_before_original"),
            ("2026-06-15T12:05:01+08:00", "dated_in_future"),
        ],
    )
    def test_at_a_time_that_cannot_be_is_refused(self, till, of, bought, at, code):
        refused(vest(till, at=at), 422, code)

        assert account(till, of) == (12, 610)

    @pytest.mark.parametrize(
        ("given", "place", "code"),
        [
            ({"line": 3}, "/line", "wrong_type"),
            ({"line": ""}, "/line", "too_short"),
            ({"line": "3" * 33}, "/line", "too_long"),
            ({"reference": 1}, "/reference", "wrong_type"),
            ({"points": 5}, "/points", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, bought, given, place, code):
        problem = refused(vest(till, **given), 422, "invalid")

        assert wrong_places(problem) == {(place, code)}

    def test_of_a_stranger_or_another_store_is_as_absent(self, till, of, bought, store):
        stranger = Till(factories.api_client(factories.dealer()))
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))

        refused(vest(stranger), 404, "unknown_purchase")
        refused(vest(narrowed), 404, "unknown_purchase")
        refused(vest(till, of="R-9"), 404, "unknown_purchase")

        assert account(till, of) == (12, 610)

    def test_after_a_merge_goes_to_whoever_has_the_account(self, till, of, bought):
        into = factories.identity()
        operations.merge_accounts(
            member=of, into=into, at=NOON, source=factories.source(), by=factories.staff(), note=""
        )

        answer = vest(till, line="3")

        assert (answer.status_code, answer.json()["member"]) == (201, into.number)
        assert account(till, into) == (512, 110)
        assert vest(till, line="3").content == answer.content
        found = till.ask("purchases/R-1/").json()
        assert found["still_pending"] == [WAITS[0], WAITS[2]]
