"""Historical members from a file (M4): what is read, what is refused, and that nothing doubles."""

import csv
import os
import signal
import subprocess
import sys
import time
from datetime import date
from io import StringIO
from pathlib import Path

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Max, Min
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from campaigns.member_files import bringing, fields, mapping
from campaigns.models import BroughtMember, MemberImport
from common import tables
from common.models import AuditRecord, OutboxEvent
from members import names, queries
from members.models import (
    Attribute,
    AttributeOption,
    ExternalNumber,
    Member,
    PhoneDirectory,
    Product,
    Tagging,
)
from points.models import Account, Entry, PointType
from tests import factories
from tests.tiers.ladder import simple
from tiers import verification
from tiers.models import Decision, Standing

# Of a file of one chunk: what begins and ends the import, and the chunk with all it may bring.
STATEMENTS = 43
PROJECT = Path(__file__).parents[2]
HEADER = "客户号,姓名,性别,手机,邮箱,生日,省份,城市,入会日期,门店,标签"
GOOD = "C1,王小明,男,13800000001,wang@example.com,1990-02-28,上海市,上海市,2019-03-01,MAIN,老友"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _programme(request):
    transaction = request.node.get_closest_marker("django_db").kwargs.get("transaction", False)
    request.getfixturevalue("transactional_db" if transaction else "db")
    factories.main_store()
    factories.plain()
    with translation.override("en"):
        yield


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="members.csv", header=HEADER, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
        return path

    return write


@pytest.fixture
def mapped(tmp_path):
    def write(text):
        path = tmp_path / "map.yaml"
        path.write_text(text, encoding="utf-8")
        return f"--map={path}"

    return write


def run(path, *options):
    """The command's summary as a dict, numbers as text."""
    out = StringIO()
    call_command("import_members", str(path), *options, stdout=out)
    lines = [line.split() for line in out.getvalue().splitlines()]
    return {words[0]: words[-1] for words in lines if words} | {"text": out.getvalue()}


def refused(path, *options):
    """Row and codes of what the command writes to its file of errors."""
    errors = path.with_suffix(".errors.csv")
    run(path, f"--errors={errors}", *options)
    with errors.open(encoding="utf-8-sig", newline="") as file:
        return [(int(row["row"]), row["code"]) for row in csv.DictReader(file)]


def nothing_was_written():
    return not (Member.objects.exists() or Entry.objects.exists() or MemberImport.objects.exists())


