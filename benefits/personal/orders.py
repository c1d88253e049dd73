"""What this room knows of a person's orders: the address goes with them, the order stays."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from benefits.models.orders import Order
from common import personal

personal.table(
    "benefits_orderaddress",
    of="order_id IN (SELECT id FROM benefits_order WHERE member_id = ANY(%(members)s))",
)
personal.stays(
    "benefits_order", "benefits_orderstep",
    why="What a member number ordered, paid and got: without it no debit is explained.",
)  # fmt: skip
personal.stays(
    "benefits_payment", "benefits_paymentnews", "benefits_paymenttry", "benefits_refund",
    why="Money that came and went, by the provider's numbers: books must be kept.",
)  # fmt: skip


@personal.section(
    "benefits.orders",
    order=58,
    title=_("Orders"),
    labels={
        "number": _("number"),
        "item": _("item"),
        "pieces": _("pieces"),
        "points": _("points"),
        "amount": _("amount"),
        "state": _("state"),
        "placed_at": _("placed at"),
        "store": _("store"),
        "carrier": _("carrier"),
        "shipment": _("shipment number"),
        "recipient": _("recipient"),
        "phone": _("phone"),
        "address": _("address"),
    },
    tables=[
        "benefits_order",
        "benefits_orderstep",
        "benefits_orderaddress",
        "benefits_payment",
        "benefits_paymentnews",
        "benefits_paymenttry",
        "benefits_refund",
    ],
)
def orders(member_id: int) -> list[dict[str, Any]]:
    found = Order.objects.filter(member_id=member_id)
    return [
        _told(each)
        for each in found.select_related("claim__listing", "store", "address", "payment").order_by(
            "pk"
        )
    ]


def _told(order: Order) -> dict[str, Any]:
    address = getattr(order, "address", None)
    payment = getattr(order, "payment", None)
    return {
        "number": order.number,
        "item": order.claim.listing.name,
        "pieces": order.claim.quantity,
        "points": order.points,
        "amount": f"{payment.amount} {payment.currency}" if payment else "",
        "state": order.get_state_display(),
        "placed_at": order.placed_at,
        "store": order.store.name if order.store else "",
        "carrier": order.carrier,
        "shipment": order.shipment,
        "recipient": address.recipient if address else "",
        "phone": address.phone if address else "",
        "address": address.address if address else "",
    }
