"""Historical members at the console: from the file to who was brought (M4)."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns import nightly
from campaigns.member_files import bringing, keeping
from campaigns.models import MemberImport, MemberImportPart, MemberImportProblem
from common.models import Approval, AuditRecord
from members.models import Member
from membership import member_import_forms
from points.models import Entry
from tests.factories import brand, main_store, plain, rulebook, staff
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db
HEADER = "客户号,姓名,手机,性别,生日"
WANG = "C1,王小明,13800000001,男,1990-01-01"
LI = "C2,李雷,138,男,1990-01-01"
QUERIES_MAX = 24


@pytest.fixture(autouse=True)
def _rules():
    plain()
    brand()
    main_store()


@pytest.fixture
def clerk(at_work):
    return at_work("customer care")


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def hand_in(client, *rows, name="老会员.csv", header=HEADER, encoding="utf-8"):
    content = "\n".join([header, *rows]).encode(encoding)
    file = SimpleUploadedFile(name, content)
    return client.post(page("files-of-members"), {"file": file}, follow=True)


def the_run() -> MemberImport:
    return MemberImport.objects.latest("pk")


def save(client, *, button="check", **changes):
    """Send the form as the browser would, with some of it changed."""
    form = client.get(page("file-of-members", the_run().pk)).context["form"]
    fields = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    data = fields | changes | {"set-up": "1", button: "1"}
    return client.post(page("file-of-members", the_run().pk), data, follow=True)


def check(client, **changes):
    response = save(client, **changes)
    work()
    return response


def start(client):
    url = page("file-of-members", the_run().pk)
    form = client.get(url).context["start_form"]
    fields = {"reason": "搬家", "reference": form["reference"].value(), "start": "1"}
    return client.post(url, fields, follow=True)


def work(seconds=60):
    return keeping.work(clock=timezone.now, seconds=seconds)


def seen(client) -> str:
    return text_of(client.get(page("file-of-members", the_run().pk)))


class TestHandingIn:
    def test_the_next_page_guesses_the_columns_and_shows_what_is_wrong(self, clerk):
        response = hand_in(clerk, WANG, LI)

        form = response.context["form"]
        assert form["column-external_number"].value() == "客户号"
        assert form["column-phone"].value() == "手机"
        text = text_of(response)
        for shown in ("王小明", "138****0001", "This is not a valid phone number.", "refused"):
            assert shown in text
        assert "13800000001" not in text
        assert not Member.objects.exists()

    def test_a_file_without_a_header_is_refused(self, clerk):
        assert "must name the columns" in text_of(hand_in(clerk, LI, header=WANG))
        assert not MemberImport.objects.exists()

    @pytest.mark.parametrize(
        ("days", "form"),
        [
            (["19900102", "20000229", ""], "YYYYMMDD"),
            (["1990/1/2", "x"], None),  # some are no days
            (["01/02/1990"], None),  # two forms fit
            (["01/02/1990", "13/02/1990"], "DD/MM/YYYY"),
            ([""], None),
        ],
    )
    def test_a_form_of_days_is_guessed_where_only_one_fits(self, clerk, days, form):
        hand_in(clerk, *(f"C{n},王小明,,男,{day}" for n, day in enumerate(days)))

        assert the_run().mapping["days"].get("birthday") == form

    def test_what_is_no_choice_of_an_attribute_is_not_guessed_to_be_one(self, clerk):
        hand_in(clerk, "C1,112000.0", header="客户号,income")
        assert "attribute:income" not in the_run().mapping["columns"]

        hand_in(clerk, "C1,100k-200k", "C2,112000.0", header="客户号,income")
        assert "attribute:income" in the_run().mapping["columns"]

    def test_a_chinese_windows_file_is_understood(self, clerk):
        assert "王小明" in text_of(hand_in(clerk, WANG, encoding="gb18030"))

    def test_the_file_is_kept_sealed(self, clerk):
        hand_in(clerk, WANG)

        with connection.cursor() as cursor:
            cursor.execute("SELECT content FROM campaigns_memberimportpart")
            [(stored,)] = cursor.fetchall()
        assert stored.startswith("k1:")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "empty"),
            (b"\xff\xff\xff", "neither UTF-8 nor GB 18030"),
            (b'a,b\n"x', "cannot be read"),
            (b"\xd0\xcf\x11\xe0", "old format"),
            (b"PK\x03\x04nonsense", "damaged"),
        ],
    )
    def test_what_is_no_table_is_refused_by_the_name_staff_know(self, clerk, content, said):
        file = SimpleUploadedFile("老会员.csv", content)
        response = clerk.post(page("files-of-members"), {"file": file})

        assert said in text_of(response)
        assert not MemberImport.objects.exists()

    def test_a_file_too_large_is_refused(self, clerk, monkeypatch):
        monkeypatch.setattr(member_import_forms, "FILE_BYTES_MAX", 10)

        assert "larger than 30 MB" in text_of(hand_in(clerk, WANG))
        assert not MemberImport.objects.exists()

    def test_who_only_reads_sees_the_list_and_no_rows(self, at_work, clerk):
        hand_in(clerk, WANG)
        reader = at_work("auditor")

        assert "老会员.csv" in text_of(reader.get(page("files-of-members")))
        assert "13800000001" not in seen(reader)
        assert hand_in(reader, WANG).status_code == 403
        discarded = reader.post(page("file-of-members", the_run().pk), {"discard": "1"})
        assert discarded.status_code == 403
        assert reader.get(page("file-of-members-refused", the_run().pk)).status_code == 403

    def test_who_may_not_does_not_find_the_page(self, at_work):
        assert at_work("campaign manager").get(page("files-of-members")).status_code == 403


class TestSettingUp:
    def test_values_and_dates_are_read_as_the_form_says(self, clerk):
        hand_in(clerk, "C1,王小明,13800000001,1,1990/1/2")

        response = save(
            clerk, button="save", **{"day-birthday": "YYYY/MM/DD", "values": "性别：1 = 男"}
        )

        assert the_run().mapping["values"] == {"sex": {"1": "男"}}
        assert "refused" not in text_of(response).split("The first rows")[1]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"values": "nonsense"}, "is not read"),
            ({"store": "NOWHERE"}, "There is no store"),
            ({"tags": "太" * 51}, "A tag is a word"),
            ({"rate": "2"}, "spend needs a rate"),
            ({"points": "-1"}, "greater than or equal to 0"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, clerk, changes, said):
        hand_in(clerk, WANG)

        assert said in text_of(save(clerk, **changes))
        assert the_run().state == "HANDED_IN"

    def test_one_put_aside_is_gone(self, clerk):
        hand_in(clerk, WANG)

        clerk.post(page("file-of-members", the_run().pk), {"discard": "1"})

        assert (the_run().state, the_run().is_kept) == ("DISCARDED", False)
        assert not MemberImportPart.objects.exists()


class TestChecking:
    def test_tells_what_an_import_would_do_and_writes_nothing(self, clerk):
        hand_in(clerk, WANG, LI, WANG)
        check(clerk, points="10")

        assert the_run().state == "CHECKED"
        report = the_run().report
        assert (report["rows"], report["brought"], report["refused"]) == (3, 1, 2)
        assert report["points"] == 10
        assert report["codes"] == {"invalid_phone": 1, "duplicate_in_file": 1}
        assert "invalid_phone" in seen(clerk)
        assert "Row … has the same." in seen(clerk)
        assert not Member.objects.exists()

    def test_the_refused_rows_are_a_file_in_the_readers_language(self, clerk):
        hand_in(clerk, WANG, LI, "C3,=1+1,13800000003,男,x")
        check(clerk)

        url = page("file-of-members-refused", the_run().pk)
        assert url in clerk.get(page("file-of-members", the_run().pk)).content.decode()
        assert clerk.post(url, {"reason": ""}).status_code == 302
        assert not AuditRecord.objects.filter(action="memberimport.rows_downloaded").exists()
        response = clerk.post(url, {"reason": "更正"})

        content = b"".join(response.streaming_content).decode("utf-8-sig")
        first, second = csv.DictReader(io.StringIO(content))
        assert (first["row"], first["code"], first["姓名"]) == ("3", "invalid_phone", "李雷")
        assert first["message"] == "Phone: This is not a valid phone number."
        assert (second["row"], second["姓名"]) == ("4", "'=1+1")
        downloads = AuditRecord.objects.filter(action="memberimport.rows_downloaded")
        assert [each.reason for each in downloads] == ["更正"]

    def test_what_the_notes_quote_is_sealed(self, clerk):
        hand_in(clerk, WANG.replace("男", "男人"))
        check(clerk)

        with connection.cursor() as cursor:
            cursor.execute("SELECT details FROM campaigns_memberimportproblem")
            assert all(stored.startswith("k1:") for (stored,) in cursor.fetchall())

    def test_set_up_anew_it_has_to_be_checked_again(self, clerk):
        hand_in(clerk, WANG)
        check(clerk)

        save(clerk, button="save", points="5")

        assert (the_run().state, the_run().report) == ("HANDED_IN", {})

    def test_a_check_that_died_begins_again_when_its_worker_is_given_up(self, clerk):
        hand_in(clerk, LI)
        save(clerk)
        keeping._take(timezone.now())  # and nothing more is heard of it

        assert work() == 0
        assert keeping.work(clock=lambda: timezone.now() + timedelta(minutes=2)) == 1
        assert MemberImportProblem.objects.count() == 1


class TestBringing:
    def test_a_worker_brings_the_good_rows(self, clerk):
        hand_in(clerk, WANG, LI)
        check(clerk, points="10", tags="老会员, VIP")

        assert "Begun" in text_of(start(clerk))
        work()

        wang = Member.objects.get()
        assert (wang.name, wang.status) == ("王小明", "PRE_REGISTERED")
        assert sorted(wang.taggings.values_list("tag__name", flat=True)) == ["VIP", "老会员"]
        assert Entry.objects.get().points == 10
        run = the_run()
        assert (run.state, run.report["brought"], run.report["refused"]) == ("DONE", 1, 1)
        assert AuditRecord.objects.get(action="memberimport.started").reason == "搬家"
        assert wang.history.get().history_user.username == clerk.user.username

    def test_a_worker_that_ran_out_of_time_or_died_is_followed_by_another(self, clerk, monkeypatch):
        monkeypatch.setattr(bringing, "CHUNK_ROWS", 2)
        hand_in(clerk, *(f"C{n},名{n},1380000{n:04d},男,1990-01-01" for n in range(7)))
        check(clerk, points="10")
        start(clerk)

        assert work(seconds=0) == 2
        real = bringing._Bringer.bring

        def die(self, people):
            real(self, people)
            raise KeyboardInterrupt

        monkeypatch.setattr(bringing._Bringer, "bring", die)
        with pytest.raises(KeyboardInterrupt):
            work()
        monkeypatch.setattr(bringing._Bringer, "bring", real)
        assert work() == 0  # the dead one has it still
        assert keeping.work(clock=lambda: timezone.now() + timedelta(minutes=2)) == 5

        assert Member.objects.count() == 7
        assert sum(Entry.objects.values_list("points", flat=True)) == 70
        assert the_run().state == "DONE"

    def test_the_same_file_again_is_refused_and_changed_brings_only_what_is_new(self, clerk):
        for _again in range(2):
            hand_in(clerk, WANG)
            check(clerk)
            response = start(clerk)
            work()
        assert "was imported in the same way before" in text_of(response)

        hand_in(clerk, WANG, "C3,韩梅梅,13800000003,女,1991-01-01")
        check(clerk)
        start(clerk)
        work()

        assert (the_run().report["brought"], the_run().report["known"]) == (1, 1)
        assert Member.objects.count() == 2

    def test_many_points_are_for_two_to_give(self, clerk):
        rulebook(valid_from="2020-01-01", adjustment_limit=100)
        chief = staff(username="chief", is_superuser=False)
        chief.groups.add(Group.objects.get(name="finance"))
        hand_in(clerk, WANG)
        check(clerk, points="500")

        assert "for approval" in seen(clerk)
        start(clerk)
        work()
        assert not Member.objects.exists()
        assert "A colleague was asked" in seen(clerk)

        asked = Approval.objects.get()
        console(chief).post(page("common_approval_approve", asked.pk), {"note": ""})
        work()
        assert Entry.objects.get().points == 500

    def test_a_customers_further_products_are_counted(self, clerk):
        hand_in(clerk, "C1,LSV1", "C1,LSV2", header="客户号,车架号")
        check(clerk)

        assert "Further products 1" in seen(clerk)
        start(clerk)
        work()
        assert Member.objects.get().products.count() == 2

    def test_a_reason_that_is_refused_says_why(self, clerk):
        hand_in(clerk, WANG)
        check(clerk)
        url = page("file-of-members", the_run().pk)
        reference = clerk.get(url).context["start_form"]["reference"].value()

        told = {"reason": "13800138000", "reference": reference, "start": "1"}
        response = clerk.post(url, told)

        assert response.context["start_form"].errors["reason"]
        assert the_run().state == "CHECKED"


class TestPages:
    def test_a_list_of_files_costs_the_same_however_many(self, clerk):
        for n in range(3):
            hand_in(clerk, WANG, name=f"{n}.csv")

        with CaptureQueriesContext(connection) as queries:
            clerk.get(page("files-of-members"))

        assert len(queries) <= QUERIES_MAX

    def test_files_are_forgotten_after_a_month(self, clerk):
        hand_in(clerk, LI)
        check(clerk)
        soon = timezone.localdate() + timedelta(days=29)
        later = timezone.localdate() + timedelta(days=32)

        assert nightly.forget_member_files(day=soon) == {"files": 0}
        assert nightly.forget_member_files(day=later) == {"files": 1}
        assert nightly.forget_member_files(day=later) == {"files": 0}
        assert not MemberImportPart.objects.exists()
        assert not MemberImportProblem.objects.exists()
        assert clerk.get(page("file-of-members", the_run().pk)).status_code == 200
