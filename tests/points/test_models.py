"""Each promise of the ledger's tables, broken once."""

import os
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from common import audit
from common.models import AuditRecord
from points.models import Account, Activity, Entry, Funding, Lot, Merge
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


DEBIT = {
    "kind": "REDEEM",
    "points": -10,
    "balance_after": 90,
    "expires_on": None,
    "lot_seq": [1],
    "lot_points": [-10],
    "lot_expires_on": [date(2027, 6, 30)],
}
BACK = DEBIT | {"points": 10, "lot_points": [10], "reverses": 1}
SIGN = "points_entry_sign_fits_kind"
LOTS = "points_entry_credit_is_a_lot_others_name_theirs"
ABOUT = "points_entry_names_what_it_is_about"
REASON = "points_entry_adjustment_has_a_reason"
HOLD = "points_entry_hold_has_an_end"

# Every combination of what the rules look at, judged by the table's check and by the rules.
BOTH_WAYS = """
    CREATE FUNCTION pg_temp.says(check_name text, e points_entry) RETURNS boolean
    LANGUAGE plpgsql AS $$
    DECLARE
        answer boolean;
    BEGIN
        EXECUTE format('SELECT %I($1)', check_name) INTO answer USING e;
        RETURN answer;
    EXCEPTION WHEN check_violation THEN
        RETURN false;
    END $$;
    CREATE FUNCTION pg_temp.both_ways() RETURNS TABLE (sound boolean, kept boolean)
    LANGUAGE sql AS $$
        SELECT
            pg_temp.says('points_entry_is_sound', e),
            pg_temp.says('points_entry_keeps_the_rules', e)
        FROM unnest('{EARN,REDEEM}'::text[]) AS kind, generate_series(-1, 1) AS amount,
            generate_series(-1, 1) AS pending, generate_series(-1, 1) AS held,
            generate_series(-1, 1) AS qualifying, unnest('{NULL,2027-06-30}'::date[]) AS expires_on,
            unnest('{NULL,FRAUD}'::text[]) AS reason, unnest('{NULL,2027-01-01}'::timestamptz[]) AS
            until, unnest('{NULL,1}'::bigint[]) AS issuer, unnest('{NULL,R}'::text[]) AS reference,
            (VALUES (NULL, NULL), ('[1]', '[-1]'), ('[1]', NULL), ('[1]', '[]'))
                AS lot (seqs, points),
            jsonb_populate_record(NULL::points_entry, jsonb_build_object(
                'kind', kind, 'points', amount, 'pending', pending, 'held', held,
                'qualifying', qualifying, 'expires_on', expires_on, 'reason', reason,
                'until', until, 'issuer_id', issuer, 'reference', reference,
                'lot_seq', seqs::jsonb, 'lot_points', lot.points::jsonb,
                'lot_expires_on', CASE WHEN seqs IS NOT NULL THEN '["2027-06-30"]'::jsonb END
            )) AS e
    $$;
"""


