"""Points off a bill over REST: hold, confirm, release."""

from datetime import date, timedelta

import pytest
import time_machine

from members import operations as members
from points import operations, queries
from points.models import Entry, EntryKind, Hold
from programme import queries as programme
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused, wrong_places
from tests.wire import counted_on_the_wire

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"
QUARTER_PAST = "2026-06-15T12:15:00+08:00"


@pytest.fixture
def store():
    factories.plain()
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def of(store):
    """A member with a hundred points, thirty of which lapse at the end of June."""
    of = factories.identity()
    factories.lot(of, 30, expires_on=date(2026, 6, 30))
    factories.lot(of, 70)
    return of


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def hold(of, **changes):
    return {"reference": "B-1", "member": of.number, "store": "S1", "points": 50} | changes


def balances(till, of):
    account = till.ask(f"members/{of.number}/account/").json()
    return account["spendable"], account["held"]


class TestHold:
    def test_sets_points_aside_for_as_long_as_the_programme_says(self, till, of):
        answer = till.send("holds/", hold(of, note="保养"))

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "B-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "points": 50,
            "note": "保养",
            "entry": f"{of.number}-3",
            "balance_after": 50,
            "until": QUARTER_PAST,
            "state": "OPEN",
            "spent": 0,
            "released": 0,
            "ended_at": None,
        }
        assert till.ask("holds/B-1/").json() == answer.json()
        assert balances(till, of) == (50, 50)

    @pytest.mark.parametrize(
        ("asked", "until"),
        [
            ({"minutes": 1}, "2026-06-15T12:01:00+08:00"),
            ({"minutes": 15}, QUARTER_PAST),
            ({"until": "2026-06-15T04:10:00Z"}, "2026-06-15T12:10:00+08:00"),
            ({"at": "2026-06-15T11:50:00+08:00"}, "2026-06-15T12:05:00+08:00"),
            ({"at": "2026-06-15T11:50:00+08:00", "minutes": 2}, "2026-06-15T11:52:00+08:00"),
        ],
    )
    def test_lasts_no_longer_than_the_till_says(self, till, of, asked, until):
        answer = till.send("holds/", hold(of, **asked))

        assert (answer.status_code, answer.json()["until"]) == (201, until)

    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ({"minutes": 16}, "hold_too_long"),
            ({"until": "2026-06-15T12:15:01+08:00"}, "hold_too_long"),
            ({"until": "2200-12-31T23:59:59Z"}, "hold_too_long"),
            ({"until": AT}, "invalid_until"),
            ({"until": "1900-01-01T00:00:00Z"}, "invalid_until"),
            ({"at": "2026-06-15T12:06:00+08:00"}, "dated_in_future"),
            ({"at": "1900-01-01T00:00:00+14:00"}, "no_rulebook"),
        ],
    )
    def test_a_time_that_cannot_be_is_refused(self, till, of, asked, code):
        refused(till.send("holds/", hold(of, **asked)), 422, code)

        assert not Hold.objects.exists()

    def test_the_rulebook_of_its_day_says_how_long(self, till, of, store, clock):
        factories.rulebook(valid_from="2026-06-20", holds={"minutes": 60})

        early = refused(till.send("holds/", hold(of, minutes=60)), 422, "hold_too_long")
        clock.move_to(NOON + timedelta(days=5))
        late = Till(factories.api_client(store.organization)).send("holds/", hold(of, minutes=60))

        assert early["details"] == {"minutes": 15}
        assert late.status_code == 201
        held = Entry.objects.get(kind=EntryKind.HOLD)
        assert held.version_id == programme.rulebook_on(date(2026, 6, 20)).id

    def test_repeated_answers_the_same_even_when_nothing_is_left(self, till, of):
        first = till.send("holds/", hold(of, points=100))
        again = till.send("holds/", hold(of, points=100))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert balances(till, of) == (0, 100)

    @pytest.mark.parametrize("asked", [{}, {"minutes": 10}, {"until": "2026-06-15T12:10:00+08:00"}])
    def test_repeated_long_after_it_still_tells_what_happened(self, till, of, clock, asked):
        first = till.send("holds/", hold(of, **asked)).json()
        clock.shift(timedelta(minutes=50))
        factories.rulebook(valid_from="2026-06-15", holds={"minutes": 2})

        again = till.send("holds/", hold(of, **asked))

        assert again.status_code == 200
        gone = {"state": "OVERDUE", "released": 50, "ended_at": first["until"]}
        assert again.json() == first | gone

    def test_repeated_after_a_freeze_still_tells_what_happened(self, till, of):
        first = till.send("holds/", hold(of))
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        again = till.send("holds/", hold(of))

        assert (again.status_code, again.content) == (200, first.content)

    @pytest.mark.parametrize(
        "change",
        [
            {"points": 51},
            {"note": "x"},
            {"store": "S2"},
            {"minutes": 9},
            {"until": "2026-06-15T12:09:00+08:00"},
        ],
    )
    def test_the_reference_of_another_one_is_refused(self, till, of, store, change):
        factories.store(store.organization, code="S2")
        till.send("holds/", hold(of, minutes=10))

        refused(till.send("holds/", hold(of, **change)), 409, "reference_reused")

        assert balances(till, of) == (50, 50)

    def test_more_than_there_is_is_refused(self, till, of):
        till.send("holds/", hold(of))

        problem = refused(
            till.send("holds/", hold(of, reference="B-2", points=51)), 409, "insufficient_points"
        )

        assert problem["details"] == {"requested": 51, "spendable": 50}
        assert Hold.objects.count() == 1

    def test_what_is_held_cannot_be_spent_and_comes_back_in_time(self, till, of, clock):
        till.send("holds/", hold(of))
        bill = {"reference": "X-1", "member": of.number, "store": "S1", "points": 100}

        refused(till.send("redemptions/", bill), 409, "insufficient_points")
        clock.shift(timedelta(minutes=15))

        # Nothing has swept it yet.
        assert balances(till, of) == (100, 50)
        assert till.send("redemptions/", bill).status_code == 201
        assert balances(till, of) == (0, 0)

    @pytest.mark.parametrize(
        ("make", "code"),
        [("freeze", "member_frozen"), ("close", "member_closed"), (None, "member_not_activated")],
    )
    def test_for_who_may_not_spend_is_refused(self, till, store, make, code):
        of = factories.identity(active=make is not None)
        factories.lot(of, 100)
        if make == "freeze":
            members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")
        elif make == "close":
            members.close(member_id=of.id, closed_at=NOON, by=factories.staff(), reason="asked")

        refused(till.send("holds/", hold(of)), 409, code)

        assert not Hold.objects.exists()

    def test_for_an_account_that_was_given_up_is_refused(self, till, of):
        into = factories.identity()
        operations.merge_accounts(
            member=of, into=into, at=NOON, source=factories.source(), by=factories.staff(), note=""
        )

        problem = refused(till.send("holds/", hold(of)), 409, "account_merged")

        assert problem["details"] == {"number": of.number, "into": into.number}

    @pytest.mark.parametrize(
        ("change", "place", "code"),
        [
            ({"points": 0}, "/points", "out_of_range"),
            ({"points": -1}, "/points", "out_of_range"),
            ({"points": 10**12 + 1}, "/points", "out_of_range"),
            ({"points": 10**400}, "/points", "out_of_range"),
            ({"points": 1.5}, "/points", "wrong_type"),
            ({"points": "50"}, "/points", "wrong_type"),
            ({"points": True}, "/points", "wrong_type"),
            ({"minutes": 0}, "/minutes", "out_of_range"),
            ({"minutes": 10081}, "/minutes", "out_of_range"),
            ({"minutes": "15"}, "/minutes", "wrong_type"),
            ({"until": 15}, "/until", "wrong_type"),
            ({"until": "12:15"}, "/until", "wrong_format"),
            ({"until": "2201-01-01T00:00:00Z"}, "/until", "date_out_of_range"),
            ({"minutes": 5, "until": QUARTER_PAST}, "", "not_both"),
            ({"note": "x" * 201}, "/note", "too_long"),
            ({"reference": "B\n1"}, "/reference", "wrong_format"),
            ({"amount": 1}, "/amount", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, change, place, code):
        problem = refused(till.send("holds/", hold(of, **change)), 422, "invalid")

        assert wrong_places(problem) == {(place, code)}
        assert not Hold.objects.exists()

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"member": "M9999999998"}, 404, "unknown_member"),
            ({"store": "S9"}, 422, "unknown_store"),
            ({"store": "FOREIGN"}, 422, "unknown_store"),
        ],
    )
    def test_what_cannot_be_is_refused(self, till, of, change, status, code):
        factories.store(code="FOREIGN")

        refused(till.send("holds/", hold(of, **change)), status, code)

        assert not Hold.objects.exists()


