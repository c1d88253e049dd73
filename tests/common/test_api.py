"""The manners every call has: what is read, how it is refused, how it is repeated."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from campaigns.api import views as campaigns
from common.api.parsing import BODY_MAX, Malformed, parse
from common.api.views import language_of
from common.models import IdempotencyRecord
from common.nightly import forget_old_answers
from points import queries
from points.models import Activity
from tests import factories
from tests.till import Till, refused

QUOTE = {"store": "S1", "amount": "268.00"}


@pytest.fixture
def store(db):
    factories.plain()
    return factories.store(code="S1")


@pytest.fixture
def client(store):
    return factories.api_client(store.organization)


@pytest.fixture
def till(client):
    return Till(client)


@pytest.fixture
def of(store):
    return factories.identity()


def purchase(of, **changes):
    return {"reference": "R-1", "member": of.number, "store": "S1", "amount": "268.00"} | changes


class TestParse:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"{}{}",
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": -Infinity}',
            b'{"a": 1, "a": 1}',
            b'{"a": {"b": 1, "b": 2}}',
            rb'{"a": 1, "\u0061": 2}',
            rb'{"a": "\ud800"}',
            rb'{"a": ["\udc00"]}',
            rb'{"\ud800": 1}',
            rb'["\ud800"]',
            rb'"\ud800"',
            rb'{"a": "\u0000"}',
            b'{"a": "\0"}',
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
            '{"name": "王"}'.encode("gb18030"),
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b"1" * 5_000,
            b"01",
            b"'a'",
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_refuses_what_no_room_should_see(self, body):
        with pytest.raises(Malformed):
            parse(body)

    def test_reads_numbers_exactly(self):
        document = parse(b'{"a": 0.1, "b": 1e400, "c": 12345678901234567890, "d": -0.0}')

        assert {name: str(value) for name, value in document.items()} == {
            "a": "0.1",
            "b": "1E+400",
            "c": "12345678901234567890",
            "d": "-0.0",
        }

    def test_reads_every_character_there_is(self):
        assert parse(rb'"\ud842\udfb7 \u2028"') == "𠮷 \u2028"
        assert parse('"𠮷㑇😀"'.encode()) == "𠮷㑇😀"


class TestRequests:
    @pytest.mark.parametrize("body", [b"", b"not json", b'{"a": NaN}', rb'{"store": "\ud800"}'])
    def test_a_body_that_is_no_document_is_malformed(self, till, body):
        refused(till.send("quotes/", body), 400, "malformed")

    @pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"true"])
    def test_a_document_of_another_kind_is_invalid(self, till, body):
        problem = refused(till.send("quotes/", body), 422, "invalid")

        assert [error["code"] for error in problem["errors"]] == ["wrong_type"]

    def test_null_is_invalid(self, till):
        problem = refused(till.send("quotes/", b"null"), 422, "invalid")

        assert [error["code"] for error in problem["errors"]] == ["null"]

    @pytest.mark.parametrize("size", [BODY_MAX + 1, 1_000_000, 20_000_000])
    def test_a_large_body_is_refused_before_it_is_read(self, till, size):
        problem = refused(till.send("quotes/", b" " * size), 413, "body_too_large")

        assert str(BODY_MAX) in problem["detail"]

    def test_a_body_of_the_limit_is_read(self, till):
        body = json.dumps(QUOTE).encode().ljust(BODY_MAX)

        assert till.send("quotes/", body).status_code == 200

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk"],
    )
    def test_another_media_type_is_refused(self, till, content_type):
        answer = till.send("quotes/", QUOTE, **{"Content-Type": content_type})

        refused(answer, 415, "unsupported_media_type")

    def test_a_body_of_unknown_length_is_refused(self, till):
        answer = till.generic(
            "POST",
            "/api/v1/quotes/",
            headers={
                "Authorization": f"Bearer {till.token}",
                "Content-Type": "application/json",
                "Transfer-Encoding": "chunked",
            },
        )

        refused(answer, 411, "length_required")

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "X"])
    def test_another_method_is_refused_and_the_right_ones_named(self, till, method):
        answer = till.generic(method, "/api/v1/quotes/")

        refused(answer, 405, "method_not_allowed")
        assert answer["Allow"] == "POST"

    def test_a_reading_call_allows_get_and_head(self, till, of):
        path = f"/api/v1/members/{of.number}/"
        answer = till.post(path, b"{}", content_type="application/json")

        refused(answer, 405, "method_not_allowed")
        assert answer["Allow"] == "GET, HEAD"
        headers = {"Authorization": f"Bearer {till.token}"}
        assert till.head(path, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("accept", "status"),
        [
            ("application/json", 200),
            ("application/*", 200),
            ("*/*", 200),
            ("application/problem+json", 200),
            ("text/html, application/json;q=0.5", 200),
            ("text/html", 406),
            ("application/xml", 406),
        ],
    )
    def test_the_answer_is_json_or_nothing(self, till, accept, status):
        answer = till.send("quotes/", QUOTE, Accept=accept)

        assert answer.status_code == status
        if status == 406:
            refused(answer, 406, "not_acceptable")

    @pytest.mark.parametrize("path", ["nothing/", "members", "quotes/1/", "../v2/"])
    def test_where_no_route_leads_there_is_a_problem_too(self, till, path):
        refused(till.ask(path), 404, "not_found")

    def test_an_unknown_or_repeated_parameter_is_refused(self, till, of):
        path = f"members/{of.number}/entries/"

        unknown = refused(till.ask(path, {"page": "2"}), 422, "invalid")
        repeated = refused(till.ask(path, {"limit": ["1", "2"]}), 422, "invalid")
        elsewhere = refused(till.send("quotes/?dry=1", QUOTE), 422, "invalid")

        assert [(e["parameter"], e["code"]) for e in unknown["errors"]] == [
            ("page", "unknown_field")
        ]
        assert [(e["parameter"], e["code"]) for e in repeated["errors"]] == [("limit", "repeated")]
        assert [e["parameter"] for e in elsewhere["errors"]] == ["dry"]


class TestAnswers:
    def test_are_not_stored_by_anyone_on_the_way(self, till):
        answer = till.send("quotes/", QUOTE)

        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Type"] == "application/json"
        assert int(answer["Content-Length"]) == len(answer.content)
        assert len(answer["X-Request-Id"]) == 32

    def test_carry_the_callers_request_id(self, till):
        answer = till.send("quotes/", {}, X_Request_Id="till-7.000123")

        assert refused(answer, 422, "invalid")["request_id"] == "till-7.000123"

    @pytest.mark.parametrize(
        ("accepted", "language"),
        [
            ("", "zh-hans"),
            ("zh-CN,zh;q=0.9", "zh-hans"),
            ("zh-TW", "zh-hant"),
            ("zh-Hant-HK, en;q=0.5", "zh-hant"),
            ("en-GB", "en"),
            ("fr, en;q=0.3", "en"),
            ("fr", "zh-hans"),
            ("*", "zh-hans"),
            ("; q=,,", "zh-hans"),
            ("x" * 5000, "zh-hans"),
        ],
    )
    def test_speak_the_callers_language(self, accepted, language):
        assert language_of(accepted) == language

    def test_say_which_language_they_speak(self, till):
        english = till.send("quotes/", {}, Accept_Language="en")
        chinese = till.send("quotes/", {})

        assert (english["Content-Language"], chinese["Content-Language"]) == ("en", "zh-hans")
        assert english.json()["detail"] == "The request is not valid."
        assert english.json()["errors"][0]["detail"] == "This field is required."
        assert chinese.json()["errors"][0]["detail"] == "该字段是必填项。"

    def test_list_every_code(self, till):
        listed = till.get("/api/problems/").json()["problems"]

        codes = {each["code"]: each["status"] for each in listed}
        assert codes["insufficient_points"] == 409
        assert codes["malformed"] == 400
        assert len(codes) == len(listed)


class TestFaults:
    """A fault of ours never looks like one of the caller's."""

    @pytest.mark.parametrize(
        "cause",
        [
            OperationalError("server closed the connection unexpectedly"),
            OperationalError("canceling statement due to lock timeout"),
            OperationalError("deadlock detected"),
        ],
    )
    def test_a_database_that_does_not_answer_means_later(self, till, of, monkeypatch, cause):
        monkeypatch.setattr(campaigns.operations, "accrue", _raising(cause))

        answer = till.send("purchases/", purchase(of), key="k")

        refused(answer, 503, "try_again_later")
        assert answer["Retry-After"] == "2"
        assert not IdempotencyRecord.objects.exists()

    def test_the_unexpected_is_told_without_its_insides(self, till, of, monkeypatch, caplog):
        monkeypatch.setattr(campaigns.operations, "accrue", _raising(RuntimeError("the insides")))
        till.raise_request_exception = False

        answer = till.send("purchases/", purchase(of))

        refused(answer, 500, "internal_error")
        assert b"insides" not in answer.content
        assert "the insides" in caplog.text


