"""Each promise of the ledger's tables, broken once."""

import os
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from common import audit
from common.models import AuditRecord
from points.models import Account, Activity, Entry, Lot
from tests.factories import buy, identity, lot, main_store, plain
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def write(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.fixture
def member():
    member = identity()
    lot(member, 100)
    return member


def entry(member, **fields):
    """An entry written past the functions, as only a mistake would."""
    return Entry(
        **{
            "member_id": member.id,
            "seq": 2,
            "kind": "EARN",
            "points": 10,
            "balance_after": 110,
            "effective_at": NOON,
            "expires_on": date(2027, 6, 30),
        }
        | fields
    )


def activity(member, **fields):
    store = main_store()
    return Activity(
        **{
            "member_id": member.id,
            "issuer_id": store.organization_id,
            "store_id": store.pk,
            "version_id": plain().pk,
            "kind": "PURCHASE",
            "reference": "R1",
            "occurred_at": NOON,
            "points": 1,
            "amount": "10.00",
            "fingerprint": b"0" * 16,
        }
        | fields
    )


DEBIT = {"expires_on": None, "lot_seq": [1], "lot_points": [10], "points": -10, "balance_after": 90}


class TestEntry:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("points_entry_credit_is_a_lot_debit_takes_some", {"points": 0}),
            ("points_entry_sign_fits_kind", DEBIT | {"kind": "EARN"}),
            ("points_entry_sign_fits_kind", {"kind": "REDEEM"}),
            ("points_entry_sign_fits_kind", {"kind": "REVERSE"}),
            ("points_entry_sign_fits_kind", {"kind": "EXPIRE"}),
            ("points_entry_sign_fits_kind", {"kind": "FORFEIT"}),
            ("points_entry_sign_fits_kind", {"kind": "GIFT"}),
            ("points_entry_credit_is_a_lot_debit_takes_some", {"expires_on": None}),
            ("points_entry_credit_is_a_lot_debit_takes_some", {"lot_seq": [1]}),
            (
                "points_entry_credit_is_a_lot_debit_takes_some",
                DEBIT | {"kind": "REDEEM", "lot_seq": None},
            ),
            (
                "points_entry_credit_is_a_lot_debit_takes_some",
                DEBIT | {"kind": "REDEEM", "expires_on": date(2027, 6, 30)},
            ),
            ("points_entry_adjustment_has_a_reason", {"kind": "ADJUST"}),
            ("points_entry_adjustment_has_a_reason", {"kind": "ADJUST", "reason": "GOODWILL"}),
            ("points_entry_adjustment_has_a_reason", {"reason": "GOODWILL"}),
            ("points_entry_reference_has_an_issuer", {"reference": "R1"}),
        ],
    )
    def test_refuses_what_makes_no_sense(self, member, constraint, fields):
        with pytest.raises(IntegrityError, match=constraint):
            entry(member, **fields).save(force_insert=True)

    def test_a_number_is_taken_once(self, member):
        with pytest.raises(IntegrityError, match="points_entry_pkey"):
            entry(member, seq=1).save(force_insert=True)

    def test_a_reference_is_taken_once_per_issuer_and_kind(self, member):
        issuer = main_store().organization_id
        entry(member, reference="R1", issuer_id=issuer).save(force_insert=True)

        with pytest.raises(IntegrityError, match="points_entry_reference_once"):
            entry(member, seq=3, reference="R1", issuer_id=issuer).save(force_insert=True)


class TestActivity:
    def test_a_document_is_taken_once_per_issuer_and_kind(self, member):
        activity(member).save(force_insert=True)

        with pytest.raises(IntegrityError, match="points_activity_reference_once"):
            activity(identity()).save(force_insert=True)

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("points_activity_amount", {"amount": "-0.01"}),
            ("points_activity_return_names_purchase", {"kind": "RETURN"}),
            ("points_activity_return_names_purchase", {"original_id": 1}),
        ],
    )
    def test_refuses_what_makes_no_sense(self, member, constraint, fields):
        with pytest.raises(IntegrityError, match=constraint):
            activity(member, **fields).save(force_insert=True)