class TestReading:
    def test_a_row_becomes_a_member_with_all_it_says(self, write):
        run(write(GOOD))

        wang = Member.objects.get()
        assert (wang.name, wang.sex, wang.phone) == ("王小明", "MALE", "+8613800000001")
        assert (wang.email, wang.birthday) == ("wang@example.com", date(1990, 2, 28))
        assert (wang.province, wang.city) == ("上海市", "上海市")
        assert (wang.status, wang.activated_at) == ("PRE_REGISTERED", None)
        assert wang.joined_at.isoformat() == "2019-02-28T16:00:00+00:00"
        assert wang.enrolling_store.code == "MAIN"
        assert wang.name_spelled == "wang xiao ming"
        assert wang.name_parts == names.parts("王小明")
        assert queries.by_phone("13800000001") == wang
        assert ExternalNumber.objects.get().number == "C1"
        tags = Tagging.objects.values_list("tag__name", "source")
        assert set(tags) == {("老友", "IMPORT"), ("Historical member", "IMPORT")}
        assert wang.history.get().phone == "+8613800000001"
        assert AuditRecord.objects.get(target=wang.number).action == "member.enrolled"

    def test_nobody_is_told(self, write):
        before = OutboxEvent.objects.count()

        run(write(GOOD), "--active", "--starting-points=100")

        assert Member.objects.get().status == "ACTIVE"
        assert OutboxEvent.objects.count() == before

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_finds_out_how_a_file_is_written(self, write, encoding):
        run(write(GOOD.replace("王小明", "𠮷㑇"), encoding=encoding))

        assert Member.objects.get().name == "𠮷㑇"

    def test_reads_a_workbook_with_its_dates_and_numbers(self, tmp_path):
        book = openpyxl.Workbook()
        book.active.append(["客户号", "姓名", "手机", "生日"])
        book.active.append([1001, "李雷", 13800000002, date(2000, 2, 29)])
        path = tmp_path / "members.xlsx"
        book.save(path)

        run(path)

        lei = Member.objects.get()
        assert (lei.name, lei.phone, lei.birthday) == ("李雷", "+8613800000002", date(2000, 2, 29))
        assert ExternalNumber.objects.get().number == "1001"

    @pytest.mark.parametrize(
        ("cells", "code"),
        [
            ({"姓名": "名" * 101}, "invalid_name"),
            ({"姓名": ""}, "name_missing"),
            ({"性别": "X"}, "invalid_sex"),
            ({"手机": "12345"}, "invalid_phone"),
            ({"邮箱": "wang@"}, "invalid_email"),
            ({"生日": "1990/02/28"}, "invalid_date"),
            ({"生日": "1990-02-30"}, "invalid_date"),
            ({"生日": "1899-12-31"}, "birthday_out_of_range"),
            ({"生日": "2190-01-01"}, "birthday_out_of_range"),
            ({"生日": "1900-01-01"}, "placeholder_birthday"),
            ({"生日": "1905-05-05"}, "implausible_age"),
            ({"入会日期": ""}, "joined_missing"),
            ({"入会日期": "2190-01-01"}, "dated_in_future"),
            ({"门店": "NOWHERE"}, "unknown_store"),
            ({"标签": "太" * 51}, "invalid_tag"),
            ({"省份": "省" * 51}, "text_too_long"),
            ({"客户号": "", "手机": ""}, "nothing_identifies"),
            ({"客户号": "M0000000017"}, "invalid_external_number"),
        ],
    )
    def test_a_mistake_refuses_the_row(self, write, cells, code):
        row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | cells

        assert refused(write(",".join(row.values()))) == [(2, code)]
        assert not Member.objects.exists()

    def test_all_that_is_wrong_with_a_row_is_told_in_the_readers_language(self, write):
        path = write(GOOD.replace("男", "X").replace("13800000001", "1"))

        assert refused(path) == [(2, "invalid_sex invalid_phone")]
        told = path.with_suffix(".errors.csv").read_text(encoding="utf-8-sig")
        assert "Phone: This is not a valid phone number." in told

    def test_what_a_spreadsheet_would_run_is_written_so_that_it_does_not(self, write):
        path = write(GOOD.replace("王小明", "=1+1").replace("男", "X"))

        refused(path)

        assert ",'=1+1," in path.with_suffix(".errors.csv").read_text(encoding="utf-8-sig")

    def test_a_row_cut_off_is_refused_once(self, write):
        assert refused(write("C1,王小明")) == [(2, "ragged_row")]

    @pytest.mark.parametrize(
        ("form", "text"),
        [("YYYY/MM/DD", "1990/2/8"), ("DD.MM.YYYY", "08.02.1990"), ("YYYYMMDD", "19900208")],
    )
    def test_a_form_of_dates_is_chosen_for_a_column(self, write, mapped, form, text):
        path = write(f"C1,{text}", "C2,1990-02-08", header="id,born")
        plan = mapped(
            f"columns: {{external_number: id, birthday: born}}\ndays: {{birthday: {form}}}"
        )

        assert refused(path, plan) == [(3, "invalid_date")]
        assert Member.objects.get().birthday == date(1990, 2, 8)

    def test_values_mean_what_the_mapping_says(self, write, mapped):
        path = write("C1,1", "C2,0", "C3,7", header="id,sex")
        plan = mapped(
            'columns: {external_number: id, sex: sex}\nvalues: {sex: {"1": MALE, "0": ""}}'
        )

        assert refused(path, plan) == [(4, "invalid_sex")]
        found = ExternalNumber.objects.order_by("number").values_list("number", "member__sex")
        assert list(found) == [("C1", "MALE"), ("C2", "")]

    def test_attributes_of_the_brand_are_read_by_their_kind(self, write):
        for position, (code, kind) in enumerate([("wages", "NUMBER"), ("drink", "CHOICE")]):
            Attribute.objects.create(code=code, names={"en": code}, kind=kind, position=position)
        tea = Attribute.objects.get(code="drink")
        AttributeOption.objects.create(attribute=tea, code="tea", names={"zh-hans": "茶"})
        path = write("C1,112000.0,茶", "C2,much,tea", "C3,1,水", header="id,wages,drink")

        assert refused(path) == [(3, "invalid_attribute"), (4, "invalid_attribute")]
        assert Member.objects.get().attributes == {"wages": 112000, "drink": "tea"}

    def test_a_product_comes_along(self, write):
        path = write("C1, lsv12345 ,朗逸,2020-05-06", header="id,vin,车型,购车日期")

        run(path)

        product = Product.objects.get()
        assert (product.identifier, product.name) == ("LSV12345", "朗逸")
        assert product.purchased_on == date(2020, 5, 6)


