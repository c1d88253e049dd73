"""Who was registered before they came activates the membership: phone and product (M3)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.timezone import localdate

from common import events, limits
from common.models import AuditRecord, OutboxEvent
from members import operations as members
from members.models import Consent, ConsentChannel, ConsentPurpose, MemberStatus
from points import queries as points
from tests.factories import buy, identity, member, plain, rulebook, staff
from tests.membership.test_web import log_in, logged_in, text_of

pytestmark = pytest.mark.django_db
PHONE = "+8613800138000"
VIN = "LSVAM4187C2184847"
OTHERS = "LSVAM4187C2184841"
ANSWER = {"identifier": VIN, "agreed": "on"}


@pytest.fixture
def buyer():
    one = member(active=False, phone=PHONE)
    own(one, VIN)
    return one


def own(one, identifier):
    members.add_product(
        member_id=one.pk,
        product=members.ProductFacts(identifier=identifier),
        bound_at=timezone.now(),
    )


def status(of):
    of.refresh_from_db()
    return of.status


class TestActivating:
    def test_who_logs_in_by_phone_is_led_there_and_is_active_with_the_right_number(
        self, client, buyer
    ):
        assert log_in(client, PHONE)["Location"] == "/activate/"
        answer = client.post("/activate/", ANSWER)

        assert answer["Location"] == "/"
        assert status(buyer) == MemberStatus.ACTIVE
        assert localdate(buyer.activated_at) == localdate()
        record = AuditRecord.objects.get(action="member.activated")
        assert (record.actor.username, record.target) == (buyer.number, buyer.number)
        assert client.get("/activate/")["Location"] == "/"

    def test_visitors_prove_their_phone_first(self, client, buyer):
        assert client.get("/activate/")["Location"] == "/login/?next=/activate/"
        assert client.post("/activate/", ANSWER)["Location"] == "/login/?next=/activate/"
        assert status(buyer) == MemberStatus.PRE_REGISTERED

    def test_one_who_means_to_join_is_led_there_too(self, client, buyer):
        from tests.membership.test_joining import prove

        assert prove(client, PHONE)["Location"] == "/activate/"

    def test_the_clock_of_waiting_points_starts(self, client):
        plain()
        rulebook(clock="activation", valid_from="2020-01-01")
        one = member(active=False, phone=PHONE)
        buy(identity(one), "100.00")
        own(one, VIN)
        log_in(client, PHONE)
        assert points.spendable_and_expiries(one.pk, on=localdate(), limit=5)[1] == []

        client.post("/activate/", ANSWER)
        events.deliver_waiting(now=timezone.now())

        (expiry,) = points.spendable_and_expiries(one.pk, on=localdate(), limit=5)[1]
        assert expiry.points == 10
        assert expiry.last_day > localdate() + timedelta(days=360)

    def test_the_event_is_written_with_it(self, buyer):
        logged_in(buyer).post("/activate/", ANSWER)

        names = set(OutboxEvent.objects.values_list("name", flat=True))
        assert "member.activated" in names

    @pytest.mark.parametrize(
        "typed",
        [
            VIN.lower(),
            f"  {VIN} ",
            "LSVAM4187 C2184847",
            "".join(chr(ord(c) + 0xFEE0) for c in VIN),
        ],
    )
    def test_numbers_are_read_as_people_write_them(self, buyer, typed):
        logged_in(buyer).post("/activate/", ANSWER | {"identifier": typed})

        assert status(buyer) == MemberStatus.ACTIVE

    def test_the_agreement_is_kept_with_the_text_it_is_to(self, buyer):
        members.publish_consent_text(
            purpose=ConsentPurpose.SERVICE,
            texts={"zh-hans": "会员条款"},
            at=timezone.now(),
            by=staff(),
        )

        logged_in(buyer).post("/activate/", ANSWER)

        consent = Consent.objects.get(member=buyer)
        assert (consent.purpose, consent.is_given, consent.channel) == (
            ConsentPurpose.SERVICE, True, ConsentChannel.WEB,
        )  # fmt: skip
        assert consent.text.texts == {"zh-hans": "会员条款"}

    def test_any_of_several_products_will_do_but_not_a_sold_one(self, buyer):
        own(buyer, "SN-1000")
        own(buyer, "SN-2000")
        sold = buyer.products.get(identifier="SN-2000")
        members.end_ownership(
            product_id=sold.pk, member_id=buyer.pk, on=localdate(), at=timezone.now(),
            by=staff(), reason="sold",
        )  # fmt: skip
        browser = logged_in(buyer)

        assert browser.post("/activate/", ANSWER | {"identifier": "SN-2000"}).status_code == 422
        assert browser.post("/activate/", ANSWER | {"identifier": "SN-1000"}).status_code == 302
        assert status(buyer) == MemberStatus.ACTIVE

    def test_of_whom_no_product_is_known_the_phone_is_the_proof(self, client):
        one = member(active=False, phone=PHONE)
        log_in(client, PHONE)
        assert 'name="identifier"' not in client.get("/activate/").content.decode()

        client.post("/activate/", {"agreed": "on"})

        assert status(one) == MemberStatus.ACTIVE


class TestRefusals:
    def test_a_wrong_number_changes_nothing_and_says_nothing_of_others(self, buyer):
        own(member(), OTHERS)
        browser = logged_in(buyer)
        answers = [
            browser.post("/activate/", ANSWER | {"identifier": wrong})
            for wrong in (OTHERS, "LSVAM4187C2184842")
        ]

        assert [answer.status_code for answer in answers] == [422, 422]
        texts = {text_of(answer) for answer in answers}
        assert len(texts) == 1
        assert status(buyer) == MemberStatus.PRE_REGISTERED

    def test_five_tries_an_hour_then_the_right_one_is_refused_too(self, buyer):
        browser = logged_in(buyer)
        for _ in range(5):
            assert browser.post("/activate/", ANSWER | {"identifier": OTHERS}).status_code == 422

        answer = browser.post("/activate/", ANSWER)

        assert (answer.status_code, int(answer["Retry-After"]) > 3500) == (429, True)
        assert status(buyer) == MemberStatus.PRE_REGISTERED

    def test_tries_from_one_address_are_counted_over_all_members(self):
        for n in range(30):
            limits.consume("activation:address:127.0.0.1", limit=30, seconds=3600)
            assert n < 30
        one = member(active=False)
        own(one, VIN)

        assert logged_in(one).post("/activate/", ANSWER).status_code == 429

    @pytest.mark.parametrize("typed", ["", "?", "AB", "𠮷123", "\x00", "x" * 65, "a b", "'--"])
    def test_what_is_no_identifier_is_told_so_and_is_no_try(self, buyer, typed):
        answer = logged_in(buyer).post("/activate/", ANSWER | {"identifier": typed})

        assert answer.status_code in (200, 422)
        assert 'role="alert"' in answer.content.decode()
        assert list(limits.client().scan_iter("limit:activation:*")) == []

    def test_without_agreement_nothing_happens(self, buyer):
        answer = logged_in(buyer).post("/activate/", {"identifier": VIN})

        assert 'role="alert"' in answer.content.decode()
        assert status(buyer) == MemberStatus.PRE_REGISTERED

    def test_the_number_without_the_phone_is_of_no_use(self, buyer):
        """Who reads it through the windscreen gets no further than their own membership."""
        stranger = member(active=False)
        own(stranger, "SN-1000")

        assert logged_in(stranger).post("/activate/", ANSWER).status_code == 422
        assert status(buyer) == status(stranger) == MemberStatus.PRE_REGISTERED

    def test_without_redis_nobody_is_activated(self, buyer, monkeypatch):
        gone = limits.connect("redis://127.0.0.1:1/0")
        monkeypatch.setattr(limits, "client", lambda: gone)

        assert logged_in(buyer).post("/activate/", ANSWER).status_code == 503
        assert status(buyer) == MemberStatus.PRE_REGISTERED

    @pytest.mark.parametrize("kind", ["active", "frozen", "staff"])
    def test_who_is_not_pre_registered_is_sent_home(self, kind):
        client = Client()
        if kind == "staff":
            client.force_login(staff())
        else:
            one = member()
            if kind == "frozen":
                members.freeze(member_id=one.pk, by=staff(), reason="lost")
            client.force_login(members.login_for(member_id=one.pk))

        assert client.get("/activate/")["Location"] == "/"
        assert client.post("/activate/", ANSWER)["Location"] == "/"

    def test_twice_at_once_is_once(self, buyer):
        user = members.login_for(member_id=buyer.pk)
        wanted = {
            "member_id": buyer.pk, "identifier": VIN, "address": "", "by": user,
            "activated_at": timezone.now(),
        }  # fmt: skip
        members.activate_by_product(**wanted)

        with pytest.raises(members.WrongState):
            members.activate_by_product(**wanted)
        assert AuditRecord.objects.filter(action="member.activated").count() == 1


def test_the_home_page_says_where_to_activate(buyer):
    assert 'href="/activate/"' in logged_in(buyer).get("/").content.decode()
