"""Purchases, returns and quotes over REST."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from common.models import IdempotencyRecord
from members import operations as members
from points import queries
from points.models import Activity, Entry
from tests import factories
from tests.benefits.plan import discount, publish, stand
from tests.till import Till, refused, wrong_places
from tests.wire import counted_on_the_wire

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"
LINES = [
    {"line": "1", "category": "labour", "amount": "120.00"},
    {"line": "2", "category": "parts", "amount": "148.00"},
]


@pytest.fixture
def store():
    factories.plain()
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def of(store):
    return factories.identity()


def purchase(of, **changes):
    document = {
        "reference": "R-1",
        "member": of.number,
        "store": "S1",
        "at": AT,
        "amount": "268.00",
        "lines": LINES,
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def nothing_written():
    return not Activity.objects.exists() and not Entry.objects.exists()


class TestPurchase:
    def test_is_credited_and_explained(self, till, of):
        answer = till.send("purchases/", purchase(of))

        assert answer.status_code == 201
        assert answer.json() == {
            "reference": "R-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "amount": "268.00",
            "points": 26,
            "entry": {
                "entry": f"{of.number}-1",
                "points": 26,
                "pending": 0,
                "balance_after": 26,
                "expires_on": "2027-06-30",
            },
            "pending": [],
            "lines": [{**line, "product": ""} for line in LINES],
            "explanation": {
                "version": 1,
                "lines": [
                    {
                        **LINES[0],
                        "rule": "base",
                        "points": "1",
                        "per_amount": "10",
                        "exact": "12",
                    },
                    {
                        **LINES[1],
                        "rule": "base",
                        "points": "1",
                        "per_amount": "10",
                        "exact": "14.8",
                    },
                ],
                "exact": "26.8",
                "rounding": {"mode": "down", "per": "document"},
                "points": 26,
                "not_applied": [],
                "parts": {"base": 26},
                "tier": None,
                "boosts": [],
                "caps": [],
            },
        }
        assert queries.balance(of.id) == 26
        [entry] = Entry.objects.all()
        assert (entry.store.code, entry.client.organization.code) == (
            "S1",
            entry.issuer.code,
        )

    def test_repeated_answers_the_same_bytes_and_credits_nothing(self, till, of):
        first = till.send("purchases/", purchase(of))

        again = till.send("purchases/", purchase(of))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert queries.balance(of.id) == 26
        assert Entry.objects.count() == 1

    def test_without_a_time_it_happened_now_and_a_later_repeat_is_the_same(self, store, of):
        client = factories.api_client(store.organization)

        with time_machine.travel(datetime(2026, 6, 15, 4, tzinfo=UTC), tick=False):
            first = Till(client).send("purchases/", purchase(of, at=None))
        with time_machine.travel(datetime(2026, 6, 16, 4, tzinfo=UTC), tick=False):
            again = Till(client).send("purchases/", purchase(of, at=None))

        assert first.json()["at"] == AT
        assert (again.status_code, again.content) == (200, first.content)

    def test_a_renewed_client_cannot_double_it(self, till, of, store):
        till.send("purchases/", purchase(of))
        renewed = Till(factories.api_client(store.organization))

        assert renewed.send("purchases/", purchase(of)).status_code == 200
        assert queries.balance(of.id) == 26

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": "268.01", "lines": []},
            {"lines": []},
            {"at": "2026-06-15T12:00:01+08:00"},
            {"at": None},
        ],
    )
    def test_the_reference_of_another_one_is_refused(self, till, of, change):
        till.send("purchases/", purchase(of))

        problem = refused(till.send("purchases/", purchase(of, **change)), 409, "reference_reused")

        assert problem["details"] == {"reference": "R-1"}
        assert queries.balance(of.id) == 26

    def test_another_organization_may_have_the_same_reference(self, till, of):
        till.send("purchases/", purchase(of))
        other = factories.store(code="S2")

        answer = Till(factories.api_client(other.organization)).send(
            "purchases/", purchase(of, store="S2")
        )

        assert answer.status_code == 201
        assert queries.balance(of.id) == 52

    def test_a_number_is_as_good_as_text(self, till, of):
        first = till.send("purchases/", purchase(of, amount="268.10", lines=None))
        again = till.send("purchases/", purchase(of, amount=268.1, lines=None))

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["amount"] == "268.10"

    def test_too_small_for_a_point_has_no_entry(self, till, of):
        answer = till.send("purchases/", purchase(of, amount="9.99", lines=[]))

        assert answer.status_code == 201
        assert (answer.json()["points"], answer.json()["entry"]) == (0, None)
        again = till.send("purchases/", purchase(of, amount="9.99", lines=[]))
        assert (again.status_code, again.content) == (200, answer.content)

    def test_a_rare_character_is_kept(self, till, of):
        answer = till.send("purchases/", purchase(of, reference="沪A-㑇/1 2"))

        assert answer.status_code == 201
        assert till.ask("purchases/沪A-㑇/1 2/").json()["reference"] == "沪A-㑇/1 2"

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("amount", "1.234", "wrong_format"),
            ("amount", 1.234, "too_many_decimals"),
            ("amount", "-1", "wrong_format"),
            ("amount", -0.01, "out_of_range"),
            ("amount", 1e15, "out_of_range"),
            ("amount", "1e3", "wrong_format"),
            ("amount", "NaN", "wrong_format"),
            ("amount", "１２", "wrong_format"),
            ("amount", "", "wrong_format"),
            ("amount", True, "wrong_type"),
            ("amount", None, "null"),
            ("amount", {}, "wrong_type"),
            ("reference", "", "too_short"),
            ("reference", 17, "wrong_type"),
            ("reference", " R-1", "wrong_format"),
            ("reference", "R" * 65, "too_long"),
            ("reference", "R\n1", "wrong_format"),
            ("reference", "😀", "wrong_format"),
            ("member", "M1", "wrong_format"),
            ("member", 10, "wrong_type"),
            ("store", "S 1", "wrong_format"),
            ("at", "2026-06-15T12:00:00", "wrong_format"),
            ("at", "2026-06-15", "wrong_format"),
            ("at", "2026-02-30T12:00:00Z", "wrong_format"),
            ("at", "2025-02-29T12:00:00Z", "wrong_format"),
            ("at", "2026-06-15T24:00:00Z", "wrong_format"),
            ("at", "2026-06-15T12:00:00+24:00", "wrong_format"),
            ("at", "0001-01-01T00:00:00+14:00", "date_out_of_range"),
            ("at", "9999-12-31T23:59:59-12:00", "date_out_of_range"),
            ("at", 1781496000, "wrong_type"),
            ("lines", {}, "not_a_list"),
            ("lines", "1", "not_a_list"),
            ("color", "red", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, of, field, value, code):
        document = purchase(of) | {field: value}

        problem = refused(till.send("purchases/", document), 422, "invalid")

        assert wrong_places(problem) == {(f"/{field}", code)}
        assert nothing_written()

    def test_everything_wrong_is_told_at_once(self, till, of):
        document = purchase(of, amount="x", lines=[LINES[0], {"line": "2", "amount": -1, "a/b": 1}])
        del document["store"]

        problem = refused(till.send("purchases/", document), 422, "invalid")

        assert wrong_places(problem) == {
            ("/amount", "wrong_format"),
            ("/store", "required"),
            ("/lines/1/amount", "out_of_range"),
            ("/lines/1/a~1b", "unknown_field"),
        }
        assert nothing_written()

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"member": "M0000000017"}, 404, "unknown_member"),
            ({"member": "M9999999998"}, 404, "unknown_member"),
            ({"store": "S9"}, 422, "unknown_store"),
            ({"store": "FOREIGN"}, 422, "unknown_store"),
            ({"store": "CLOSED"}, 422, "unknown_store"),
            ({"amount": "268.01"}, 422, "lines_do_not_add_up"),
            ({"lines": [LINES[0] | {"amount": "134"}] * 2}, 422, "duplicate_line"),
            ({"at": "1899-12-31T23:59:59Z"}, 422, "invalid"),
            ({"at": "1900-01-01T00:00:00+14:00"}, 422, "no_rulebook"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_written(
        self, till, of, store, change, status, code
    ):
        factories.store(code="FOREIGN")
        factories.store(store.organization, code="CLOSED", is_active=False)

        refused(till.send("purchases/", purchase(of, **change)), status, code)

        assert nothing_written()

    def test_tomorrow_is_refused(self, till, of):
        tomorrow = (timezone.now() + timedelta(days=1)).isoformat()

        refused(till.send("purchases/", purchase(of, at=tomorrow)), 422, "dated_in_future")

        assert nothing_written()

    def test_a_clock_two_minutes_ahead_is_no_future(self, till, of):
        soon = (timezone.now() + timedelta(minutes=2)).isoformat()

        assert till.send("purchases/", purchase(of, at=soon)).status_code == 201

    def test_a_frozen_member_earns_nothing(self, till, of):
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        problem = refused(till.send("purchases/", purchase(of)), 409, "member_frozen")

        assert problem["details"] == {"number": of.number}
        assert nothing_written()

    def test_a_client_narrowed_to_stores_has_no_others(self, of, store):
        other = factories.store(store.organization, code="S2")
        till = Till(factories.api_client(store.organization, stores=[other]))

        refused(till.send("purchases/", purchase(of)), 422, "unknown_store")
        assert till.send("purchases/", purchase(of, store="S2")).status_code == 201

    def test_a_client_narrowed_to_stores_reads_and_returns_no_others(self, till, of, store):
        other = factories.store(store.organization, code="S2")
        narrowed = Till(factories.api_client(store.organization, stores=[other]))
        till.send("purchases/", purchase(of))
        till.send("purchases/", purchase(of, reference="R-2", store="S2"))
        given_back = {"reference": "T-1", "amount": "1.00"}

        refused(narrowed.ask("purchases/R-1/"), 404, "unknown_purchase")
        refused(narrowed.send("purchases/R-1/returns/", given_back), 404, "unknown_purchase")

        assert not Activity.objects.filter(kind="RETURN").exists()
        assert narrowed.ask("purchases/R-2/").status_code == 200
        assert narrowed.send("purchases/R-2/returns/", given_back).status_code == 201

    def test_five_hundred_lines_fit_and_one_more_is_refused(self, till, of):
        lines = [{"line": str(n), "amount": "1.00"} for n in range(500)]

        answer = till.send("purchases/", purchase(of, amount="500", lines=lines))
        assert (answer.status_code, answer.json()["points"]) == (201, 50)

        more = [*lines, {"line": "500", "amount": "1.00"}]
        problem = refused(
            till.send("purchases/", purchase(of, reference="R-2", amount="501", lines=more)),
            422,
            "invalid",
        )
        assert wrong_places(problem) == {("/lines", "max_length")}


class TestReadBack:
    def test_shows_the_purchase_and_its_returns(self, till, of):
        posted = till.send("purchases/", purchase(of)).json()
        till.send("purchases/R-1/returns/", {"reference": "R-1-1", "amount": "100", "at": AT})

        answer = till.ask("purchases/R-1/")

        assert answer.status_code == 200
        assert answer.json() == posted | {
            "still_pending": [],
            "returns": [{"reference": "R-1-1", "at": AT, "amount": "100.00", "points": -10}],
        }

    def test_a_strangers_purchase_is_as_absent(self, till, of):
        till.send("purchases/", purchase(of))
        stranger = Till(factories.api_client(factories.dealer()))

        theirs = refused(stranger.ask("purchases/R-1/"), 404, "unknown_purchase")
        absent = refused(stranger.ask("purchases/R-2/"), 404, "unknown_purchase")

        assert theirs["detail"] == absent["detail"]


class TestReturn:
    def test_takes_back_what_it_is_no_longer_worth(self, till, of):
        till.send("purchases/", purchase(of))

        answer = till.send(
            "purchases/R-1/returns/",
            {
                "reference": "R-1-1",
                "amount": "148",
                "at": AT,
                "lines": [{"line": "2", "amount": "148"}],
            },
        )

        assert answer.status_code == 201
        document = answer.json()
        explanation = document.pop("explanation")
        assert document == {
            "reference": "R-1-1",
            "purchase": "R-1",
            "member": of.number,
            "store": "S1",
            "at": AT,
            "amount": "148.00",
            "points": -14,
            "entry": {
                "entry": f"{of.number}-2",
                "points": -14,
                "pending": 0,
                "balance_after": 12,
                "expires_on": None,
            },
            "lines": [{**LINES[1], "product": ""}],
        }
        assert (explanation["exact"], explanation["points"]) == ("12", 12)
        assert queries.balance(of.id) == 12

    def test_repeated_answers_the_same_bytes(self, till, of):
        till.send("purchases/", purchase(of))
        given = {"reference": "R-1-1", "amount": "100"}

        first = till.send("purchases/R-1/returns/", given)
        again = till.send("purchases/R-1/returns/", given)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert queries.balance(of.id) == 16
        changed = given | {"amount": "101"}
        refused(till.send("purchases/R-1/returns/", changed), 409, "reference_reused")

    @pytest.mark.parametrize(
        ("given", "status", "code"),
        [
            ({"amount": "268.01"}, 409, "return_exceeds_purchase"),
            (
                {"amount": "1", "lines": [{"line": "9", "amount": "1"}]},
                409,
                "return_exceeds_purchase",
            ),
            ({"amount": "1", "at": "2026-06-14T12:00:00+08:00"}, 422, "return_before_purchase"),
            ({"amount": "2", "lines": [{"line": "1", "amount": "1"}]}, 422, "lines_do_not_add_up"),
            ({"amount": "1", "member": "M0000000018"}, 422, "invalid"),
        ],
    )
    def test_what_cannot_be_is_refused(self, till, of, given, status, code):
        till.send("purchases/", purchase(of))

        document = {"reference": "R-1-1", "at": AT} | given
        refused(till.send("purchases/R-1/returns/", document), status, code)

        assert queries.balance(of.id) == 26
        assert Activity.objects.count() == 1

    def test_of_a_strangers_purchase_is_refused(self, till, of):
        till.send("purchases/", purchase(of))
        stranger = Till(factories.api_client(factories.dealer()))

        given = {"reference": "X", "amount": "100"}
        refused(stranger.send("purchases/R-1/returns/", given), 404, "unknown_purchase")

        assert queries.balance(of.id) == 26


class TestQuote:
    def test_tells_what_it_would_be_worth_and_writes_nothing(self, till, of):
        answer = till.send(
            "quotes/",
            {"member": of.number, "store": "S1", "at": AT, "amount": "268.00", "lines": LINES},
        )

        assert answer.status_code == 200
        assert (answer.json()["points"], answer.json()["expires_on"]) == (26, "2027-06-30")
        assert nothing_written()

    def test_tells_why_a_rule_did_not_fire(self, till):
        factories.rulebook(
            valid_from="2026-01-01",
            rules=[
                {"code": "parts", "categories": ["parts"], "points": "2", "per_amount": "10"},
                {"code": "tyres", "categories": ["tyres"], "points": "3", "per_amount": "10"},
                {"code": "base", "points": "1", "per_amount": "10"},
                {"code": "rest", "points": "5", "per_amount": "10"},
            ],
        )

        answer = till.send(
            "quotes/", {"store": "S1", "at": AT, "amount": "268.00", "lines": LINES}
        ).json()

        assert answer["points"] == 41  # 12 + 29.6, rounded down
        assert [line["rule"] for line in answer["explanation"]["lines"]] == ["base", "parts"]
        assert answer["explanation"]["not_applied"] == [
            {"reason": "no_line_of_its_categories", "codes": ["tyres"]},
            {"reason": "an_earlier_rule_took_the_line", "codes": ["rest"]},
        ]

    def test_of_a_day_to_come_is_judged_by_the_rules_of_that_day(self, till):
        factories.rulebook(
            valid_from="2040-01-01", rules=[{"code": "x", "points": "3", "per_amount": "10"}]
        )

        before = till.send(
            "quotes/", {"store": "S1", "at": "2039-12-31T23:59:59+08:00", "amount": 10}
        )
        after = till.send(
            "quotes/", {"store": "S1", "at": "2040-01-01T00:00:00+08:00", "amount": 10}
        )

        assert (before.json()["points"], after.json()["points"]) == (1, 3)

    def test_of_list_prices_takes_off_the_tiers_discount_and_earns_on_what_is_paid(self, till, of):
        publish(discount("off", t1="85"), discount("labour-off", categories=["labour"], t1="80"))
        stand(of, "t1")
        bill = {
            "store": "S1",
            "at": AT,
            "amount": "268.01",
            "lines": [LINES[0], {"line": "2", "category": "parts", "amount": "148.01"}],
            "before_discount": True,
        }

        of_member = till.send("quotes/", {"member": of.number, **bill}).json()
        of_nobody = till.send("quotes/", bill).json()
        paid_already = till.send(
            "quotes/", {"member": of.number, **bill, "before_discount": False}
        ).json()

        # 80 % of 120.00 and 85 % of 148.01, to the cent: 96.00 and 125.81.
        assert (of_member["amount"], of_member["to_pay"]) == ("268.01", "221.81")
        assert of_member["discounts"] == [
            {"line": "1", "benefit": "labour-off", "pays": "80", "off": "24.00"},
            {"line": "2", "benefit": "off", "pays": "85", "off": "22.20"},
        ]
        assert of_member["points"] == 22
        assert [line["amount"] for line in of_member["explanation"]["lines"]] == ["96.00", "125.81"]
        for each in (of_nobody, paid_already):
            assert (each["to_pay"], each["discounts"], each["points"]) == ("268.01", [], 26)
        assert nothing_written()

    def test_of_a_bill_without_lines_takes_off_what_is_off_everything(self, till, of):
        publish(discount("off", t1="85"), discount("labour-off", categories=["labour"], t1="80"))
        stand(of, "t1")

        answer = till.send(
            "quotes/",
            {"member": of.number, "store": "S1", "at": AT, "amount": "99.99",
             "before_discount": True},
        ).json()  # fmt: skip

        assert answer["to_pay"] == "84.99"
        assert answer["discounts"] == [{"line": "", "benefit": "off", "pays": "85", "off": "15.00"}]

    def test_a_frozen_member_would_earn_nothing(self, till, of):
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        document = {"member": of.number, "store": "S1", "amount": 10}
        refused(till.send("quotes/", document), 409, "member_frozen")


@pytest.mark.django_db(transaction=True)
class TestRoundTrips:
    """On the wire, with the token and the rulebook known to the process."""

    def test_a_purchase_costs_two(self, till, of):
        with counted_on_the_wire() as statements:
            till.send("purchases/", purchase(of, reference="R-0"))
            statements.clear()

            assert till.send("purchases/", purchase(of)).status_code == 201

            assert [_verb(statement) for statement in statements] == ["SELECT", "SELECT"]
            assert "points_post_purchase" in statements[1]

    def test_with_a_key_it_costs_six(self, till, of):
        with counted_on_the_wire() as statements:
            till.send("purchases/", purchase(of, reference="R-0"), key="k0")
            statements.clear()

            assert till.send("purchases/", purchase(of), key="k1").status_code == 201

            assert [_verb(statement) for statement in statements] == [
                "BEGIN",
                "SELECT",  # the lock and the look
                "SELECT",  # the member
                "SELECT",  # the posting
                "INSERT",  # the answer
                "COMMIT",
            ]
        assert IdempotencyRecord.objects.count() == 2

    def test_a_repeat_under_its_key_costs_three(self, till, of):
        with counted_on_the_wire() as statements:
            till.send("purchases/", purchase(of), key="k1")
            statements.clear()

            assert till.send("purchases/", purchase(of), key="k1").status_code == 201

            assert [_verb(statement) for statement in statements] == ["BEGIN", "SELECT", "COMMIT"]


def _verb(statement):
    return statement.split()[0]