class TestWarnings:
    ROWS = ("C1,1900-01-01,118", "C2,1990-01-01,35")

    @pytest.mark.parametrize(
        ("decision", "expected"),
        [
            ("refuse", [("C2", date(1990, 1, 1), {"age": 35})]),
            (
                "keep",
                [("C1", date(1900, 1, 1), {"age": 118}), ("C2", date(1990, 1, 1), {"age": 35})],
            ),
            ("leave_out", [("C1", None, {}), ("C2", date(1990, 1, 1), {"age": 35})]),
        ],
    )  # fmt: skip
    def test_the_operator_decides_what_becomes_of_the_suspicious(
        self, write, mapped, decision, expected
    ):
        Attribute.objects.create(code="age", names={"en": "Age"}, kind="NUMBER")
        plan = mapped(
            "columns: {external_number: id, birthday: born, age: age, 'attribute:age': age}\n"
            f"warnings: {{placeholder_birthday: {decision}, implausible_age: {decision}}}"
        )

        report = run(write(*self.ROWS, header="id,born,age"), plan)

        found = ExternalNumber.objects.order_by("number").values_list(
            "number", "member__birthday", "member__attributes"
        )
        assert list(found) == expected
        assert report["placeholder_birthday"] == report["implausible_age"] == "1"

    def test_an_age_becomes_no_birthday(self, write):
        run(write("C1,35", header="id,age"))

        assert Member.objects.get().birthday is None


class TestWhoIsWho:
    def test_the_same_phone_twice_in_a_file_is_one_member(self, write):
        path = write("C1,13800000001", "C2,138 0000 0001", header="id,phone")

        assert refused(path) == [(3, "duplicate_in_file")]
        assert Member.objects.count() == 1

    def test_a_dry_run_foretells_what_the_import_does(self, write, monkeypatch):
        monkeypatch.setattr(bringing, "CHUNK_ROWS", 2)
        factories.member(phone="+8613800000009")
        path = write(
            "C1,13800000001", "C2,1", "C3,13800000009", "C4,13800000001", "C1,13800000005",
            "C5,13800000007",
            header="id,phone",
        )  # fmt: skip
        expected = [
            (3, "invalid_phone"), (4, "phone_taken"), (5, "duplicate_in_file"),
            (6, "duplicate_in_file"),
        ]  # fmt: skip

        assert refused(path, "--dry-run") == expected
        assert not MemberImport.objects.exists()
        assert refused(path) == expected
        assert ExternalNumber.objects.count() == 2

    def test_a_row_whose_twin_was_refused_is_no_duplicate(self, write):
        path = write("C1,13800000001,X", "C2,13800000001,男", header="id,phone,sex")

        assert refused(path) == [(2, "invalid_sex")]
        assert ExternalNumber.objects.get().number == "C2"

    def test_a_product_somebody_owns_is_refused(self, write):
        path = write("C1,LSV1", "C2,LSV1", header="id,vin")

        assert refused(path) == [(3, "duplicate_in_file")]
        assert refused(write("C3,LSV1", header="id,vin", name="more.csv")) == [(2, "product_taken")]

    def test_importing_twice_changes_nothing(self, write):
        path = write(GOOD, GOOD.replace("C1", "").replace("13800000001", "13800000002"))
        first = run(path, "--starting-points=50")

        assert (first["brought"], first["points"]) == ("2", "100")
        assert "Nothing to do" in run(path, "--starting-points=50")["text"]
        again = run(path, "--starting-points=50", "--again")
        assert (again["brought"], again["known"], again["refused"]) == ("0", "2", "0")
        assert (Member.objects.count(), Entry.objects.count()) == (2, 2)

    def test_another_reading_of_the_file_finds_the_members_it_brought(self, write):
        path = write(GOOD)
        run(path)

        report = run(path, "--tag=VIP", "--starting-points=50")

        assert (report["brought"], report["known"]) == ("0", "1")
        assert not Entry.objects.exists()

    def test_one_numbers_customers_are_not_anothers(self, write):
        dealer = factories.dealer()
        path = write("C1", header="id")

        run(path)
        run(path, f"--organization={dealer.code}")

        assert ExternalNumber.objects.filter(number="C1").count() == 2


