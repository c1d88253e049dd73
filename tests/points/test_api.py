"""Accounts, entries and redemptions over REST."""

from datetime import date, timedelta

import pytest
import time_machine
from django.utils import timezone

from members import operations as members
from points import operations, queries
from points.models import AdjustmentReason, Entry
from tests import factories
from tests.factories.groups import family
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
    return factories.identity()


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(NOON, tick=False):
        yield


def redemption(of, **changes):
    return {"reference": "X-1", "member": of.number, "store": "S1", "points": 20} | changes


class TestAccount:
    def test_shows_what_there_is_and_what_lapses_next(self, till, of):
        factories.lot(of, 30, expires_on=date(2026, 6, 30))
        factories.lot(of, 70, expires_on=date.max)

        answer = till.ask(f"members/{of.number}/account/")

        assert answer.status_code == 200
        assert answer.json() == {
            "member": of.number,
            "balance": 100,
            "spendable": 100,
            "shared": None,
            "debt": 0,
            "pending": 0,
            "held": 0,
            "as_of": "2026-06-15",
            "expiries": [{"last_day": "2026-06-30", "points": 30}],
        }

    def test_tells_what_others_share_and_a_till_can_spend_it(self, till, store):
        one, other = factories.member(), factories.member()
        family(one, other)
        of, giver = factories.identity(one), factories.identity(other)
        factories.lot(of, 10)
        factories.lot(giver, 50)

        answer = till.ask(f"members/{of.number}/account/").json()
        assert (answer["spendable"], answer["shared"]) == (10, 50)

        alone = till.send("redemptions/", redemption(of, points=40))
        assert (alone.status_code, alone.json()["code"]) == (409, "insufficient_points")
        together = till.send("redemptions/", redemption(of, points=40, pool=True))
        assert (together.status_code, together.json()["balance_after"]) == (201, 0)
        lines = till.ask(f"members/{giver.number}/entries/").json()["results"]
        assert [(line["kind"], line["points"], line["counterpart"]) for line in lines][:1] == [
            ("POOL_OUT", -30, None)
        ]

    def test_of_who_has_nothing_is_zero(self, till, of):
        answer = till.ask(f"members/{of.number}/account/").json()

        assert (answer["balance"], answer["spendable"], answer["expiries"]) == (0, 0, [])

    def test_tells_a_debt(self, till, of, store):
        factories.buy(of, "1000", reference="P", store=store)
        till.send("redemptions/", redemption(of, points=90))
        till.send("purchases/P/returns/", {"reference": "P-1", "amount": "1000"})

        answer = till.ask(f"members/{of.number}/account/").json()

        assert (answer["balance"], answer["spendable"], answer["debt"]) == (-90, 0, 90)

    def test_as_of_the_end_of_a_day(self, till, of):
        factories.lot(of, 30, at=NOON - timedelta(days=1))
        factories.lot(of, 70)

        path = f"members/{of.number}/account/"
        days = ["2026-06-13", "2026-06-14", "2026-06-15", "2027-06-30", "2027-07-01"]
        balances = [till.ask(path, {"as_of": day}).json()["balance"] for day in days]

        assert balances == [0, 30, 100, 100, 0]
        assert till.ask(path, {"as_of": "2026-06-14"}).json()["expiries"] is None

    @pytest.mark.parametrize("day", ["", "2026-02-29", "20260228", "tomorrow", "0001-01-01"])
    def test_a_day_that_is_none_is_refused(self, till, of, day):
        refused(till.ask(f"members/{of.number}/account/", {"as_of": day}), 422, "invalid")

    def test_unchanged_costs_no_body(self, till, of):
        path = f"members/{of.number}/account/"
        first = till.ask(path)

        for known in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}', "*"):
            same = till.ask(path, If_None_Match=known)
            assert (same.status_code, same.content) == (304, b"")
            assert same["ETag"] == first["ETag"]
        factories.lot(of, 1)
        changed = till.ask(path, If_None_Match=first["ETag"])

        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]


