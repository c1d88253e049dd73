"""Members with points who order items."""

import itertools
from datetime import date

from benefits.operations import orders
from benefits.operations.orders import Delivery
from points import queries as ledger
from tests.benefits.plan import someone
from tests.benefits.shop import listed, noon, price
from tests.factories import identity, lot

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


def sent(member, item, *, by, at=AT):
    """An order that is on its way."""
    one = order(member, item)
    orders.pick(order_id=one.pk, at=at, by=by)
    return orders.ship(order_id=one.pk, carrier="顺丰", shipment="SF1001", at=at, by=by)


def received(member, item, *, by, at=AT):
    one = sent(member, item, by=by, at=at)
    return orders.receive(order_id=one.pk, at=at)


def to_send(of, *, name, phone, address):
    """An order of a member that is to be sent to them."""
    lot(of, 5000)
    told = Delivery(handover="SHIP", recipient=name, phone=phone, address=address)
    return order(of, listed(pieces=5), delivery=told)


def collected_at(place):
    """The key of an order that waits to be picked for a store."""
    return order(rich(), collectable(), delivery=at_store(place)).pk


def collected_by(of, place):
    """An order of a member that waits to be picked for a store."""
    return order(identity(of), collectable(), delivery=at_store(place))
