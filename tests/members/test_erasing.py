"""
Being forgotten: nothing that says who a member was is left in any table, and the ledger stays.

Recognisable values are planted in every table a room knows a member by, through the operations
that write them; after the erasure the whole database is read and searched for them.
"""

import io
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from common import events, personal
from common.fields import unseal
from common.models import AuditRecord, User
from members import nightly, operations, queries
from members.models import Erasure, ExternalNumber, Member
from messaging import operations as messaging
from points import verification
from points.models import Entry
from tests.factories import agree, buy, dealer, identity, lot, member, message, staff
from tests.factories.points import NOON
from tests.tiers.ladder import gather, noon, publish
from tests.tiers.test_web import BY_APPLICATION
from tiers import operations as tiers
from tiers.operations import Attached

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PHONE, EMAIL, ID_NUMBER = "+8613912345678", "zhuge.liang@example.com", "310101199001011237"
VIN, NUMBER = "LSVAM4187C2184841", "KUNDE-4711"
PLANTED = [
    "诸葛孔明", "zhu ge kong ming", "13912345678", EMAIL, ID_NUMBER, "卧龙岗", "南阳郡", VIN,
    NUMBER, "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "羽扇纶巾", "草庐", "出师表",
]  # fmt: skip


def everything() -> str:
    """Every value of every row of every table as text; sealed ones opened."""
    said = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column.name for column in cursor.description]
            for row in cursor.fetchall():
                said += [f"{table}.{name}: {opened(table, name, value)}"
                         for name, value in zip(names, row, strict=True)]  # fmt: skip
    return "\n".join(said)


def opened(table, name, value):
    if isinstance(value, memoryview):
        return bytes(value).decode(errors="replace") + bytes(value).hex()
    if isinstance(value, str) and value.startswith("k1:"):
        return unseal(value, column=f"{table}.{name}")
    return value


def left_of(planted=PLANTED):
    lines = everything().lower().splitlines()
    return [line[:120] for line in lines for value in planted if value.lower() in line]


@pytest.fixture
def planted():
    """A member about whom every room knows something."""
    publish(BY_APPLICATION)
    of = member(
        name="诸葛孔明", phone=PHONE, email=EMAIL, id_number=ID_NUMBER, province="南阳郡",
        city="卧龙岗", birthday=date(1981, 7, 23), sex="MALE",
    )  # fmt: skip
    clerk = staff()
    login = operations.login_for(member_id=of.pk)
    User.objects.filter(pk=login.pk).update(first_name="诸葛孔明", email=EMAIL)
    Client().force_login(login)
    operations.update_profile(
        member_id=of.pk, changes={"city": "草庐"}, at=NOON, by=clerk, reason="r"
    )
    operations.add_product(
        member_id=of.pk,
        product=operations.ProductFacts(identifier=VIN, name="羽扇纶巾"),
        bound_at=NOON,
        by=clerk,
        reason="草稿",
    )
    ExternalNumber.objects.create(member=of, organization=dealer(), number=NUMBER)
    operations.set_tags(member_id=of.pk, names=["军师"], at=NOON, by=clerk, reason="r")
    agree(of)
    messaging.bind_follower(member_id=of.pk, openid="o6_bmjrPTlm6_2sgVt7hMZOPfL2M", at=NOON)
    messaging.set_reader(member_id=of.pk, language="en", time_zone="")
    said = message(of)
    said.deliveries.filter(channel="EMAIL").update(
        state="FAILED", retry_at=None, error=f"550 no such mailbox {EMAIL}"
    )
    one = identity(of)
    lot(one, 100)
    buy(one, "100.00")
    gather(one, "2026-06-01", spend="6000")
    tiers.apply(
        member=one, level="diamond", text="出师表", at=noon("2026-06-15"),
        documents=[Attached("羽扇纶巾.pdf", b"%PDF-1.7 " + "草庐".encode())],
    )  # fmt: skip
    operations.request_export(member_id=of.pk, language="en", at=timezone.now(), by=login)
    deliver()
    return of


def deliver():
    for _ in range(3):
        events.deliver_waiting(now=timezone.now())


def ask(of):
    wanted = operations.request_erasure(
        member_id=of.pk, at=timezone.now(), by=staff(), reason="来信"
    )
    deliver()
    return wanted


def night(wanted):
    return nightly.erase_due(day=wanted.due_on)


