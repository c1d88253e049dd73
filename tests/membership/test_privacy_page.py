"""The page of privacy: what I agreed to, a copy of my data, being forgotten (M12)."""

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common import events
from common.models import AuditRecord
from members import consents, operations
from members.models import Consent, ConsentPurpose, DataExport, Erasure
from messaging.models import Message, SandboxCode
from partners.models import OrganizationKind
from tests import factories
from tests.factories import agree, consent_text, identity, lot, member, rulebook

pytestmark = pytest.mark.django_db
PAGE = "/privacy/"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def texts():
    return {purpose: consent_text(purpose) for purpose in ConsentPurpose}


@pytest.fixture
def me():
    return member(name="王小明", email="wang@example.com")


def browser(of, language="en"):
    client = Client(headers={"Accept-Language": language})
    client.force_login(operations.login_for(member_id=of.pk))
    return client


@pytest.fixture
def client(me):
    return browser(me)


def word(purpose, given, **more):
    return {"purpose": purpose, "is_given": given, "text_version": 1} | more


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def prove(client, path):
    """Answer the code that is asked for before a page; return what is behind it."""
    asked = client.get(path)
    assert asked.url.startswith("/privacy/proof/?next="), asked
    client.post(asked.url)
    answer = client.post(asked.url, {"code": SandboxCode.objects.latest("pk").code})
    assert (answer.status_code, answer.url) == (302, path)
    return client.get(path)


class TestConsents:
    def test_one_tap_gives_and_takes_back_and_every_word_is_shown(self, client, me):
        assert "Not agreed" in text_of(client.get(PAGE))

        assert client.post(PAGE, word("MARKETING", "1")).status_code == 302
        assert consents.has(me.pk, ConsentPurpose.MARKETING)
        kept = Consent.objects.get()
        assert (kept.channel, kept.actor, kept.text.version) == ("WEB", me.user or kept.actor, 1)
        page = client.get(PAGE).content.decode()
        assert consent_text("MARKETING").texts["zh-hans"][:5] or page

        client.post(PAGE, word("MARKETING", "0"))
        assert not consents.has(me.pk, ConsentPurpose.MARKETING)
        words = text_of(client.get(PAGE))
        assert "Taken back on" in words
        assert words.count("The member’s page") + words.count("The member&#x27;s page") == 2

    def test_shows_the_text_agreed_to_and_offers_a_newer_one(self, client, me):
        agree(me)
        newer = {code: f"Newer {code}" for code in ("zh-hans", "zh-hant", "en")}
        operations.publish_consent_text(
            purpose=ConsentPurpose.MARKETING,
            texts=newer,
            at=timezone.now(),
            by=factories.staff(),
        )

        page = text_of(client.get(PAGE))
        assert "Newer en" in page
        assert "text 1" in page

        client.post(PAGE, word("MARKETING", "1") | {"text_version": 2})
        assert consents.standing(me.pk)[0].text.version == 2

    def test_what_the_membership_needs_cannot_be_taken_back_here(self, client, me):
        agree(me, "SERVICE")

        answer = client.post(PAGE, word("SERVICE", "0"))

        assert answer.status_code == 409
        assert "There is no membership without it" in text_of(answer)
        assert consents.has(me.pk, ConsentPurpose.SERVICE)

    def test_partners_stand_by_name_those_gone_while_something_is_shared(self, client, me):
        insurer = factories.dealer(name="平安保险", kind=OrganizationKind.PARTNER)
        gone = factories.dealer(name="某旅行社", kind=OrganizationKind.PARTNER, is_active=False)
        agree(me, "SHARING", partner=gone)
        factories.dealer(name="某经销商")

        page = text_of(client.get(PAGE))
        assert "平安保险" in page
        assert "某旅行社" in page
        assert "某经销商" not in page

        client.post(PAGE, word("SHARING", "1", partner=insurer.pk))
        assert consents.has(me.pk, ConsentPurpose.SHARING, partner=insurer.pk)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"purpose": "ALL", "is_given": "1", "text_version": "1"},
            {"purpose": "MARKETING", "is_given": "perhaps", "text_version": "1"},
            {"purpose": "MARKETING", "is_given": "1", "text_version": "99999999"},
            {"purpose": "MARKETING", "is_given": "1", "text_version": "7"},
            {"purpose": "SHARING", "is_given": "1", "text_version": "1", "partner": "1" * 30},
            {"purpose": "SHARING", "is_given": "1", "text_version": "1"},
        ],
    )
    def test_nonsense_changes_nothing(self, client, body):
        assert client.post(PAGE, body).status_code in (302, 422)
        assert not Consent.objects.exists()

    def test_is_for_members_only_and_asks_few_queries(self, client, django_assert_max_num_queries):
        assert Client().get(PAGE).url == f"/login/?next={PAGE}"
        with django_assert_max_num_queries(12):
            client.get(PAGE)

    @pytest.mark.parametrize("language", ["zh-hans", "zh-hant", "en"])
    def test_speaks_every_language(self, me, language):
        page = browser(me, language).get(PAGE).content.decode()
        given = consent_text("MARKETING").texts
        assert given.get(language, given["zh-hans"])[:12] in page


