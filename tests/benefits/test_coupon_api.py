"""Coupons over REST: verified, reserved, used, undone, and reported by tills without a network."""

import base64
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benefits.models.coupons import Coupon, CouponConflict, CouponStep
from benefits.queries import coupons as queries
from tests import factories
from tests.benefits.coupon_plan import NOW, generated, issued, running
from tests.till import Till, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def of():
    return factories.identity()


@pytest.fixture
def store():
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


@pytest.fixture
def stranger():
    return Till(factories.api_client(factories.store(code="S2").organization))


@pytest.fixture
def coupon(of):
    return issued(running(kind="PERCENT", pays=Decimal(85)), of)


def using(coupon, **more):
    code = coupon if isinstance(coupon, str) else coupon.code
    return {"code": code, "store": "S1", "receipt": "R1", "amount": "268.00"} | more


class TestVerifying:
    def test_tells_what_it_takes_off(self, till, coupon):
        answer = till.send("coupons/verify/", using(coupon))

        assert answer.status_code == 200
        told = answer.json()
        assert told["discount"] == "40.20"
        assert (told["pays"], told["amount"], told["kind"]) == ("85.00", None, "PERCENT")
        assert (told["first_on"], told["last_on"]) == ("2026-07-05", "2026-07-31")
        assert CouponStep.objects.filter(kind="USED").count() == 0

    def test_by_lines(self, till, of):
        coupon = issued(running(categories=("parts",)), of)
        lines = [{"category": "parts", "amount": "20.00"}, {"amount": "80.00"}]
        body = using(coupon, lines=lines)
        del body["amount"]

        assert till.send("coupons/verify/", body).json()["discount"] == "20.00"

    def test_a_token_too(self, till, coupon):
        token = queries.token_of(coupon)

        assert till.send("coupons/verify/", using(token)).json()["id"] == coupon.pk

    def test_an_unknown_one(self, till):
        refused(till.send("coupons/verify/", using("NOTHING")), 404, "unknown_coupon")

    def test_guessers_are_stopped_per_store_and_right_codes_with_them(self, till, coupon):
        for _ in range(30):
            till.send("coupons/verify/", using("0000-0000-0000-0000"))

        answer = till.send("coupons/verify/", using(coupon))

        refused(answer, 429, "too_many")
        assert int(answer["Retry-After"]) > 0

    def test_undoing_is_no_way_to_guess_either(self, till, coupon):
        wrong = {"code": "0000-0000-0000-0000", "store": "S1", "receipt": "R1"}
        for _ in range(30):
            refused(till.send("coupons/undo/", wrong), 404, "unknown_coupon")

        refused(till.send("coupons/undo/", wrong | {"code": coupon.code}), 429, "too_many")


class TestUsing:
    def test_once(self, till, stranger, coupon):
        first = till.send("coupons/consume/", using(coupon))
        again = till.send("coupons/consume/", using(coupon))
        other = till.send("coupons/consume/", using(coupon, receipt="R2"))
        theirs = stranger.send("coupons/consume/", using(coupon, store="S2"))

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert "R1" in refused(other, 409, "coupon_used")["detail"]
        assert "R1" not in refused(theirs, 409, "coupon_used")["detail"]

    def test_a_key_keeps_the_answer(self, till, coupon):
        first = till.send("coupons/consume/", using(coupon), key="k1")
        again = till.send("coupons/consume/", using(coupon), key="k1")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again["Idempotent-Replayed"] == "true"

    def test_at_a_store_of_ones_own(self, stranger, coupon):
        refused(stranger.send("coupons/consume/", using(coupon)), 422, "unknown_store")

    def test_needs_the_scope(self, store, coupon):
        reader = Till(factories.api_client(store.organization), scopes=["coupons:read"])

        assert reader.send("coupons/verify/", using(coupon)).status_code == 200
        assert reader.send("coupons/consume/", using(coupon)).status_code == 403

    @pytest.mark.parametrize(
        ("terms", "body", "status", "code"),
        [
            ({"minimum_spend": Decimal(300)}, {}, 409, "below_minimum"),
            ({"categories": ("parts",)}, {}, 409, "nothing_qualifies"),
            ({"last_on": "2026-07-04", "first_on": "2026-07-01"}, {}, 409, "coupon_expired"),
            ({"first_on": "2026-07-06"}, {}, 409, "coupon_not_yet"),
            ({"per_member": 1}, {}, 422, "member_needed"),
        ],
    )
    def test_refusals_have_codes(self, till, terms, body, status, code):
        days = {name: date.fromisoformat(terms[name]) for name in terms if name.endswith("_on")}
        _batch, [printed, *_rest] = generated(**terms | days)

        refused(till.send("coupons/consume/", using(printed, **body)), status, code)

    def test_without_a_bill(self, till, coupon):
        body = using(coupon)
        del body["amount"]

        refused(till.send("coupons/consume/", body), 422, "bill_needed")