class TestSeveralProducts:
    HEADER = "id,phone,vin,车型"

    @pytest.fixture(params=[1, 2, 2_000], ids=lambda rows: f"{rows} a chunk")
    def _chunks(self, request, monkeypatch):
        monkeypatch.setattr(bringing, "CHUNK_ROWS", request.param)

    @pytest.mark.usefixtures("_chunks")
    def test_a_further_row_of_a_customer_brings_another_product(self, write):
        path = write(
            "C1,13800000001,LSV1,朗逸", "C2,,LSV2,", "C1,,LSV3,途观", "C1,13800000001,LSV4,",
            header=self.HEADER,
        )  # fmt: skip

        foretold = run(path, "--dry-run", "--starting-points=10")
        report = run(path, "--starting-points=10", "--tag=老友")

        assert [report[name] for name in ("brought", "further", "refused")] == ["2", "2", "0"]
        assert [foretold[name] for name in ("brought", "further", "points")] == ["2", "2", "20"]
        owned = Product.objects.order_by("identifier").values_list(
            "identifier", "name", "member__external_numbers__number"
        )
        assert list(owned) == [
            ("LSV1", "朗逸", "C1"), ("LSV2", "", "C2"), ("LSV3", "途观", "C1"), ("LSV4", "", "C1"),
        ]  # fmt: skip
        assert Entry.objects.count() == Member.objects.count() == 2
        again = run(path, "--starting-points=10", "--tag=老友", "--again")
        assert (again["known"], again["brought"], again["further"]) == ("4", "0", "0")
        assert Product.objects.count() == 4

    @pytest.mark.usefixtures("_chunks")
    @pytest.mark.parametrize(
        ("row", "codes"),
        [
            ("C1,13800000009,LSV3,", "duplicate_in_file"),  # another phone
            ("C1,13800000002,LSV3,", "duplicate_in_file"),  # another customer's
            ("C1,,LSV2,", "duplicate_in_file"),  # another customer's product
            ("C1,,LSV1,", "duplicate_in_file"),  # the same once more
            ("C1,,,朗逸", "product_unidentified"),
            ("C1,,,", "duplicate_in_file"),
            ("C1,13800000001,LSV9,", "duplicate_in_file product_taken"),
        ],
    )
    def test_nothing_a_further_row_says_is_swallowed(self, write, row, codes):
        other = factories.member(phone="+8613900000009")
        Product.objects.create(member=other, identifier="LSV9")
        path = write("C1,13800000001,LSV1,", "C2,13800000002,LSV2,", row, header=self.HEADER)

        assert refused(path, "--dry-run") == refused(path) == [(4, codes)]

    def test_points_of_a_customer_stand_in_one_row(self, write, mapped):
        path = write("C1,LSV1,5", "C1,LSV2,5", "C1,LSV3,0", header="id,vin,old")
        plan = mapped("columns: {external_number: id, product: vin, starting_points: old}")

        assert refused(path, plan, "--starting-points=10") == [(3, "points_in_further_row")]
        assert Entry.objects.get().points == 15
        assert Product.objects.count() == 2

    def test_who_was_a_member_before_gets_nothing(self, write):
        run(write("C1,,LSV1,", header=self.HEADER))

        report = run(write("C1,,LSV1,", "C1,,LSV2,", header=self.HEADER, name="more.csv"))

        assert (report["known"], report["further"]) == ("2", "0")
        assert Product.objects.count() == 1

    def test_tags_of_all_rows_count(self, write):
        path = write("C1,LSV1,老友", "C1,LSV2,车队", header="id,vin,标签")

        run(path, "--tag=VIP")

        assert set(Tagging.objects.values_list("tag__name", flat=True)) == {"VIP", "老友", "车队"}


