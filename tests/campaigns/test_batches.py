"""Many documents in one call."""

import json
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import OperationalError

from campaigns import batches
from campaigns.api.batches import BYTES_MAX
from common.models import IdempotencyRecord
from members.models import Member
from partners.api import throttling
from points import queries
from points.models import Activity, Entry
from tests import factories
from tests.factories.activities import cap, kind, rewarding
from tests.till import Till, refused, wrong_places

pytestmark = pytest.mark.django_db

AT = "2026-06-15T12:00:00+08:00"
NDJSON = "application/x-ndjson"
CSV = "text/csv"


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
        "type": "purchase",
        "reference": "R-1",
        "member": of.number,
        "store": "S1",
        "at": AT,
        "amount": "268.00",
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def returned(**changes):
    return {"type": "return", "purchase": "R-1", "reference": "B-1", "amount": "68.00"} | changes


def redemption(of, **changes):
    document = {"type": "redemption", "reference": "X-1", "member": of.number, "store": "S1"}
    return document | {"points": 20} | changes


def send(till, *lines, content_type=NDJSON, **headers):
    """Post lines, given as documents or as bytes; return the answer's document."""
    rows = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    answer = till.send("batches/", b"\n".join(rows), **{"Content-Type": content_type}, **headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def statuses(answer):
    return [(result["status"], result.get("code")) for result in answer["results"]]


def wrong(answer, line):
    [result] = [each for each in answer["results"] if each["line"] == line]
    return wrong_places(result)


class TestNdjson:
    def test_posts_each_line_as_its_single_call_would(self, till, of):
        answer = send(till, purchase(of), returned(), redemption(of))

        assert answer == {
            "counts": {"posted": 3, "repeated": 0, "try_again": 0, "refused": 0},
            "results": [
                {
                    "line": 1,
                    "status": 201,
                    "type": "purchase",
                    "reference": "R-1",
                    "entry": f"{of.number}-1",
                    "points": 26,
                    "balance_after": 26,
                },
                {
                    "line": 2,
                    "status": 201,
                    "type": "return",
                    "reference": "B-1",
                    "entry": f"{of.number}-2",
                    "points": -6,
                    "balance_after": 20,
                },
                {
                    "line": 3,
                    "status": 201,
                    "type": "redemption",
                    "reference": "X-1",
                    "entry": f"{of.number}-3",
                    "points": 20,
                    "balance_after": 0,
                },
            ],
        }
        assert queries.balance(of.id) == 0

    def test_again_answers_the_same_and_changes_nothing(self, till, of):
        lines = [purchase(of), returned(), redemption(of)]
        first = send(till, *lines)

        again = send(till, *lines)

        assert again["counts"] == {"posted": 0, "repeated": 3, "try_again": 0, "refused": 0}
        assert again["results"] == [{**line, "status": 200} for line in first["results"]]
        assert Entry.objects.count() == 3

    def test_a_line_that_is_refused_harms_no_other(self, till, of):
        frozen = factories.identity()
        Member.objects.filter(pk=frozen.id).update(status="FROZEN")
        answer = send(
            till,
            purchase(of),
            purchase(frozen, reference="R-2"),
            purchase(of, reference="R-3", member="M0000000000"),
            purchase(of, reference="R-4", store="NOT-OURS"),
            purchase(of, reference="R-5", amount="1,5", colour="red"),
            purchase(of, reference="R-6", lines=[{"line": "1", "amount": "1.00"}]),
            purchase(of, amount="268.01"),
            redemption(of, points=27),
            returned(purchase="R-99"),
            purchase(of, reference="R-7", at="2100-01-01T00:00:00Z"),
            redemption(of),
        )

        assert statuses(answer) == [
            (201, None),
            (409, "member_frozen"),
            (404, "unknown_member"),
            (422, "unknown_store"),
            (422, "invalid"),
            (422, "lines_do_not_add_up"),
            (409, "reference_reused"),
            (409, "insufficient_points"),
            (404, "unknown_purchase"),
            (422, "dated_in_future"),
            (201, None),
        ]
        assert answer["counts"] == {"posted": 2, "repeated": 0, "try_again": 0, "refused": 9}
        assert wrong(answer, 5) == {("/amount", "wrong_format"), ("/colour", "unknown_field")}
        assert answer["results"][7]["details"] == {"requested": 27, "spendable": 26}
        assert Entry.objects.count() == 2
        assert queries.balance(of.id) == 6

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"{", "malformed"),
            (b"\xff\xfe{\x00}\x00", "malformed"),
            (b'{"type":"purchase","reference":"\xff"}', "malformed"),
            (b'{"type":"purchase","type":"purchase"}', "malformed"),
            (b'{"type":"purchase","amount":NaN}', "malformed"),
            (b'{"type":"purchase","amount":' + b"9" * 5000 + b"}", "malformed"),
            (rb'{"type":"purchase","reference":"\ud800"}', "malformed"),
            (rb'{"type":"purchase","reference":"\u0000"}', "malformed"),
            (b'{"reference":"\x00"}', "malformed"),
            (b"[" * 20_000, "malformed"),
            (b'{"note":"' + b"a" * 65_536 + b'"}', "body_too_large"),
            (b'{"type":"purchase","amount":1e999999}', "invalid"),
            (b"[]", "invalid"),
            (b"null", "invalid"),
            (b"{}", "invalid"),
            (b'{"type":["purchase"]}', "invalid"),
            (b'{"type":"gift"}', "invalid"),
        ],
    )
    def test_a_line_that_cannot_be_read_refuses_itself_alone(self, till, of, line, code):
        answer = send(till, purchase(of), line, redemption(of))

        assert [each.get("code") for each in answer["results"]] == [None, code, None]
        assert answer["results"][1]["line"] == 2

    def test_says_what_is_wrong_with_a_type(self, till):
        answer = send(till, b'{"reference": "R-1"}', b'{"type": "gift"}', b'{"type": 1}')

        assert [wrong(answer, nth) for nth in (1, 2, 3)] == [
            {("/type", "required")},
            {("/type", "unknown_choice")},
            {("/type", "wrong_type")},
        ]

    def test_takes_a_byte_order_mark_line_ends_of_windows_and_blank_lines(self, till, of):
        first, second = (json.dumps(line).encode() for line in (purchase(of), redemption(of)))

        answer = send(till, b"\xef\xbb\xbf" + first + b"\r", b"", b" \t\r", second + b"\r", b"")

        assert [(line["line"], line["status"]) for line in answer["results"]] == [
            (1, 201),
            (4, 201),
        ]

    def test_is_refused_in_the_readers_language(self, till, of):
        answer = send(till, purchase(of, store="X"), **{"Accept-Language": "en"})

        [line] = answer["results"]
        assert line["detail"] == "There is no store “X”, or it is not yours."

    def test_each_line_needs_the_scope_of_its_single_call(self, store, of):
        till = Till(factories.api_client(store.organization, scopes=["purchases:write"]))
        cashier = Till(factories.api_client(store.organization, scopes=["points:redeem"]))

        assert statuses(send(till, purchase(of), redemption(of))) == [
            (201, None),
            (403, "insufficient_scope"),
        ]
        assert statuses(send(cashier, purchase(of, reference="R-2"), redemption(of))) == [
            (403, "insufficient_scope"),
            (201, None),
        ]

    def test_is_closed_to_who_may_post_nothing(self, store, of):
        till = Till(factories.api_client(store.organization, scopes=["purchases:read"]))

        refused(till.send("batches/", b"{}", **{"Content-Type": NDJSON}), 403, "insufficient_scope")

    def test_a_purchase_worth_nothing_has_no_entry(self, till, of):
        [line] = send(till, purchase(of, amount="0"))["results"]

        assert line == {
            "line": 1,
            "status": 201,
            "type": "purchase",
            "reference": "R-1",
            "points": 0,
        }

    def test_what_the_single_call_posted_is_a_repeat_and_the_other_way_round(self, till, of):
        document = purchase(of)
        del document["type"]
        till.send("purchases/", document)
        [line] = send(till, purchase(of))["results"]
        assert (line["status"], line["entry"], line["points"]) == (200, f"{of.number}-1", 26)

        send(till, purchase(of, reference="R-2", at=None))
        del document["at"]
        again = till.send("purchases/", document | {"reference": "R-2"})

        assert again.status_code == 200
        assert again.json()["entry"]["entry"] == f"{of.number}-2"


