"""Coupons to the members of a file: read, judged row by row, looked through, issued once."""

from datetime import timedelta

import openpyxl
import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import translation

from benefits.models.coupon_lists import CouponList, CouponRow
from benefits.models.coupons import Coupon, CouponBatch, CouponRun, CouponStep
from benefits.operations import coupons
from benefits.operations.coupons import _lists
from common import personal, tables
from common.models import AuditRecord
from members import operations as members
from messaging.models import Message
from tests.benefits.coupon_plan import LAST, NOW, drafted, generated, issued, running
from tests.factories import identity, member, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path):
    """A file as staff save it."""

    def write(content, name="七月.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def read(file):
    def read(batch, *cells, header="member", **options):
        path = file("\r\n".join([header, *cells]), **options)
        return coupons.read_list(batch_id=batch.pk, path=path, name=path.name, at=NOW, by=staff())

    return read


def issue(listed, at=NOW):
    run = coupons.issue_to_list(list_id=listed.pk, at=at, by=listed.created_by)
    coupons.work(clock=lambda: at)
    run.refresh_from_db()
    return run


def outcomes(listed):
    """By row, what came of it."""
    return dict(listed.lines.order_by("number").values_list("number", "outcome"))


def told(listed, number, language="en"):
    row = listed.lines.select_related("member").get(number=number)
    with translation.override(language):
        return coupons.refusal_told(row, listed.batch)


def frozen():
    one = member()
    members.freeze(member_id=one.pk, by=staff(), reason="lost phone")
    return identity(one)


def closed():
    one = member()
    members.close(member_id=one.pk, closed_at=NOW, by=staff(), reason="left")
    return identity(one)


def join(other, into):
    members.merge_members(
        member_id=other.pk, into_id=into.pk, take=[], frees_phone=True, at=NOW, by=staff(),
        reason="one person",
    )  # fmt: skip


class TestReading:
    def test_issues_nothing_yet(self, read):
        batch, people = running(), [identity(), identity()]

        listed = read(batch, *(each.number for each in people))

        assert (listed.rows, listed.refused, listed.good, listed.run) == (2, 0, 2, None)
        assert outcomes(listed) == {2: "", 3: ""}
        assert set(listed.lines.values_list("member_id", flat=True)) == {e.id for e in people}
        assert not Coupon.objects.exists()
        assert coupons.work(clock=lambda: NOW) == 0
        record = AuditRecord.objects.get(action="coupon_batch.list_read")
        assert record.target == batch.code
        assert record.details == {"list": listed.pk, "rows": 2, "refused": 0}

    def test_twice_it_is_two_lists_known_to_be_of_the_same_file(self, read):
        batch, of = running(), identity()

        first, second = read(batch, of.number), read(batch, of.number)

        assert first.pk != second.pk
        assert bytes(first.fingerprint) == bytes(second.fingerprint)
        assert bytes(first.fingerprint) != bytes(read(batch, of.number, "x").fingerprint)

    @pytest.mark.parametrize(
        "cell", ["13912345678", "+8613912345678", "139 1234 5678", "１３９１２３４５６７８"]
    )
    def test_finds_a_member_by_phone_and_keeps_none(self, read, cell):
        one = member(phone="+8613912345678")

        listed = read(running(), cell, "13900000000", header="手机号", name="13912345678.csv")

        assert listed.lines.get(number=2).member == one
        assert outcomes(listed) == {2: "", 3: "unknown_member"}
        assert listed.lines.get(number=3).member is None
        kept = [*CouponList.objects.values_list(), *CouponRow.objects.values_list()]
        assert "139" not in str(kept).replace(one.number, "")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
    def test_reads_what_programs_write(self, read, encoding):
        of = identity()

        listed = read(
            running(), of.number, "", of.number.lower(), header="会员编号", encoding=encoding
        )

        assert outcomes(listed) == {2: "", 4: "member_twice"}

    def test_reads_a_workbook(self, file):
        batch, one, path = running(), member(phone="+8613912345678"), file(b"", "七月.xlsx")
        book = openpyxl.Workbook()
        for cell in ("手机", 13912345678, "=A2", 1391234567812345678):
            book.active.append([cell])
        book.save(path)

        listed = coupons.read_list(batch_id=batch.pk, path=path, name="x", at=NOW, by=staff())

        assert outcomes(listed) == {2: "", 3: "formula", 4: "imprecise_number"}
        assert listed.lines.get(number=2).member == one

    def test_of_who_was_joined_with_another_it_is_who_remains(self, read):
        gone, of = member(), member()
        join(gone, of)

        listed = read(running(), gone.number, of.number)

        assert outcomes(listed) == {2: "", 3: "member_twice"}
        assert listed.lines.get(number=2).member_id == of.pk

    def test_says_of_each_row_what_is_wrong_in_the_readers_language(self, read):
        batch = running(per_member=1, total=3)
        had, ice, gone = identity(), frozen(), closed()
        issued(batch, had)
        waiting = identity(member(active=False))
        good, more, last = identity(), identity(), identity()

        listed = read(
            batch, good.number, "M0000000000", good.number, ice.number, gone.number, had.number,
            waiting.number, '"=1+1"', "@SUM(A1)", "-1", "hello", "a,b", more.number, last.number,
        )  # fmt: skip

        assert outcomes(listed) == {
            2: "", 3: "unknown_member", 4: "member_twice", 5: "member_frozen", 6: "member_closed",
            7: "coupon_limit_reached", 8: "member_not_activated", 9: "formula", 10: "formula",
            11: "formula", 12: "unknown_member", 13: "ragged_row", 14: "",
            15: "coupon_batch_exhausted",
        }  # fmt: skip
        assert (listed.rows, listed.refused) == (14, 12)
        assert told(listed, 2) == ""
        assert told(listed, 4) == "The member stands in row 2 already."
        assert told(listed, 5) == f"Member {ice.number} is frozen."
        assert told(listed, 6) == f"The membership {gone.number} has ended."
        assert told(listed, 7) == "A member may have at most 1 of these coupons."
        assert told(listed, 13) == "The row has 2 cells, the header 1."
        assert told(listed, 15) == f"No more coupons of “{batch.names['en']}” are left."
        for number in outcomes(listed):
            assert "%(" not in told(listed, number)
        assert told(listed, 4, "zh-hans") == "该会员已在第 2 行出现过。"

    @pytest.mark.parametrize(
        ("content", "refusal", "said"),
        [
            (b"", tables.UnreadableTable, "the file is empty"),
            (b"member\r\n", coupons.NothingToIssue, "no row"),
            (b"member\r\n\r\n,\r\n", coupons.NothingToIssue, "no row"),
            (b"13912345678\r\n13912345679", coupons.NoMemberColumn, "name one column"),
            (b"member,phone\r\n1,2", coupons.NoMemberColumn, "only one of them"),
            (b"member\r\nM00\0", tables.UnreadableTable, "NUL"),
            ("member\r\nM00".encode("utf-16-le"), tables.UnreadableTable, "NUL"),
            (b"member\r\n\xff\xff", tables.UnreadableTable, "neither UTF-8 nor GB 18030"),
            (b'member\r\n"M00', tables.UnreadableTable, "quote left open"),
            (b"PK\x03\x04member", tables.UnreadableTable, "damaged"),
        ],
    )  # fmt: skip
    def test_what_is_no_list_is_refused_whole(self, file, content, refusal, said):
        batch = running()

        # What the reading of tables says is said at once.
        with translation.override("en"), pytest.raises(refusal) as met:
            coupons.read_list(batch_id=batch.pk, path=file(content), name="x", at=NOW, by=staff())

        with translation.override("en"):
            assert said in met.value.sentence
            assert "139" not in met.value.sentence
        assert not CouponList.objects.exists()

    def test_a_list_too_long_is_refused(self, read, monkeypatch):
        monkeypatch.setattr(_lists, "ROWS_MAX", 2)
        batch = running()

        assert read(batch, "a", "b").rows == 2
        with pytest.raises(coupons.ListTooLong):
            read(batch, "a", "b", "c")

        assert CouponList.objects.count() == 1

    def test_is_for_batches_that_run_and_give_to_members(self, read):
        ended = running()
        coupons.end(batch_id=ended.pk, by=staff())
        for batch, refusal in (
            (generated()[0], coupons.NotForMembers),
            (running(codes_from="POOL"), coupons.NotForMembers),
            (drafted(), coupons.BatchNotRunning),
            (ended, coupons.BatchNotRunning),
            (CouponBatch(pk=0), coupons.UnknownBatch),
        ):
            with pytest.raises(refusal):
                read(batch, identity().number)
        assert not CouponList.objects.exists()

    def test_looks_up_many_at_once(self, file, django_assert_num_queries):
        batch, by = running(per_member=1), staff()
        path = file("\n".join(["member", *(identity().number for _ in range(30))]))

        # The batch, numbers, phones, limits; then the list, its rows and the audit, in a savepoint.
        with django_assert_num_queries(8):
            coupons.read_list(batch_id=batch.pk, path=path, name="x", at=NOW, by=by)


class TestIssuing:
    def test_gives_each_member_one_and_tells_them(self, read):
        batch, people = running(), [identity() for _ in range(3)]
        listed = read(batch, *(each.number for each in people), "x")

        run = issue(listed)

        assert (run.wanted, run.done, run.skipped) == (3, 3, 0)
        assert run.finished_at == NOW
        given = {row.member_id: row.coupon for row in listed.lines.filter(outcome="issued")}
        assert given.keys() == {each.id for each in people}
        for member_id, coupon in given.items():
            assert (coupon.member_id, coupon.last_on, coupon.state) == (member_id, LAST, "OPEN")
            assert coupon.code
        steps = CouponStep.objects.values_list("coupon__member", "kind", "actor")
        assert set(steps) == {(each.id, "ISSUED", listed.created_by_id) for each in people}
        messages = Message.objects.filter(template="benefits.coupon_issued")
        assert set(messages.values_list("member", flat=True)) == {each.id for each in people}
        batch.refresh_from_db()
        assert batch.issued == 3
        record = AuditRecord.objects.get(action="coupon_batch.issued")
        assert record.details == {"run": run.pk, "list": listed.pk, "members": 3}

    def test_begun_twice_it_is_the_same_work(self, read):
        listed = read(running(), identity().number)

        first = issue(listed)
        second = issue(listed)

        assert first == second
        assert (Coupon.objects.count(), CouponRun.objects.count()) == (1, 1)
        assert AuditRecord.objects.filter(action="coupon_batch.issued").count() == 1

    def test_work_done_is_not_done_again(self, read):
        listed = read(running(), identity().number)
        run = issue(listed)
        CouponRun.objects.filter(pk=run.pk).update(finished_at=None)

        assert coupons.work(clock=lambda: NOW) == 1

        run.refresh_from_db()
        assert (run.done, run.skipped, Coupon.objects.count()) == (1, 0, 1)

    def test_goes_on_behind_the_piece_after_which_it_was_killed(self, read, monkeypatch):
        monkeypatch.setattr(_lists, "PIECE", 2)
        people = [identity() for _ in range(5)]
        listed = read(running(), *(each.number for each in people))
        run = coupons.issue_to_list(list_id=listed.pk, at=NOW, by=listed.created_by)
        coupons.work(clock=lambda: NOW, pieces=1)
        write = _lists._write

        def killed(rows):
            write(rows)
            raise KeyboardInterrupt

        # All of a piece was written, and nothing committed.
        monkeypatch.setattr(_lists, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            coupons.work(clock=lambda: NOW)
        assert Coupon.objects.count() == 2
        monkeypatch.setattr(_lists, "_write", write)
        coupons.work(clock=lambda: NOW)

        run.refresh_from_db()
        assert (run.done, run.finished_at) == (5, NOW)
        had = Coupon.objects.values_list("member_id", flat=True)
        assert sorted(had) == sorted(each.id for each in people)
        assert Message.objects.filter(template="benefits.coupon_issued").count() == 5
        assert set(outcomes(listed).values()) == {"issued"}

    def test_what_changed_since_the_file_was_read_counts(self, read):
        batch = running(per_member=1)
        good, left, had = member(), member(), identity()
        listed = read(batch, good.number, left.number, had.number)
        members.freeze(member_id=left.pk, by=staff(), reason="lost phone")
        issued(batch, had)

        run = issue(listed)

        assert (run.wanted, run.done, run.skipped) == (3, 1, 2)
        assert outcomes(listed) == {2: "issued", 3: "member_frozen", 4: "coupon_limit_reached"}
        assert told(listed, 4) == "A member may have at most 1 of these coupons."

    def test_never_more_than_the_total(self, read, monkeypatch):
        monkeypatch.setattr(_lists, "PIECE", 2)
        batch = running(total=4)
        people = [identity() for _ in range(4)]
        listed = read(batch, *(each.number for each in people))
        issued(batch, identity())

        run = issue(listed)

        assert (run.done, run.skipped) == (3, 1)
        assert outcomes(listed)[5] == "coupon_batch_exhausted"
        batch.refresh_from_db()
        assert (batch.issued, Coupon.objects.count()) == (4, 4)

    @pytest.mark.parametrize("later", [False, True])
    def test_an_ended_batch_gives_no_more(self, read, later):
        batch, people = running(), [identity(), identity()]
        listed = read(batch, *(each.number for each in people))
        run = coupons.issue_to_list(list_id=listed.pk, at=NOW, by=listed.created_by)
        if not later:
            coupons.end(batch_id=batch.pk, by=staff())

        now = NOW + timedelta(days=60 if later else 0)
        coupons.work(clock=lambda: now)

        run.refresh_from_db()
        assert (run.done, run.skipped, run.finished_at) == (0, 2, now)
        code = "coupon_batch_over" if later else "coupon_batch_not_running"
        assert set(outcomes(listed).values()) == {code}
        assert "%(" not in told(listed, 2)
        with pytest.raises(DatabaseError), transaction.atomic():
            listed.lines.update(outcome="")

    @pytest.mark.parametrize("piece", [1, 500])
    def test_two_who_turned_out_to_be_one_get_one(self, read, monkeypatch, piece):
        monkeypatch.setattr(_lists, "PIECE", piece)
        one, other = member(), member()
        listed = read(running(), other.number, one.number)
        join(other, one)

        run = issue(listed)

        assert outcomes(listed) == {2: "issued", 3: "member_twice"}
        assert told(listed, 3) == "The member stands in row 2 already."
        assert (run.done, run.skipped) == (1, 1)
        assert Coupon.objects.get().member_id == one.pk

    def test_a_list_without_a_good_row_is_not_begun(self, read):
        listed = read(running(), "nobody")

        with pytest.raises(coupons.NothingToIssue):
            issue(listed)
        with pytest.raises(coupons.UnknownList):
            coupons.issue_to_list(list_id=0, at=NOW, by=staff())

        assert not CouponRun.objects.filter(work="ISSUE").exists()

    def test_the_database_gives_a_member_one_of_a_list(self, read):
        of = identity()
        listed = read(running(), of.number)

        with pytest.raises(IntegrityError), transaction.atomic():
            CouponRow.objects.create(list=listed, number=9, member_id=of.id)
        with pytest.raises(IntegrityError), transaction.atomic():
            CouponRow.objects.create(list=listed, number=2, outcome="unknown_member")

    def test_costs_the_same_however_many_rows(self, read, django_assert_num_queries):
        listed = read(running(per_member=1), *(identity().number for _ in range(30)))
        coupons.issue_to_list(list_id=listed.pk, at=NOW, by=listed.created_by)

        with django_assert_num_queries(21):
            coupons.work(clock=lambda: NOW, pieces=1)


class TestThePerson:
    def test_stays_a_number_in_the_list_and_is_handed_the_coupon(self, read):
        of = identity()
        listed = read(running(), of.number)
        issue(listed)

        [section] = [each for each in personal.sections() if each.name == "benefits.coupons"]
        assert len(section.tell(of.id)) == 1
        personal.erase([of.id])

        assert personal.left([of.id]) == {}
        assert outcomes(listed) == {2: "issued"}