class TestTiersByProducts:
    @pytest.fixture(autouse=True)
    def _ladder(self):
        section = simple(10, 20) | {"products": [{"name": "S", "level": "t1"}]}
        factories.rulebook(valid_from="2020-01-01", sections={"tiers": section})

    def test_begin_where_their_products_begin_and_nobody_is_told(self, write):
        path = write("C1,LSV1,S", "C2,LSV2,X", "C3,LSV3,", "C3,LSV4,S", header="id,vin,车型")
        before = OutboxEvent.objects.count()

        run(path)

        stands = Standing.objects.filter(level="t1").order_by("member_id")
        numbers = stands.values_list("member__external_numbers__number", flat=True)
        assert list(numbers) == ["C1", "C3"]
        assert {(each.kind, each.reason) for each in Decision.objects.all()} == {("START", "S")}
        assert OutboxEvent.objects.count() == before
        ids = Member.objects.aggregate(low=Min("pk"), high=Max("pk"))
        assert not verification.verify(**ids).differences

    def test_a_second_product_of_the_same_name_brings_nothing_more(self, write, monkeypatch):
        monkeypatch.setattr(bringing, "CHUNK_ROWS", 1)

        run(write("C1,LSV1,S", "C1,LSV2,S", header="id,vin,车型"))

        assert Decision.objects.count() == 1


class TestSpeed:
    """What a chunk asks of the database does not depend on its rows (M4)."""

    @pytest.fixture
    def statements(self, write):
        def statements(first, rows, *options):
            path = write(
                *(
                    f"C{n},名{n},138{n:08d},c{n}@example.com,LSV{n},朗逸,老友{n % 3}"
                    for n in range(first, first + rows)
                ),
                header="id,姓名,phone,email,vin,车型,标签",
                name=f"{first}.csv",
            )
            with CaptureQueriesContext(connection) as queries:
                report = run(path, "--starting-points=10", *options)
            assert report["refused"] == "0"
            return [query["sql"][:60] for query in queries]

        return statements

    def test_of_an_import(self, statements):
        statements(0, 3)  # makes the tags

        few, many = statements(100, 3), statements(1_000, 300)

        assert [len(few), len(many)] == [STATEMENTS] * 2, "\n".join(few)

    def test_of_a_check(self, statements):
        statements(0, 3, "--dry-run")  # remembers the rulebook

        few, many = statements(100, 3, "--dry-run"), statements(1_000, 300, "--dry-run")

        assert len(few) == len(many)


def test_more_tags_than_a_member_has_refuse_the_row(write):
    path = write("C1," + ";".join(f"t{n}" for n in range(50)), header="id,标签")

    assert refused(path, "--tag=VIP") == [(2, "too_many_tags")]
    assert refused(path, "--tag=t1") == []


class TestStartingPoints:
    def test_a_gift_a_column_and_a_share_of_the_spend_add_up(self, write, mapped):
        path = write("C1,5,99.90", "C2,,", header="id,old,spend")
        plan = mapped("columns: {external_number: id, starting_points: old, spend: spend}")

        report = run(path, plan, "--starting-points=100", "--rate=0.5")

        assert report["points"] == "254"
        posted = Entry.objects.order_by("member_id")
        assert [(entry.points, entry.type) for entry in posted] == [
            (154, PointType.INITIAL),
            (100, PointType.INITIAL),
        ]
        numbers = Member.objects.order_by("pk").values_list("number", flat=True)
        assert [entry.reference for entry in posted] == [f"start:{number}" for number in numbers]
        call_command("verify_ledger", stdout=StringIO())

    def test_they_wait_for_the_activation_where_the_clock_begins_then(self, write):
        factories.rulebook(valid_from="2020-01-01", clock="activation")

        run(write("C1", header="id"), "--starting-points=100")

        entry = Entry.objects.get()
        assert entry.expires_on == date(9999, 12, 31)
        assert Account.objects.get().balance + Account.objects.get().pending == 100

    def test_a_rate_without_spend_is_refused_whole(self, write):
        with pytest.raises(CommandError, match="invalid_mapping"):
            run(write("C1", header="id"), "--rate=2")

        assert nothing_was_written()


