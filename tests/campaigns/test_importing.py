import csv
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone, translation

from campaigns import importing
from campaigns.models import ImportRun
from common import tables
from common.models import AuditRecord
from members import operations as members
from members.models import ExternalNumber, Member
from members.numbers import member_number
from points import nightly, queries
from points.models import Account, Activity, Entry
from tests import factories
from tests.data import reference_calculation

DATA = Path(__file__).parents[1] / "data"
PROJECT = Path(__file__).parents[2]
SMALL_MAP = ["reference=txn", "member=member", "amount=value", "at=date"]
HEADER = "reference,member,amount,at"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _programme(request):
    if "django_db" in request.keywords:
        request.getfixturevalue("transactional_db" if _commits(request) else "db")
        factories.main_store()
        factories.plain()
    with translation.override("en"):
        yield


def _commits(request):
    return request.node.get_closest_marker("django_db").kwargs.get("transaction", False)


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="purchases.csv", header=HEADER, encoding="utf-8"):
        path = tmp_path / name
        content = rows[0] if isinstance(rows[0], bytes) else None
        if content is None:
            content = "\n".join([header, *rows, ""]).encode(encoding)
        path.write_bytes(content)
        return path

    return write


def run(path, *options, store="MAIN"):
    """The command's summary as a dict, numbers as text."""
    out = StringIO()
    call_command("import_purchases", str(path), "--store", store, *options, stdout=out)
    lines = [line.split() for line in out.getvalue().splitlines()]
    return {words[0]: words[-1] for words in lines if words} | {"text": out.getvalue()}


def errors_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [(int(row["row"]), row["code"]) for row in csv.DictReader(file)]


def totals(day=None):
    found = queries.totals(as_of=day or date(2100, 1, 1))
    return (found.earned, found.redeemed, found.taken_back, found.expired, found.outstanding)


def nothing_was_written():
    return not (Activity.objects.exists() or Entry.objects.exists() or Member.objects.exists())


class TestTheProof:
    """The same figures as a calculation that knows nothing of this code."""

    def reference(self):
        with (DATA / "purchases_small.csv").open(encoding="utf-8") as file:
            rows = [
                {"at": row["date"], "member": row["member"], "reference": row["txn"]}
                | {"amount": row["value"]}
                for row in csv.DictReader(file)
            ]
        return reference_calculation.play(
            sorted(rows, key=lambda row: reference_calculation.day_of(row["at"]))
        )

    def test_an_imported_history_adds_up_on_every_day_before_and_after_the_nights(self):
        days = self.reference()
        expected = {
            day: reference_calculation.totals(days, day)
            for day in reference_calculation.days_that_matter(days)
        }

        report = run(
            DATA / "purchases_small.csv", *(f"--map={each}" for each in SMALL_MAP), "--enroll"
        )

        assert (report["rows"], report["posted"], report["refused"]) == ("64", "64", "0")
        assert report["points"] == str(max(expected.values())[0])
        assert len(expected) > 100
        assert {day: totals(day) for day in expected} == expected

        nightly.expire_due_lots(day=date(2025, 1, 10))  # a part of them
        assert {day: totals(day) for day in expected} == expected
        nightly.expire_due_lots(day=date(2027, 1, 1))
        assert {day: totals(day) for day in expected} == expected
        assert nightly.verify_ledger(day=date(2027, 1, 1))["differences"] == 0


