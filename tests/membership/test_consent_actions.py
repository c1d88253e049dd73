"""Staff note what a member told them (M12)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from common.models import AuditRecord
from members import consents
from members.models import Consent, ConsentPurpose
from partners.models import OrganizationKind
from tests.factories import agree, consent_text, dealer, member
from tests.membership.test_console import text_of

pytestmark = pytest.mark.django_db
MARKETING = ConsentPurpose.MARKETING


@pytest.fixture(autouse=True)
def _texts():
    for purpose in ConsentPurpose:
        consent_text(purpose)


def note(client, of, **told):
    form = {
        "about": "MARKETING", "is_given": "1", "channel": "PAPER",
        "said_on": localdate().isoformat(), "text_version": "", "reason": "入会表格",
    }  # fmt: skip
    return client.post(reverse("admin:member-consent", args=[of.number]), form | told)


def records_page(client, of):
    return text_of(client.get(reverse("admin:member-records", args=[of.number])))


def test_what_was_signed_is_noted_with_source_reason_and_record(at_work):
    of, care = member(), at_work("customer care")

    assert note(care, of).status_code == 302

    word = Consent.objects.get()
    assert (word.purpose, word.is_given, word.channel) == (MARKETING, True, "PAPER")
    assert (word.actor, word.text.version) == (care.user, 1)
    record = AuditRecord.objects.get(action="member.consents_noted", target=of.number)
    assert (record.actor, record.reason) == (care.user, "入会表格")
    assert "On paper" in records_page(care, of)


def test_a_no_by_phone_holds_at_once(boss):
    of = member()
    agree(of)

    note(boss, of, is_given="0", channel="PHONE")

    assert not consents.has(of.pk, MARKETING)
    assert "Taken back" in records_page(boss, of)


def test_of_an_earlier_day_a_no_counts_to_its_end_and_a_yes_from_its_beginning(boss):
    of, yesterday = member(), localdate() - timedelta(days=1)
    noon = timezone.now() - timedelta(days=1)
    agree(of, at=noon)
    agree(of, "PROFILING", at=noon)
    agree(of, "PROFILING", is_given=False, at=noon)

    note(boss, of, is_given="0", said_on=yesterday.isoformat())
    note(boss, of, about="PROFILING", said_on=yesterday.isoformat())

    assert not consents.has(of.pk, MARKETING)
    assert not consents.has(of.pk, ConsentPurpose.PROFILING)


def test_what_is_known_already_is_said_to_be(boss):
    of = member()
    note(boss, of)

    answer = note(boss, of)

    page = boss.get(answer.url)
    assert "known already" in text_of(page)
    assert Consent.objects.count() == 1


def test_sharing_names_the_partner(boss):
    of, insurer = member(), dealer(code="insurer", name="平安保险", kind=OrganizationKind.PARTNER)

    note(boss, of, about=f"SHARING:{insurer.pk}")

    assert consents.has(of.pk, ConsentPurpose.SHARING, insurer.pk)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": ""}, "required"),
        ({"channel": "WEB"}, "valid choice"),
        ({"about": "SHARING:9"}, "valid choice"),
        ({"text_version": "9"}, "There is no text 9"),
        ({"said_on": "2199-01-01"}, "time to come"),
        ({"about": "SERVICE", "is_given": "0"}, "no membership without it"),
    ],
    ids=str,
)
def test_refuses_and_notes_nothing(boss, wrong, said):
    of = member()
    if "SERVICE" in wrong.values():
        agree(of, "SERVICE")
    before = Consent.objects.count()

    answer = note(boss, of, **wrong)

    assert answer.status_code == 200
    assert said in text_of(answer)
    assert Consent.objects.count() == before