class TestIdempotencyKey:
    def test_repeats_the_first_answer_byte_by_byte(self, till, of):
        first = till.send("purchases/", purchase(of), key="k-1")
        again = till.send("purchases/", purchase(of), key="k-1")

        # A repeat by reference alone would be 200.
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again["Content-Type"] == "application/json"
        assert again["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert queries.balance(of.id) == 26
        assert IdempotencyRecord.objects.count() == 1

    def test_makes_enrolling_safe(self, till):
        document = {"phone": "13800138000", "name": "王小明", "store": "S1", "activate": True}

        first = till.send("members/", document, key="k-1")
        again = till.send("members/", document, key="k-1")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()

    def test_quoted_or_bare_is_the_same_key(self, till):
        till.send("quotes/", QUOTE, key='"a \\"b\\""')

        assert IdempotencyRecord.objects.get().key == 'a "b"'
        till.send("quotes/", QUOTE, key="plain")
        assert "Idempotent-Replayed" in till.send("quotes/", QUOTE, key='"plain"')

    @pytest.mark.parametrize("key", ["", " ", "k" * 256, '"', '"a', "a\x7fb", "钥匙", '""'])
    def test_that_is_none_is_refused(self, till, of, key):
        answer = till.send("purchases/", purchase(of), key=key)

        refused(answer, 400, "invalid_idempotency_key")
        assert not Activity.objects.exists()

    def test_for_another_request_is_refused(self, till, of):
        till.send("purchases/", purchase(of), key="k-1")

        other_body = till.send("purchases/", purchase(of, reference="R-2"), key="k-1")
        other_path = till.send("quotes/", purchase(of), key="k-1")

        refused(other_body, 422, "idempotency_key_reused")
        refused(other_path, 422, "idempotency_key_reused")
        assert Activity.objects.count() == 1

    def test_of_another_client_is_another_key(self, till, of, store):
        other = Till(factories.api_client(store.organization))
        till.send("purchases/", purchase(of), key="k-1")

        answer = other.send("purchases/", purchase(of, reference="R-2"), key="k-1")

        assert answer.status_code == 201
        assert IdempotencyRecord.objects.count() == 2

    def test_keeps_a_business_refusal(self, till, of):
        redemption = {"reference": "X", "member": of.number, "store": "S1", "points": 1}
        first = till.send("redemptions/", redemption, key="k-1")
        till.send("purchases/", purchase(of))

        again = till.send("redemptions/", redemption, key="k-1")

        refused(first, 409, "insufficient_points")
        assert again.content == first.content
        assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
        assert till.send("redemptions/", redemption, key="k-2").status_code == 201

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"amount": "x"}, 422, "invalid"),
            ({"store": "S9"}, 422, "unknown_store"),
            ({"member": "M9999999998"}, 404, "unknown_member"),
        ],
    )
    def test_is_free_for_the_corrected_request(self, till, of, change, status, code):
        refused(till.send("purchases/", purchase(of, **change), key="k-1"), status, code)

        assert till.send("purchases/", purchase(of), key="k-1").status_code == 201

    def test_leaves_no_answer_behind_when_the_deed_was_undone(self, till, of, monkeypatch):
        accrue = campaigns.operations.accrue

        def accrue_and_fail(**arguments):
            accrue(**arguments)
            raise RuntimeError

        monkeypatch.setattr(campaigns.operations, "accrue", accrue_and_fail)
        till.raise_request_exception = False
        refused(till.send("purchases/", purchase(of), key="k-1"), 500, "internal_error")

        assert not Activity.objects.exists()
        assert not IdempotencyRecord.objects.exists()
        assert queries.balance(of.id) == 0

    def test_is_forgotten_by_the_first_night_a_week_later(self, till, of):
        night = timezone.make_aware(datetime(2026, 7, 1))
        till.send("quotes/", QUOTE, key="old")
        till.send("quotes/", QUOTE, key="young")
        records = IdempotencyRecord.objects
        records.filter(key="old").update(created_at=night - timedelta(days=7, seconds=1))
        records.filter(key="young").update(created_at=night - timedelta(days=7))

        assert forget_old_answers(day=night.date()) == {"answers": 1}
        assert forget_old_answers(day=night.date()) == {"answers": 0}

        assert list(records.values_list("key", flat=True)) == ["young"]

    def test_once_per_client_is_held_by_the_database(self, till, client):
        till.send("quotes/", QUOTE, key="k-1")
        first = IdempotencyRecord.objects.get()

        first.pk = None
        with pytest.raises(IntegrityError, match="common_idempotency_once"):
            first.save()


def _raising(error):
    def fail(**_):
        raise error

    return fail
