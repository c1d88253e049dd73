"""What staff see of points at the console, and what they do with them."""

import re
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from points import operations
from points.models import Entry
from tests.factories import brand, buy, dealer, identity, lot, member, plain, source, staff
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10


@pytest.fixture(autouse=True)
def _rules():
    plain()


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def redeem(of, points, *, reference="X-1", at=NOON):
    return operations.redeem(
        member=of, points=points, at=at, reference=reference, source=source()
    ).seq


def much(of):
    """A ledger with something of everything that a page has to read more for."""
    other = identity(member(name="李雷"))
    operations.earn(
        member=of, points=10, at=NOON, expires_on=date(2099, 6, 30), reference="waits",
        source=source(), pending=[operations.PendingLine("", 12, date(2099, 7, 3))],
    )  # fmt: skip
    buy(of, "1000", at=timezone.now())
    redeem(of, 5)
    operations.transfer(
        giver=of, receiver=other, points=5, at=NOON, reference="T", source=source(), limits=[]
    )
    operations.merge_accounts(
        member=other, into=of, at=NOON, source=source(), by=staff(), note="同一人"
    )
    lot(of, 5, expires_on=date(2026, 6, 16))
    operations.expire(low=of.id, high=of.id, on=date(2026, 7, 1))
    operations.hold(
        member=of, points=3, at=NOON, until=datetime(2099, 1, 1, tzinfo=UTC), reference="H",
        source=source(),
    )  # fmt: skip
    return other


class TestMemberPages:
    @pytest.mark.parametrize("name", ["member", "member-ledger"])
    @pytest.mark.parametrize("role", ["administrator", "customer care"])
    def test_open_in_few_queries_with_something_of_everything(self, at_work, name, role):
        of = identity()
        much(of)
        client = at_work(role)
        client.get(page(name, of.number))  # the programme's currency is remembered

        with CaptureQueriesContext(connection) as queries:
            response = client.get(page(name, of.number), {"day": "2026-01-01"})

        assert len(response.context["entries"]) == 8
        assert len(queries) <= QUERIES_MAX

    def test_tell_what_is_aside_and_name_the_other_member_in_full(self, boss):
        of = identity()
        other = much(of)

        text = text_of(boss.get(page("member-ledger", of.number)))

        assert "12 points waiting, until July 3, 2099" in text
        assert "3 points set aside at a till until Jan. 1, 2099, 8 a.m." in text
        assert f"To 李雷 {other.number}." in text
        assert f"{of.number}-1: -5 (2099-06-30)" in text


class TestEntryPage:
    def test_tells_lots_and_who_pays(self, boss):
        of = identity()
        shares = [(brand().pk, 6_000, "spring"), (dealer(name="南京经销商").pk, 4_000, "")]
        funding_id = operations.funding(shares)
        for points in (40, 100):
            operations.earn(
                member=of, points=points, at=NOON, expires_on=date(2027, 6, points // 10),
                reference=f"E{points}", source=source(funding_id=funding_id),
            )  # fmt: skip
        lot(of, 7, expires_on=date(2099, 1, 1))
        seq = redeem(of, 142)

        response = boss.get(page("entry", f"{of.number}-{seq}"))

        assert [(row.entry, row.points) for row in response.context["lots"]] == [
            (f"{of.number}-1", -40),
            (f"{of.number}-2", -100),
            (f"{of.number}-3", -2),
        ]
        assert response.context["costs"] == [
            (brand().name, "spring", "84"),
            ("南京经销商", "", "56"),
            ("", "", "2"),
        ]
        assert "X-1" in text_of(response)

    def test_of_a_credit_it_tells_who_pays_for_it(self, boss):
        of = identity()
        buy(of, "105.00")

        response = boss.get(page("entry", f"{of.number}-1"))

        assert response.context["costs"] == [(brand().name, "", "10")]

    def test_opens_in_few_queries(self, at_work):
        of = identity()
        much(of)
        client = at_work("finance")
        for seq in Entry.objects.filter(member_id=of.id).values_list("seq", flat=True):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page("entry", f"{of.number}-{seq}")).status_code == 200
            assert len(queries) <= QUERIES_MAX

    def test_who_may_not_see_members_reads_no_names(self, at_work):
        of = identity()
        other = much(of)
        seq = Entry.objects.get(member_id=of.id, kind="TRANSFER_OUT").seq

        text = text_of(at_work("finance").get(page("entry", f"{of.number}-{seq}")))

        assert "李雷" not in text
        assert f"To 李**, member …{other.number[-4:]}." in text

    @pytest.mark.parametrize("name", ["M0000000018-1", "M0000000018", "x", "-1", "M0000000018-²"])
    def test_an_unknown_one_is_404(self, boss, name):
        assert boss.get(f"/console/entries/{name}/").status_code == 404
