"""The page of privacy: what I agreed to, a copy of my data, being forgotten (M12)."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from members import consents, operations
from members.models import Consent, ConsentPurpose
from messaging.models import SandboxCode
from partners.models import OrganizationKind
from tests import factories
from tests.factories import agree, consent_text, member

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
