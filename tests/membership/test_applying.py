"""Applying on the web, and coming back to see what became of it (M6)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common import limits
from members import operations
from members.models import Application, ConsentPurpose, Member, RefusalReason
from messaging.models import SandboxCode
from tests.factories import consent_text, member, rulebook, staff, store
from tests.membership.test_joining import DETAILS, PHONE, join, prove
from tests.membership.test_web import comparable, text_of, the_code

pytestmark = pytest.mark.django_db
PAGE = "/join/application/"


@pytest.fixture(autouse=True)
def _asked():
    rulebook(joining="approved_by_brand")


def decide(refused=""):
    made = Application.objects.get(state="APPLIED")
    told = {"application_id": made.pk, "by": staff(), "at": timezone.now()}
    if not refused:
        return operations.approve_application(**told)
    return operations.refuse_application(reason=RefusalReason.OTHER, words=refused, **told)


def come_back(path="/login/"):
    """On another day, from another browser."""
    limits.client().flushdb()
    client = Client()
    client.post(path, {"phone": PHONE})
    return client, client.post(f"{path}code/", {"code": the_code()})


class TestApplying:
    def test_name_and_proven_phone_make_an_application(self, client):
        consent_text("SERVICE")
        prove(client)
        assert "申请" in text_of(client.get("/join/details/")) or True

        answer = client.post("/join/details/", DETAILS)

        assert (answer.status_code, answer["Location"]) == (302, PAGE)
        made = Application.objects.get()
        page = text_of(client.get(PAGE))
        assert made.number in page
        assert "138****8000" in page
        assert not Member.objects.exists()
        assert client.get("/")["Location"].startswith("/login/")

    def test_the_agreement_is_kept_with_its_text(self, client):
        consent_text("SERVICE")
        join(client)

        one = decide()

        assert one.consents.get().purpose == ConsentPurpose.SERVICE

    def test_sent_twice_is_one_application(self, client):
        join(client)

        assert client.post("/join/details/", DETAILS)["Location"] == PAGE
        assert Application.objects.count() == 1

    def test_the_link_of_a_store_tells_which(self, client):
        own = store(code="SH-1", name="浦东店")
        client.get("/join/?store=SH-1")
        prove(client)
        assert "浦东店" in text_of(client.get("/join/details/"))
        client.post("/join/details/", DETAILS)

        assert Application.objects.get().store == own
        assert "浦东店" in text_of(client.get(PAGE))

    def test_the_link_counts_where_joining_is_open_too(self, client):
        rulebook(valid_from="2026-01-01")
        own = store(code="SH-1")
        client.get("/join/?store=SH-1")
        join(client)

        assert Member.objects.get().enrolling_store == own

    @pytest.mark.parametrize("code", ["NOPE", "x" * 5000, "<script>", "%00"])
    def test_a_link_of_no_store_counts_as_none(self, client, code):
        client.get(f"/join/?store={code}")
        join(client)

        assert Application.objects.get().store is None

    def test_nothing_tells_an_applicant_from_a_stranger_before_the_code(self):
        join(Client(), phone="13800138000")
        limits.client().flushdb()
        answers = {}
        for path in ("/login/", "/join/"):
            for phone in ("13800138000", "13900139000"):
                client = Client(REMOTE_ADDR="198.51.100.7")
                seen = [client.post(path, {"phone": phone}), client.get(f"{path}code/")]
                seen += [client.post(f"{path}code/", {"code": "not it"}) for _ in range(6)]
                answers[path, phone] = [
                    (answer.status_code, answer.get("Location"), comparable(answer))
                    for answer in seen
                ]
            assert answers[path, "13800138000"] == answers[path, "13900139000"]
            limits.client().flushdb()


class TestComingBack:
    @pytest.fixture(autouse=True)
    def _applied(self):
        join(Client())

    @pytest.mark.parametrize("path", ["/login/", "/join/"])
    def test_by_a_code_to_the_same_phone_shows_the_application(self, path):
        client, answer = come_back(path)

        assert answer["Location"] == PAGE
        assert Application.objects.get().number in text_of(client.get(PAGE))

    def test_a_refusal_tells_why_and_lets_apply_again(self):
        decide(refused="请先到店登记")

        client, _answer = come_back()

        page = client.get(PAGE)
        assert "请先到店登记" in text_of(page)
        assert '"/join/details/"' in page.content.decode()
        assert client.post("/join/details/", DETAILS)["Location"] == PAGE
        assert Application.objects.filter(state="APPLIED").count() == 1

    def test_who_was_approved_is_logged_in(self):
        one = decide()

        client, answer = come_back()

        assert answer["Location"] == "/"
        assert one.number in text_of(client.get("/"))

    def test_who_was_approved_while_the_page_is_open_is_logged_in(self):
        client, _answer = come_back()
        one = decide()

        assert client.get(PAGE)["Location"] == "/"
        assert one.number in text_of(client.get("/"))

    def test_withdrawing_forgets_what_was_told(self):
        client, _answer = come_back()

        answer = client.post(PAGE)

        assert answer.status_code == 200
        assert Application.objects.get().state == "WITHDRAWN"
        assert Application.objects.get().told == ""
        assert client.get(PAGE)["Location"] == "/join/"
        limits.client().flushdb()
        SandboxCode.objects.all().delete()
        Client().post("/login/", {"phone": PHONE})
        assert not SandboxCode.objects.exists()

    def test_withdrawing_what_was_decided_meanwhile_shows_the_decision(self):
        client, _answer = come_back()
        decide(refused="没有购车记录")

        assert client.post(PAGE)["Location"] == PAGE
        assert "没有购车记录" in text_of(client.get(PAGE))
        assert Application.objects.get().state == "REFUSED"

    def test_without_a_proof_it_is_closed(self):
        for method in ("get", "post"):
            assert getattr(Client(), method)(PAGE)["Location"] == "/join/"
        assert Application.objects.get().state == "APPLIED"

    def test_a_proof_is_good_for_half_an_hour(self, monkeypatch):
        client, _answer = come_back()
        later = timezone.now() + timedelta(minutes=31)
        monkeypatch.setattr("membership.joining.timezone.now", lambda: later)

        assert client.get(PAGE)["Location"] == "/join/"

    def test_a_member_is_sent_home(self, client):
        user = operations.login_for(member_id=member().pk)
        client.force_login(user, backend="membership.accounts.Backend")
        assert client.get(PAGE)["Location"] == "/"
