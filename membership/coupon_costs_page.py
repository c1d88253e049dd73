"""What coupons cost, and who bears it: by payer, and by month and batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import TemplateView

from benefits.models.coupons import CouponBatch
from benefits.queries import coupons as queries
from benefits.queries.coupons import Borne
from common import tables
from common.amounts import money
from membership.console import ConsolePage
from membership.periods import PeriodForm
from partners.models import Organization

# A line a month, batch and payer: more days than these are no page any more.
DAYS_MAX = 731


class CouponCostsPage(ConsolePage, TemplateView):
    """What used coupons cost whom; a use that was undone costs nothing."""

    template_name = "console/coupons/costs.html"
    permission_required = "benefits.view_couponbatch"
    title = gettext_lazy("What coupons cost")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = PeriodForm(request.GET, label=_("Used from"), days_max=DAYS_MAX)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        first, last = form.days
        rows = [*_rows(queries.borne(first, last))]
        if "csv" in request.GET:
            return _download(rows, first, last)
        context = self.get_context_data(
            form=form,
            rows=rows,
            payers=_by_payer(rows),
            uses=queries.used_between(first, last).count(),
            cost=_money(sum((row.borne.cost for row in rows), Decimal(0))),
        )
        return self.render_to_response(context)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line as people read it."""

    borne: Borne
    batch: CouponBatch
    payer: str

    @property
    def cost(self) -> str:
        return _money(self.borne.cost)


def _money(amount: Decimal) -> str:
    return money(amount, queries.currency())


def _rows(found: list[Borne]) -> Iterator[_Row]:
    codes = {each.batch for each in found}
    batches = {each.code: each for each in CouponBatch.objects.filter(code__in=codes)}
    payers = Organization.objects.filter(code__in={each.payer for each in found})
    names = dict(payers.values_list("code", "name"))
    for each in found:
        yield _Row(each, batches[each.batch], names.get(each.payer, each.payer))


@dataclass(frozen=True, slots=True)
class _Payer:
    name: str
    cost: str
    # Of all costs, in per cent: how long its bar is.
    share: int


def _by_payer(rows: list[_Row]) -> list[_Payer]:
    """Who bears most comes first."""
    together: dict[str, Decimal] = {}
    for row in rows:
        together[row.payer] = together.get(row.payer, Decimal(0)) + row.borne.cost
    whole = sum(together.values(), Decimal(0))
    return [
        _Payer(name, _money(cost), round(100 * cost / whole) if whole else 0)
        for name, cost in sorted(together.items(), key=lambda each: (-each[1], each[0]))
    ]


HEADER = ["month", "batch", "name", "payer", "payer_name", "budget", "uses", "cost", "currency"]


def _download(rows: list[_Row], first: date, last: date) -> HttpResponse:
    currency = queries.currency()

    def lines() -> Iterator[str]:
        yield "\ufeff" + tables.csv_line(HEADER)
        for row in rows:
            each = row.borne
            told = [
                f"{each.month:%Y-%m}", each.batch, row.batch, each.payer, row.payer, each.budget,
                each.uses, each.cost, currency,
            ]  # fmt: skip
            yield tables.csv_line([str(cell) for cell in told])

    answer: Any = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="coupons-{first}-{last}.csv"'
    return answer


URLS: dict[str, tuple[str, Any]] = {"coupon-costs": ("coupons/costs/", CouponCostsPage)}
