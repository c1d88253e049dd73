"""Coupons in the console: a batch from its draft to its end, and conflicts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.urls import reverse
from django.utils.timezone import localtime

from benefits.models.coupons import Coupon, CouponBatch
from benefits.operations import Who, coupons
from benefits.queries import coupons as queries
from common import approvals
from common.models import Approval
from membership.coupon_forms import CouponBatchForm
from partners.models import Organization
from tests.benefits.coupon_plan import NOW, bill, generated, issued, running
from tests.factories import brand, dealer, identity, plain, staff, store
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    plain()
    return console(staff(username="boss"))


def page(batch):
    return reverse("admin:coupon-batch", args=[batch.pk])


def test_from_the_draft_to_codes_taken_away(client):
    form = {
        "code": "summer", "name_zh_hans": "夏日券", "kind": "AMOUNT", "amount": "30",
        "stacking": "ONCE", "first_on": "2026-07-01", "last_on": "2026-07-31", "total": "3",
        "codes_from": "GENERATED",
    }  # fmt: skip
    client.post(reverse("admin:coupon-draft"), form)
    batch = CouponBatch.objects.get()
    client.post(page(batch), {"do": "ask", "reason": "July"})
    approvals.approve(approval_id=Approval.objects.get().pk, by=staff(), at=NOW)
    coupons.work(clock=lambda: NOW)
    where = reverse("admin:coupon-batch-codes", args=[batch.pk])

    file = b"".join(client.post(where)).decode("utf-8-sig").split()
    again = client.post(where)

    assert (file[0], len(file)) == ("code", 4)
    assert again.status_code == 302
    assert "30" in client.get(page(batch)).content.decode()


def test_nonsense_is_told_in_the_form(client):
    answer = client.post(reverse("admin:coupon-draft"), {"code": "x", "kind": "PERCENT"})

    assert answer.status_code == 200
    assert not CouponBatch.objects.exists()


def test_revoking_wants_the_code_of_the_batch(client):
    batch, _codes = generated()

    client.post(page(batch), {"do": "revoke", "reason": "Misprint", "code": "another"})
    batch.refresh_from_db()
    assert batch.state == "RUNNING"
    client.post(page(batch), {"do": "revoke", "reason": "Misprint", "code": batch.code})
    batch.refresh_from_db()
    assert batch.state == "REVOKED"


def test_issues_to_one_member(client):
    batch, of = running(last_on=NOW.date().replace(year=2099)), identity()

    client.post(page(batch), {"do": "issue", "member": of.number, "tag": ""})

    assert Coupon.objects.get().member_id == of.id


def test_conflicts_say_who_where_and_what_it_cost(client):
    coupon = issued(running(), identity())
    for name in ("浦东店", "徐汇店"):
        coupons.report_offline(
            token=queries.token_of(coupon), used_at=NOW, discount=30, receipt=f"R-{name}",
            who=Who(store_id=store(name=name).pk), at=NOW,
        )  # fmt: skip

    told = client.get(reverse("admin:coupon-conflicts")).content.decode()

    assert "R-浦东店" in told
    assert "R-徐汇店" in told
    assert "30.00" in told


FORM = {
    "code": "summer", "name_zh_hans": "夏日券", "kind": "AMOUNT", "amount": "30",
    "stacking": "ONCE", "first_on": "2026-07-01", "last_on": "2026-07-31", "total": "3",
    "codes_from": "GENERATED",
}  # fmt: skip


def test_who_pays_is_drafted_and_stays_when_the_draft_is_changed(client):
    dealer(code="pudong")
    funding = "brand 60\nstore 30.5%\npudong 9.5 summer pot"
    client.post(reverse("admin:coupon-draft"), FORM | {"funding": funding})
    batch = CouponBatch.objects.get()

    kept = CouponBatchForm.initial_of(batch)["funding"]

    assert kept == "brand 60\nstore 30.5\npudong 9.5 summer pot"
    assert batch.funding[2] == {"payer": "pudong", "share": "9.5", "budget": "summer pot"}


@pytest.mark.parametrize("funding", ["brand", "brand x", "brand 60", "nobody 100", "brand 1000"])
def test_who_pays_must_be_known_and_pay_the_whole(client, funding):
    answer = client.post(reverse("admin:coupon-draft"), FORM | {"funding": funding})

    assert answer.status_code == 200
    assert not CouponBatch.objects.exists()


class TestCosts:
    """What used coupons cost, and whom (B5)."""

    @pytest.fixture
    def used(self):
        """Uses in three months, each undone or not, with what each should come to."""
        brand()
        network = dealer(code="network", name="华东经销")
        place = store(network)
        first_on, last_on = date(2026, 6, 1), date(2026, 8, 31)
        shared = running(
            funding=({"payer": "brand", "share": "66.67"}, {"payer": "store", "share": "33.33"}),
            first_on=first_on,
            last_on=last_on,
        )
        fixed = running(cost=Decimal("1.50"), first_on=first_on, last_on=last_on)
        chance, counted = Random(5), []
        for nth in range(30):
            batch = shared if chance.random() < 0.6 else fixed
            # Around the ends of our months, which are not those of UTC.
            when = datetime(2026, chance.choice((6, 7)), 30, 15, 30, tzinfo=UTC) + timedelta(
                hours=chance.randrange(0, 48)
            )
            one = issued(batch, identity(), at=when)
            coupons.consume(
                code=one.code, at=when, who=Who(store_id=place.pk), receipt=f"R{nth}",
                lines=bill("100.00"),
            )  # fmt: skip
            if chance.random() < 0.3:
                coupons.undo(coupon_id=one.pk, at=when, who=Who(store_id=place.pk), by_office=True)
            else:
                counted.append((batch, localtime(when).date()))
        return counted

    def shown(self, client, **asked):
        return client.get(reverse("admin:coupon-costs"), asked)

    def test_are_those_of_an_independent_count(self, client, used):
        first, last = date(2026, 7, 1), date(2026, 7, 31)
        mine = [batch for batch, day in used if first <= day <= last]
        assert 0 < len(mine) < len(used)
        page = self.shown(client, first=first, last=last)

        assert page.context["uses"] == len(mine)
        thirty = sum(batch.cost is None for batch in mine)
        network = (Decimal(30 * thirty) * Decimal("0.3333")).quantize(Decimal("0.01"))
        fixed = Decimal("1.50") * (len(mine) - thirty)
        costs = {row.payer: Decimal(0) for row in page.context["rows"]}
        for row in page.context["rows"]:
            costs[row.payer] += row.borne.cost
        assert sum(costs.values()) == 30 * thirty + fixed
        assert abs(costs["华东经销"] - network) <= Decimal("0.01")
        assert "华东经销" in page.content.decode()

    def test_of_parts_of_a_period_are_those_of_the_whole(self, client, used):
        def cost(first, last):
            rows = self.shown(client, first=first, last=last).context["rows"]
            return sum(row.borne.cost for row in rows)

        parts = [
            cost(date(2026, month, 1), date(2026, month, 31 if month != 6 else 30))
            for month in (6, 7, 8)
        ]
        assert sum(parts) == cost(date(2026, 6, 1), date(2026, 8, 31)) > 0

    def test_are_taken_along_as_a_table(self, client, used):
        answer = self.shown(client, first="2026-06-01", last="2026-08-31", csv="1")
        lines = b"".join(answer).decode("utf-8-sig").splitlines()

        assert lines[0].startswith("month,batch,name,payer")
        rows = [each.split(",") for each in lines[1:]]
        assert {row[0] for row in rows} <= {"2026-06", "2026-07", "2026-08"}
        assert {row[3] for row in rows} == {Organization.objects.get(kind="BRAND").code, "network"}
        assert {row[-1] for row in rows} == {"CNY"}

    def test_of_days_without_a_use_say_so(self, client):
        assert "No coupon was used" in self.shown(client).content.decode()

    @pytest.mark.parametrize(
        ("first", "last", "told"),
        [
            ("2026-08-01", "2026-07-31", "lies before the first"),
            ("0001-01-01", "2026-07-31", "between 1900 and 2200"),
            ("9999-12-31", "9999-12-31", "between 1900 and 2200"),
            ("2020-01-01", "2026-07-31", "731 days at once"),
            ("2026-02-30", "2026-07-31", "valid date"),
            ("", "", "required"),
            ("\0", "NaN", "valid date"),
        ],
    )
    def test_of_days_that_make_no_sense_are_not_told(self, client, first, last, told):
        answer = self.shown(client, first=first, last=last)

        assert answer.status_code == 422
        assert told in answer.content.decode()

    def test_ask_the_database_a_few_times(self, client, used, django_assert_max_num_queries):
        self.shown(client)
        with django_assert_max_num_queries(9):
            self.shown(client, first="2026-06-01", last="2026-08-31")