class TestEntry:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            (SIGN, {"points": 0}),
            (SIGN, {"points": -1, "pending": 11}),
            (SIGN, {"held": 1}),
            (SIGN, DEBIT | {"kind": "EARN"}),
            (SIGN, {"kind": "REDEEM"}),
            (SIGN, DEBIT | {"held": -10}),
            (SIGN, DEBIT | {"points": 0}),
            (SIGN, DEBIT | {"pending": -10}),
            (SIGN, DEBIT | {"kind": "HOLD"}),
            (SIGN, DEBIT | {"kind": "HOLD", "held": 11}),
            (SIGN, BACK | {"kind": "RELEASE"}),
            (SIGN, BACK | {"kind": "VEST"}),
            (SIGN, BACK | {"kind": "VEST", "pending": -9}),
            (SIGN, {"kind": "REVERSE"}),
            (SIGN, DEBIT | {"kind": "REVERSE", "reverses": 1, "points": 0}),
            (SIGN, DEBIT | {"kind": "REVERSE", "reverses": 1, "qualifying": 1}),
            (SIGN, DEBIT | {"kind": "REINSTATE", "reverses": 1}),
            (SIGN, {"kind": "EXPIRE"}),
            (SIGN, DEBIT | {"kind": "EXPIRE", "pending": -1}),
            (SIGN, {"kind": "FORFEIT"}),
            (SIGN, {"kind": "TRANSFER_OUT", "counterpart_id": 7}),
            (SIGN, DEBIT | {"kind": "TRANSFER_IN", "counterpart_id": 7}),
            (SIGN, DEBIT | {"kind": "EXTEND"}),
            (SIGN, {"kind": "MERGE_IN", "counterpart_id": 7, "held": 1}),
            (SIGN, {"kind": "GIFT"}),
            (SIGN, DEBIT | {"qualifying": -1}),
            (LOTS, {"expires_on": None}),
            (LOTS, {"lot_seq": [1]}),
            (LOTS, {"kind": "MERGE_IN", "counterpart_id": 7, "expires_on": None}),
            (LOTS, DEBIT | {"lot_seq": None}),
            (LOTS, DEBIT | {"lot_seq": [1, 1]}),
            (LOTS, DEBIT | {"lot_points": None}),
            (LOTS, DEBIT | {"lot_expires_on": []}),
            (LOTS, DEBIT | {"expires_on": date(2027, 6, 30)}),
            (ABOUT, BACK | {"kind": "VEST", "pending": -10, "reverses": None}),
            (ABOUT, BACK | {"kind": "RELEASE", "held": -10, "reverses": None}),
            (ABOUT, DEBIT | {"kind": "REVERSE"}),
            (ABOUT, BACK | {"kind": "REINSTATE", "reverses": None}),
            (ABOUT, DEBIT | {"kind": "TRANSFER_OUT"}),
            (ABOUT, {"kind": "TRANSFER_IN"}),
            (ABOUT, DEBIT | {"kind": "MERGE_OUT"}),
            (ABOUT, {"kind": "MERGE_IN"}),
            (REASON, {"kind": "ADJUST"}),
            (REASON, {"kind": "ADJUST", "reason": "GOODWILL"}),
            (REASON, {"reason": "GOODWILL"}),
            ("points_entry_reference_has_an_issuer", {"reference": "R1"}),
            (HOLD, DEBIT | {"kind": "HOLD", "held": 10}),
            (HOLD, {"until": NOON}),
        ],
    )
    def test_refuses_what_makes_no_sense(self, member, constraint, fields):
        with pytest.raises(IntegrityError, match=constraint):
            entry(member, **fields).save(force_insert=True)

    def test_what_is_looked_at_less_closely_keeps_all_rules(self):
        """The short way for the two frequent kinds says yes to nothing that the rules refuse."""
        with connection.cursor() as cursor:
            cursor.execute(BOTH_WAYS)
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE sound),"
                " count(*) FILTER (WHERE sound <> kept) FROM pg_temp.both_ways()"
            )
            looked_at, sound, differ = cursor.fetchone()

        assert (looked_at, differ) == (20736, 0)
        assert sound > 10

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
    @pytest.mark.parametrize("remaining", [-1, 0])
    def test_holds_something(self, member, remaining):
        with pytest.raises(IntegrityError, match="points_are_positive"):
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
        """HOT updates: no posting changes a column an index is over (tests/performance counts)."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'points_account'")
            indexes = sorted(index for (index,) in cursor.fetchall())
            cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'points_account'")
            options = cursor.fetchone()[0]

        due, primary = indexes
        assert primary.endswith("USING btree (member_id)")
        # The last day of everything: set once a cycle, if the programme has such a thing at all.
        assert due.endswith("USING btree (lapses_on) WHERE (lapses_on < '9999-12-31'::date)")
        assert "fillfactor=70" in options

    @pytest.mark.parametrize("column", ["pending", "held"])
    def test_nothing_waits_or_is_held_below_zero(self, member, column):
        with pytest.raises(IntegrityError, match="points_are_not_negative"):
            Account.objects.filter(pk=member.id).update(**{column: -1})


class TestFunding:
    @pytest.mark.parametrize(
        ("shares", "organizations", "budgets"),
        [
            ([10_000], [1, 2], ["", ""]),
            ([10_000], [1], []),
            ([9_999], [1], [""]),
            ([6_000, 4_001], [1, 2], ["", ""]),
            ([10_000, 0], [1, 2], ["", ""]),
            ([11_000, -1_000], [1, 2], ["", ""]),
            ([5_000, 5_000], [1, 1], ["spring", "spring"]),
            ([], [], []),
        ],
    )
    def test_shares_are_positive_whole_and_of_different_purses(
        self, shares, organizations, budgets
    ):
        with pytest.raises(IntegrityError, match="points_funding_is_sound"):
            Funding.objects.create(organizations=organizations, shares=shares, budgets=budgets)

    def test_is_known_once(self):
        Funding.objects.create(organizations=[1], shares=[10_000], budgets=["spring"])

        with pytest.raises(IntegrityError, match="points_funding_once"):
            Funding.objects.create(organizations=[1], shares=[10_000], budgets=["spring"])


class TestMerge:
    def merge(self, member, into):
        Merge.objects.create(
            member_id=member.id, into_id=into.id, merged_at=NOON, out_seq=1, first_seq=1,
            last_seq=1, lapses_on=date.max,
        )  # fmt: skip

    def test_is_of_two(self, member):
        with pytest.raises(IntegrityError, match="points_merge_of_two"):
            self.merge(member, member)

    def test_an_account_is_merged_once_at_a_time(self, member):
        self.merge(member, identity())

        with pytest.raises(IntegrityError, match="points_merge_once_at_a_time"):
            self.merge(member, identity())


FINAL = ["points_entry", "points_activity", "points_funding", "common_auditrecord"]


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
            "TRUNCATE {} CASCADE",
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
    assert str(Lot.objects.get(member_id=ledger.id, seq=1)) == "#1: 100 until 2027-06-30"
    assert str(Activity.objects.get()).startswith("PURCHASE buy-")
    assert str(Account.objects.get(pk=ledger.id)) == f"{ledger.id}: 105"
