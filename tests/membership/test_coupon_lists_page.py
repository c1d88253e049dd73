"""Coupons to the members of a file in the console: from the file to what came of each row."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from benefits.models.coupon_lists import CouponList
from benefits.models.coupons import Coupon, CouponRun
from benefits.operations import coupons
from common.models import AuditRecord
from membership.coupon_forms import MEMBERS_FILE_BYTES_MAX
from tests.benefits.coupon_plan import drafted, issued, running
from tests.factories import identity, member, plain

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10


@pytest.fixture(autouse=True)
def _rules():
    plain()


@pytest.fixture
def clerk(at_work):
    """Who may draft batches."""
    return at_work("campaign manager")


@pytest.fixture
def looker(at_work):
    return at_work("auditor")


@pytest.fixture
def batch():
    return running(last_on=localdate() + timedelta(days=99))


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def hand_in(client, batch, *cells, header="member", name="七月.csv", content=None):
    content = "\n".join([header, *cells]).encode() if content is None else content
    return client.post(
        page("coupon-batch", batch.pk),
        {"do": "list", "file": SimpleUploadedFile(name, content)},
        follow=True,
    )


def begin(client):
    return client.post(page("coupon-list", CouponList.objects.latest("pk").pk), follow=True)


def rows_of(response):
    return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))


class TestHandIn:
    def test_shows_how_many_are_good_and_what_is_wrong(self, clerk, batch):
        one = member(phone="+8613912345678")

        response = hand_in(clerk, batch, "13912345678", one.number, "M0000000000", "13900000000")

        text = text_of(response)
        for shown in (
            "七月.csv",
            "To be looked through",
            "Issue 1 coupon",
            "Rows 4",
            "Without a coupon 3",
        ):
            assert shown in text
        assert "The member stands in row 2 already." in text
        assert "unknown_member There is no such member." in text
        assert "13900000000" not in text
        assert not Coupon.objects.exists()
        assert AuditRecord.objects.filter(action="coupon_batch.list_read").count() == 1

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "empty"),
            (b"member\n", "no row for which"),
            (b"13912345678\n", "must name one column"),
            (b"member\n\0", "NUL"),
            (b"member\n\xff\xff", "七月.csv: the file is neither UTF-8 nor GB 18030."),
            (b"member\n" + b"x" * MEMBERS_FILE_BYTES_MAX, "larger than 5 MB"),
        ],
        ids=str,
    )
    def test_what_is_no_list_is_refused(self, clerk, batch, content, said):
        response = hand_in(clerk, batch, content=content)

        assert response.status_code == 200
        assert said in text_of(response)
        assert not CouponList.objects.exists()

    def test_without_a_file_nothing_happens(self, clerk, batch):
        response = clerk.post(page("coupon-batch", batch.pk), {"do": "list"})

        assert response.status_code == 200
        assert not CouponList.objects.exists()

    def test_is_offered_where_members_get_coupons_of_their_own(self, clerk, batch):
        offered = "Issue to the members of a file"
        assert offered in text_of(clerk.get(page("coupon-batch", batch.pk)))
        for other in (drafted(), running(codes_from="POOL")):
            assert offered not in text_of(clerk.get(page("coupon-batch", other.pk)))
        assert hand_in(clerk, drafted(), "x").status_code == 200
        assert not CouponList.objects.exists()

    def test_who_may_only_look_hands_in_nothing(self, looker, batch):
        assert "members of a file" not in text_of(looker.get(page("coupon-batch", batch.pk)))
        assert hand_in(looker, batch, "x").status_code == 403
        assert not CouponList.objects.exists()


class TestIssue:
    @pytest.fixture
    def people(self):
        return [identity(), identity()]

    def test_is_done_by_a_worker_with_a_word_on_each_row(self, clerk, batch, people):
        hand_in(clerk, batch, *(each.number for each in people), "=1+1")

        said = begin(clerk)
        assert "Begun: the coupons are being issued." in text_of(said)
        assert "At work" in text_of(said)
        assert "every 3s" in said.content.decode()
        coupons.work(clock=timezone.now)

        listed = CouponList.objects.get()
        done = clerk.get(page("coupon-list", listed.pk))
        assert "Done" in text_of(done)
        assert "Issued 2 / 2" in text_of(done)
        assert "every 3s" not in done.content.decode()
        assert Coupon.objects.filter(member_id__in=[each.id for each in people]).count() == 2
        assert rows_of(clerk.get(page("coupon-list-refused", listed.pk))) == [
            ["row", "code", "message"],
            ["4", "formula", "Formulas are not evaluated: paste the cells as values."],
        ]
        on_batch = text_of(clerk.get(page("coupon-batch", batch.pk)))
        assert on_batch.count("七月.csv") == 2

    def test_begun_twice_nobody_gets_two(self, clerk, batch, people):
        hand_in(clerk, batch, *(each.number for each in people))

        for _ in range(2):
            begin(clerk)
            coupons.work(clock=timezone.now)

        assert (Coupon.objects.count(), CouponRun.objects.count()) == (2, 1)

    def test_the_same_file_again_is_remarked_upon(self, clerk, batch, people):
        hand_in(clerk, batch, people[0].number)
        begin(clerk)

        again = hand_in(clerk, batch, people[0].number)
        other = hand_in(clerk, batch, people[1].number)

        assert "and issued already" in text_of(again)
        assert "and issued already" not in text_of(other)

    def test_says_when_fewer_are_left_by_now(self, clerk, people):
        small = running(last_on=localdate() + timedelta(days=99), total=2)
        hand_in(clerk, small, *(each.number for each in people))
        issued(small, identity())

        shown = clerk.get(page("coupon-list", CouponList.objects.get().pk))

        assert "Only 1 coupon of the batch is left" in text_of(shown)

    def test_a_batch_that_ended_issues_nothing(self, clerk, boss, batch, people):
        hand_in(clerk, batch, people[0].number)
        boss.post(page("coupon-batch", batch.pk), {"do": "end"})

        response = begin(clerk)

        assert "The batch is not running." in text_of(response)
        assert "Issue 1 coupon" not in text_of(response)
        assert not CouponRun.objects.exists()

    def test_who_may_only_look_begins_nothing(self, clerk, looker, batch, people):
        hand_in(clerk, batch, people[0].number)
        listed = CouponList.objects.get()

        assert "Issue 1 coupon" not in text_of(looker.get(page("coupon-list", listed.pk)))
        assert begin(looker).status_code == 403
        assert not CouponRun.objects.exists()

    def test_what_there_is_not_is_not_found(self, clerk):
        assert clerk.get(page("coupon-list", 0)).status_code == 404
        assert clerk.get(page("coupon-list-refused", 0)).status_code == 404


@pytest.mark.parametrize("begun", [False, True])
def test_pages_open_in_few_queries(clerk, batch, begun):
    for _ in range(3):
        hand_in(clerk, batch, *(identity().number for _ in range(3)), *["x"] * 60)
        if begun:
            begin(clerk)
    listed = CouponList.objects.latest("pk")
    coupons.work(clock=timezone.now)
    for address in (
        page("coupon-batch", batch.pk),
        page("coupon-list", listed.pk),
        page("coupon-list-refused", listed.pk),
    ):
        with CaptureQueriesContext(connection) as queries:
            response = clerk.get(address)
            assert response.status_code == 200
            b"".join(response) if response.streaming else None
        assert len(queries) <= QUERIES_MAX, (address, [each["sql"] for each in queries])