class TestOrder:
    def test_a_members_documents_are_posted_in_the_order_given(self, till, of, store):
        """Each of them would be refused, or answer another balance, in another order."""
        other = factories.identity()
        answer = send(
            till,
            redemption(of, reference="X-0", points=1),
            purchase(of),
            purchase(other, reference="R-2"),
            redemption(of, points=26),
            purchase(of, reference="R-3"),
            redemption(other, reference="X-2", points=26),
            returned(purchase="R-3", amount="268.00"),
        )

        assert [(line["status"], line.get("balance_after")) for line in answer["results"]] == [
            (409, None),
            (201, 26),
            (201, 26),
            (201, 0),
            (201, 26),
            (201, 0),
            (201, 0),
        ]

    def test_a_return_waits_for_the_members_other_purchases_before_it(self, till, of):
        send(till, purchase(of))

        answer = send(till, purchase(of, reference="R-2"), returned(amount="268.00"))

        assert [line["balance_after"] for line in answer["results"]] == [52, 26]

    def test_purchases_between_others_redemptions_still_go_by_the_chunk(
        self, till, of, monkeypatch
    ):
        sizes = []
        real = batches.points.post_purchases

        def counted(*, purchases):
            sizes.append(len(purchases))
            return real(purchases=purchases)

        monkeypatch.setattr(batches.points, "post_purchases", counted)
        monkeypatch.setattr(batches, "CHUNK", 4)
        send(till, purchase(of, reference="R-0", amount="2680"))
        others = [factories.identity() for _ in range(6)]

        lines = []
        for n, other in enumerate(others):
            lines.append(purchase(other, reference=f"P-{n}"))
            lines.append(redemption(of, reference=f"X-{n}"))
        answer = send(till, *lines)

        assert sizes == [1, 4, 2]
        assert answer["counts"]["posted"] == 12