class TestWhatIsTheSamePurchase:
    def test_equal_rows_under_different_references_both_count(self, write):
        path = write("A-1,C1,100.00,2026-06-01", "A-2,C1,100.00,2026-06-01")

        report = run(path, "--enroll")

        assert (report["posted"], report["points"]) == ("2", "20")

    def test_one_reference_with_equal_content_counts_once(self, write):
        path = write("A-1,C1,100.00,2026-06-01", "A-1,C1,100.00,2026-06-01")

        report = run(path, "--enroll")

        assert (report["posted"], report["repeated"], report["refused"]) == ("1", "1", "0")
        assert totals()[0] == 10

    @pytest.mark.parametrize("chunk_rows", [1, 500])
    @pytest.mark.parametrize(
        "second",
        [
            "A-1,C1,100.01,2026-06-01",
            "A-1,C1,100.00,2026-06-02",
            "A-1,C2,100.00,2026-06-01",
        ],
    )
    def test_one_reference_with_other_content_is_refused_and_the_first_row_wins(
        self, write, tmp_path, monkeypatch, chunk_rows, second
    ):
        monkeypatch.setattr(importing, "CHUNK_ROWS", chunk_rows)
        # C2 joins first and so has the lower id: the order of rows decides all the same.
        path = write("A-0,C2,10.00,2026-06-01", "A-1,C1,100.00,2026-06-01", second)

        report = run(path, "--enroll", f"--errors={tmp_path / 'errors.csv'}")

        assert (report["posted"], report["refused"]) == ("2", "1")
        assert errors_of(tmp_path / "errors.csv") == [(4, "reference_reused")]
        assert totals()[0] == 11

    def test_nobody_joins_for_a_reference_that_is_taken(self, write):
        run(write("A-1,C1,100.00,2026-06-01"), "--enroll")

        report = run(write("A-1,C9,100.00,2026-06-01", name="second.csv"), "--enroll")

        assert (report["refused"], report["enrolled"]) == ("1", "0")
        assert Member.objects.count() == 1

    def test_a_finished_import_says_so_and_again_checks_every_row(self, write):
        path = write("A-1,C1,100.00,2026-06-01", "A-2,C1,20.00,2026-06-02")
        run(path, "--enroll")
        before = list(Entry.objects.order_by("seq").values())

        assert "Nothing to do" in run(path, "--enroll")["text"]
        report = run(path, "--enroll", "--again")

        assert (report["posted"], report["repeated"], report["points"]) == ("0", "2", "0")
        assert list(Entry.objects.order_by("seq").values()) == before

    def test_two_stores_of_one_organization_share_references_two_organizations_do_not(self, write):
        dealer, other = factories.dealer(), factories.dealer()
        factories.store(dealer, code="ONE")
        factories.store(dealer, code="TWO")
        factories.store(other, code="ELSE")
        path = write("A-1,C1,100.00,2026-06-01")

        assert run(path, "--enroll", store="ONE")["posted"] == "1"
        assert run(path, "--enroll", store="TWO")["reference_reused"] == "1"
        assert run(path, "--enroll", store="ELSE")["posted"] == "1"
        assert Member.objects.count() == 2  # C1 of each organization is somebody else


class TestMembers:
    def test_without_enroll_an_unknown_customer_is_refused_and_nothing_written(self, write):
        report = run(write("A-1,C1,100.00,2026-06-01"))

        assert (report["unknown_member"], report["posted"]) == ("1", "0")
        assert nothing_was_written()

    def test_a_newcomer_joins_with_the_earliest_purchase(self, write):
        store = factories.store(code="GZ")
        path = write("A-2,客户𠮷,20.00,2026-06-02", "A-1,客户𠮷,100.00,2026-06-01T09:30:00+08:00")

        report = run(path, "--enroll", store="GZ")

        member = Member.objects.get()
        assert report["enrolled"] == "1"
        assert member.status == "ACTIVE"
        assert member.joined_at == member.activated_at == datetime(2026, 6, 1, 1, 30, tzinfo=UTC)
        assert member.enrolling_store == store
        external = ExternalNumber.objects.get()
        assert (external.number, external.organization) == ("客户𠮷", store.organization)
        assert member.history.count() == 1
        assert AuditRecord.objects.filter(action="member.enrolled", target=member.number).exists()
        assert Account.objects.get(pk=member.pk).balance == 12

    def test_members_are_known_by_our_number_and_by_the_organizations_own(self, write):
        member = factories.member()
        ExternalNumber.objects.create(organization=factories.brand(), number="007", member=member)

        report = run(write(f"A-1,{member.number},100.00,2026-06-01", "A-2,007,10.00,2026-06-01"))

        assert report["posted"] == "2"
        assert Account.objects.get().balance == 11

    def test_another_organizations_number_names_nobody_here(self, write):
        ExternalNumber.objects.create(
            organization=factories.dealer(), number="007", member=factories.member()
        )

        assert run(write("A-1,007,100.00,2026-06-01"))["unknown_member"] == "1"

    @pytest.mark.parametrize("number", [member_number(999_999_999), "M0000000000", "M0000000018"])
    def test_one_of_our_numbers_mistyped_or_nobodys_is_not_enrolled(self, write, number):
        report = run(write(f"A-1,{number},100.00,2026-06-01"), "--enroll")

        assert report["refused"] == "1"
        assert report["unknown_member"] == "1"
        assert nothing_was_written()

    @pytest.mark.parametrize(
        "row", ["A-1,C1,-5.00,2026-06-01", "A-1,C1,5.00,2999-01-01", ",C1,5.00,2026-06-01"]
    )
    def test_nobody_joins_with_a_refused_row(self, write, row):
        report = run(write(row), "--enroll")

        assert (report["refused"], report["enrolled"]) == ("1", "0")
        assert nothing_was_written()

    @pytest.mark.parametrize(("status", "code"), [("freeze", "frozen"), ("close", "closed")])
    def test_who_may_not_earn_is_refused(self, write, status, code):
        member, good = factories.member(), factories.member()
        if status == "freeze":
            members.freeze(member_id=member.pk, by=factories.staff(), reason="x")
        else:
            members.close(
                member_id=member.pk, closed_at=timezone.now(), by=factories.staff(), reason="x"
            )

        report = run(
            write(f"A-1,{member.number},100.00,2026-06-01", f"A-2,{good.number},50,2026-06-01")
        )

        assert (report[f"member_{code}"], report["posted"]) == ("1", "1")
        assert Activity.objects.get().reference == "A-2"

    def test_a_thousand_newcomers_cost_no_query_each(
        self, write, django_assert_max_num_queries, django_capture_on_commit_callbacks
    ):
        path = write(*(f"A-{n},C{n},10.00,2026-06-01" for n in range(450)))
        # Who pays is read with a process' first purchase of a store.
        with django_capture_on_commit_callbacks(execute=True):
            run(write("A-0,C0,10.00,2026-06-01", name="first.csv"), "--enroll")

        with django_assert_max_num_queries(45):
            report = run(path, "--enroll")

        assert report["enrolled"] == "449"


