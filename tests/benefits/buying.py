"""Members with points who order items."""

import itertools
from datetime import date

from benefits.operations import orders
from benefits.operations.orders import Delivery
from points import queries as ledger
from points.models import EntryKind
from tests.benefits.plan import someone
from tests.benefits.shop import listed, noon, price
from tests.factories import lot

DAY = date(2026, 7, 5)
AT = noon(DAY)
HOME = Delivery(
    handover="SHIP", recipient="王小明", phone="13800138000", address="上海市浦东新区世纪大道1号"
)

_numbers = itertools.count(1)


def rich(points=5000, **fields):
    one = someone(**fields)
    lot(one, points)
    return one


def order(member, item, quantity=1, *, delivery=HOME, at=AT, reference=None, price_id=None):
    return orders.place(
        member=member,
        item_id=item.pk,
        price_id=price_id or price(item).pk,
        quantity=quantity,
        delivery=delivery,
        at=at,
        reference=reference or f"order-{next(_numbers)}",
    )


def at_store(store):
    return Delivery(handover="STORE", store_id=store.pk)


def collectable(**more):
    return listed(**{"handovers": ("STORE",), "pieces": 5} | more)


def points_of(member):
    return ledger.spendable_points(member.id, on=DAY, at=AT)


def debits(member):
    return [each.points for each in ledger.entries(member.id) if each.kind == EntryKind.REDEEM]


def sent(member, item, *, by, at=AT):
    """An order that is on its way."""
    one = order(member, item)
    orders.pick(order_id=one.pk, at=at, by=by)
    return orders.ship(order_id=one.pk, carrier="顺丰", shipment="SF1001", at=at, by=by)


def received(member, item, *, by, at=AT):
    one = sent(member, item, by=by, at=at)
    return orders.receive(order_id=one.pk, at=at)
