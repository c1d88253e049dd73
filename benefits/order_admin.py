"""The console's pages of orders: the list, one order with its buttons, the warehouse's file."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from benefits import words
from benefits.forms.orders import GiveForm, NoteForm, ReasonForm, ShipForm, TakeBackForm
from benefits.models.items import Handover
from benefits.models.orders import Order, OrderState
from benefits.models.payments import Verdict
from benefits.operations import orders as operations
from benefits.operations import payments as payment_operations
from benefits.queries import orders as queries
from benefits.queries import payments
from common import tables
from common.amounts import money
from common.deciding import DecidingAdmin, Decision
from common.models import User
from common.staff import acting
from members import masking, reach

WORK, REFUND, EXPORT = "benefits.work_order", "benefits.refund_order", "benefits.export_order"
STATE_LABELS: dict[str, str] = {
    OrderState.PLACED: "info",
    OrderState.PAID: "warning",
    OrderState.PICKED: "warning",
    OrderState.SHIPPED: "info",
    OrderState.READY: "info",
    OrderState.RECEIVED: "success",
    OrderState.CLOSED: "success",
    OrderState.CANCELLED: "danger",
    OrderState.RETURN_ASKED: "warning",
    OrderState.RETURNED: "danger",
}


def _receive(*, by: User, **asked: Any) -> Order:
    return operations.receive(who=operations.staff(by), **asked)


def _cancel(*, by: User, **asked: Any) -> Order:
    return operations.cancel(who=operations.staff(by), **asked)


DECISIONS = {
    "pick": Decision(
        _("Picked"), operations.pick, NoteForm,
        _("The pieces are taken from the shelf. The member cannot cancel any more."),
        _("It is picked."), "inventory_2", "c-primary",
    ),
    "ship": Decision(
        _("Shipped"), operations.ship, ShipForm,
        _("The member sees who carries it and under which number."),
        _("It is on its way."), "local_shipping", "c-primary",
    ),
    "ready": Decision(
        _("Ready at the store"), operations.make_ready, NoteForm,
        _("The member sees that it can be collected."),
        _("It waits for the member."), "storefront", "c-primary",
    ),
    "receive": Decision(
        _("Handed over"), _receive, NoteForm,
        _("The member has it. From now on it can be given back for 15 days."),
        _("The member has it."), "check", "c-primary",
    ),
    "give": Decision(
        _("Given online"), _receive, GiveForm,
        _("What you write, such as a code, is what the member reads and gets."),
        _("The member has it."), "check", "c-primary",
    ),
    "take_back": Decision(
        _("Take it back"), operations.take_back, TakeBackForm,
        _("The points go back to the lots they came from. It cannot be undone."),
        _("It is taken back."), "undo", "c-danger",
    ),
    "refuse_return": Decision(
        _("Refuse the return"), operations.refuse_return, ReasonForm,
        _("The member keeps it, and reads why."),
        _("The return is refused."), "block", "c-danger",
    ),
    "cancel": Decision(
        _("Cancel the order"), _cancel, ReasonForm,
        _("Points, pieces and limits go back at once. The member reads why."),
        _("It is cancelled."), "cancel", "c-danger",
    ),
    "refund_again": Decision(
        _("Ask for the refund again"), payment_operations.refund_again, ReasonForm,
        _("The provider is asked once more to give the money back."),
        _("The refund is asked for again."), "currency_exchange", "c-primary",
    ),
}  # fmt: skip
# Who may, and in which states of which way it is worth showing; the operation judges.
_SHOWN: dict[str, tuple[str, set[str], set[str]]] = {
    "pick": (WORK, {OrderState.PAID}, {Handover.SHIP, Handover.STORE}),
    "ship": (WORK, {OrderState.PICKED}, {Handover.SHIP}),
    "ready": (WORK, {OrderState.PICKED}, {Handover.STORE}),
    "receive": (WORK, {OrderState.SHIPPED, OrderState.READY}, {Handover.SHIP, Handover.STORE}),
    "give": (WORK, {OrderState.PAID}, {Handover.ONLINE}),
    "take_back": (
        REFUND,
        {OrderState.SHIPPED, OrderState.RECEIVED, OrderState.RETURN_ASKED},
        set(Handover),
    ),
    "refuse_return": (REFUND, {OrderState.RETURN_ASKED}, set(Handover)),
    "cancel": (
        REFUND,
        {OrderState.PLACED, OrderState.PAID, OrderState.PICKED, OrderState.READY},
        set(Handover),
    ),
    "refund_again": (REFUND, {OrderState.CANCELLED, OrderState.RETURNED}, set(Handover)),
}


@admin.register(Order)
class OrderAdmin(DecidingAdmin):
    """The latest first; staff of a dealer see what is collected at the dealer's stores."""

    list_display = [
        "shown_number",
        "item",
        "pieces",
        "placed_at",
        "handover",
        "store",
        "state_told",
    ]
    list_display_links = ["shown_number"]
    list_select_related = ["claim__listing", "store"]
    list_filter = ["state", "handover", "is_late"]
    ordering = ["-pk"]
    sortable_by: list[str] = []
    decisions = DECISIONS
    key = "order_id"
    template = "console/order.html"
    list_before_template = "console/orders_head.html"

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export/", export, name="benefits_order_export"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        within = reach.of(request.user)
        found = Order.objects.all()
        if not within.is_limited:
            return found
        return found.filter(
            store__organization=within.organization_id, store__organization__isnull=False
        )

    @display(description=_("Number of the order"))
    def shown_number(self, order: Order) -> str:
        return order.number

    @display(description=_("item"))
    def item(self, order: Order) -> str:
        return order.claim.listing.name

    @display(description=_("pieces"))
    def pieces(self, order: Order) -> str:
        return format_html('<span class="c-num">{}</span>', order.claim.quantity)

    @display(description=_("State"), label=STATE_LABELS)
    def state_told(self, order: Order) -> tuple[str, str]:
        late = f" · {_('late')}" if order.is_late else ""
        return order.state, f"{order.get_state_display()}{late}"

    def row(self, request: HttpRequest, key: str) -> Order:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related(
            *queries.WITH_ITEM, "member", "address", "payment__refund"
        )
        is_key = key.isascii() and key.isdigit() and len(key) < 19
        order = found.filter(pk=int(key)).first() if is_key else None
        if order is None:
            raise Http404
        return order

    def require_right(self, request: HttpRequest, row: Any) -> None:
        if not (request.user.has_perm(WORK) or request.user.has_perm(REFUND)):
            raise PermissionDenied

    def decide_view(self, request: HttpRequest, *, name: str, **address: int) -> HttpResponse:
        if not request.user.has_perm(_SHOWN[name][0]):
            raise PermissionDenied
        return super().decide_view(request, name=name, **address)

    def open_to(self, request: HttpRequest, row: Any) -> list[str]:
        return [
            name
            for name, (permission, states, ways) in _SHOWN.items()
            if row.state in states
            and row.handover in ways
            and request.user.has_perm(permission)
            and (name != "refund_again" or payments.refund_failed(row))
        ]

    def told(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "title": row.number,
            "order": row,
            "state_label": STATE_LABELS.get(row.state, ""),
            "facts": _facts(row),
            "steps": queries.steps(row.pk),
            "money": _money(row),
            "may_see_members": request.user.has_perm("members.view_member")
            and not reach.of(request.user).is_limited,
        }

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the warehouse has to send, with names and addresses: for a reason, and recorded."""
        if not request.user.has_perm(EXPORT) or reach.of(request.user).is_limited:
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            found = operations.export(by=acting(request), reason=form.cleaned_data["note"])
            lines = _lines(found)
            response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
            name = f"orders-{timezone.localdate():%Y%m%d}.csv"
            response["Content-Disposition"] = f'attachment; filename="{name}"'
            return response
        context = {
            **self.admin_site.each_context(request),
            "title": _("Orders for the warehouse"),
            "form": form,
        }
        return TemplateResponse(request, "console/orders_export.html", context)


def _facts(order: Order) -> list[tuple[Any, Any]]:
    """Masked: whole addresses are in the warehouse's list alone."""
    address = getattr(order, "address", None)
    found = [
        (_("item"), f"{order.claim.listing.name} ×{order.claim.quantity}"),
        (_("points"), order.points),
        (_("points given back"), order.points_back),
        (_("handed over"), words.handover(order.handover)),
        (_("store"), order.store.name if order.store else ""),
        (_("carrier"), order.carrier),
        (_("shipment number"), order.shipment),
        (_("recipient"), masking.name(address.recipient) if address else ""),
        (_("phone"), masking.tail(address.phone) if address else ""),
        (_("address"), f"{address.address[:6]}***" if address else ""),
    ]
    return [(label, value) for label, value in found if value not in (None, "")]