class TestCsv:
    HEADER = b"reference,member,store,at,amount"

    def row(self, of, reference="R-1", amount="268.00"):
        return f"{reference},{of.number},S1,{AT},{amount}".encode()

    def test_posts_a_purchase_a_row(self, till, of):
        answer = send(till, self.HEADER, self.row(of), self.row(of, "R-2", "10"), content_type=CSV)

        assert [
            (line["line"], line["reference"], line["points"]) for line in answer["results"]
        ] == [
            (2, "R-1", 26),
            (3, "R-2", 1),
        ]

    def test_is_the_same_as_the_single_call(self, till, of):
        document = purchase(of)
        del document["type"]
        till.send("purchases/", document)

        answer = send(till, self.HEADER, self.row(of), content_type="text/csv; charset=utf-8")

        assert statuses(answer) == [(200, None)]

    def test_rows_of_one_reference_that_name_a_line_are_one_purchase(self, till, of):
        head = b"reference,member,store,at,amount,line,category,line_amount"
        one = self.row(of) + b",1,labour,120.00"
        two = self.row(of) + b",2,parts,148.00"

        answer = send(till, head, one, self.row(of, "R-2") + b",,parts,", two, content_type=CSV)

        assert [(line["line"], line["status"]) for line in answer["results"]] == [
            (2, 201),
            (3, 201),
        ]
        lines = {each.reference: each.lines for each in Activity.objects.all()}
        assert lines == {
            "R-1": [
                {"line": "1", "category": "labour", "amount": "120.00"},
                {"line": "2", "category": "parts", "amount": "148.00"},
            ],
            "R-2": [{"line": "1", "category": "parts", "amount": "268.00"}],
        }

    def test_a_row_that_is_missing_or_differs_refuses_the_whole_purchase(self, till, of):
        """Nobody gets points for half a document."""
        head = b"reference,member,store,at,amount,line,category,line_amount"
        answer = send(
            till,
            head,
            self.row(of) + b",1,,120.00",
            self.row(of, "R-2") + b",1,,120.00",
            self.row(of, "R-2", "269") + b",2,,148.00",
            self.row(of, "R-3") + b",1,,120.00",
            self.row(of, "R-3") + b',"2,,148.00',
            content_type=CSV,
        )

        assert [(line["line"], line["code"]) for line in answer["results"]] == [
            (2, "lines_do_not_add_up"),
            (3, "rows_differ"),
            (5, "lines_do_not_add_up"),
            (6, "malformed"),
        ]
        assert not Activity.objects.exists()

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            (b'"R-1,M,S1,,1', "malformed"),
            (b"R-\xff,M0000000018,S1,,1", "malformed"),
            (b"R-1,M0000000018,S1", "ragged_row"),
            (b"R-1,M0000000018,S1,,1,2", "ragged_row"),
            (b'"=""007""",M0000000018,S1,,1', "formula"),
            (b'R-1,M0000000018,S1,,"=1+1"', "formula"),
            (b"R-\x00,M0000000018,S1,,1", "invalid"),
            (b'R-1,M0000000018,S1,,"1,000"', "invalid"),
            (b"R-1,M0000000018,S1,,1e3", "invalid"),
            (b"R-1,M0000000018,S1,,NaN", "invalid"),
            (b"R-1,M0000000018,S1,," + b"9" * 5000, "invalid"),
            (b"R-1,M0000000018,S1,2026-06-15,1", "invalid"),
            (b"R-1,M0000000018,S1,,", "invalid"),
        ],
    )
    def test_a_row_that_cannot_be_read_refuses_itself_alone(self, till, of, row, code):
        answer = send(
            till, self.HEADER, self.row(of, "R-2"), row, self.row(of, "R-3"), content_type=CSV
        )

        assert [each.get("code") for each in answer["results"]] == [None, code, None]

    def test_takes_a_byte_order_mark_line_ends_of_windows_and_quotes(self, till, of):
        body = b"\r\n".join([b"\xef\xbb\xbf" + self.HEADER, self.row(of), b"", b",,,,", b""])
        body = body.replace(b"R-1", b'"R-1"')

        answer = send(till, body, content_type=CSV)

        assert [(line["line"], line["status"]) for line in answer["results"]] == [
            (2, 201),
            (4, 422),
        ]

    @pytest.mark.parametrize(
        "header",
        [b"reference,member,amount", b"reference,member,store,amount,colour", b'"', b"1",
         b"reference,reference,member,store,amount"],
    )  # fmt: skip
    def test_a_header_that_is_not_ours_refuses_the_whole(self, till, of, header):
        answer = till.send("batches/", header + b"\n1,2,3\n", **{"Content-Type": CSV})

        refused(answer, 422, "unknown_columns")


