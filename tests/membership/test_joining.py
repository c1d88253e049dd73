"""Becoming a member on the web (M1)."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common import limits
from common.fields import seal
from common.models import User
from members.models import ConsentText, Member, MemberStatus
from messaging.models import SandboxCode
from tests.factories import member
from tests.membership.test_web import comparable, log_in, text_of, the_code

pytestmark = pytest.mark.django_db
PHONE = "13800138000"
DETAILS = {"name": "王小明", "birthday": "1990-05-01", "agreed": "on"}


def prove(client, phone=PHONE):
    client.post("/join/", {"phone": phone})
    return client.post("/join/code/", {"code": the_code()})


def join(client, phone=PHONE, **told):
    prove(client, phone)
    return client.post("/join/details/", DETAILS | told)


class TestJoining:
    def test_phone_code_and_name_make_an_active_member_who_is_in(self, client):
        asked = client.post("/join/", {"phone": "138 0013 8000"})
        assert (asked.status_code, asked["Location"]) == (302, "/join/code/")
        assert "138****8000" in text_of(client.get("/join/code/"))
        proven = client.post("/join/code/", {"code": the_code()})
        assert proven["Location"] == "/join/details/"
        page = text_of(client.get("/join/details/"))
        assert "138****8000" in page
        assert str(ConsentText.objects.get(purpose="SERVICE").text) in page  # before the tick
        joined = client.post("/join/details/", DETAILS)

        assert (joined.status_code, joined["Location"]) == (302, "/")
        one = Member.objects.get()
        assert (one.status, one.name, one.birthday, one.phone, one.activated_at) == (
            MemberStatus.ACTIVE, "王小明", date(1990, 5, 1), "+8613800138000", one.joined_at,
        )  # fmt: skip
        assert one.number in text_of(client.get("/"))
        assert client.get("/join/details/")["Location"] == "/"

    def test_who_is_a_member_already_is_logged_in_by_the_same_code(self, client):
        one = member(phone="+8613800138000")

        assert prove(client)["Location"] == "/"
        assert one.number in text_of(client.get("/"))
        assert Member.objects.count() == 1

    def test_nothing_tells_a_member_from_a_stranger_before_the_code(self):
        member(phone="+8613800138000")
        answers = {}
        for phone in (PHONE, "13900139000"):
            client = Client(REMOTE_ADDR="198.51.100.7")
            seen = [client.post("/join/", {"phone": phone}), client.get("/join/code/")]
            seen += [client.post("/join/code/", {"code": "not it"}) for _ in range(6)]
            seen += [client.post("/join/", {"phone": phone})]
            answers[phone] = [
                (answer.status_code, answer.get("Location"), comparable(answer)) for answer in seen
            ]

        assert answers[PHONE] == answers["13900139000"]
        assert [status for status, _, _ in answers[PHONE]] == [
            302, 200, 422, 422, 422, 422, 409, 409, 429,
        ]  # fmt: skip

    def test_a_login_sends_strangers_no_code(self, client):
        client.post("/login/", {"phone": PHONE})

        assert not SandboxCode.objects.exists()

    def test_asking_counts_as_asking_at_the_login_does(self, client):
        client.post("/login/", {"phone": PHONE})

        assert client.post("/join/", {"phone": PHONE}).status_code == 429

    def test_the_code_of_a_closed_membership_makes_a_new_one(self, client):
        from members import operations as members

        old = member(phone="+8613800138000")
        members.close(member_id=old.pk, closed_at=timezone.now(), by=None, reason="wish")

        join(client)

        assert Member.objects.exclude(pk=old.pk).get().status == MemberStatus.ACTIVE

    def test_who_became_a_member_meanwhile_is_logged_in_as_that_one(self, client):
        prove(client)
        one = member(phone="+8613800138000", name="李雷")

        assert client.post("/join/details/", DETAILS)["Location"] == "/"
        assert Member.objects.get().name == "李雷"
        assert one.number in text_of(client.get("/"))

    def test_sent_twice_makes_one_member(self, client):
        join(client)

        assert client.post("/join/details/", DETAILS)["Location"] == "/"
        assert Member.objects.count() == 1


class TestWhatIsTold:
    @pytest.mark.parametrize(
        "name", ["𠮷田㑇", "阿卜杜热西提·吐尔逊", "O'Brien-Łukasz", "\U00031350", "欧阳" * 50]
    )
    def test_names_are_kept_as_they_are(self, client, name):
        assert join(client, name=f"  {name} ")["Location"] == "/"
        assert Member.objects.get().name == name

    @pytest.mark.parametrize(
        "name",
        ["", "   ", "长" * 101, "王\x00", "王\u202e明", "王\n明", "\u200b"],
    )
    def test_what_is_no_name_is_refused(self, client, name):
        response = join(client, name=name)

        assert response.status_code == 200
        assert 'role="alert"' in response.content.decode()
        assert not Member.objects.exists()

    @pytest.mark.parametrize(
        ("told", "kept"),
        [("2000-02-29", date(2000, 2, 29)), ("", None), ("1900-01-01", date(1900, 1, 1))],
    )
    def test_birthdays(self, client, told, kept):
        join(client, birthday=told)

        assert Member.objects.get().birthday == kept

    @pytest.mark.parametrize("told", ["2001-02-29", "1899-12-31", "2999-01-01", "yesterday", "0"])
    def test_days_nobody_was_born_on_are_refused(self, client, told):
        response = join(client, birthday=told)

        assert response.status_code in (200, 422)
        assert 'role="alert"' in response.content.decode()
        assert not Member.objects.exists()

    def test_without_agreement_nobody_is_taken_in(self, client):
        response = join(client, agreed="")

        assert 'role="alert"' in response.content.decode()
        assert "王小明" in response.content.decode()
        assert not Member.objects.exists()

    @pytest.mark.parametrize("typed", ["", "1", "hello", "1" * 33, "𠮷", "\x00"])
    def test_what_is_no_phone_is_told_so(self, client, typed):
        response = client.post("/join/", {"phone": typed})

        assert response.status_code == 200
        assert 'role="alert"' in response.content.decode()
        assert list(limits.client().scan_iter("*")) == []


class TestTheProof:
    def test_without_one_there_is_no_third_step(self, client):
        for answer in (client.get("/join/details/"), client.post("/join/details/", DETAILS)):
            assert answer["Location"] == "/join/"
        assert not Member.objects.exists()

    def test_it_is_good_for_half_an_hour(self, client):
        prove(client)
        session = client.session
        session["join_proven"] |= {"until": (timezone.now() - timedelta(seconds=1)).isoformat()}
        session.save()

        assert client.post("/join/details/", DETAILS)["Location"] == "/join/"
        assert not Member.objects.exists()

    def test_the_session_does_not_show_the_phone(self, client):
        prove(client)

        assert "13800138000" not in str(dict(client.session))

    def test_a_phone_sealed_elsewhere_is_no_proof(self, client):
        prove(client)
        session = client.session
        session["join_proven"] |= {"phone": seal("+8613900139000", column="elsewhere")}
        session.save()
        client.raise_request_exception = False

        assert client.post("/join/details/", DETAILS).status_code == 500
        assert not Member.objects.exists()

    def test_a_code_asked_for_to_join_is_of_no_use_at_the_login(self, client):
        client.post("/join/", {"phone": PHONE})

        assert client.get("/login/code/")["Location"] == "/login/"
        assert client.post("/login/code/", {"code": the_code()}).status_code == 409
        assert not User.objects.exists()

    def test_the_session_gets_a_new_name_at_the_proof_and_at_the_login(self, client):
        client.post("/join/", {"phone": PHONE})
        names = [client.session.session_key]
        client.post("/join/code/", {"code": the_code()})
        names.append(client.session.session_key)
        client.post("/join/details/", DETAILS)
        names.append(client.session.session_key)

        assert len(set(names)) == 3


def test_login_and_joining_lead_to_each_other(client):
    assert 'href="/join/"' in client.get("/login/").content.decode()
    assert 'href="/login/"' in client.get("/join/").content.decode()


def test_the_form_carries_where_the_member_wanted_to_go(client):
    page = client.get("/login/?next=/statement/").content.decode()
    assert '<input type="hidden" name="next" value="/statement/">' in page
    elsewhere = client.get("/login/?next=https://evil.example/").content.decode()
    assert '<input type="hidden" name="next" value="">' in elsewhere


def test_who_is_logged_in_has_nothing_to_join(client):
    member(phone="+8613800138000")
    log_in(client)

    for path in ("/join/", "/join/code/", "/join/details/"):
        assert client.get(path)["Location"] == "/"


def test_strangers_cannot_use_up_the_codes_of_members(settings, monkeypatch):
    """Codes to phones of nobody have a budget of their own."""
    from messaging import challenges, operations
    from messaging.operations import _codes

    sent = []
    monkeypatch.setattr(_codes, "_send_by_sms", lambda phone, *_: sent.append(phone))
    settings.SMS_PROVIDER = "aliyun"
    settings.SMS_JOINING_CODES_PER_DAY = 1
    member(phone="+8613800138000")
    for phone in ("+8613900139000", "+8613900139001", "+8613800138000"):
        operations.send_code(
            challenge=challenges.start(phone), sent_at=timezone.now(), to_strangers=True
        )

    assert sent == ["+8613900139000", "+8613800138000"]


def test_pages_are_small(client):
    prove(client)

    for path in ("/login/", "/join/", "/join/details/"):
        assert len(client.get(path).content) < 60_000
    # No script holds up what is seen.
    assert not re.search(r"<script(?![^>]* defer)", client.get("/join/").content.decode())