def tomorrow() -> str:
    """Asked inside a test: a run of the suite may cross midnight."""
    return (timezone.localdate() + timedelta(days=1)).isoformat()


class TestRows:
    """One bad row is refused with its code, the good one behind it is posted, nothing else is."""

    def refusal_of(self, write, tmp_path, row):
        report = run(
            write(row, "GOOD,C1,10.00,2026-06-01"),
            "--enroll",
            f"--errors={tmp_path / 'errors.csv'}",
        )
        assert (report["posted"], report["refused"]) == ("1", "1")
        assert Activity.objects.get().reference == "GOOD"
        assert Member.objects.count() == 1
        [(number, code)] = errors_of(tmp_path / "errors.csv")
        assert number == 2
        return code

    @pytest.mark.parametrize(
        "amount",
        [
            "-5.00", "5.125", "5.000", "1e3", "NaN", "Infinity", '"1,234.50"', "1 234", "١٢٣",
            "１２", "", "0x10", "¥5", "+5", ".5", "5.", "1234567890123.00", "5,", "=5", "9" * 5000,
        ],
    )  # fmt: skip
    def test_amounts_are_plain_numbers_of_two_decimals(self, write, tmp_path, amount):
        row = (
            f"A-1,C1,{amount.strip(',')},2026-06-01" if amount != "5," else 'A-1,C1,"5,",2026-06-01'
        )
        assert self.refusal_of(write, tmp_path, row) == "invalid_amount"

    @pytest.mark.parametrize(
        "at",
        [
            "2023-02-29", "2023-13-01", "20230101", "2023-1-1", "01/02/2023", "2023-W01-1", "",
            "2023-06-01T25:00:00", "2023-06-01T10", "1899-12-31", "0001-01-01T00:00:00+23:59",
            "٢٠٢٣-٠١-٠١", "昨天", "45000", "2023-06-01T10:00:00+99:00",
        ],
    )  # fmt: skip
    def test_dates_are_iso(self, write, tmp_path, at):
        assert self.refusal_of(write, tmp_path, f"A-1,C1,5.00,{at}") == "invalid_date"

    @pytest.mark.parametrize("at", ["2999-12-31", "9999-12-31T23:59:59-23:59"])
    def test_the_future_is_refused(self, write, tmp_path, at):
        assert self.refusal_of(write, tmp_path, f"A-1,C1,5.00,{at}") == "dated_in_future"

    def test_tomorrow_is_the_future(self, write, tmp_path):
        assert self.refusal_of(write, tmp_path, f"A-1,C1,5.00,{tomorrow()}") == "dated_in_future"

    @pytest.mark.parametrize("reference", ["", "  ", "x" * 65, "A\0B", "A\u200bB", "A\x07"])
    def test_references_are_printable_and_short(self, write, tmp_path, reference):
        row = f"{reference},C1,5.00,2026-06-01"
        assert self.refusal_of(write, tmp_path, row) == "invalid_reference"

    @pytest.mark.parametrize("member", ["", "x" * 65, "C\0", "M0000000018"])
    def test_members_are_not_guessed(self, write, tmp_path, member):
        row = f"A-1,{member},5.00,2026-06-01"
        assert self.refusal_of(write, tmp_path, row) == "unknown_member"

    @pytest.mark.parametrize("row", ["A-1,C1", "A-1,C1,5.00,2026-06-01,extra", "A-1;C1;5.00"])
    def test_ragged_rows_are_refused(self, write, tmp_path, row):
        assert self.refusal_of(write, tmp_path, row) == "ragged_row"

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2024-02-29", datetime(2024, 2, 28, 16, tzinfo=UTC)),
            ("2026-06-30T23:59:59", datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC)),
            ("2026-06-30 23:59", datetime(2026, 6, 30, 15, 59, tzinfo=UTC)),
            ("2026-06-30T16:00:00Z", datetime(2026, 6, 30, 16, tzinfo=UTC)),
            ("2026-06-30T16:00:00.5+0000", datetime(2026, 6, 30, 16, 0, 0, 500_000, tzinfo=UTC)),
        ],
    )
    def test_a_day_begins_in_the_programmes_zone(self, write, text, moment):
        run(write(f"A-1,C1,5.00,{text}"), "--enroll")

        assert Activity.objects.get().occurred_at == moment

    def test_blanks_around_cells_blank_rows_and_rare_characters_do_no_harm(self, write):
        path = write("  A-𠮷㑇🚗 , C1 , 10.00 , 2026-06-01 ", "", ",,,", "A-2,C1,0.00,2026-06-01")

        report = run(path, "--enroll")

        assert (report["rows"], report["posted"]) == ("2", "2")
        references = set(Activity.objects.values_list("reference", flat=True))
        assert references == {"A-𠮷㑇🚗", "A-2"}

    def test_a_category_makes_one_line_of_it(self, write):
        factories.rulebook(
            valid_from="2000-01-01",
            rules=[{"code": "labour", "categories": ["labour"], "points": "2", "per_amount": "10"}],
        )
        path = write(
            "A-1,C1,100.00,2026-06-01,labour",
            "A-2,C1,100.00,2026-06-01,parts",
            "A-3,C1,100.00,2026-06-01," + "x" * 33,
            header=f"{HEADER},kind of work",
        )

        report = run(path, "--enroll", "--map", "category=kind of work")

        assert (report["points"], report["posted"], report["refused"]) == ("20", "2", "1")
        line = Activity.objects.get(reference="A-1").lines
        assert line == [{"line": "1", "category": "labour", "amount": "100.00"}]