class TestErasure:
    def test_the_values_can_be_found_before(self, planted):
        found = "\n".join(left_of())
        for value in PLANTED:
            assert value.lower() in everything().lower(), value
        assert "members_historicalmember" in found

    def test_nothing_personal_is_left_in_any_table_and_the_ledger_stays(self, planted):
        entries = Entry.objects.filter(member=planted).count()
        wanted = ask(planted)
        index = queries.phone_index(PHONE).hex()

        assert night(wanted) == {"members": 1}
        deliver()

        assert left_of([*PLANTED, index]) == []
        gone = Member.objects.get(pk=planted.pk)
        assert (gone.status, gone.name, gone.phone, gone.birthday) == ("CLOSED", "", "", None)
        assert Entry.objects.filter(member=planted).count() == entries + 1
        assert Entry.objects.filter(member=planted).latest("seq").kind == "FORFEIT"
        report = verification.Report()
        verification.verify(report=report, low=planted.pk, high=planted.pk)
        assert report.differences == []
        trail = AuditRecord.objects.filter(target=planted.number)
        assert trail.filter(action="member.erased").count() == 1
        assert personal.left([planted.pk]) == {}

    def test_a_second_night_changes_nothing_more(self, planted):
        wanted = ask(planted)
        night(wanted)
        deliver()
        before = everything()

        assert night(wanted) == {"members": 0}
        assert nightly.erase_due(day=wanted.due_on + 30 * DAY) == {"members": 0}

        assert everything() == before

    def test_others_keep_everything(self, planted):
        other = member(name="周公瑾", email="zhou@example.com")
        operations.add_product(
            member_id=other.pk, product=operations.ProductFacts(identifier="SN-1"), bound_at=NOON
        )
        night(ask(planted))
        other.refresh_from_db()
        assert (other.name, other.email) == ("周公瑾", "zhou@example.com")
        assert queries.by_phone(other.phone) == other
        assert queries.by_product("SN-1") == other

    def test_waits_for_its_day_and_can_be_taken_back_until_then(self, planted):
        wanted = ask(planted)
        assert nightly.erase_due(day=wanted.due_on - DAY) == {"members": 0}

        operations.withdraw_erasure(member_id=planted.pk, at=timezone.now(), by=staff())

        assert night(wanted) == {"members": 0}
        assert Member.objects.get(pk=planted.pk).name == "诸葛孔明"

    def test_who_asks_again_waits_no_longer(self, planted):
        assert ask(planted).pk == ask(planted).pk
        assert Erasure.objects.count() == 1

    def test_after_it_nothing_can_be_taken_back_or_asked_for(self, planted):
        night(ask(planted))
        with pytest.raises(operations.NothingToTakeBack):
            operations.withdraw_erasure(member_id=planted.pk, at=timezone.now(), by=staff())
        with pytest.raises(operations.AlreadyErased):
            ask(planted)

    def test_the_login_is_over_and_the_phone_is_free(self, planted):
        client = Client()
        client.force_login(planted.user or operations.login_for(member_id=planted.pk))
        assert client.get("/").status_code == 200

        night(ask(planted))

        assert client.get("/").status_code == 302
        assert not User.objects.get(username=planted.number).is_active
        assert member(phone=PHONE).number != planted.number

    def test_who_has_left_before_can_still_be_forgotten(self, planted):
        operations.close(member_id=planted.pk, closed_at=timezone.now(), by=None, reason="left")
        night(ask(planted))
        deliver()
        assert left_of() == []

    def test_what_arrives_at_the_last_minute_goes_the_night_after(self, planted):
        wanted = ask(planted)
        night(wanted)
        message(Member.objects.get(pk=planted.pk))
        assert personal.left([planted.pk]) == {"messaging_message": 1}

        nightly.erase_due(day=wanted.due_on + DAY)

        assert personal.left([planted.pk]) == {}


class TestProof:
    def test_the_command_and_the_night_find_what_is_left(self, planted):
        wanted = ask(planted)
        night(wanted)
        deliver()
        out = io.StringIO()
        call_command("check_erasure", stdout=out)
        assert "nothing is left" in out.getvalue()
        assert nightly.check_erasures(day=wanted.due_on) == {"members": 1, "left": 0}

        Member.objects.filter(pk=planted.pk).update(city="卧龙岗")

        report = nightly.check_erasures(day=wanted.due_on)
        assert (report["left"], report["findings"]) == (1, ["members_member: 1"])
        with pytest.raises(CommandError, match="1 rows"):
            call_command("check_erasure", stdout=out)
