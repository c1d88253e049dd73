"""What members agree to, over REST (M12)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from common.models import AuditRecord
from members import consents, operations
from members.models import Consent, ConsentChannel, ConsentPurpose
from partners.models import ApiClient, OrganizationKind
from tests import factories
from tests.factories import agree, consent_text
from tests.till import Till, refused

pytestmark = pytest.mark.django_db
YES = {"purpose": "MARKETING", "agreed": True, "text_version": 1}
NO = {"purpose": "MARKETING", "agreed": False}


@pytest.fixture(autouse=True)
def _texts():
    for purpose in ConsentPurpose:
        consent_text(purpose)


@pytest.fixture
def shop():
    return factories.store(code="S1")


@pytest.fixture
def till(shop):
    return Till(factories.api_client(shop.organization))


@pytest.fixture
def of(shop):
    return factories.member(store=shop)


def note(till, of, *words, **more):
    return till.send(f"members/{of.number}/consents/", {"consents": list(words)} | more)


def test_notes_a_yes_with_all_that_proves_it(till, of):
    answer = note(till, of, YES, channel="PAPER", at="2026-06-01T12:00:00+08:00")

    assert answer.status_code == 201
    assert answer.json()["results"] == [
        {
            "purpose": "MARKETING", "partner": None, "agreed": True, "text_version": 1,
            "channel": "PAPER", "at": "2026-06-01T12:00:00+08:00",
        }
    ]  # fmt: skip
    word = Consent.objects.get()
    assert (word.channel, word.client, word.actor) == (
        ConsentChannel.PAPER,
        ApiClient.objects.get(),
        None,
    )
    assert word.at == datetime(2026, 6, 1, 4, tzinfo=UTC)
    record = AuditRecord.objects.get(action="member.consents_noted")
    assert (record.target, record.details["client"]) == (of.number, word.client_id)


def test_taking_back_asks_for_no_more_than_agreeing(till, of):
    note(till, of, YES)

    answer = note(till, of, NO)

    assert answer.status_code == 201
    assert answer.json()["results"][0]["agreed"] is False
    assert not consents.has(of.pk, ConsentPurpose.MARKETING)
    assert Consent.objects.latest("pk").channel == ConsentChannel.API


def test_what_is_known_already_is_answered_with_200_and_not_noted_again(till, of):
    note(till, of, YES)

    assert note(till, of, YES).status_code == 200
    assert Consent.objects.count() == 1
    assert AuditRecord.objects.filter(action="member.consents_noted").count() == 1


def test_a_later_no_of_the_member_holds(till, of):
    now = timezone.now()
    agree(of, at=now - timedelta(days=3))
    agree(of, is_given=False, at=now - timedelta(days=1))

    answer = note(till, of, YES, at=(now - timedelta(days=2)).isoformat())

    assert answer.status_code == 201
    assert answer.json()["results"][0]["agreed"] is False


def test_shares_with_a_partner_who_is_named(till, of):
    insurer = factories.dealer(code="insurer", kind=OrganizationKind.PARTNER)

    answer = note(till, of, YES | {"purpose": "SHARING", "partner": "insurer"})

    assert answer.json()["results"][0]["partner"] == "insurer"
    assert consents.has(of.pk, ConsentPurpose.SHARING, insurer.pk)


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"consents": []}, 422, "invalid"),
        ({"consents": [{"purpose": "MARKETING", "agreed": True}]}, 422, "invalid"),
        ({"consents": [YES | {"purpose": "NEWS"}]}, 422, "invalid"),
        ({"consents": [YES], "channel": "WEB"}, 422, "invalid"),
        ({"consents": [YES], "at": "2199-01-01T00:00:00Z"}, 422, "said_in_future"),
        ({"consents": [YES | {"text_version": 9}]}, 422, "unknown_consent_text"),
        ({"consents": [YES | {"purpose": "SHARING"}]}, 422, "not_a_partner"),
        ({"consents": [NO | {"purpose": "SERVICE"}]}, 409, "needed_for_membership"),
    ],
    ids=str,
)
def test_refuses_and_notes_nothing(till, of, document, status, code):
    refused(till.send(f"members/{of.number}/consents/", document), status, code)

    assert not Consent.objects.exists()


def test_of_own_members_only(till, shop):
    """Neither are the words of another dealer's member read, nor is anything put into a mouth."""
    stranger = factories.member()
    agree(stranger)

    refused(note(till, stranger, NO), 403, "not_your_member")
    refused(till.ask(f"members/{stranger.number}/consents/"), 403, "not_your_member")

    assert consents.has(stranger.pk, ConsentPurpose.MARKETING)


def test_the_brand_reads_and_notes_everybodys(of):
    brand = Till(factories.api_client(factories.brand()))

    assert note(brand, of, YES).status_code == 201
    (told,) = brand.ask(f"members/{of.number}/consents/").json()["results"]
    assert (told["purpose"], told["agreed"]) == ("MARKETING", True)


def test_who_has_left_agrees_to_nothing_more_but_may_take_back(till, of):
    note(till, of, YES)
    operations.close(member_id=of.pk, closed_at=timezone.now(), by=None, reason="")

    refused(note(till, of, YES | {"purpose": "PROFILING"}), 409, "member_closed")
    assert note(till, of, NO).status_code == 201