def refused(path, *options, store="MAIN"):
    with pytest.raises(CommandError) as refusal:
        run(path, "--enroll", *options, store=store)
    assert nothing_was_written()
    assert not ImportRun.objects.filter(posted__gt=0).exists()
    return str(refusal.value)


GOOD = "A-1,C1,10.00,2026-06-01"


class TestCsvFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n".encode(),
            f"{HEADER}\n{GOOD}".encode(),
            f"{HEADER};x\n{GOOD};1\n".replace(",", ";").encode(),
            f"{HEADER}\n{GOOD}\n".replace(",", "\t").encode(),
            f'note,{HEADER}\n"two\r\nlines, and a ""quote""",{GOOD}\n'.encode(),
            f"x,x,{HEADER}\n1,2,{GOOD}\n".encode(),
        ],
        ids=["mark and CRLF", "no end", "semicolons", "tabs", "quoted newline", "other duplicates"],
    )
    def test_the_ways_of_writing_one(self, write, content):
        assert run(write(content), "--enroll")["posted"] == "1"

    def test_the_delimiter_can_be_told(self, write):
        header = "reference;member;amount;at;a,b,c,d,e,f"
        path = write(f"{header}\n{GOOD.replace(',', ';')};x\n".encode())

        assert "has no column reference" in refused(path)
        assert run(path, "--enroll", "--delimiter", "semicolon")["posted"] == "1"

    def test_another_encoding_is_refused_by_line_and_byte_and_can_be_told(self, write):
        rows = ["A-1,客户一,10.00,2026-06-01", "A-2,客户二,10.00,2026-06-01"]
        path = write(*rows, encoding="gb18030")

        message = refused(path)

        assert "line 2, byte 31 " in message
        assert "--encoding gb18030" in message
        assert run(path, "--enroll", "--encoding", "gb18030")["posted"] == "2"
        assert ExternalNumber.objects.filter(number="客户一").exists()

    def test_a_wrong_byte_at_the_very_end_is_found_before_anything_is_written(self, write):
        rows = [f"A-{n},C{n},10.00,2026-06-01" for n in range(1200)]
        content = "\n".join([HEADER, *rows, ""]).encode() + b"A-x,\xff\xfe,1.00,2026-06-01\n"

        message = refused(write(content))

        assert f"line 1202, byte {content.index(0xFF)} " in message

    def test_utf_16_is_named(self, write):
        path = write(GOOD, encoding="utf-16")

        assert "--encoding utf-16" in refused(path)
        assert run(path, "--enroll", "--encoding", "utf-16")["posted"] == "1"

    @pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64"])
    def test_an_encoding_that_is_none(self, write, encoding):
        assert encoding in refused(write(GOOD), "--encoding", encoding)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b",,,\n", b"\xef\xbb\xbf"])
    def test_an_empty_file(self, write, content):
        assert "empty" in refused(write(content))

    def test_a_header_alone_is_an_import_of_nothing(self, write):
        report = run(write(f"{HEADER}\n".encode()))

        assert (report["rows"], report["posted"]) == ("0", "0")
        assert nothing_was_written()

    def test_missing_columns_are_named_with_those_that_are_there(self, write):
        message = refused(write("1,2", header="txn,value"), "--map", "reference=txn")

        assert "member, amount, at" in message
        assert "txn, value" in message

    def test_a_column_twice_is_refused_when_it_is_needed(self, write):
        assert "amount" in refused(write(f"{GOOD},5", header=f"{HEADER},amount"))

    @pytest.mark.parametrize(
        "content",
        [
            f'{HEADER}\n{GOOD}\nA-2,"C2,10.00,2026-06-01\nA-3,C3,10.00,2026-06-01\n'.encode(),
            f'{HEADER}\n{GOOD}\nA-2,"C"2,10.00,2026-06-01\n'.encode(),
            f"{HEADER}\n{GOOD}\n{'x' * 10_000_000},C2,10.00,2026-06-01\n".encode(),
            f'{HEADER}\n{GOOD}\n"{"x" * 200_000}",C2,10.00,2026-06-01\n'.encode(),
        ],
        ids=["open quote", "quote inside", "10 MB cell", "long cell"],
    )
    def test_a_broken_file_is_refused_whole(self, write, content):
        assert "row 3 cannot be read" in refused(write(content))

    def test_no_such_file_and_a_folder(self, tmp_path):
        assert "No such file" in refused(tmp_path / "nothing.csv")
        assert "directory" in refused(tmp_path).lower()