def test_reserved_released_used_and_undone(till, stranger, coupon):
    theirs = using(coupon, store="S2")
    receipt = {"code": coupon.code, "store": "S1", "receipt": "R1"}

    held = till.send("coupons/reserve/", using(coupon, minutes=5)).json()
    assert held["reserved_until"] == "2026-07-05T12:05:00+08:00"
    refused(stranger.send("coupons/consume/", theirs), 409, "coupon_reserved")
    assert till.send("coupons/release/", receipt).json()["state"] == "OPEN"
    assert till.send("coupons/consume/", using(coupon)).status_code == 201
    assert till.send("coupons/undo/", receipt).json()["state"] == "OPEN"
    refused(till.send("coupons/undo/", receipt), 409, "coupon_not_used")
    assert stranger.send("coupons/consume/", theirs).status_code == 201


@pytest.mark.parametrize("taken", ["reserve", "consume"])
def test_what_another_organization_did_with_it_is_not_told(till, stranger, coupon, taken):
    till.send(f"coupons/{taken}/", using(coupon, receipt="R-THEIRS"))
    receipt = {"code": coupon.code, "receipt": "R1"}

    ours = till.send("coupons/release/", receipt | {"store": "S1"}).json()
    theirs = stranger.send("coupons/release/", receipt | {"store": "S2"}).json()

    assert ours["receipt"] == "R-THEIRS"
    hidden = (theirs["receipt"], theirs["reserved_until"], theirs["used_at"])
    assert hidden == (None, None, None)
    assert Coupon.objects.get().receipt == "R-THEIRS", "nor is it released"


def test_a_reservation_of_another_that_is_over_is_not_told(till, stranger, coupon):
    till.send("coupons/reserve/", using(coupon, receipt="R-THEIRS", minutes=1))
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        told = stranger.send("coupons/verify/", using(coupon, store="S2"))

    assert told.status_code == 200
    assert "R-THEIRS" not in told.content.decode()


class TestOffline:
    def report(self, coupon, **more):
        return {
            "token": queries.token_of(coupon), "store": "S1", "receipt": "R9", "discount": "30.00",
            "used_at": (NOW - timedelta(hours=3)).isoformat(),
        } | more  # fmt: skip

    def test_a_till_checks_with_the_key_and_reports(self, till, stranger, of, coupon):
        key = till.ask("coupons/key/").json()
        text = queries.token_of(coupon).removeprefix(key["prefix"])
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"])).verify(
            raw[16:], key["prefix"].encode() + raw[:16]
        )
        stranger.send("coupons/consume/", using(coupon, store="S2"))
        fresh = issued(running(), of)

        uses = [
            self.report(fresh),
            self.report(coupon),
            self.report(coupon, token="CP1" + "A" * 70),
        ]
        answers = [till.send("coupons/offline/", {"uses": uses}).json() for _ in range(2)]

        assert answers[0] == answers[1]
        assert [(each["outcome"], each["code"]) for each in answers[0]["uses"]] == [
            ("counted", None), ("conflict", "coupon_used"), ("refused", "unknown_coupon"),
        ]  # fmt: skip
        conflict = CouponConflict.objects.get()
        assert (conflict.store.code, conflict.bearer) == ("S1", conflict.store.organization)


def test_a_members_coupons(till, of, coupon):
    used = issued(running(), of)
    till.send("coupons/consume/", using(used))

    answer = till.ask(f"members/{of.number}/coupons/").json()

    assert [each["coupon"]["id"] for each in answer["coupons"]] == [coupon.pk]
    assert answer["coupons"][0]["token"] == queries.token_of(coupon)


class TestWhoseCouponsATillReads:
    """A token is as good as the coupon: nobody reads those that are for others' stores only."""

    def read(self, caller, of):
        answer = caller.ask(f"members/{of.number}/coupons/").json()
        return [each["coupon"]["id"] for each in answer["coupons"]]

    def test_only_those_good_at_its_stores(self, till, stranger, store, of, coupon):
        at_store = issued(running(stores=(store.pk,)), of)
        at_ours = issued(running(organizations=(store.organization_id,)), of)

        assert self.read(till, of) == [coupon.pk, at_store.pk, at_ours.pk]
        assert self.read(stranger, of) == [coupon.pk]

    def test_the_brands_own_system_reads_all(self, store, of, coupon):
        at_store = issued(running(stores=(store.pk,)), of)
        brand = Till(factories.api_client(factories.brand()))

        assert self.read(brand, of) == [coupon.pk, at_store.pk]

    def test_a_reservation_of_another_is_not_told_there(self, till, stranger, of, coupon):
        till.send("coupons/reserve/", using(coupon, receipt="R-THEIRS"))

        assert "R-THEIRS" in till.ask(f"members/{of.number}/coupons/").content.decode()
        assert "R-THEIRS" not in stranger.ask(f"members/{of.number}/coupons/").content.decode()
