"""Activities and tasks over REST."""

import pytest

from campaigns.models import TaskStep
from campaigns.steps import take
from members import operations as members
from points.models import Activity, Entry
from tests import factories
from tests.factories.activities import cap, kind, named, rewarding
from tests.factories.points import NOON
from tests.till import Till, refused

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"


@pytest.fixture
def store():
    rewarding(
        kinds=[kind("event", 50, group="event"), kind("check-in", 1, once_per="day")],
        caps=[cap("year", "event", points=80)],
        tasks=[named("hello", when="joined", points="20")],
    )
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def of(store):
    return factories.identity()


def event(of, **changes):
    document = {
        "reference": "E-1",
        "member": of.number,
        "store": "S1",
        "activity": "event",
        "at": AT,
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


class TestAnActivity:
    def test_is_credited_and_told(self, till, of):
        answer = till.send("activities/", event(of))

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "E-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "activity": "event",
            "name": "event",
            "version": 1,
            "worth": 50,
            "points": 50,
            "cut": [],
            "entry": {
                "entry": f"{of.number}-1",
                "points": 50,
                "pending": 0,
                "balance_after": 50,
                "expires_on": "2027-06-30",
            },
        }

    def test_partly_granted_says_what_was_cut_off_and_why(self, till, of):
        till.send("activities/", event(of))

        answer = till.send("activities/", event(of, reference="E-2")).json()

        assert (answer["worth"], answer["points"], answer["entry"]["points"]) == (50, 30, 30)
        assert answer["cut"] == [
            {
                "by": "year",
                "reason": "points",
                "points": 20,
                "limit": 80,
                "used": 50,
                "per": "year",
                "consumption": None,
            }
        ]

    def test_not_granted_at_all_has_no_entry(self, till, of):
        check_in = event(of, activity="check-in")
        till.send("activities/", check_in)

        answer = till.send("activities/", check_in | {"reference": "E-2"})

        assert answer.status_code == 201
        assert answer.json()["entry"] is None
        assert answer.json()["cut"][0]["reason"] == "once"

    def test_repeated_answers_the_first(self, till, of):
        first = till.send("activities/", event(of))

        again = till.send("activities/", event(of))

        assert (again.status_code, again.json()) == (200, first.json())
        refused(till.send("activities/", event(of, activity="check-in")), 409, "reference_reused")

    def test_without_a_time_is_repeated_whenever_it_is_sent_again(self, till, of):
        first = till.send("activities/", event(of, at=None))

        again = till.send("activities/", event(of, at=None))

        assert (again.status_code, again.json()) == (200, first.json())

    def test_is_refused_where_it_makes_no_sense(self, till, of):
        factories.store(code="OTHER")
        frozen = factories.member()
        members.freeze(member_id=frozen.pk, by=factories.staff(), reason="")

        for changes, status, code in (
            ({"activity": "skydiving"}, 422, "unknown_activity"),
            ({"activity": "hello"}, 422, "unknown_activity"),  # a task, not a till's to report
            ({"store": "OTHER"}, 422, "unknown_store"),
            ({"member": "M0000000000"}, 404, "unknown_member"),
            ({"member": frozen.number}, 409, "member_frozen"),
            ({"at": "2126-01-01T00:00:00Z"}, 422, "dated_in_future"),
            ({"at": "1900-01-01T00:00:00+08:00"}, 422, "no_rulebook"),
        ):
            refused(till.send("activities/", event(of, **changes)), status, code)
        assert not Activity.objects.exists()
        assert not Entry.objects.exists()

    def test_needs_the_scope_to_post_purchases(self, store, of):
        reader = Till(factories.api_client(store.organization, scopes=["purchases:read"]))

        refused(reader.send("activities/", event(of)), 403, "insufficient_scope")


class TestTasks:
    def test_are_told_open_and_done(self, till, of):
        asked = till.ask(f"members/{of.number}/tasks/")
        assert asked.json() == {
            "member": of.number,
            "tasks": [
                {
                    "code": "hello",
                    "name": "hello",
                    "step": "joined",
                    "points": 20,
                    "done_at": None,
                    "given": 0,
                }
            ],
        }

        take(member_id=of.id, step=TaskStep.JOINED, at=NOON)

        [task] = till.ask(f"members/{of.number}/tasks/").json()["tasks"]
        assert (task["done_at"], task["given"]) == (AT, 20)

    def test_of_nobody_are_not_found(self, till):
        refused(till.ask("members/M0000000000/tasks/"), 404, "unknown_member")