def _money(order: Order) -> list[tuple[Any, Any]]:
    """What is to be paid and was, by the provider's numbers, and what goes back."""
    payment = getattr(order, "payment", None)
    if payment is None:
        return []
    refund = getattr(payment, "refund", None)
    found: list[tuple[Any, Any]] = [
        (_("amount"), money(payment.amount, payment.currency)),
        (_("state"), payment.get_state_display()),
        (_("to be paid until"), date_format(localtime(payment.until), "DATETIME_FORMAT")),
        (_("payment provider"), payment.provider),
        (_("number of the payment"), payment.number),
        (_("number at the provider"), payment.transaction),
        (_("what the provider said"), payment.trouble),
    ]
    found += [
        (each.get_verdict_display(), f"{money(each.amount, each.currency)} · {each.transaction}")
        for each in payments.news(payment)
        if each.verdict != Verdict.TAKEN
    ]
    if refund is not None:
        found += [
            (_("refund"), f"{refund.number} · {refund.get_state_display()}"),
            (_("number of the refund at the provider"), refund.name),
            (_("what the provider said of the refund"), refund.trouble),
        ]
    return [(label, value) for label, value in found if value]


HEADER = (
    "number", "state", "item", "name", "pieces", "recipient", "phone", "address", "placed_at",
)  # fmt: skip


def _lines(found: list[Order]) -> Iterator[str]:
    yield "\ufeff" + tables.csv_line(HEADER)
    for each in found:
        address = getattr(each, "address", None)
        yield tables.csv_line(
            [
                each.number,
                each.state,
                each.claim.item.code,
                each.claim.listing.name,
                str(each.claim.quantity),
                address.recipient if address else "",
                address.phone if address else "",
                address.address if address else "",
                f"{timezone.localtime(each.placed_at):%Y-%m-%d %H:%M}",
            ]
        )