class TestActivities:
    """Check-ins and the like, beside purchases and returns."""

    @pytest.fixture
    def store(self):
        rewarding(
            kinds=[kind("check-in", 2, once_per="day"), kind("event", 50)],
            caps=[cap("half", "event", share="50", of_type="consumption")],
        )
        return factories.store(code="S1")

    def done(self, of, **changes):
        document = {"type": "activity", "reference": "C-1", "member": of.number, "store": "S1"}
        return document | {"at": AT, "activity": "check-in"} | changes

    def test_each_is_credited_as_its_single_call_would(self, till, of):
        answer = send(till, self.done(of))

        assert answer["results"] == [
            {
                "line": 1,
                "status": 201,
                "type": "activity",
                "reference": "C-1",
                "entry": f"{of.number}-1",
                "points": 2,
                "balance_after": 2,
            }
        ]
        single = till.send(
            "activities/",
            {name: value for name, value in self.done(of).items() if name != "type"},
        )
        assert (single.status_code, single.json()["entry"]["entry"]) == (200, f"{of.number}-1")

    def test_stands_behind_what_the_member_bought_before_it(self, till, of):
        """The cap is half of the points for purchases: 13 of 26, then 3 less after the return."""
        other = factories.identity()
        answer = send(
            till,
            purchase(of),
            purchase(other, reference="R-2"),
            self.done(of, activity="event"),
            returned(),
            self.done(other, activity="event", reference="C-2"),
        )

        assert [each["points"] for each in answer["results"]] == [26, 26, 13, -6, 13]

    def test_again_answers_the_same_and_changes_nothing(self, till, of):
        lines = [self.done(of), self.done(of, reference="C-2"), purchase(of)]
        first = send(till, *lines)

        again = send(till, *lines)

        assert again["results"] == [{**line, "status": 200} for line in first["results"]]
        assert [line["points"] for line in again["results"]] == [2, 0, 26]
        assert Activity.objects.filter(kind="ACTIVITY").count() == 2

    def test_one_that_is_refused_harms_no_other(self, till, of):
        frozen = factories.identity()
        Member.objects.filter(pk=frozen.id).update(status="FROZEN")

        answer = send(
            till,
            self.done(of, activity="dance"),
            self.done(frozen),
            self.done(of, member="M0000000000"),
            self.done(of, store="NOT-OURS"),
            self.done(of, activity="Check in!"),
            self.done(of, amount="1.00"),
            self.done(of, at="2100-01-01T00:00:00Z"),
            self.done(of),
            self.done(of, activity="event"),
        )

        assert statuses(answer) == [
            (422, "unknown_activity"),
            (409, "member_frozen"),
            (404, "unknown_member"),
            (422, "unknown_store"),
            (422, "invalid"),
            (422, "invalid"),
            (422, "dated_in_future"),
            (201, None),
            (409, "reference_reused"),
        ]
        assert queries.balance(of.id) == 2

    def test_needs_the_scope_of_its_single_call(self, store, of):
        redeeming = factories.api_client(store.organization, scopes=["points:redeem"])

        answer = send(Till(redeeming), self.done(of))

        assert statuses(answer) == [(403, "insufficient_scope")]

    def test_in_a_csv_a_row_with_an_activity_is_one(self, till, of):
        rows = [
            b"reference,member,store,amount,at,activity,line,line_amount",
            f"R-1,{of.number},S1,268.00,{AT},,1,268.00".encode(),
            f"C-1,{of.number},S1,,{AT},check-in,,".encode(),
            f"C-2,{of.number},S1,5.00,{AT},check-in,,".encode(),
            f"R-1,{of.number},S1,,{AT},check-in,1,".encode(),
        ]
        answer = send(till, *rows, content_type=CSV)

        assert [(each["line"], each["type"]) for each in answer["results"]] == [
            (2, "purchase"),
            (3, "activity"),
            (4, "activity"),
            (5, "activity"),
        ]
        assert statuses(answer) == [(201, None), (201, None), (422, "invalid"), (422, "invalid")]
        assert wrong(answer, 4) == {("/amount", "unknown_field")}

    def test_a_csv_of_activities_alone_needs_no_amounts(self, till, of):
        rows = [b"reference,member,store,activity", f"C-1,{of.number},S1,check-in".encode()]

        assert statuses(send(till, *rows, content_type=CSV)) == [(201, None)]