class TestExport:
    def ask(self, client):
        client.post("/privacy/export/")
        events.deliver_waiting(now=timezone.now())
        # What was told of it then.
        events.deliver_waiting(now=timezone.now())
        return DataExport.objects.latest("pk")

    def test_a_member_asks_is_told_proves_the_phone_and_reads_everything(self, client, me):
        agree(me)
        export = self.ask(client)
        assert Message.objects.get().template == "messaging.export_made"
        assert f"/privacy/export/{export.pk}/" in client.get(PAGE).content.decode()

        answer = prove(client, f"/privacy/export/{export.pk}/")

        assert answer["Content-Type"] == "application/zip"
        assert "attachment" in answer["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.namelist() == ["data.json", "index.html"]
            data = json.loads(archive.read("data.json"))
            page = archive.read("index.html").decode()
        assert data["members.identity"]["name"] == "王小明"
        assert data["members.identity"]["email"] == "wang@example.com"
        assert [row["purpose"] for row in data["members.consents"]] == ["Offers and news"]
        assert "王小明" in page
        assert "<script" not in page
        trail = AuditRecord.objects.filter(target=me.number, action__startswith="member.export")
        assert sorted(trail.values_list("action", flat=True)) == [
            "member.export_requested",
            "member.exported",
        ]

    def test_the_file_is_sealed_in_the_database(self, client, me):
        self.ask(client)
        with connection.cursor() as cursor:
            cursor.execute("SELECT content FROM members_dataexport")
            [(stored,)] = cursor.fetchall()
        assert stored.startswith("k1:")

    def test_nobody_gets_anothers_nor_an_old_one(self, client, me):
        export = self.ask(client)
        bob = browser(member())
        assert prove(bob, f"/privacy/export/{export.pk}/").status_code == 404

        DataExport.objects.update(made_at=timezone.now() - 8 * DAY)
        assert prove(client, f"/privacy/export/{export.pk}/").status_code == 404
        assert f"/privacy/export/{export.pk}/" not in client.get(PAGE).content.decode()

    def test_a_proof_is_good_for_ten_minutes(self, client, me):
        path = f"/privacy/export/{self.ask(client).pk}/"
        assert prove(client, path).status_code == 200
        assert client.get(path).status_code == 200
        with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
            assert client.get(path).url.startswith("/privacy/proof/")

    def test_a_wrong_code_proves_nothing(self, client, me):
        path = f"/privacy/export/{self.ask(client).pk}/"
        client.post("/privacy/proof/")
        right = SandboxCode.objects.latest("pk").code
        answer = client.post("/privacy/proof/", {"code": f"{(int(right) + 1) % 10**6:06d}"})
        assert answer.status_code == 422
        assert client.get(path).status_code == 302

    def test_a_proof_leads_nowhere_else(self, client):
        client.post("/privacy/proof/?next=https://evil.example/")
        answer = client.post(
            "/privacy/proof/?next=https://evil.example/",
            {"code": SandboxCode.objects.latest("pk").code},
        )
        assert answer.url == PAGE

    def test_who_asks_again_gets_the_same_and_a_fourth_one_a_day_is_refused(self, client):
        client.post("/privacy/export/")
        client.post("/privacy/export/")
        assert DataExport.objects.count() == 1
        client.post("/privacy/export/")
        assert "enough" in client.post("/privacy/export/").url

    def test_staff_start_one_with_a_reason_and_do_not_get_it(self, boss, me):
        answer = boss.post(
            reverse("admin:member-export", args=[me.number]), {"reason": "来信 2026-11-20"}
        )
        assert answer.status_code == 302
        record = AuditRecord.objects.get(action="member.export_requested")
        assert (record.target, record.reason) == (me.number, "来信 2026-11-20")
        events.deliver_waiting(now=timezone.now())
        export = DataExport.objects.get()
        assert boss.get(f"/privacy/export/{export.pk}/").status_code == 302


class TestErasure:
    def test_says_what_it_costs_asks_for_a_proof_and_can_be_taken_back(self, client, me):
        lot(identity(me), 250)
        page = text_of(prove(client, "/privacy/erasure/"))
        assert "250 points are lost" in page

        assert client.post("/privacy/erasure/").status_code == 200
        assert not Erasure.objects.exists()
        assert client.post("/privacy/erasure/", {"understood": "on"}).url == PAGE
        wanted = Erasure.objects.get()
        assert wanted.due_on == timezone.localdate() + 15 * DAY
        events.deliver_waiting(now=timezone.now())
        assert Message.objects.get().template == "messaging.erasure_requested"
        assert "Take it back" in text_of(client.get(PAGE))

        assert client.post("/privacy/erasure/withdraw/").url == f"{PAGE}?stays"
        assert Erasure.objects.get().withdrawn_at is not None
        assert "Take it back" not in text_of(client.get(PAGE))
        assert client.post("/privacy/erasure/withdraw/").url == PAGE

    def test_nobody_is_forgotten_without_a_proof(self, client):
        answer = client.post("/privacy/erasure/", {"understood": "on"})
        assert answer.url.startswith("/privacy/proof/")
        assert not Erasure.objects.exists()

    def test_waits_as_long_as_the_programme_says(self, client, me):
        rulebook(erasure_days=3)
        prove(client, "/privacy/erasure/")
        client.post("/privacy/erasure/", {"understood": "on"})
        assert Erasure.objects.get().due_on == timezone.localdate() + 3 * DAY

    def test_staff_ask_for_it_and_take_it_back_with_a_reason(self, boss, me):
        page = reverse("admin:member-erase", args=[me.number])
        assert boss.post(page, {"reason": "来信"}).status_code == 200
        assert not Erasure.objects.exists()
        assert boss.post(page, {"reason": "来信", "asked": "on"}).status_code == 302
        shown = boss.get(reverse("admin:member-records", args=[me.number])).content.decode()
        assert reverse("admin:member-keep-data", args=[me.number]) in shown

        boss.post(reverse("admin:member-keep-data", args=[me.number]), {"reason": "来电"})
        actions = AuditRecord.objects.filter(target=me.number).order_by("pk")
        assert list(actions.values_list("action", "reason"))[-2:] == [
            ("member.erasure_requested", "来信"),
            ("member.erasure_withdrawn", "来电"),
        ]

    @pytest.mark.parametrize(
        "reason", ["来电 13800138000", "wang@example.com", "310101199001011234"]
    )
    def test_a_reason_that_names_somebody_is_refused(self, boss, me, reason):
        page = reverse("admin:member-erase", args=[me.number])
        answer = boss.post(page, {"reason": reason, "asked": "on"})
        assert answer.status_code == 200
        assert "this record stays for ever" in text_of(answer)
        assert not Erasure.objects.exists()