class TestEntries:
    def test_are_told_latest_posting_first(self, till, of, store):
        factories.buy(of, "268", reference="P", store=store)
        till.send("redemptions/", redemption(of, note="洗车"))

        answer = till.ask(f"members/{of.number}/entries/")

        assert answer.status_code == 200
        debit, credit = answer.json()["results"]
        assert debit.pop("recorded_at") >= credit.pop("recorded_at")
        assert debit == {
            "entry": f"{of.number}-2",
            "kind": "REDEEM",
            "points": -20,
            "pending": 0,
            "held": 0,
            "qualifying": 0,
            "balance_after": 6,
            "at": AT,
            "expires_on": None,
            "reference": "X-1",
            "store": "S1",
            "line": None,
            "note": "洗车",
            "reverses": None,
            "counterpart": None,
            "lots": [{"entry": f"{of.number}-1", "points": -20, "last_day": "2027-06-30"}],
        }
        assert credit == {
            "entry": f"{of.number}-1",
            "kind": "EARN",
            "points": 26,
            "pending": 0,
            "held": 0,
            "qualifying": 26,
            "balance_after": 26,
            "at": AT,
            "expires_on": "2027-06-30",
            "reference": "P",
            "store": "S1",
            "line": None,
            "note": None,
            "reverses": None,
            "counterpart": None,
            "lots": [],
        }
        assert answer.json()["next_cursor"] is None

    def test_pages_do_not_shift_while_points_are_posted(self, brand, of):
        for n in range(5):
            factories.lot(of, n + 1)
        path = f"members/{of.number}/entries/"

        first = brand.ask(path, {"limit": 2}).json()
        factories.lot(of, 99)
        second = brand.ask(path, {"limit": 2, "cursor": first["next_cursor"]}).json()
        third = brand.ask(path, {"limit": 2, "cursor": second["next_cursor"]}).json()

        pages = [[entry["points"] for entry in page["results"]] for page in (first, second, third)]
        assert pages == [[5, 4], [3, 2], [1]]
        assert third["next_cursor"] is None

    def test_a_full_last_page_is_the_last(self, brand, of):
        factories.lot(of, 1)
        factories.lot(of, 2)

        page = brand.ask(f"members/{of.number}/entries/", {"limit": 2}).json()

        assert (len(page["results"]), page["next_cursor"]) == (2, None)

    @pytest.mark.parametrize(
        ("query", "points"),
        [
            ({"kind": "REDEEM"}, [-5]),
            ({"from": "2026-06-15"}, [-5, 2]),
            ({"to": "2026-06-14"}, [11]),
            ({"from": "2026-06-14", "to": "2026-06-14"}, [11]),
            ({"from": "2026-06-16"}, []),
            ({"kind": "EARN", "from": "2026-06-15"}, [2]),
        ],
    )
    def test_are_filtered(self, brand, of, query, points):
        factories.lot(of, 11, at=NOON - timedelta(days=1))
        factories.lot(of, 2)
        operations.redeem(member=of, points=5, at=NOON, reference="r", source=factories.source())

        found = brand.ask(f"members/{of.number}/entries/", query).json()["results"]

        assert [entry["points"] for entry in found] == points

    def test_a_dealer_sees_what_it_posted_and_the_brand_all(self, till, brand, of, store):
        alice, bob = store, factories.store(code="S2")
        factories.buy(of, "10", reference="A", store=alice)
        factories.buy(of, "20", reference="B", store=bob)
        operations.adjust(
            member=of,
            points=3,
            at=NOON,
            expires_on=date(2027, 6, 30),
            reason=AdjustmentReason.GOODWILL,
            note="for staff only",
            reference="G",
            source=factories.source(),
            by=factories.staff(),
        )
        path = f"members/{of.number}/entries/"
        others = Till(factories.api_client(bob.organization))
        stranger = Till(factories.api_client(factories.dealer()))

        seen = [
            [entry["reference"] for entry in each.ask(path).json()["results"]]
            for each in (till, others, stranger, brand)
        ]

        assert seen == [["A"], ["B"], [], ["G", "B", "A"]]
        assert b"for staff only" not in brand.ask(path).content

    def test_a_client_of_some_stores_sees_only_what_these_posted(self, till, of, store):
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))
        factories.buy(of, "500", reference="A", store=store)
        factories.buy(of, "20", reference="B", store=other)
        till.send("redemptions/", redemption(of))

        seen = narrowed.ask(f"members/{of.number}/entries/").json()["results"]

        assert [entry["reference"] for entry in seen] == ["B"]
        refused(narrowed.ask("redemptions/X-1/"), 404, "unknown_redemption")
        assert till.ask("redemptions/X-1/").status_code == 200

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"limit": "0"}, "invalid"),
            ({"limit": "101"}, "invalid"),
            ({"limit": "1.5"}, "invalid"),
            ({"limit": "1e1"}, "invalid"),
            ({"limit": "９"}, "invalid"),
            ({"limit": "9" * 30}, "invalid"),
            ({"kind": "earn"}, "invalid"),
            ({"from": "2026-13-01"}, "invalid"),
            ({"cursor": ""}, "invalid"),
            ({"cursor": "x\x00y"}, "invalid"),
            ({"cursor": "YzE="}, "invalid"),
            ({"cursor": "YzAx"}, "invalid_cursor"),
            ({"cursor": "Yy0x"}, "invalid_cursor"),
            ({"cursor": "AAAA"}, "invalid_cursor"),
            ({"cursor": "_" * 40}, "invalid_cursor"),
            ({"cursor": "Yzk5OTk5OTk5OTk5"}, "invalid_cursor"),
        ],
    )
    def test_a_wrong_question_is_refused(self, till, of, query, code):
        refused(till.ask(f"members/{of.number}/entries/", query), 422, code)

    def test_cost_two_queries_however_many(self, brand, of, django_assert_num_queries):
        for n in range(30):
            factories.lot(of, n + 1)
        brand.ask(f"members/{of.number}/entries/")

        with django_assert_num_queries(2):
            brand.ask(f"members/{of.number}/entries/", {"limit": 30})