class TestLimits:
    def test_ten_megabytes_and_no_byte_more(self, till, of):
        line = json.dumps(purchase(of)).encode()
        body = line + b"\n" * (BYTES_MAX - len(line))

        assert till.send("batches/", body, **{"Content-Type": NDJSON}).status_code == 200
        more = till.send("batches/", body + b"\n", **{"Content-Type": NDJSON})
        assert "10000000" in refused(more, 413, "body_too_large")["detail"]

    def test_other_calls_have_their_own_limit(self, till):
        refused(till.send("purchases/", b" " * 65_537), 413, "body_too_large")

    def test_ten_thousand_lines_and_no_line_more(self, till):
        allowed = till.send("batches/", b"0\n" * 10_000, **{"Content-Type": NDJSON})
        assert allowed.json()["counts"]["refused"] == 10_000

        more = till.send("batches/", b"0\n" * 10_001, **{"Content-Type": NDJSON})
        problem = refused(more, 413, "too_many_lines")
        assert problem["details"] == {"limit": 10_000, "lines": 10_001}

    @pytest.mark.parametrize("content_type", [NDJSON, CSV])
    @pytest.mark.parametrize("body", [b"", b"\n\r\n \n", b"\xef\xbb\xbf"])
    def test_nothing_is_malformed(self, till, body, content_type):
        refused(till.send("batches/", body, **{"Content-Type": content_type}), 400, "malformed")

    @pytest.mark.parametrize(
        "content_type", ["application/json", "text/plain", "text/csv; charset=gb18030", "x"]
    )
    def test_other_types_are_refused(self, till, content_type):
        answer = till.send("batches/", b"1", **{"Content-Type": content_type})

        refused(answer, 415, "unsupported_media_type")

    def test_an_idempotency_key_keeps_no_answer(self, till, of):
        """References decide; the answer tells what is there now."""
        first = send(till, purchase(of), key="k")
        again = send(till, purchase(of), key="k")

        assert (statuses(first), statuses(again)) == ([(201, None)], [(200, None)])
        assert not IdempotencyRecord.objects.exists()