class TestTheFile:
    def test_a_mapping_of_columns_there_are_not_is_refused_whole(self, write, mapped):
        path = write(GOOD)

        for text, code in [
            ("columns: {name: nobody}", "unknown_columns"),
            ("columns: {surname: 姓名}", "invalid_mapping"),
            ("columns: {name: 姓名}\ndays: {birthday: YY}", "invalid_mapping"),
            ("columns: {name: 姓名}\nwarnings: {nonsense: keep}", "invalid_mapping"),
            ("more: 1", "invalid_mapping"),
        ]:
            with pytest.raises(CommandError, match=code):
                run(path, mapped(text))
        assert nothing_was_written()

    def test_what_is_neither_utf_8_nor_gb_18030_is_refused_whole(self, tmp_path):
        path = tmp_path / "members.csv"
        path.write_bytes(b"id\n\xff\xff\xff\n")

        with pytest.raises(CommandError, match="unreadable_table"):
            run(path)

    def test_guesses_columns_by_what_people_call_them(self):
        found = fields.guess(["Customer ID", "Gender", "became_member_on", "城市", "xyz"], {})

        assert found == {
            "external_number": "Customer ID", "sex": "Gender", "joined_on": "became_member_on",
            "city": "城市",
        }  # fmt: skip

    def test_every_form_of_dates_reads_what_it_is_named_after(self):
        patterns = {
            "YYYY-MM-DD": "%Y-%m-%d", "YYYY/MM/DD": "%Y/%m/%d", "YYYY.MM.DD": "%Y.%m.%d",
            "YYYYMMDD": "%Y%m%d", "YYYY年MM月DD日": "%Y年%m月%d日", "DD/MM/YYYY": "%d/%m/%Y",
            "MM/DD/YYYY": "%m/%d/%Y", "DD.MM.YYYY": "%d.%m.%Y",
        }  # fmt: skip
        assert patterns.keys() == mapping.DAY_FORMATS.keys()
        for form, pattern in patterns.items():
            reads = mapping.Mapping(columns={}, days={"birthday": form})

            assert reads.day("birthday", date(1999, 12, 31).strftime(pattern)) == date(1999, 12, 31)

    def test_encodings_are_told_apart(self, tmp_path):
        for encoding in tables.ENCODINGS:
            path = tmp_path / encoding
            path.write_bytes("姓名\n王小明\n".encode(encoding))

            assert tables.encoding_of(path) == encoding


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
class TestInterrupted:
    def test_killed_it_goes_on_where_it_stopped(self, tmp_path):
        rows = 6_000
        path = tmp_path / "members.csv"
        path.write_text(
            "id,phone\n" + "".join(f"C{n},138{n:08d}\n" for n in range(rows)), encoding="utf-8"
        )
        options = [str(path), "--starting-points=10"]
        name = connection.settings_dict["NAME"]
        url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
        process = subprocess.Popen(
            [sys.executable, "manage.py", "import_members", *options, "--skip-checks"],
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdout=subprocess.DEVNULL,
        )
        while not BroughtMember.objects.exists():
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = Member.objects.count()
        assert 0 < before < rows

        with translation.override("zh-hans"):
            text = run(path, "--starting-points=10")["text"]

        assert "going on behind it" in text
        assert Member.objects.count() == PhoneDirectory.objects.count() == rows
        assert sum(Account.objects.values_list("balance", flat=True)) == rows * 10
        run_row = MemberImport.objects.get()
        assert (run_row.state, run_row.report["brought"]) == ("DONE", rows)