class TestRedemption:
    def test_spends_and_is_read_back(self, till, of):
        factories.lot(of, 100)

        answer = till.send("redemptions/", redemption(of, note="洗车"))

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "X-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "points": 20,
            "note": "洗车",
            "entry": f"{of.number}-2",
            "balance_after": 80,
        }
        assert till.ask("redemptions/X-1/").json() == answer.json() | {"cancellations": []}

    def test_repeated_answers_the_same_even_when_nothing_is_left(self, till, of):
        factories.lot(of, 20)

        first = till.send("redemptions/", redemption(of))
        again = till.send("redemptions/", redemption(of))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert queries.balance(of.id) == 0

    def test_repeated_after_a_freeze_still_tells_what_happened(self, till, of):
        factories.lot(of, 20)
        first = till.send("redemptions/", redemption(of))
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        again = till.send("redemptions/", redemption(of))

        assert (again.status_code, again.content) == (200, first.content)

    @pytest.mark.parametrize("change", [{"points": 21}, {"note": "x"}])
    def test_the_reference_of_another_one_is_refused(self, till, of, change):
        factories.lot(of, 100)
        till.send("redemptions/", redemption(of))

        refused(till.send("redemptions/", redemption(of, **change)), 409, "reference_reused")

        assert queries.balance(of.id) == 80

    def test_more_than_there_is_is_refused(self, till, of):
        factories.lot(of, 19)

        problem = refused(till.send("redemptions/", redemption(of)), 409, "insufficient_points")

        assert problem["details"] == {"requested": 20, "spendable": 19}
        assert Entry.objects.count() == 1

    def test_by_who_only_pre_registered_is_refused(self, till):
        of = factories.identity(active=False)
        factories.lot(of, 100)

        refused(till.send("redemptions/", redemption(of)), 409, "member_not_activated")

    def test_dated_tomorrow_is_refused(self, till, of):
        factories.lot(of, 100)
        tomorrow = (timezone.now() + timedelta(days=1)).isoformat()

        refused(till.send("redemptions/", redemption(of, at=tomorrow)), 422, "dated_in_future")

        assert queries.balance(of.id) == 100

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("points", 0, "out_of_range"),
            ("points", -1, "out_of_range"),
            ("points", 10**12 + 1, "out_of_range"),
            ("points", 10**400, "out_of_range"),
            ("points", 1.5, "wrong_type"),
            ("points", "20", "wrong_type"),
            ("points", True, "wrong_type"),
            ("points", None, "null"),
            ("note", "", "too_short"),
            ("note", "x" * 201, "too_long"),
            ("note", "a\u2028b", "wrong_format"),
            ("amount", 1, "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, field, value, code):
        factories.lot(of, 100)

        problem = refused(
            till.send("redemptions/", redemption(of) | {field: value}), 422, "invalid"
        )

        assert wrong_places(problem) == {(f"/{field}", code)}
        assert queries.balance(of.id) == 100

    def test_of_a_stranger_is_as_absent(self, till, of):
        factories.lot(of, 100)
        till.send("redemptions/", redemption(of))
        stranger = Till(factories.api_client(factories.dealer()))

        refused(stranger.ask("redemptions/X-1/"), 404, "unknown_redemption")
        refused(till.ask("redemptions/X-2/"), 404, "unknown_redemption")
