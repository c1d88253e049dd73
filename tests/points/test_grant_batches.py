"""Points for many members from one file (P9's array path, behind a form)."""

from datetime import UTC, date, datetime

import openpyxl
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from common import tables
from common.models import AuditRecord
from members import operations as members
from points import operations
from points.models import Account, Entry, GrantBatch, GrantRow, Lot
from points.operations import _grant_batches
from tests.factories import brand, identity, lot, member, plain, rulebook, source, staff
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rules():
    plain()
    brand()


@pytest.fixture
def read(tmp_path):
    """Hand in a file of these rows, under a header."""

    def read_(*rows, header="member,points,reference,reason", name="spring.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *(",".join(row) for row in rows)]), encoding="utf-8")
        return operations.read_grants(path=path, name=name, at=NOON, by=staff())

    return read_


def clock():
    return datetime(2026, 6, 16, 4, tzinfo=UTC)


def start(batch):
    return operations.start_grants(batch_id=batch.pk, at=NOON, by=staff(), reason="春节")


def outcomes(batch):
    return list(GrantRow.objects.filter(batch=batch).order_by("number").values_list("outcome"))


def codes(batch):
    return [outcome for (outcome,) in outcomes(batch)]


def balance(of):
    account = Account.objects.filter(pk=of.id).first()
    return account.balance if account else 0


class TestReading:
    def test_keeps_each_row_and_grants_nothing(self, read):
        wang = identity()

        batch = read((wang.number.lower(), "50", "SP-1", "春节礼"))

        assert (batch.rows, batch.points, batch.refused, batch.state) == (1, 50, 0, "READ")
        (row,) = batch.lines.all()
        assert (row.number, row.member_id, row.points) == (2, wang.id, 50)
        assert not Entry.objects.exists()

    @pytest.mark.parametrize(
        ("cells", "code"),
        [
            (("M0000000000", "5", "R", "x"), "unknown_member"),
            (("", "5", "R", "x"), "unknown_member"),
            ((None, "0", "R", "x"), "points_out_of_range"),
            ((None, "-5", "R", "x"), "points_out_of_range"),
            ((None, "5.5", "R", "x"), "points_out_of_range"),
            ((None, "٥", "R", "x"), "points_out_of_range"),
            ((None, "9" * 40, "R", "x"), "points_out_of_range"),
            ((None, "5", "", "x"), "invalid_reference"),
            ((None, "5", "R" * 65, "x"), "invalid_reference"),
            ((None, "5", "R", ""), "invalid_note"),
            ((None, "5", "R", "x" * 201), "invalid_note"),
        ],
    )
    def test_keeps_what_is_wrong_with_a_row(self, read, cells, code):
        wang = identity()
        rows = [tuple(wang.number if cell is None else cell for cell in cells)]

        batch = read(*rows)

        assert codes(batch) == [code]
        assert (batch.refused, batch.points) == (1, 0)
        with translation.override("en", deactivate=True):
            assert operations.refusal_told(batch.lines.get())

    def test_members_who_may_not_earn_are_refused(self, read):
        frozen, gone = member(), member()
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=gone.pk, closed_at=NOON, by=None, reason="")

        batch = read((frozen.number, "5", "A", "x"), (gone.number, "5", "B", "x"))

        assert codes(batch) == ["member_frozen", "member_closed"]

    def test_a_reference_counts_once_in_the_file_and_in_the_ledger(self, read):
        wang = identity()
        lot(wang, 5, reference="OLD")

        batch = read(
            (wang.number, "5", "NEW", "x"), (wang.number, "5", "NEW", "x"),
            (wang.number, "5", "OLD", "x"),
        )  # fmt: skip

        assert codes(batch) == ["", "duplicate_reference", "reference_reused"]
        with translation.override("en", deactivate=True):
            second = batch.lines.get(number=3)
            assert operations.refusal_told(second) == "The reference “NEW” stands in row 2 too."

    def test_reads_a_workbook_under_chinese_names_in_any_order(self, tmp_path):
        wang = identity()
        book = openpyxl.Workbook()
        book.active.append(["原因", "积分", "备注", "会员编号", "业务单号"])
        book.active.append(["春节礼", 50, "", wang.number, "SP-1"])
        book.active.append(["春节礼", "=1+1", "", wang.number, "SP-2"])
        path = tmp_path / "a.xlsx"
        book.save(path)

        batch = operations.read_grants(path=path, name="a.xlsx", at=NOON, by=staff())

        assert codes(batch) == ["", "formula"]
        assert batch.lines.get(number=2).cells == [wang.number, "50", "SP-1", "春节礼"]

    def test_a_file_that_is_none_is_refused_whole(self, read, monkeypatch):
        with pytest.raises(tables.UnknownColumns):
            read(("x", "y"), header="a,b")
        with pytest.raises(operations.NothingToGrant):
            read()
        monkeypatch.setattr(_grant_batches, "ROWS_MAX", 1)
        wang = identity()
        with pytest.raises(operations.TooManyRows):
            read((wang.number, "5", "A", "x"), (wang.number, "5", "B", "x"))
        assert not GrantBatch.objects.exists()

    def test_costs_a_few_queries_for_five_hundred_rows(self, read):
        wang = identity()
        rows = [(wang.number, "5", f"R{n}", "x") for n in range(500)]
        read(*rows[:1], name="warm.csv")

        with CaptureQueriesContext(connection) as queries:
            read(*rows[1:], (wang.number, "5", "Z", "x"))

        assert len(queries) <= 8


