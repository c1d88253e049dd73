"""Cancelled redemptions over REST: points go back to their own lots."""

from datetime import date, timedelta

import pytest
import time_machine

from members import operations as members
from points import operations, queries
from points.models import Entry, EntryKind
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused, wrong_places

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"


@pytest.fixture
def store():
    factories.plain()
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def brand():
    return Till(factories.api_client(factories.brand()))


@pytest.fixture
def of(store):
    """A member who spent fifty points: thirty that lapse soon and twenty of seventy others."""
    of = factories.identity()
    factories.lot(of, 30, expires_on=date(2026, 6, 30))
    factories.lot(of, 70)
    operations.redeem(
        member=of, points=50, at=NOON, reference="X-1", source=factories.source(store)
    )
    return of


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def cancel(till, *, of="X-1", **changes):
    return till.send(f"redemptions/{of}/cancellations/", {"reference": "C-1"} | changes)


def balance(till, of):
    return till.ask(f"members/{of.number}/account/").json()["balance"]


class TestCancellation:
    def test_gives_all_of_it_back_to_its_lots(self, till, of):
        answer = cancel(till, note="客户改变主意")

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "C-1",
            "redemption": "X-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "points": 50,
            "note": "客户改变主意",
            "entry": f"{of.number}-4",
            "balance_after": 100,
            "lots": [
                # The policy's thirty days are later than its own last day.
                {"entry": f"{of.number}-1", "points": 30, "last_day": "2026-07-15"},
                {"entry": f"{of.number}-2", "points": 20, "last_day": "2027-06-30"},
            ],
        }
        assert till.ask("redemptions/X-1/").json()["cancellations"] == [
            {"reference": "C-1", "at": AT, "points": 50}
        ]

    def test_of_a_part_gives_back_what_lapses_last(self, till, of):
        first = cancel(till, points=15).json()
        second = cancel(till, reference="C-2", points=15).json()
        rest = cancel(till, reference="C-3").json()

        assert [lot["points"] for lot in first["lots"]] == [15]
        assert [(lot["entry"][-1], lot["points"]) for lot in second["lots"]] == [
            ("1", 10),
            ("2", 5),
        ]
        assert (rest["points"], rest["balance_after"]) == (20, 100)
        told = till.ask("redemptions/X-1/").json()["cancellations"]
        assert [each["reference"] for each in told] == ["C-1", "C-2", "C-3"]

    def test_the_rulebook_of_its_day_says_how_long_they_stay(self, till, of, store, clock):
        factories.rulebook(valid_from="2026-06-20", reinstatement_days=0)
        clock.move_to(NOON + timedelta(days=20))

        answer = cancel(Till(factories.api_client(store.organization))).json()

        days = [lot["last_day"] for lot in answer["lots"]]
        assert days == ["2026-07-05", "2027-06-30"]

    def test_of_a_confirmed_hold_gives_back_the_same_way(self, till, of):
        hold = {"reference": "B-1", "member": of.number, "store": "S1", "points": 50}
        till.send("holds/", hold)
        till.send("holds/B-1/confirmation/", {"points": 40})

        answer = cancel(till, of="B-1")

        assert (answer.status_code, answer.json()["points"]) == (201, 40)
        assert answer.json()["lots"] == [
            {"entry": f"{of.number}-2", "points": 40, "last_day": "2027-06-30"}
        ]
        refused(cancel(till, of="B-1", reference="C-2"), 409, "nothing_to_reinstate")
        assert balance(till, of) == 50

    def test_pays_a_debt_first(self, till, of, store):
        factories.buy(of, "1000", reference="P", store=store)
        bill = {"reference": "X-2", "member": of.number, "store": "S1", "points": 150}
        till.send("redemptions/", bill)
        till.send("purchases/P/returns/", {"reference": "P-1", "amount": "1000"})
        assert balance(till, of) == -100

        answer = cancel(till, of="X-2").json()

        assert (answer["points"], answer["balance_after"]) == (150, 50)
        assert sum(lot["points"] for lot in answer["lots"]) == 50

    @pytest.mark.parametrize("given", [{}, {"points": 50}, {"points": 20}, {"note": "x"}])
    def test_repeated_answers_the_same(self, till, of, clock, given):
        first = cancel(till, **given)
        clock.shift(timedelta(minutes=50))

        again = cancel(till, **given)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert Entry.objects.filter(kind=EntryKind.REINSTATE).count() == 1

    @pytest.mark.parametrize("change", [{"points": 21}, {}, {"points": 20, "note": "x"}])
    def test_the_reference_of_another_one_is_refused(self, till, of, change):
        cancel(till, points=20)

        refused(cancel(till, **change), 409, "reference_reused")

        assert balance(till, of) == 70

    def test_the_reference_of_another_redemptions_one_is_refused(self, till, of, store):
        bill = {"reference": "X-2", "member": of.number, "store": "S1", "points": 50}
        till.send("redemptions/", bill)
        cancel(till)

        refused(cancel(till, of="X-2"), 409, "reference_reused")

        assert balance(till, of) == 50

    def test_of_all_that_is_left_is_another_than_of_a_part(self, till, of):
        cancel(till, points=20)
        rest = cancel(till, reference="C-2")

        assert rest.json()["points"] == 30
        refused(cancel(till), 409, "reference_reused")
        assert cancel(till, reference="C-2").content == rest.content

    @pytest.mark.parametrize("points", [31, 50, 10**12])
    def test_of_more_than_is_left_is_refused(self, till, of, points):
        cancel(till, points=20)

        problem = refused(cancel(till, reference="C-2", points=points), 409, "nothing_to_reinstate")

        assert problem["details"] == {"left": 30}
        assert balance(till, of) == 70

    @pytest.mark.parametrize(
        ("at", "code"),
        [
            ("2026-06-15T11:54:59+08:00", "dated_before_original"),
            ("2026-06-15T12:05:01+08:00", "dated_in_future"),
            ("1900-01-01T00:00:00+14:00", "no_rulebook"),
        ],
    )
    def test_at_a_time_that_cannot_be_is_refused(self, till, of, at, code):
        refused(cancel(till, at=at), 422, code)

        assert balance(till, of) == 50

    def test_for_who_is_gone_is_refused(self, till, of):
        members.close(member_id=of.id, closed_at=NOON, by=factories.staff(), reason="asked")

        refused(cancel(till), 409, "member_closed")

    def test_for_who_was_frozen_goes_through(self, till, of):
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        assert cancel(till).status_code == 201

    def test_after_a_merge_goes_to_whoever_has_the_account(self, till, of):
        into = factories.identity()
        operations.merge_accounts(
            member=of, into=into, at=NOON, source=factories.source(), by=factories.staff(), note=""
        )

        answer = cancel(till).json()

        assert (answer["member"], answer["balance_after"]) == (into.number, 100)
        [entry] = till.ask(f"members/{into.number}/entries/").json()["results"]
        assert entry["kind"] == "REINSTATE"
        assert entry["counterpart"] == {"member": of.number, "entry": f"{of.number}-3"}
        told = till.ask("redemptions/X-1/").json()["cancellations"]
        assert told == [{"reference": "C-1", "at": AT, "points": 50}]

    @pytest.mark.parametrize(
        ("given", "place", "code"),
        [
            ({"points": 0}, "/points", "out_of_range"),
            ({"points": -5}, "/points", "out_of_range"),
            ({"points": 10**400}, "/points", "out_of_range"),
            ({"points": None}, "/points", "null"),
            ({"points": "5"}, "/points", "wrong_type"),
            ({"reference": None}, "/reference", "null"),
            ({"reference": " C"}, "/reference", "wrong_format"),
            ({"store": "S1"}, "/store", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, given, place, code):
        problem = refused(cancel(till, **given), 422, "invalid")

        assert wrong_places(problem) == {(place, code)}
        assert balance(till, of) == 50

    def test_of_a_stranger_or_another_store_is_as_absent(self, till, of, store):
        stranger = Till(factories.api_client(factories.dealer()))
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))

        refused(cancel(stranger), 404, "unknown_redemption")
        refused(cancel(narrowed), 404, "unknown_redemption")
        refused(cancel(till, of="X-2"), 404, "unknown_redemption")

        assert queries.balance(of.id) == 50

    def test_of_a_reference_with_slashes(self, till, of):
        bill = {"reference": "沪/2026/1", "member": of.number, "store": "S1", "points": 50}
        till.send("redemptions/", bill)

        assert cancel(till, of="沪/2026/1").status_code == 201


class TestEntries:
    def test_tell_what_the_till_noted_and_keep_what_staff_noted(self, till, brand, of):
        redemption = Entry.objects.get(kind=EntryKind.REDEEM)
        cancel(till, points=20, note="客户改变主意")
        operations.reinstate(
            member=of,
            of=redemption,
            points=5,
            at=NOON,
            reference="S-1",
            source=factories.source(),
            floor_days=30,
            note="for staff only",
            by=factories.staff(),
        )

        told = till.ask("redemptions/X-1/").json()["cancellations"]
        assert [each["reference"] for each in told] == ["C-1", None]
        staff, cancelled, *_ = brand.ask(f"members/{of.number}/entries/").json()["results"]

        assert (staff["note"], cancelled["note"]) == (None, "客户改变主意")
        assert cancelled["reverses"] == f"{of.number}-3"
        assert cancelled["lots"] == [
            {"entry": f"{of.number}-2", "points": 20, "last_day": "2027-06-30"}
        ]
