"""Historical members are invited, prove their phone, and are active (M4)."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from campaigns import invitations
from campaigns.models import BroughtMember, Invitation, InvitationRound, MemberImport
from common.models import AuditRecord
from members import operations as members
from members.models import Member, Tag, TagSource
from messaging import operations
from messaging.models import Channel, Delivery, Message
from tests.factories import brand, member, plain, staff, wording
from tests.mail_server import mail_server
from tests.membership.test_web import text_of, the_code

pytestmark = pytest.mark.django_db
PHONE = "+8613800138000"


@pytest.fixture(autouse=True)
def _rules():
    plain()
    with translation.override("en"):
        yield


@pytest.fixture
def texting(settings):
    """Text messages can be sent, and the invitation is worded."""
    settings.SMS_PROVIDER = "aliyun"
    wording(template=invitations.TEMPLATE, body="您的会员资格等着您：{link}")


def old(phone=PHONE, **profile) -> Member:
    """A pre-registered historical member of one run."""
    run = MemberImport.objects.get_or_create(
        name="老会员.csv",
        defaults={
            "state": "DONE", "is_kept": False, "organization": brand(),
            "created_at": timezone.now(), "started_at": timezone.now(),
            "finished_at": timezone.now(), "digest": "x",
        },
    )[0]  # fmt: skip
    one = member(active=False, phone=phone, **profile)
    BroughtMember.objects.create(run=run, row=one.pk, member=one)
    return one


def the_run() -> MemberImport:
    return MemberImport.objects.get()


def invite(*, again=False, days=14, at=None, **whom) -> InvitationRound:
    made = invitations.begin(
        **(whom or {"run": the_run()}),
        days=days,
        again=again,
        at=at or timezone.now(),
        by=staff(),
        reason="搬家",
    )
    invitations.work(clock=lambda: at or timezone.now())
    return made


def path_of(invitation) -> str:
    return invitations.link(invitation).removeprefix("http://127.0.0.1:8000")


class TestWhom:
    def test_counts_who_would_be_reached_and_how(self, texting):
        old(email="wang@example.com")
        old(phone="+8613800138001")
        old(phone="", email="li@example.com")
        members.activate(member_id=old(phone="+8613800138002").pk, activated_at=timezone.now())

        found = invitations.reach(run=the_run(), again=False)

        assert found == invitations.Reach(
            members=3, without_phone=1, invited_before=0, by_sms=2, by_email=1, invited=2,
            unreachable=0,
        )  # fmt: skip

    def test_without_a_provider_only_those_with_an_address_are_reached(self):
        old(email="wang@example.com")
        old(phone="+8613800138001")

        found = invitations.reach(run=the_run(), again=False)

        assert (found.by_sms, found.by_email, found.invited, found.unreachable) == (0, 1, 1, 1)

    def test_nobody_to_reach_is_refused(self):
        old()

        with pytest.raises(invitations.NobodyToInvite):
            invite()
        assert not InvitationRound.objects.exists()

    def test_those_with_a_tag(self, texting):
        tagged, _other = old(), old(phone="+8613800138001")
        members.tag_many(names={tagged.pk: ["VIP"]}, source=TagSource.HAND, at=timezone.now())

        invite(tag=Tag.objects.get(name="VIP"))

        assert Invitation.objects.get().member == tagged


class TestSaying:
    def test_a_text_message_goes_to_the_phone_nobody_has_proven(self, texting):
        old()

        invite()

        invitation = Invitation.objects.get()
        assert invitation.message.variables["link"] == invitations.link(invitation)
        channels = Delivery.objects.filter(message=invitation.message).values_list(
            "channel", "state"
        )
        assert set(channels) == {("IN_APP", "WAITING"), ("SMS", "WAITING")}

    def test_nothing_else_goes_to_such_a_phone(self, texting):
        from tests.factories import message

        wording()
        said = message(old())

        assert not Delivery.objects.filter(message=said, channel="SMS").exists()

    def test_each_is_invited_once_unless_asked_again(self, texting):
        old()
        first = invite()

        with pytest.raises(invitations.NobodyToInvite):
            invite()
        again = invite(again=True)

        assert [each.nth for each in Invitation.objects.order_by("pk")] == [1, 2]
        assert Message.objects.count() == 2
        first.refresh_from_db()
        again.refresh_from_db()
        assert (first.invited, again.invited) == (1, 1)
        assert first.finished_at
        assert again.finished_at
        assert AuditRecord.objects.filter(action="members.invited", reason="搬家").count() == 2

    def test_a_worker_that_died_is_followed_by_another(self, texting, monkeypatch):
        monkeypatch.setattr(invitations, "CHUNK", 2)
        for n in range(5):
            old(phone=f"+861380013800{n}")
        invitations.begin(
            run=the_run(), days=1, again=False, at=timezone.now(), by=staff(), reason="x"
        )
        assert invitations.work(clock=timezone.now, chunks=1) == 2
        monkeypatch.setattr(invitations.messaging, "send_many", None)
        with pytest.raises(TypeError):
            invitations.work(clock=timezone.now)
        monkeypatch.undo()

        assert invitations.work(clock=timezone.now) == 3
        assert Invitation.objects.count() == Message.objects.count() == 5


class TestByEmail:
    """Over a real mail server, to those of whom nobody has a proven phone (no SMS provider)."""

    @pytest.fixture
    def server(self, settings):
        with mail_server() as server:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
            settings.EMAIL_TIMEOUT = 5
            yield server

    def deliver(self):
        return operations.deliver_waiting(channel=Channel.EMAIL, clock=timezone.now)

    def test_arrives_with_a_link_that_leads_to_an_active_member(self, server, client):
        one = old(email="wang@example.com")
        invite()

        assert self.deliver() == 1

        [letter] = server.letters
        assert letter["To"] == "wang@example.com"
        assert "会员资格" in letter["Subject"]
        told = re.search(r"http://127\.0\.0\.1:8000(/\S+/)", letter.get_content())
        invitation = Invitation.objects.get()
        assert told[0] == invitations.link(invitation)
        client.get(told[1])
        client.post("/invited/")
        client.post("/invited/code/", {"code": the_code()})
        one.refresh_from_db()
        assert one.status == "ACTIVE"

    def test_goes_to_each_who_has_an_address_once(self, server):
        for n in range(5):
            old(phone=f"+861380013800{n}", email=f"m{n}@example.com" if n else "")
        invite()

        assert [self.deliver(), self.deliver()] == [4, 0]
        assert sorted(server.asked) == [f"m{n}@example.com" for n in range(1, 5)]
        links = {re.search(r"http\S+", letter.get_content())[0] for letter in server.letters}
        assert len(links) == 4, "each has a link of their own"

    def test_a_refused_address_stops_no_other_and_is_seen(self, server):
        old(email="gone@example.com")
        old(phone="+8613800138001", email="li@example.com")
        invite()
        server.to_recipient.append("550 no such user")

        assert self.deliver() == 1
        failed = Delivery.objects.get(state="FAILED")
        assert "550" in failed.error
        assert "gone@example.com" not in failed.error


class TestTheLink:
    @pytest.fixture
    def invitation(self, texting) -> Invitation:
        old(name="王小明")
        invite()
        return Invitation.objects.get()

    @pytest.fixture(autouse=True)
    def _by_sandbox(self, invitation, settings):
        # Codes are read off the sandbox's page.
        settings.SMS_PROVIDER = ""

    def prove(self, client, invitation):
        client.get(path_of(invitation))
        client.post("/invited/")
        return client.post("/invited/code/", {"code": the_code()})

    def test_leads_by_a_code_to_an_active_member_who_is_in(self, client, invitation):
        opened = client.get(path_of(invitation))
        assert (opened.status_code, opened["Location"]) == (302, "/invited/")
        text = text_of(client.get("/invited/"))
        assert "138****8000" in text
        assert "王小明" not in text
        asked = client.post("/invited/")
        assert asked["Location"] == "/invited/code/"
        proven = client.post("/invited/code/", {"code": the_code()})

        assert (proven.status_code, proven["Location"]) == (302, "/")
        invitation.refresh_from_db()
        assert invitation.used_at is not None
        assert Member.objects.get().status == "ACTIVE"
        assert Member.objects.get().number in text_of(client.get("/"))

    def test_works_once(self, client, invitation):
        self.prove(client, invitation)
        client.logout()

        assert client.get(path_of(invitation)).status_code == 410
        assert client.get("/invited/").status_code == 410

    def test_opens_nothing_without_the_code(self, client, invitation):
        client.get(path_of(invitation))
        client.post("/invited/")

        assert client.post("/invited/code/", {"code": "000000"}).status_code == 422
        assert Member.objects.get().status == "PRE_REGISTERED"

    def test_a_code_of_another_phone_activates_nobody(self, client, invitation):
        member(phone="+8613900139000")
        with pytest.raises(invitations.InvitationOver):
            invitations.accept(
                token=path_of(invitation).split("/")[2], phone="+8613900139000", at=timezone.now()
            )
        assert Member.objects.get(phone_entry__member=invitation.member).status == "PRE_REGISTERED"

    @pytest.mark.parametrize("token", ["1-x", "x", "99999999999999999999-x", "１-x", "-"])
    def test_a_made_up_one_is_over(self, client, token):
        assert client.get(f"/invited/{token}/").status_code == 410

    def test_is_good_to_the_end_of_its_last_day(self, invitation):
        token = path_of(invitation).split("/")[2]
        last = invitation.last_day
        noon = timezone.now().replace(hour=4)
        days = (last - timezone.localdate(noon)).days

        assert invitations.opened(token, at=noon + timedelta(days=days)) == invitation
        with pytest.raises(invitations.InvitationOver):
            invitations.opened(token, at=noon + timedelta(days=days + 1))

    def test_who_was_activated_meanwhile_uses_the_link_up(self, client, invitation):
        client.get(path_of(invitation))
        members.activate(member_id=invitation.member_id, activated_at=timezone.now())
        client.post("/invited/")

        assert client.post("/invited/code/", {"code": the_code()})["Location"] == "/"
        invitation.refresh_from_db()
        assert invitation.used_at is not None

    def test_whose_membership_has_ended_it_does_not_bring_back(self, client, invitation):
        members.close(
            member_id=invitation.member_id, closed_at=timezone.now(), by=None, reason="wish"
        )

        assert client.get(path_of(invitation)).status_code == 410


class TestAtTheConsole:
    @pytest.fixture
    def clerk(self, at_work):
        return at_work("customer care")

    def test_shows_whom_it_would_reach_then_sends(self, clerk, texting):
        old()
        url = reverse("admin:invitations")
        asked = {"source": f"run-{the_run().pk}", "days": "14"}

        page = text_of(clerk.get(url, asked))
        assert re.search(r"Would be invited\s*1", page)
        sent = clerk.post(f"{url}?source=x", {**asked, "reason": "搬家"}, follow=True)
        assert "Begun" in text_of(sent)
        invitations.work(clock=timezone.now)

        page = text_of(clerk.get(url))
        assert re.search(r"Text message\s*Waiting\s*1", page)

    def test_a_reason_is_asked_for(self, clerk, texting):
        old()
        asked = {"source": f"run-{the_run().pk}", "days": "14", "reason": ""}

        clerk.post(reverse("admin:invitations"), asked)

        assert not InvitationRound.objects.exists()

    def test_who_only_reads_invites_nobody(self, at_work, texting):
        old()
        asked = {"source": f"run-{the_run().pk}", "days": "14", "reason": "x"}

        assert at_work("auditor").post(reverse("admin:invitations"), asked).status_code == 403
        assert not InvitationRound.objects.exists()
