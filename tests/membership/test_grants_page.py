"""Points for many members at the console, from the file to what came of each row."""

import csv
import io
import re

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from common.models import Approval
from points import operations
from points.forms import FILE_BYTES_MAX
from points.models import Account, Entry, GrantBatch
from tests.factories import brand, identity, plain, rulebook, staff
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10


@pytest.fixture(autouse=True)
def _rules():
    plain()
    brand()


@pytest.fixture
def clerk(at_work):
    return at_work("customer care")


@pytest.fixture
def chief():
    user = staff(username="chief", is_superuser=False)
    user.groups.add(Group.objects.get(name="finance"))
    return console(user)


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def hand_in(client, *rows, header="member,points,reference,reason", name="春节.csv", **options):
    content = "\n".join([header, *(",".join(row) for row in rows)]).encode()
    return client.post(page("grants"), {"file": SimpleUploadedFile(name, content)}, **options)


def begin(client, batch, **fields):
    form = client.get(page("grant", batch.pk)).context["form"]
    return client.post(
        page("grant", batch.pk),
        {"reason": "春节活动", "reference": form["reference"].value(), **fields},
        follow=True,
    )


def balance(of) -> int:
    return Account.objects.get(pk=of.id).balance


class TestHandIn:
    def test_shows_what_the_file_says_and_what_is_wrong(self, clerk):
        wang = identity()

        response = hand_in(
            clerk, (wang.number, "50", "SP-1", "春节礼"), ("M0000000000", "5", "SP-2", "春节礼"),
            follow=True,
        )  # fmt: skip

        text = text_of(response)
        for shown in ("春节.csv", wang.number, "SP-1", "There is no such member."):
            assert shown in text
        assert not Entry.objects.exists()

    @pytest.mark.parametrize(
        ("header", "said"),
        [("a,b,c,d", "has no column member"), ("", "empty")],
    )
    def test_what_is_no_table_is_refused_by_the_name_staff_know(self, clerk, header, said):
        response = hand_in(clerk, ("x",), header=header)

        errors = str(response.context["form"].errors)
        assert said in errors
        assert "春节.csv" in errors
        assert not GrantBatch.objects.exists()

    def test_a_file_too_large_is_refused(self, clerk):
        response = hand_in(clerk, ("x" * FILE_BYTES_MAX,))

        assert "larger than 5 MB" in str(response.context["form"].errors)

    def test_who_may_only_look_hands_in_nothing(self, chief):
        assert "Hand in a file" not in text_of(chief.get(page("grants")))
        assert hand_in(chief, ("x",)).status_code == 403
        assert not GrantBatch.objects.exists()


class TestGrant:
    @pytest.fixture
    def wang(self):
        return identity()

    @pytest.fixture
    def batch(self, clerk, wang):
        hand_in(clerk, (wang.number, "50", "SP-1", "春节礼"), ("M0000000000", "5", "SP-2", "x"))
        return GrantBatch.objects.get()

    def test_is_done_by_a_worker_with_a_result_for_each_row(self, clerk, batch, wang):
        said = begin(clerk, batch)
        assert "are being granted" in text_of(said)
        operations.work_on_grants(clock=timezone.now)

        assert balance(wang) == 50
        done = clerk.get(page("grant", batch.pk))
        assert "Done" in text_of(done)
        result = clerk.get(page("grant-result", batch.pk))
        rows = list(csv.reader(io.StringIO(result.getvalue().decode("utf-8-sig"))))
        assert rows[1] == [
            "2", wang.number, "50", "SP-1", "春节礼", "granted", f"{wang.number}-1", "",
        ]  # fmt: skip
        assert rows[2][5:] == ["unknown_member", "", "There is no such member."]

    def test_needs_a_reason(self, clerk, batch):
        response = begin(clerk, batch, reason=" ")

        assert response.context["form"].errors
        batch.refresh_from_db()
        assert batch.state == "READ"

    def test_begun_twice_it_is_begun_once(self, clerk, batch, wang):
        form = clerk.get(page("grant", batch.pk)).context["form"]
        fields = {"reason": "x", "reference": form["reference"].value()}
        for _ in range(2):
            response = clerk.post(page("grant", batch.pk), fields, follow=True)

        assert "decided already" in text_of(response)
        operations.work_on_grants(clock=timezone.now)
        assert balance(wang) == 50

    def test_discarded_it_is_gone_for_good(self, clerk, batch):
        clerk.post(page("grant", batch.pk), {"discard": "1"})

        response = begin_discarded(clerk, batch)
        assert "decided already: Discarded" in text_of(response)
        operations.work_on_grants(clock=timezone.now)
        assert not Entry.objects.exists()

    def test_formulas_are_harmless_in_the_result(self, clerk, wang):
        hand_in(clerk, ("=1+1", "5", "SP-9", "@x"))

        result = clerk.get(page("grant-result", GrantBatch.objects.latest("pk").pk))

        (row,) = list(csv.reader(io.StringIO(result.getvalue().decode("utf-8-sig"))))[1:]
        assert (row[1], row[4]) == ("'=1+1", "'@x")

    def test_who_may_only_look_begins_nothing(self, chief, batch):
        assert "Grant these points" not in text_of(chief.get(page("grant", batch.pk)))
        assert chief.post(page("grant", batch.pk), {"reason": "x"}).status_code == 403


