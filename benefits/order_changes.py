"""
What members are told of their orders: each step they did not take themselves, and that an order is
placed or cancelled (P10). Found by when it was recorded, as the ledger's entries are
(`messaging.changes`): no step waits for its message.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.timezone import localdate

from benefits import order_messages as messages
from benefits.models.items import Handover
from benefits.models.orders import OrderStepKind, Taker
from members import queries as members
from members.models import MemberStatus
from messaging import changes
from messaging.changes import Change

# In the order of the fields of `Taken`. That it is being prepared, or waits, is no news any more
# once it went on.
TAKEN = """
    SELECT o.member_id, o.id, s.nth, s.kind, s.taker, s.why, o.handover, o.points,
        coalesce(o.points_back, 0), p.cash * c.quantity, coalesce(r.amount, 0), o.carrier,
        o.shipment, o.due_at, coalesce(t.name, ''), l.names, c.quantity
    FROM benefits_orderstep AS s
    JOIN benefits_order AS o ON o.id = s.order_id
    JOIN benefits_claim AS c ON c.id = o.claim_id
    JOIN benefits_itemprice AS p ON p.id = c.price_id
    JOIN benefits_listing AS l ON l.id = c.listing_id
    LEFT JOIN partners_store AS t ON t.id = o.store_id
    LEFT JOIN benefits_payment AS y ON y.order_id = o.id
    LEFT JOIN benefits_refund AS r ON r.payment_id = y.id
    WHERE s.recorded_at >= %(since)s AND s.recorded_at < %(until)s
        AND s.at > s.recorded_at - make_interval(days => %(news_days)s)
        AND (s.kind NOT IN ('PICKED', 'READY') OR o.state = s.kind)
        AND s.kind NOT IN ('PLACED', 'CLOSED', 'RETURN_ASKED')
    ORDER BY s.order_id, s.nth
    LIMIT %(at_most)s
"""
TOLD_TO = (MemberStatus.ACTIVE, MemberStatus.FROZEN)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step as it stands there, with its order as it is now."""

    member_id: int
    order_id: int
    nth: int
    kind: str
    taker: str
    why: str
    handover: str
    points: int
    points_back: int
    cash: Decimal
    cash_back: Decimal
    carrier: str
    shipment: str
    due_at: datetime | None
    store: str
    names: str
    quantity: int

    @property
    def template(self) -> str:
        """Empty: there is nothing to be told."""
        if self.kind == OrderStepKind.RECEIVED:
            return self._received
        return OF_KIND[OrderStepKind(self.kind)]

    @property
    def _received(self) -> str:
        if self.taker == Taker.MEMBER:
            return ""
        if self.handover == Handover.STORE:
            return messages.HANDED_OVER
        if self.handover == Handover.ONLINE:
            return messages.GIVEN
        # Closed meanwhile: nothing can be said to it any more.
        return messages.ARRIVED if self.due_at else ""

    def variables(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "price": (self.points, self.cash),
            "back": (self.points_back, self.cash_back),
            "carrier": self.carrier,
            "shipment": self.shipment,
            "store": self.store,
            "by": self.taker,
            "why": self.why,
        }
        if self.due_at is not None:
            known["last_day"] = localdate(self.due_at)
        return {
            "order": f"D{self.order_id:010}",
            "item": (json.loads(self.names), self.quantity),
        } | {name: known[name] for name in messages.VARIABLES[self.template]}


OF_KIND = {
    OrderStepKind.PAID: messages.PLACED,
    OrderStepKind.PICKED: messages.PICKED,
    OrderStepKind.SHIPPED: messages.SHIPPED,
    OrderStepKind.READY: messages.READY,
    OrderStepKind.CANCELLED: messages.CANCELLED,
    OrderStepKind.RETURN_REFUSED: messages.RETURN_REFUSED,
    OrderStepKind.RETURNED: messages.RETURNED,
}


def taken(since: datetime, until: datetime, at_most: int | None) -> Sequence[Change]:
    """What is to be said of the steps recorded from one moment to before another."""
    steps = [Taken(*row) for row in changes.rows(TAKEN, since, until, at_most)]
    # Who was joined with another since is told as that one: the orders stand on their pages.
    whose = members.survivors({each.member_id for each in steps}) if steps else {}
    return [
        Change(
            member_id=whose[each.member_id].id,
            template=each.template,
            key=f"order:{each.order_id}-{each.nth}",
            variables=each.variables(),
        )
        for each in steps
        if each.template and whose[each.member_id].status in TOLD_TO
    ]