class TestConfirmation:
    def test_spends_all_of_it(self, till, of):
        till.send("holds/", hold(of, note="保养"))

        answer = till.send("holds/B-1/confirmation/", {})

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "B-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "points": 50,
            "note": "保养",
            "entry": f"{of.number}-4",
            "balance_after": 50,
            "held": 50,
            "released": 0,
            "release": None,
        }
        redemption = till.ask("redemptions/B-1/").json()
        shared = {name: redemption[name] for name in redemption.keys() - {"cancellations"}}
        assert shared.items() <= answer.json().items()
        assert till.ask("holds/B-1/").json()["state"] == "CONFIRMED"
        assert balances(till, of) == (50, 0)

    def test_spends_a_part_and_gives_the_rest_back(self, till, of, clock):
        till.send("holds/", hold(of))
        clock.shift(timedelta(minutes=3))

        answer = till.send("holds/B-1/confirmation/", {"points": 40, "note": "机油"}).json()

        assert (answer["points"], answer["held"], answer["released"]) == (40, 50, 10)
        assert (answer["entry"], answer["release"]) == (f"{of.number}-4", f"{of.number}-5")
        assert (answer["balance_after"], answer["note"]) == (60, "机油")
        now = till.ask("holds/B-1/").json()
        assert (now["state"], now["spent"], now["released"]) == ("CONFIRMED", 40, 10)
        assert now["ended_at"] == "2026-06-15T12:03:00+08:00"
        # What lapses soonest was spent; the rest is in its own lot again.
        assert till.ask(f"members/{of.number}/account/").json()["expiries"] == [
            {"last_day": "2027-06-30", "points": 60}
        ]

    @pytest.mark.parametrize("given", [{}, {"points": 50}, {"points": 40}, {"note": "机油"}])
    def test_repeated_answers_the_same(self, till, of, clock, given):
        till.send("holds/", hold(of, note="保养"))
        first = till.send("holds/B-1/confirmation/", given)
        clock.shift(timedelta(minutes=50))

        again = till.send("holds/B-1/confirmation/", given)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert Entry.objects.filter(kind=EntryKind.REDEEM).count() == 1

    @pytest.mark.parametrize("change", [{"points": 39}, {"points": 50}, {}, {"note": "x"}])
    def test_of_another_part_is_refused(self, till, of, change):
        till.send("holds/", hold(of))
        till.send("holds/B-1/confirmation/", {"points": 40})

        again = {"points": 40} | change if "note" in change else change
        refused(till.send("holds/B-1/confirmation/", again), 409, "reference_reused")

        assert balances(till, of) == (60, 0)

    def test_of_more_than_was_held_is_refused(self, till, of):
        till.send("holds/", hold(of))

        problem = refused(
            till.send("holds/B-1/confirmation/", {"points": 51}), 409, "hold_exceeded"
        )

        assert problem["details"] == {"requested": 51, "held": 50}
        assert till.ask("holds/B-1/").json()["state"] == "OPEN"

    def test_after_a_release_is_refused(self, till, of):
        till.send("holds/", hold(of))
        till.send("holds/B-1/release/", {})

        refused(till.send("holds/B-1/confirmation/", {}), 409, "hold_ended")

        assert balances(till, of) == (100, 0)

    @pytest.mark.parametrize("swept", [False, True])
    def test_after_its_time_is_refused(self, till, of, clock, swept):
        till.send("holds/", hold(of))
        clock.shift(timedelta(minutes=15))
        if swept:
            operations.release_overdue(low=of.id, high=of.id, at=NOON + timedelta(minutes=15))

        refused(till.send("holds/B-1/confirmation/", {}), 409, "hold_ended")

        now = till.ask("holds/B-1/").json()
        assert (now["state"], now["released"], now["ended_at"]) == ("OVERDUE", 50, QUARTER_PAST)
        assert balances(till, of) == (100, 0)

    def test_told_of_late_counts_when_it_happened(self, till, of, clock):
        """The network was down: the till confirmed in time, and says so when it can."""
        till.send("holds/", hold(of))
        clock.shift(timedelta(minutes=50))

        answer = till.send("holds/B-1/confirmation/", {"at": "2026-06-15T12:10:00+08:00"})

        assert (answer.status_code, answer.json()["at"]) == (201, "2026-06-15T12:10:00+08:00")

    def test_before_the_hold_is_refused(self, till, of):
        till.send("holds/", hold(of))

        early = {"at": "2026-06-15T11:54:59+08:00"}
        refused(till.send("holds/B-1/confirmation/", early), 422, "dated_before_original")
        refused(till.send("holds/B-1/release/", early), 422, "dated_before_original")

        assert balances(till, of) == (50, 50)

    def test_of_a_till_whose_clock_runs_ahead_works_at_once(self, till, of):
        till.send("holds/", hold(of, at="2026-06-15T12:04:00+08:00"))

        assert till.send("holds/B-1/confirmation/", {}).status_code == 201

    def test_tomorrow_is_refused(self, till, of):
        till.send("holds/", hold(of))

        late = {"at": "2026-06-15T12:06:00+08:00"}
        refused(till.send("holds/B-1/confirmation/", late), 422, "dated_in_future")
        refused(till.send("holds/B-1/release/", late), 422, "dated_in_future")

    def test_where_a_redemption_has_the_reference_is_refused(self, till, of):
        bill = {"reference": "B-1", "member": of.number, "store": "S1", "points": 1}
        till.send("redemptions/", bill)
        till.send("holds/", hold(of))

        refused(till.send("holds/B-1/confirmation/", {}), 409, "reference_reused")

        assert till.ask("holds/B-1/").json()["state"] == "OPEN"

    def test_of_who_was_frozen_meanwhile_goes_through(self, till, of):
        """The customer stands at the till with points that were set aside."""
        till.send("holds/", hold(of))
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        assert till.send("holds/B-1/confirmation/", {}).status_code == 201

    @pytest.mark.parametrize(
        ("given", "place", "code"),
        [
            ({"points": 0}, "/points", "out_of_range"),
            ({"points": 10**400}, "/points", "out_of_range"),
            ({"points": "1"}, "/points", "wrong_type"),
            ({"at": "now"}, "/at", "wrong_format"),
            ({"note": ""}, "/note", "too_short"),
            ({"reference": "B-1"}, "/reference", "unknown_field"),
            ([], "", "wrong_type"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, given, place, code):
        till.send("holds/", hold(of))

        problem = refused(till.send("holds/B-1/confirmation/", given), 422, "invalid")

        assert wrong_places(problem) == {(place, code)}
        assert balances(till, of) == (50, 50)


class TestRelease:
    def test_gives_everything_back_to_its_lots(self, till, of):
        held = till.send("holds/", hold(of)).json()

        answer = till.send("holds/B-1/release/", {})

        assert answer.status_code == 201
        assert answer.json() == held | {"state": "RELEASED", "released": 50, "ended_at": AT}
        assert till.ask(f"members/{of.number}/account/").json()["expiries"] == [
            {"last_day": "2026-06-30", "points": 30},
            {"last_day": "2027-06-30", "points": 70},
        ]

    def test_repeated_answers_the_same(self, till, of, clock):
        till.send("holds/", hold(of))
        first = till.send("holds/B-1/release/", {})
        clock.shift(timedelta(minutes=50))

        again = till.send("holds/B-1/release/", {})

        assert (again.status_code, again.content) == (200, first.content)
        assert balances(till, of) == (100, 0)

    def test_after_a_confirmation_is_refused(self, till, of):
        till.send("holds/", hold(of))
        till.send("holds/B-1/confirmation/", {"points": 1})

        refused(till.send("holds/B-1/release/", {}), 409, "hold_ended")

        assert balances(till, of) == (99, 0)

    @pytest.mark.parametrize(("swept", "status"), [(False, 201), (True, 200)])
    def test_after_its_time_finds_it_given_back(self, till, of, clock, swept, status):
        till.send("holds/", hold(of))
        clock.shift(timedelta(minutes=15))
        if swept:
            operations.release_overdue(low=of.id, high=of.id, at=NOON + timedelta(minutes=15))

        assert till.send("holds/B-1/release/", {}).status_code == status
        assert balances(till, of) == (100, 0)

    def test_the_end_of_the_membership_ends_it(self, till, of, clock):
        till.send("holds/", hold(of))
        clock.shift(timedelta(minutes=5))
        operations.forfeit(member_id=of.id, at=NOON + timedelta(minutes=5))

        now = till.ask("holds/B-1/").json()

        assert (now["state"], now["released"]) == ("RELEASED", 50)
        refused(till.send("holds/B-1/confirmation/", {}), 409, "hold_ended")
        assert queries.balance(of.id) == 0


class TestWhoSeesIt:
    @pytest.fixture
    def _held(self, till, of):
        till.send("holds/", hold(of))

    @pytest.mark.usefixtures("_held")
    def test_a_stranger_finds_none(self, till):
        stranger = Till(factories.api_client(factories.dealer()))

        for other, reference in ((stranger, "B-1"), (till, "B-2")):
            refused(other.ask(f"holds/{reference}/"), 404, "unknown_hold")
            for end in ("confirmation", "release"):
                refused(other.send(f"holds/{reference}/{end}/", {}), 404, "unknown_hold")

    @pytest.mark.usefixtures("_held")
    def test_a_client_of_other_stores_finds_none(self, of, store):
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))

        refused(narrowed.send("holds/", hold(of, reference="B-2")), 422, "unknown_store")
        refused(narrowed.ask("holds/B-1/"), 404, "unknown_hold")
        refused(narrowed.send("holds/B-1/confirmation/", {}), 404, "unknown_hold")
        refused(narrowed.send("holds/B-1/release/", {}), 404, "unknown_hold")

    @pytest.mark.usefixtures("_held")
    def test_a_renewed_client_goes_on_with_it(self, store):
        renewed = Till(factories.api_client(store.organization))

        assert renewed.send("holds/B-1/confirmation/", {}).status_code == 201

    def test_a_reference_may_hold_slashes(self, till, of):
        till.send("holds/", hold(of, reference="沪/2026/1"))
        till.send("holds/", hold(of, reference="沪/2026/2"))

        assert till.ask("holds/沪/2026/1/").json()["reference"] == "沪/2026/1"
        assert till.send("holds/沪/2026/1/confirmation/", {}).status_code == 201
        assert till.send("holds/沪/2026/2/release/", {}).status_code == 201