class TestThrottle:
    @pytest.fixture(autouse=True)
    def _ten_a_minute(self, settings):
        settings.API_RATE = "10/min"
        throttling.forget_counted()
        with time_machine.travel(datetime(2026, 6, 15, 4, tzinfo=UTC), tick=False):
            yield
        throttling.forget_counted()

    def test_ten_lines_count_as_a_call(self, till):
        answers = [
            till.send("batches/", b"0\n" * lines, **{"Content-Type": NDJSON})
            for lines in (1, 19, 39, 60)
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer["RateLimit"] for answer in answers] == [
            f'"client";r={left};t=60' for left in (9, 8, 5, 4)
        ]
        problem = refused(answers[3], 429, "throttled")
        assert answers[3]["Retry-After"] == "60"
        assert "results" not in problem

    def test_one_larger_than_the_rate_is_let_in_at_the_start_of_a_window(self, till):
        answer = till.send("batches/", b"0\n" * 200, **{"Content-Type": NDJSON})

        assert (answer.status_code, answer["RateLimit"]) == (200, '"client";r=0;t=60')


class TestPatience:
    def test_what_is_not_reached_in_time_is_to_be_sent_again(self, till, of, monkeypatch):
        monkeypatch.setattr(batches, "SECONDS_MAX", -1.0)
        lines = [purchase(of), returned(), redemption(of), b"{"]

        answer = send(till, *lines)

        assert statuses(answer) == [(503, "try_again_later")] * 3 + [(400, "malformed")]
        assert answer["counts"] == {"posted": 0, "repeated": 0, "try_again": 3, "refused": 1}
        assert not Activity.objects.exists()
        monkeypatch.undo()
        assert send(till, *lines)["counts"]["posted"] == 3

    def test_behind_what_was_not_reached_nothing_is_posted(self, till, of, monkeypatch):
        """Else a redemption were refused for points that stand before it in the batch."""

        def busy(*, purchases):
            raise OperationalError("busy")

        monkeypatch.setattr(batches.points, "post_purchases", busy)

        answer = send(till, purchase(of), redemption(of), returned(purchase="R-0"))

        assert statuses(answer) == [(503, "try_again_later")] * 3
