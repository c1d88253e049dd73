"""Nobody sees a phone, an e-mail address or an ID number in full without asking, on record."""

import pytest
from django.urls import reverse
from django.utils import timezone

from common.models import AuditRecord
from members import operations
from members.models import ExternalNumber
from messaging.models import Delivery
from tests import factories
from tests.factories import buy, identity, lot, member, message, rulebook, staff
from tests.factories.points import NOON
from tests.membership.conftest import at_work, boss  # noqa: F401 - for the console's pages
from tests.membership.test_console import ROLES
from tests.till import Till

pytestmark = pytest.mark.django_db
PHONE, EMAIL, ID_NUMBER = "13912345678", "zhuge.liang@example.com", "310101199001011237"
SECRETS = [PHONE, "139 1234 5678", EMAIL, ID_NUMBER]
MEMBER_PAGES = ["member", "member-ledger", "member-messages", "member-records", "member-tier"]
LISTS = [
    "index", "members_member_changelist", "entries", "grants", "points_activity_changelist",
    "messaging_delivery_changelist", "common_auditrecord_changelist",
    "common_outboxevent_changelist", "common_user_changelist", "duplicates", "segments",
]  # fmt: skip


@pytest.fixture
def of():
    rulebook()
    clerk = staff()
    store = factories.store()
    one = member(
        name="诸葛孔明", phone=f"+86{PHONE}", email=EMAIL, id_number=ID_NUMBER, store=store
    )
    operations.update_profile(
        member_id=one.pk, changes={"email": f"x{EMAIL}"}, at=NOON, by=clerk, reason="r"
    )
    operations.update_profile(
        member_id=one.pk, changes={"email": EMAIL}, at=NOON, by=clerk, reason="r"
    )
    ExternalNumber.objects.create(member=one, organization=store.organization, number="K-1")
    lot(identity(one), 100)
    buy(identity(one), "100.00", store=store)
    message(one)
    Delivery.objects.filter(channel="EMAIL").update(
        state="DEAD", retry_at=None, error=f"550 5.1.1 <{EMAIL}>: no such mailbox"
    )
    operations.request_erasure(member_id=one.pk, at=timezone.now(), by=clerk, reason="r")
    return one


def shown(answer):
    return [value for value in SECRETS if value in answer.content.decode(errors="replace")]


@pytest.mark.parametrize("letter", ROLES)
def test_no_page_of_the_console_shows_them(at_work, of, letter):  # noqa: F811 - the fixture
    client = at_work(ROLES[letter])
    pages = [reverse(f"admin:{name}", args=[of.number]) for name in MEMBER_PAGES]
    pages += [reverse(f"admin:{name}") for name in LISTS]
    seen = {path: client.get(path) for path in pages}
    assert {path: shown(answer) for path, answer in seen.items() if shown(answer)} == {}
    # Who may not look at members is not told whose names there are either.
    if letter in "cfdk":
        told = [path for path, answer in seen.items() if "诸葛孔明" in answer.content.decode()]
        assert told == []


def test_a_search_by_phone_does_not_repeat_whose_it_is(boss, of):  # noqa: F811 - the fixture
    page = boss.get(reverse("admin:members_member_changelist"), {"q": EMAIL})
    assert "诸葛孔明" not in page.content.decode()


def test_a_look_in_full_is_recorded(boss, of):  # noqa: F811 - the fixture
    answer = boss.post(reverse("admin:member-reveal", args=[of.number]), {"reason": "来电核验"})
    assert EMAIL in answer.content.decode()
    assert AuditRecord.objects.filter(action="member.revealed", target=of.number).count() == 1


def test_no_answer_of_the_api_shows_them(of):
    till = Till(factories.api_client(of.enrolling_store.organization))
    answers = [
        till.ask(f"members/{of.number}/"),
        till.send("members/lookup/", {"phone": PHONE}),
        till.ask(f"members/{of.number}/account/"),
        till.ask(f"members/{of.number}/entries/"),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert [shown(answer) for answer in answers] == [[]] * 4
    assert all("诸葛孔明" not in answer.content.decode() for answer in answers)