class TestLot:
    @pytest.mark.parametrize("remaining", [-1, 0, 101])
    def test_holds_between_one_and_all_of_its_points(self, member, remaining):
        with pytest.raises(IntegrityError, match="points_lot_remaining_within_points"):
            Lot.objects.filter(member_id=member.id).update(remaining=remaining)


class TestAccount:
    def test_belongs_to_a_member(self):
        def make():
            with transaction.atomic():
                Account.objects.create(member_id=404)
                connection.check_constraints()

        with pytest.raises(IntegrityError, match="foreign key"):
            make()

    def test_its_updates_touch_no_index(self):
        """HOT updates: no index but the primary key, whose column never changes."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'points_account'")
            indexes = cursor.fetchall()
            cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'points_account'")
            options = cursor.fetchone()[0]

        assert len(indexes) == 1
        assert "fillfactor=70" in options


FINAL = ["points_entry", "points_activity", "common_auditrecord"]


@pytest.fixture
def ledger(member):
    plain()
    buy(member, "50.00")
    with transaction.atomic():
        audit.record(action="test.done", target=member.number, by=None)
    # Nothing of what was written may be pending: TRUNCATE would be refused for that.
    connection.check_constraints()
    return member


@pytest.mark.parametrize("table", FINAL)
class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE {} SET id = id",
            "DELETE FROM {}",
            "TRUNCATE {}",
            "UPDATE {} SET id = 1 WHERE false",
        ],
    )
    def test_even_the_owner_cannot_change_it(self, ledger, table, statement):
        statement = statement.replace("id", "seq") if table == "points_entry" else statement

        with pytest.raises(IntegrityError, match=f"rows of {table} cannot be changed or deleted"):
            write(statement.format(table))

    @pytest.mark.parametrize(
        "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"]
    )
    def test_the_application_may_not_even_try(self, ledger, table, statement):
        statement = statement.replace("id", "seq") if table == "points_entry" else statement
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            write(statement.format(table))

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE {} DISABLE TRIGGER append_only",
            "DROP TRIGGER append_only ON {}",
            "ALTER TABLE {} RENAME TO elsewhere",
            "DROP TABLE {}",
        ],
    )
    def test_the_application_cannot_step_around(self, ledger, table, statement):
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        with pytest.raises(ProgrammingError, match="must be owner"):
            write(statement.format(table))

    def test_the_application_cannot_switch_triggers_off(self, ledger, table):
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        with pytest.raises(DatabaseError, match="permission denied to set parameter"):
            write("SET session_replication_role = replica")


@pytest.mark.parametrize(
    "table",
    [
        "members_member",
        "partners_organization",
        "partners_store",
        "partners_apiclient",
        "programme_version",
    ],
)
def test_the_application_cannot_delete_what_the_ledger_names(ledger, table):
    write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

    with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
        write(f"DELETE FROM {table}")


def test_the_application_can_do_its_work(ledger):
    """The same role may earn, redeem, take back and expire: nothing it needs was taken away."""
    from points import operations
    from tests.factories import source

    write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

    lot(ledger, 10)
    operations.redeem(member=ledger, points=5, at=NOON, reference="R", source=source())
    operations.lock(ledger.id)
    operations.expire(low=ledger.id, high=ledger.id, on=date(2028, 1, 1))
    with transaction.atomic():
        audit.record(action="test.done", target=ledger.number, by=None)

    assert Account.objects.get(pk=ledger.id).balance == 0
    assert AuditRecord.objects.filter(action="test.done").count() == 2


def test_recorded_at_is_the_databases_own_time(member):
    recorded = Entry.objects.get(member_id=member.id).recorded_at

    assert abs(datetime.now(UTC) - recorded).total_seconds() < 300


def test_names_are_readable(ledger):
    assert str(Entry.objects.get(member_id=ledger.id, seq=1)) == "#1 EARN +100"
    assert str(Lot.objects.get(member_id=ledger.id, seq=1)) == "#1: 100/100"
    assert str(Activity.objects.get()).startswith("PURCHASE buy-")
    assert str(Account.objects.get(pk=ledger.id)) == f"{ledger.id}: 105"