def begin_discarded(client, batch):
    return client.post(
        page("grant", batch.pk),
        {"reason": "x", "reference": "console-" + "0" * 32},
        follow=True,
    )


class TestApproval:
    @pytest.fixture(autouse=True)
    def _limited(self):
        rulebook(adjustment_limit=99, valid_from="2026-01-02")

    @pytest.fixture
    def people(self):
        return [identity(), identity()]

    @pytest.fixture
    def batch(self, clerk, people):
        rows = [(one.number, "50", f"SP-{n}", "春节礼") for n, one in enumerate(people)]
        hand_in(clerk, *rows)
        return GrantBatch.objects.get()

    def test_a_sum_above_the_limit_waits_for_a_second_person(self, clerk, chief, batch, people):
        said = begin(clerk, batch)
        assert "Sent for approval" in text_of(said)
        operations.work_on_grants(clock=timezone.now)
        assert not Entry.objects.exists()
        approval = Approval.objects.get()
        facts = text_of(chief.get(page("common_approval_change", approval.pk)))
        assert "春节.csv" in facts
        assert "100" in facts

        chief.post(page("common_approval_approve", approval.pk), {"note": ""})
        operations.work_on_grants(clock=timezone.now)

        assert [balance(one) for one in people] == [50, 50]

    def test_sent_again_while_it_waits_it_is_asked_for_once(self, clerk, batch):
        begin(clerk, batch)
        clerk.post(page("grant", batch.pk), {"reason": "x", "reference": "console-" + "1" * 32})

        assert Approval.objects.count() == 1

    def test_rejected_it_can_be_asked_for_anew(self, clerk, chief, batch, people):
        begin(clerk, batch)
        first = Approval.objects.get()
        chief.post(page("common_approval_reject", first.pk), {"note": "没有预算"})

        begin(clerk, batch)

        assert Approval.objects.count() == 2
        second = Approval.objects.latest("pk")
        chief.post(page("common_approval_approve", second.pk), {"note": ""})
        operations.work_on_grants(clock=timezone.now)
        assert [balance(one) for one in people] == [50, 50]

    def test_at_the_limit_one_person_is_enough(self, clerk):
        hand_in(clerk, (identity().number, "99", "X", "x"))

        begin(clerk, GrantBatch.objects.latest("pk"))

        assert not Approval.objects.exists()


@pytest.mark.parametrize("role", ["administrator", "finance"])
def test_pages_open_in_few_queries(at_work, clerk, role):
    wang = identity()
    for n in range(3):
        hand_in(clerk, *[(wang.number, "5", f"R{n}-{m}", "x") for m in range(60)])
        hand_in(clerk, *[("x", "5", f"S{n}-{m}", "x") for m in range(60)])
    client = at_work(role)
    client.get(page("grants"))

    for address in (page("grants"), page("grant", GrantBatch.objects.latest("pk").pk)):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        assert len(queries) <= QUERIES_MAX, address
