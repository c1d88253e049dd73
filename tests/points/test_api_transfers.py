"""Transfers between members over REST."""

from datetime import date, timedelta

import pytest
import time_machine

from members import operations as members
from points import operations, queries
from points.models import Entry, EntryKind
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused, wrong_places
from tests.wire import counted_on_the_wire

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"
LIMITS = {"limits": [{"days": 1, "count": 2}, {"days": 30, "points": 80}]}


@pytest.fixture
def store():
    factories.rulebook(transfers=LIMITS)
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def giver(store):
    giver = factories.identity()
    factories.lot(giver, 30, expires_on=date(2026, 6, 30))
    factories.lot(giver, 70)
    return giver


@pytest.fixture
def receiver(store):
    return factories.identity()


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def transfer(giver, receiver):
    def document(**changes):
        return {
            "reference": "G-1",
            "giver": giver.number,
            "receiver": receiver.number,
            "points": 40,
        } | changes

    return document


def nothing_moved(giver, receiver):
    return (queries.balance(giver.id), queries.balance(receiver.id)) == (100, 0)


class TestTransfer:
    def test_moves_points_with_their_last_days(self, till, giver, receiver, transfer):
        answer = till.send("transfers/", transfer(store="S1", note="给家人"))

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "G-1",
            "giver": giver.number,
            "receiver": receiver.number,
            "store": "S1",
            "at": AT,
            "points": 40,
            "note": "给家人",
            "entry": f"{giver.number}-3",
            "balance_after": 60,
        }
        assert till.ask("transfers/G-1/").json() == answer.json()
        got = till.ask(f"members/{receiver.number}/account/").json()
        assert got["expiries"] == [
            {"last_day": "2026-06-30", "points": 30},
            {"last_day": "2027-06-30", "points": 10},
        ]

    def test_each_sides_entries_tell_of_the_other(self, till, giver, receiver, transfer):
        till.send("transfers/", transfer(note="给家人"))

        [gave] = till.ask(f"members/{giver.number}/entries/").json()["results"]
        got = till.ask(f"members/{receiver.number}/entries/").json()["results"]

        assert (gave["kind"], gave["note"]) == ("TRANSFER_OUT", "给家人")
        assert gave["counterpart"] == {"member": receiver.number, "entry": None}
        assert [(entry["kind"], entry["points"]) for entry in got] == [
            ("TRANSFER_IN", 10),
            ("TRANSFER_IN", 30),
        ]
        assert got[0]["counterpart"] == {"member": giver.number, "entry": f"{giver.number}-3"}
        stranger = Till(factories.api_client(factories.dealer()))
        assert stranger.ask(f"members/{receiver.number}/entries/").json()["results"] == []

    def test_repeated_answers_the_same_whatever_has_changed(
        self, till, giver, receiver, transfer, clock
    ):
        first = till.send("transfers/", transfer(points=80))
        clock.shift(timedelta(minutes=50))
        factories.rulebook(valid_from="2026-06-15")
        members.freeze(member_id=receiver.id, by=factories.staff(), reason="fraud")

        again = till.send("transfers/", transfer(points=80))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert queries.balance(receiver.id) == 80

    @pytest.mark.parametrize("change", ["points", "giver", "receiver", "store", "note"])
    @pytest.mark.parametrize("allowed", [True, False])
    def test_the_reference_of_another_one_is_refused(self, till, transfer, change, allowed):
        till.send("transfers/", transfer())
        if not allowed:
            factories.rulebook(valid_from="2026-06-15")
        changed = {
            "points": 41,
            "giver": factories.identity().number,
            "receiver": factories.identity().number,
            "store": "S1",
            "note": "x",
        }

        document = transfer() | {change: changed[change]}
        refused(till.send("transfers/", document), 409, "reference_reused")

        assert Entry.objects.filter(kind=EntryKind.TRANSFER_OUT).count() == 1

    def test_where_the_programme_allows_none_is_refused(self, till, giver, receiver, transfer):
        factories.rulebook(valid_from="2026-06-15")

        refused(till.send("transfers/", transfer()), 409, "transfers_not_allowed")

        assert nothing_moved(giver, receiver)

    def test_past_a_limit_of_points_is_refused(self, till, giver, receiver, transfer):
        problem = refused(
            till.send("transfers/", transfer(points=81)), 409, "transfer_limit_reached"
        )

        assert problem["details"] == {"days": 30}
        assert nothing_moved(giver, receiver)

    def test_past_a_limit_of_times_is_refused_until_the_window_has_moved(
        self, till, transfer, store, clock
    ):
        for n in range(2):
            document = transfer(reference=f"G-{n}", points=1)
            assert till.send("transfers/", document).status_code == 201

        problem = refused(
            till.send("transfers/", transfer(reference="G-2", points=1)),
            409,
            "transfer_limit_reached",
        )
        clock.shift(timedelta(days=1))
        till = Till(factories.api_client(store.organization))

        assert problem["details"] == {"days": 1}
        assert till.send("transfers/", transfer(reference="G-2", points=1)).status_code == 201

    def test_more_than_there_is_is_refused(self, till, giver, receiver, transfer):
        bill = {"reference": "X", "member": giver.number, "store": "S1", "points": 70}
        till.send("redemptions/", bill)

        problem = refused(till.send("transfers/", transfer()), 409, "insufficient_points")

        assert problem["details"] == {"requested": 40, "spendable": 30}
        assert queries.balance(receiver.id) == 0

    def test_to_oneself_is_refused(self, till, giver, receiver, transfer):
        refused(till.send("transfers/", transfer(receiver=giver.number)), 422, "same_member")

        assert nothing_moved(giver, receiver)

    @pytest.mark.parametrize("side", ["giver", "receiver"])
    @pytest.mark.parametrize("state", ["frozen", "closed", "merged"])
    def test_with_who_may_not_is_refused(self, till, giver, receiver, transfer, side, state):
        who = {"giver": giver, "receiver": receiver}[side]
        by = factories.staff()
        if state == "frozen":
            members.freeze(member_id=who.id, by=by, reason="fraud")
        elif state == "closed":
            members.close(member_id=who.id, closed_at=NOON, by=by, reason="asked")
        else:
            operations.merge_accounts(
                member=who,
                into=factories.identity(),
                at=NOON,
                source=factories.source(),
                by=by,
                note="",
            )

        code = "account_merged" if state == "merged" else f"member_{state}"
        problem = refused(till.send("transfers/", transfer()), 409, code)

        assert problem["details"]["number"] == who.number
        assert not Entry.objects.filter(kind=EntryKind.TRANSFER_OUT).exists()

    def test_to_who_only_pre_registered_is_refused(self, till, giver, transfer):
        someone = factories.identity(active=False)

        refused(
            till.send("transfers/", transfer(receiver=someone.number)), 409, "member_not_activated"
        )

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"giver": "M9999999998"}, 404, "unknown_member"),
            ({"receiver": "M9999999998"}, 404, "unknown_member"),
            ({"store": "S9"}, 422, "unknown_store"),
            ({"store": "FOREIGN"}, 422, "unknown_store"),
            ({"at": "2026-06-15T12:05:01+08:00"}, 422, "dated_in_future"),
            ({"at": "1900-01-01T00:00:00+14:00"}, 422, "no_rulebook"),
        ],
    )
    def test_what_cannot_be_is_refused(self, till, giver, receiver, transfer, change, status, code):
        factories.store(code="FOREIGN")

        refused(till.send("transfers/", transfer(**change)), status, code)

        assert nothing_moved(giver, receiver)

    @pytest.mark.parametrize(
        ("change", "place", "code"),
        [
            ({"points": 0}, "/points", "out_of_range"),
            ({"points": 10**400}, "/points", "out_of_range"),
            ({"points": 1.5}, "/points", "wrong_type"),
            ({"points": False}, "/points", "wrong_type"),
            ({"receiver": "M1"}, "/receiver", "wrong_format"),
            ({"giver": 18}, "/giver", "wrong_type"),
            ({"store": None}, "/store", "null"),
            ({"member": "M0000000018"}, "/member", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(
        self, till, giver, receiver, transfer, change, place, code
    ):
        problem = refused(till.send("transfers/", transfer(**change)), 422, "invalid")

        assert wrong_places(problem) == {(place, code)}
        assert nothing_moved(giver, receiver)


class TestWhoMay:
    def test_a_client_of_some_stores_names_one_and_reads_no_others(self, till, store, transfer):
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))
        till.send("transfers/", transfer(points=1))

        refused(narrowed.send("transfers/", transfer(reference="G-2")), 422, "store_required")
        refused(
            narrowed.send("transfers/", transfer(reference="G-2", store="S1")), 422, "unknown_store"
        )
        refused(narrowed.ask("transfers/G-1/"), 404, "unknown_transfer")

        made = narrowed.send("transfers/", transfer(reference="G-2", store="S2"))
        assert made.status_code == 201
        assert narrowed.ask("transfers/G-2/").json() == made.json()

    def test_a_strangers_transfer_is_as_absent(self, till, transfer):
        till.send("transfers/", transfer())
        stranger = Till(factories.api_client(factories.dealer()))

        theirs = refused(stranger.ask("transfers/G-1/"), 404, "unknown_transfer")
        absent = refused(stranger.ask("transfers/G-2/"), 404, "unknown_transfer")

        assert theirs["detail"] == absent["detail"]

    def test_who_may_redeem_may_not_give_away(self, store, transfer):
        redeems = Till(factories.api_client(store.organization), scopes=["points:redeem"])

        refused(redeems.send("transfers/", transfer()), 403, "insufficient_scope")


@pytest.mark.django_db(transaction=True)
def test_a_transfer_costs_the_members_and_one_transaction(till, transfer):
    with counted_on_the_wire() as statements:
        till.send("transfers/", transfer(reference="G-0", points=1))
        statements.clear()

        assert till.send("transfers/", transfer()).status_code == 201

        assert [statement.split()[0] for statement in statements] == [
            "SELECT",
            "SELECT",
            "BEGIN",
            "SAVEPOINT",
            "SELECT",
            "RELEASE",
            "COMMIT",
        ]
        assert "points_transfer" in statements[4]