class TestGranting:
    def test_grants_every_good_row_with_its_reason_once(self, read):
        wang, li = identity(), identity()
        batch = read(
            (wang.number, "50", "A", "春节礼"), ("M0000000000", "5", "B", "春节礼"),
            (li.number, "7", "C", "试驾"),
        )  # fmt: skip
        start(batch)

        assert operations.work_on_grants(clock=clock) == 2
        assert operations.work_on_grants(clock=clock) == 0

        batch.refresh_from_db()
        assert (batch.state, batch.granted, batch.refused) == ("DONE", 2, 1)
        assert batch.finished_at == clock()
        assert codes(batch) == ["granted", "unknown_member", "granted"]
        entry = Entry.objects.get(member_id=wang.id)
        assert (entry.kind, entry.type, entry.points, entry.note) == ("EARN", "OTHER", 50, "春节礼")
        assert (entry.effective_at, entry.reference, entry.actor) == (NOON, "A", batch.created_by)
        assert entry.expires_on == date(2027, 6, 30)
        assert entry.funding.organizations == [brand().pk]
        assert batch.lines.get(number=2).entry_seq == entry.seq
        assert balance(li) == 7
        assert AuditRecord.objects.get(action="points.grants_started").reason == "春节"

    def test_goes_on_behind_the_last_chunk_after_it_was_cut_short(self, read, monkeypatch):
        monkeypatch.setattr(_grant_batches, "CHUNK_ROWS", 3)
        people = [identity() for _ in range(8)]
        batch = read(*[(one.number, "5", f"R{n}", "x") for n, one in enumerate(people)])
        start(batch)
        operations.work_on_grants(clock=clock, chunks=1)
        # A worker dies after it granted and before it said so: all of its chunk is undone.
        with monkeypatch.context() as dying:
            dying.setattr(QuerySet, "bulk_update", _die)
            with pytest.raises(RuntimeError):
                operations.work_on_grants(clock=clock)
        assert Entry.objects.count() == 3

        operations.work_on_grants(clock=clock)

        assert [balance(one) for one in people] == [5] * 8
        batch.refresh_from_db()
        assert (batch.state, batch.granted) == ("DONE", 8)

    def test_what_changed_since_it_was_read_is_refused_then(self, read):
        one, two = member(), identity()
        batch = read((one.number, "5", "A", "x"), (two.number, "5", "B", "x"))
        members.freeze(member_id=one.pk, by=staff(), reason="x")
        lot(two, 9, reference="B")
        start(batch)

        operations.work_on_grants(clock=clock)

        assert codes(batch) == ["member_frozen", "reference_reused"]
        batch.refresh_from_db()
        assert (batch.state, batch.granted, batch.refused) == ("DONE", 0, 2)

    def test_points_of_who_is_not_active_yet_wait_for_the_activation(self, read):
        rulebook(clock="activation", valid_from="2026-06-01")
        one = member(active=False)
        batch = read((one.number, "5", "A", "x"))
        start(batch)

        operations.work_on_grants(clock=clock)

        assert Lot.objects.get(member_id=one.pk).expires_on == date.max

    def test_five_hundred_rows_are_granted_in_few_statements(self, read):
        people = [identity() for _ in range(20)]
        rows = [(people[n % 20].number, "5", f"R{n}", "x") for n in range(500)]
        batch = read(*rows)
        start(batch)

        with CaptureQueriesContext(connection) as queries:
            operations.work_on_grants(clock=clock, chunks=1)

        assert balance(people[0]) == 125
        assert len(queries) <= 20


def _die(*_args, **_kwargs):
    raise RuntimeError("killed")


class TestDecisions:
    def test_begun_once_only(self, read):
        batch = read((identity().number, "5", "A", "x"))
        start(batch)

        with pytest.raises(operations.BatchNotOpen):
            start(batch)
        with pytest.raises(operations.BatchNotOpen):
            operations.discard_grants(batch_id=batch.pk, by=staff())

    def test_discarded_it_is_never_granted(self, read):
        batch = read((identity().number, "5", "A", "x"))
        operations.discard_grants(batch_id=batch.pk, by=staff())

        with pytest.raises(operations.BatchNotOpen):
            start(batch)
        assert operations.work_on_grants(clock=clock) == 0
        assert not Entry.objects.exists()


class TestConstraints:
    def test_a_row_granted_names_its_entry(self, read):
        batch = read((identity().number, "5", "A", "x"))

        with (
            pytest.raises(IntegrityError, match="points_grantrow_granted_names_its_entry"),
            transaction.atomic(),
        ):
            batch.lines.update(outcome="granted")

    def test_a_row_to_be_done_is_complete(self, read):
        batch = read(("M0000000000", "5", "A", "x"))

        with (
            pytest.raises(IntegrityError, match="points_grantrow_to_be_done_is_complete"),
            transaction.atomic(),
        ):
            batch.lines.update(outcome="")

    def test_what_is_at_work_has_begun(self, read):
        batch = read((identity().number, "5", "A", "x"))

        with (
            pytest.raises(IntegrityError, match="points_grantbatch_has_begun"),
            transaction.atomic(),
        ):
            GrantBatch.objects.filter(pk=batch.pk).update(state="RUNNING")


def test_source_is_ours():
    assert operations.our_source().issuer_id == source().issuer_id