class TestWorkbooks:
    def workbook(self, tmp_path, *rows, header=HEADER, title="Sheet"):
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = title
        sheet.append(header.split(","))
        for row in rows:
            sheet.append(list(row))
        path = tmp_path / "purchases.xlsx"
        book.save(path)
        return path

    def test_dates_and_numbers_are_what_the_cells_are(self, tmp_path):
        path = self.workbook(
            tmp_path,
            (20260601001, "007", 29.33, date(2024, 2, 29)),
            ("A-2", 12345, 100, datetime(2026, 6, 1, 9, 30)),
            (None, None, None, None),
            ("A-3", "007", "10.50", "2026-06-02"),
        )

        report = run(path, "--enroll")

        assert (report["rows"], report["posted"], report["points"]) == ("3", "3", "13")
        found = {each.reference: each for each in Activity.objects.all()}
        assert found["20260601001"].amount == Decimal("29.33")
        assert found["20260601001"].occurred_at == datetime(2024, 2, 28, 16, tzinfo=UTC)
        assert found["A-2"].occurred_at == datetime(2026, 6, 1, 1, 30, tzinfo=UTC)
        assert set(ExternalNumber.objects.values_list("number", flat=True)) == {"007", "12345"}

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            (("=A1", "C1", 10, "2026-06-01"), "formula"),
            (("A-1", "C1", "=1+1", "2026-06-01"), "formula"),
            (("A-1", "C1", 10.125, "2026-06-01"), "invalid_amount"),
            (("A-1", "C1", -1, "2026-06-01"), "invalid_amount"),
            (("A-1", "C1", True, "2026-06-01"), "invalid_amount"),
            (("A-1", "C1", 10, 45000), "invalid_date"),
            ((1234567890123456789, "C1", 10, "2026-06-01"), "imprecise_number"),
            (("A-1", "C1", 10, "2026-06-01", "more"), "ragged_row"),
            (("A-1", "C1", 10), "invalid_date"),
        ],
    )
    def test_cells_that_cannot_be_trusted(self, tmp_path, row, code):
        path = self.workbook(tmp_path, row, ("GOOD", "C1", 10, "2026-06-01"))

        report = run(path, "--enroll", f"--errors={tmp_path / 'errors.csv'}")

        assert report["posted"] == "1"
        assert errors_of(tmp_path / "errors.csv") == [(2, code)]
        assert Activity.objects.get().reference == "GOOD"

    def test_a_formula_in_a_column_nobody_needs_does_no_harm(self, tmp_path):
        path = self.workbook(
            tmp_path, ("A-1", "C1", 10, "2026-06-01", "=1+1"), header=f"{HEADER},sum"
        )

        assert run(path, "--enroll")["posted"] == "1"

    def test_a_sheet_can_be_told(self, tmp_path):
        path = self.workbook(tmp_path, ("A-1", "C1", 10, "2026-06-01"), title="六月")

        assert "六月" in refused(path, "--sheet", "七月")
        assert run(path, "--enroll", "--sheet", "六月")["posted"] == "1"

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"reference,member,amount,at\n", "not an Excel workbook"),
            (b"", "not an Excel workbook"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old format"),
            (b"PK\x03\x04 and nothing behind", "damaged"),
        ],
    )
    def test_what_is_no_workbook(self, write, content, said):
        assert said in refused(write(content, name="purchases.xlsx"))

    def test_a_zip_that_is_no_workbook_and_one_cut_short(self, tmp_path, write):
        archive = BytesIO()
        with ZipFile(archive, "w") as file:
            file.writestr("readme.txt", "hello")
        assert "damaged" in refused(write(archive.getvalue(), name="a.xlsx"))

        whole = self.workbook(tmp_path, ("A-1", "C1", 10, "2026-06-01")).read_bytes()
        assert "damaged" in refused(write(whole[: len(whole) // 2], name="b.xlsx"))

    def test_a_workbook_that_unpacks_to_too_much(self, tmp_path, monkeypatch):
        path = self.workbook(tmp_path, ("A-1", "C1", 10, "2026-06-01"))
        monkeypatch.setattr(tables, "XLSX_BYTES_MAX", 1000)

        assert "too large" in refused(path)

    def test_an_empty_sheet(self, tmp_path):
        path = tmp_path / "empty.xlsx"
        openpyxl.Workbook().save(path)

        assert "empty" in refused(path)


class TestTheCommand:
    def test_stores_must_exist_and_be_open(self, write):
        factories.store(code="SHUT", is_active=False)

        assert "unknown_store" in refused(write(GOOD), store="NOWHERE")
        assert "unknown_store" in refused(write(GOOD), store="SHUT")

    @pytest.mark.parametrize("mapping", ["colour=x", "amount", "amount=", "=x"])
    def test_a_mapping_that_is_none(self, write, mapping):
        assert "FIELD=COLUMN" in refused(write(GOOD), "--map", mapping)

    def test_strict_fails_when_a_row_was_refused_though_the_others_are_posted(self, write):
        path = write(GOOD, "A-2,C1,-1,2026-06-01")

        with pytest.raises(CommandError, match="1 rows were refused"):
            run(path, "--enroll", "--strict")

        assert Activity.objects.get().reference == "A-1"

    def test_refused_rows_go_to_a_file_a_spreadsheet_cannot_run(self, write, tmp_path):
        path = write(
            '"=HYPERLINK(""http://x"")",C1,bad,2026-06-01',
            "@SUM(1),C1,-5.00,2026-06-01",
            "+1,-2,\t-3,2026-06-01",
            GOOD,
        )

        run(path, "--enroll", f"--errors={tmp_path / 'errors.csv'}")

        content = (tmp_path / "errors.csv").read_bytes()
        assert content.startswith(b"\xef\xbb\xbfrow,code,message,reference,member,amount,at\r\n")
        with (tmp_path / "errors.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["reference"] for row in rows] == ['\'=HYPERLINK("http://x")', "'@SUM(1)", "'+1"]
        assert [row["amount"] for row in rows] == ["bad", "'-5.00", "'\t-3"]
        assert rows[2]["member"] == "'-2"
        assert all(row["message"] for row in rows)

    def test_the_error_file_is_not_the_file_itself(self, write):
        path = write(GOOD)
        before = path.read_bytes()

        assert "overwrite" in refused(path, f"--errors={path}")
        assert path.read_bytes() == before


class TestDryRun:
    def test_it_tells_what_an_import_will_do_and_writes_nothing(self, write, tmp_path, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK_ROWS", 3)
        frozen, known = factories.member(), factories.member()
        members.freeze(member_id=frozen.pk, by=factories.staff(), reason="x")
        run(write(f"OLD-1,{known.number},50.00,2026-06-01", name="old.csv"))
        path = write(
            "A-1,C1,100.00,2026-06-01",
            "A-1,C1,100.00,2026-06-01",
            "A-2,C1,10.00,2026-06-01",
            "A-2,C1,11.00,2026-06-01",
            "A-1,C2,100.00,2026-06-01",
            f"OLD-1,{known.number},50.00,2026-06-01",
            f"OLD-1,{known.number},51.00,2026-06-01",
            f"A-3,{frozen.number},51.00,2026-06-01",
            "A-3,C3,51.00,2026-06-01",
            "OLD-1,C4,51.00,2026-06-01",
            "A-4,C5,-1.00,2026-06-01",
            "A-5,C1,0.00,2026-06-01",
            "A-1,C1,100.00,2026-06-01",
            f"A-6,C6,1.00,{tomorrow()}",
        )
        counted = (Activity, Entry, Member, Account, AuditRecord, ExternalNumber, ImportRun)
        before = [model.objects.count() for model in counted]

        foretold = run(path, "--enroll", "--dry-run", f"--errors={tmp_path / 'dry.csv'}")

        assert [model.objects.count() for model in counted] == before
        happened = run(path, "--enroll", f"--errors={tmp_path / 'wet.csv'}")
        for told in ("text", "seconds", "rows/s", "Dry"):
            foretold.pop(told, None), happened.pop(told, None)
        assert foretold == happened
        assert (foretold["posted"], foretold["repeated"], foretold["refused"]) == ("4", "3", "7")
        assert (tmp_path / "dry.csv").read_bytes() == (tmp_path / "wet.csv").read_bytes()


class TestGoingOn:
    ROWS = [f"A-{n:03},C{n % 7},{'x' if n % 10 == 9 else '10.00'},2026-06-01" for n in range(100)]

    def test_an_interrupted_import_goes_on_behind_its_last_chunk(
        self, write, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(importing, "CHUNK_ROWS", 10)
        path, errors = write(*self.ROWS), tmp_path / "errors.csv"
        real, calls = importing._Chunk.post, []

        def post(chunk, items):
            calls.append(chunk)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return real(chunk, items)

        monkeypatch.setattr(importing._Chunk, "post", post)
        with pytest.raises(KeyboardInterrupt):
            run(path, "--enroll", f"--errors={errors}")
        assert ImportRun.objects.get().rows_done == 30

        report = run(path, "--enroll", f"--errors={errors}")

        assert "row 31" in report["text"]
        assert (report["rows"], report["posted"], report["refused"]) == ("70", "63", "7")
        assert errors_of(errors) == [(n + 2, "invalid_amount") for n in range(9, 100, 10)]
        done = ImportRun.objects.get()
        assert (done.rows_done, done.posted, done.refused) == (100, 90, 10)
        assert totals()[0] == 90

    def test_what_a_dead_process_wrote_into_the_error_file_is_not_told_twice(
        self, write, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(importing, "CHUNK_ROWS", 10)
        path, errors = write(*self.ROWS), tmp_path / "errors.csv"
        real, calls = tables.ErrorFile.write, []

        def write_and_die(file, refusals):
            real(file, refusals)
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt  # written, not committed

        monkeypatch.setattr(tables.ErrorFile, "write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            run(path, "--enroll", f"--errors={errors}")
        assert ImportRun.objects.get().rows_done == 20
        monkeypatch.setattr(tables.ErrorFile, "write", real)

        run(path, "--enroll", f"--errors={errors}")

        assert errors_of(errors) == [(n + 2, "invalid_amount") for n in range(9, 100, 10)]

    def test_a_changed_file_or_another_reading_is_another_import(self, write):
        run(write(GOOD), "--enroll")

        report = run(write(GOOD, "A-2,C1,10.00,2026-06-01"), "--enroll")

        assert (report["posted"], report["repeated"]) == ("1", "1")
        assert ImportRun.objects.count() == 2

    def test_the_second_of_two_imports_at_once_stops(self, write):
        path = write(*self.ROWS)
        plan = importing.Plan(
            table=tables.read(path),
            columns={name: name for name in importing.REQUIRED},
            store=factories.main_store(),
            enroll=True,
        )
        stale = importing.begin(plan=plan, again=False)
        run(path, "--enroll")
        before = Entry.objects.count()

        with pytest.raises(importing.ImportRunning):
            list(
                importing.import_purchases(
                    plan=plan, run=stale, now=timezone.now(), note=lambda refusals: None
                )
            )

        assert Entry.objects.count() == before

    def test_a_foreign_error_file_is_left_alone(self, write, tmp_path, monkeypatch):
        monkeypatch.setattr(importing, "CHUNK_ROWS", 10)
        path, errors = write(*self.ROWS), tmp_path / "errors.csv"
        real, calls = importing._Chunk.post, []

        def post(chunk, items):
            calls.append(chunk)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(chunk, items)

        monkeypatch.setattr(importing._Chunk, "post", post)
        with pytest.raises(KeyboardInterrupt):
            run(path, "--enroll")
        errors.write_text("my,own\nthings,here\n")

        with pytest.raises(CommandError, match="not the error file"):
            run(path, "--enroll", f"--errors={errors}")

        assert errors.read_text() == "my,own\nthings,here\n"


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
class TestRealProcesses:
    def start(self, *arguments):
        name = connection.settings_dict["NAME"]
        url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
        return subprocess.Popen(
            [sys.executable, "manage.py", "import_purchases", *arguments],
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def test_killed_and_started_again_every_purchase_counts_once(self, write, tmp_path):
        rows = [
            f"A-{n:05},C{n % 97},{'x' if n % 100 == 99 else '10.00'},2026-06-01"
            for n in range(6000)
        ]
        path, errors = write(*rows), tmp_path / "errors.csv"
        arguments = [str(path), "--store=MAIN", "--enroll", f"--errors={errors}", "--skip-checks"]
        first = self.start(*arguments)
        deadline = time.monotonic() + 60
        while not ImportRun.objects.filter(rows_done__gte=1000).exists():
            assert first.poll() is None, first.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        killed_at = ImportRun.objects.get().rows_done
        assert 1000 <= killed_at < 6000
        assert Activity.objects.count() == killed_at * 99 // 100

        second = self.start(*arguments)
        said, _ = second.communicate(timeout=120)

        assert second.returncode == 0, said
        assert f"as far as row {killed_at + 1}" in said
        assert Activity.objects.count() == 5940
        assert totals()[0] == 5940
        assert Member.objects.count() == 97
        assert [row for row, _code in errors_of(errors)] == list(range(101, 6002, 100))
        assert nightly.verify_ledger(day=date(2026, 6, 2))["differences"] == 0

    def test_two_operators_with_the_same_file_are_one_import(self, write):
        path = write(*(f"A-{n:05},C{n % 97},10.00,2026-06-01" for n in range(6000)))
        arguments = [str(path), "--store=MAIN", "--enroll", "--skip-checks"]

        both = [self.start(*arguments), self.start(*arguments)]
        said = [process.communicate(timeout=120)[0] for process in both]

        # The later one stops at once, or comes so late that there is nothing left to do.
        codes = sorted(process.returncode for process in both)
        assert codes[0] == 0, said
        assert codes[1] == 0 or any("import_running" in each for each in said), said
        assert ImportRun.objects.get().posted == Activity.objects.count() == 6000
        assert totals()[0] == 6000
        assert Member.objects.count() == 97

    def test_a_deadlock_with_a_till_costs_a_moment_not_the_import(self, write, caplog):
        low, high = sorted((factories.identity(), factories.identity()), key=lambda each: each.id)
        factories.lot(low, 1)
        factories.lot(high, 1)
        path = write(f"A-1,{low.number},10.00,2026-06-01", f"A-2,{high.number},10.00,2026-06-01")
        reports = []

        def import_it():
            try:
                reports.append(run(path))
            finally:
                connection.close()

        importer = threading.Thread(target=import_it)
        with transaction.atomic():
            # A till that holds the higher account and then wants the lower one.
            Account.objects.select_for_update().get(pk=high.id)
            importer.start()
            wait_until_somebody_waits_for_us()
            Account.objects.select_for_update().get(pk=low.id)
        importer.join(timeout=60)

        assert reports[0]["posted"] == "2"
        assert "tried again" in caplog.text
        assert totals()[0] == 4


def wait_until_somebody_waits_for_us():
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