class TestManners:
    def test_a_key_gives_the_first_answer_again_also_of_a_refusal(self, till, of, clock):
        till.send("holds/", hold(of), key="k1")
        first = till.send("holds/B-1/confirmation/", {"points": 51}, key="k2")
        again = till.send("holds/B-1/confirmation/", {"points": 51}, key="k2")

        assert (first.status_code, again.status_code) == (409, 409)
        assert again["Idempotent-Replayed"] == "true"
        assert till.send("holds/B-1/confirmation/", {}, key="k3").status_code == 201
        clock.shift(timedelta(minutes=50))
        replayed = till.send("holds/", hold(of), key="k1")
        assert (replayed.status_code, replayed.json()["state"]) == (201, "OPEN")

    def test_a_refusal_speaks_the_readers_language(self, till, of):
        english = till.send("holds/", hold(of, minutes=16), Accept_Language="en").json()

        assert english["detail"] == "A hold may last 15 minutes at most."


@pytest.mark.django_db(transaction=True)
class TestRoundTrips:
    """On the wire, with the token and the rulebook known to the process."""

    @pytest.fixture
    def wire(self, till, of):
        with counted_on_the_wire() as statements:
            till.send("holds/", hold(of, reference="B-0", points=1))
            till.send("holds/B-0/confirmation/", {})
            statements.clear()
            yield statements

    def test_a_hold_costs_two(self, till, of, wire):
        assert till.send("holds/", hold(of)).status_code == 201

        assert len(wire) == 2
        assert "members_member" in wire[0]
        assert "points_debit" in wire[1]

    def test_a_confirmation_costs_three(self, till, of, wire):
        till.send("holds/", hold(of))
        wire.clear()

        assert till.send("holds/B-1/confirmation/", {"points": 20}).status_code == 201

        assert len(wire) == 3
        assert "points_end_hold" in wire[1]

    def test_a_release_costs_four(self, till, of, wire):
        till.send("holds/", hold(of))
        wire.clear()

        assert till.send("holds/B-1/release/", {}).status_code == 201

        assert len(wire) == 4
