"""
What can be done with orders. Placing one redeems the points, counts the limits and takes the pieces
in one transaction; a step that fails gives all of it back. Where money is asked for too, the points
are set aside until it is there (`operations.payments`).

An order's row is locked first, then the member's account, then the stock (see
`operations.claims`); each step is written with the state it leads to.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from benefits.models.items import Claim, Handover
from benefits.models.orders import (
    CARRIER_MAX,
    REFERENCE_MAX,
    SHIPMENT_MAX,
    Order,
    OrderAddress,
    OrderState,
    OrderStep,
    OrderStepKind,
    Taker,
    Why,
)
from benefits.operations import _giving, _paying, claims
from benefits.operations._using import require_note
from benefits.queries import guests_of
from benefits.queries import orders as queries
from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members import cards, phones
from members import queries as members
from members.queries import Identity, MemberClosed
from points import operations as points
from points import queries as ledger
from points.models import Entry
from points.operations import NothingToReinstate, Source
from programme import queries as programme
from programme.policies import OrderTerms

ADDRESS_MAX = 200
RECIPIENT_MAX = 50
PHONE_MAX = 20
EXPORTED_MAX = 5_000
# Of one order; who wants more orders again.
PIECES_MAX = 20
# What the references of stores' systems begin with, and members' do not; and the index that lets
# each stand for one order.
SYSTEMS, ONCE = "api:", "benefits_order_systems_reference_once"

# How long an order waits in a state, before the night finds it late (what we do) or goes on with it
# (what the member does): nobody said that it did not come, so it did.
WAITS: Mapping[str, Callable[[OrderTerms], int]] = {
    OrderState.PAID: lambda terms: terms.pick_days,
    OrderState.PICKED: lambda terms: terms.send_days,
    OrderState.READY: lambda terms: terms.collect_days,
    OrderState.RETURN_ASKED: lambda terms: terms.decide_days,
    OrderState.SHIPPED: lambda terms: terms.arrive_days,
    OrderState.RECEIVED: lambda terms: terms.return_days,
}


class UnknownOrder(NotFound):
    code = "unknown_order"
    message = _("There is no such order.")


class WrongOrderState(DomainError):
    code = "wrong_order_state"
    message = _("This cannot be done with the order as it is: %(state)s.")


class OrderReferenceReused(DomainError):
    code = "order_reference_reused"
    message = _("This reference stands for another order already.")


class TooManyPieces(Invalid):
    code = "too_many_pieces"
    message = _("At most %(most)s pieces can be ordered at once.")


class HandoverNotOffered(Invalid):
    code = "handover_not_offered"
    message = _("Choose one of the ways in which the item is handed over.")


class StoreNotOffered(Invalid):
    code = "store_not_offered"
    message = _("Choose a store where the item can be collected.")


class AddressMissing(Invalid):
    code = "address_missing"
    message = _("Say who gets it, at which phone number and address.")


class ShipmentMissing(Invalid):
    code = "shipment_missing"
    message = _("Say who carries it and under which number.")


class WhyMissing(Invalid):
    code = "reason_missing"
    message = _("Say why.")


class CardOfAnother(Invalid):
    code = "another_members_code"
    message = _("This code is another member's.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who takes a step: staff, a store's system, or (neither) the member."""

    by: User | None = None
    client_id: int | None = None
    taker: Taker = Taker.MEMBER


THE_MEMBER = Who()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSystem:
    """
    A store's system: it leads the orders that members collect at its stores, and those that it
    placed there.
    """

    client_id: int
    # None: all stores.
    store_ids: Collection[int] | None

    @property
    def who(self) -> Who:
        return Who(client_id=self.client_id, taker=Taker.CLIENT)

    def require(self, order: Order) -> None:
        """:raises UnknownOrder: if it is for none of its stores"""
        if not self._is_its(order.store_id):
            raise UnknownOrder

    def require_sold(self, order: Order) -> None:
        """:raises UnknownOrder: if it was neither placed at one of its stores nor is for one"""
        if not self._is_its(order.store_id) and not self._is_its(order.placed_store_id):
            raise UnknownOrder

    def _is_its(self, store_id: int | None) -> bool:
        return store_id is not None and (self.store_ids is None or store_id in self.store_ids)


def staff(by: User) -> Who:
    return Who(by=by, taker=Taker.STAFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a member wants to get it: a store, or who gets it where."""

    handover: str
    store_id: int | None = None
    recipient: str = ""
    phone: str = ""
    address: str = ""

    @property
    def address_told(self) -> tuple[str, str, str]:
        """Who gets it, at which phone and where."""
        return self.recipient.strip(), self.phone.strip(), self.address.strip()

    def require_sense(self, offered: list[str]) -> None:
        """:raises HandoverNotOffered, AddressMissing, phones.InvalidPhone: if it makes none"""
        if self.handover not in offered:
            raise HandoverNotOffered
        parts = [
            (self.recipient, RECIPIENT_MAX), (self.phone, PHONE_MAX), (self.address, ADDRESS_MAX)
        ]  # fmt: skip
        if self.handover == Handover.SHIP and not all(
            part.strip() and len(part) <= limit and part.isprintable() for part, limit in parts
        ):
            raise AddressMissing
        if self.handover == Handover.SHIP:
            phones.normalize(self.phone)


# --- Placing --------------------------------------------------------------------------------------


def place(
    *,
    member: Identity,
    item_id: int,
    price_id: int,
    quantity: int,
    delivery: Delivery,
    at: datetime,
    reference: str,
) -> Order:
    """
    Order pieces of an item. Points pay at once; where money is asked for too they are set aside,
    and the order is paid when the money is there. A repeat of the reference answers with the first
    order.

    :param price_id: which of the prices the member was shown
    :param reference: the member's own name for it, at most 36 characters
    :raises TooManyPieces: above `PIECES_MAX`
    :raises HandoverNotOffered: :raises StoreNotOffered: :raises AddressMissing: if so
    :raises CostsMoney: if points alone do not pay for it, and nobody takes money for us
    :raises OrderReferenceReused: if it stands for another order
    :raises points.InsufficientPoints: if the points are too few
    :raises DomainError: and as `claims.claim`, `claims.take_stock` and `_giving.give`
    """
    asked = _Asked(item_id, price_id, quantity, delivery)
    return _place(asked, member, at=at, reference=reference, who=THE_MEMBER)[0]


def place_at_store(
    *,
    member: Identity,
    item_id: int,
    price_id: int,
    quantity: int,
    delivery: Delivery,
    at: datetime,
    reference: str,
    by: StoreSystem,
    store_id: int,
) -> tuple[Order, bool]:
    """
    As `place`, by a store's system for a member.

    :param reference: the system's own name for it, once in the programme
    :param store_id: where it is placed
    :returns: the order, and whether it was placed before
    """
    asked = _Asked(item_id, price_id, quantity, delivery)
    try:
        return _place(
            asked, member, at=at, reference=reference, who=by.who, placed_store=store_id
        )  # fmt: skip
    except IntegrityError as error:
        # At the same moment for another member, whose account is another lock.
        if ONCE not in str(error):
            raise
        raise OrderReferenceReused from error


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is ordered, and how it is had."""

    item_id: int
    price_id: int
    quantity: int
    delivery: Delivery

    def require_same(self, earlier: Order) -> None:
        """:raises OrderReferenceReused: unless that is what was ordered"""
        first, delivery = earlier.claim, self.delivery
        asked = (self.item_id, self.price_id, self.quantity, delivery.handover)
        if asked != (first.item_id, first.price_id, first.quantity, earlier.handover):
            raise OrderReferenceReused
        if delivery.handover == Handover.STORE and delivery.store_id != earlier.store_id:
            raise OrderReferenceReused
        # The address may be forgotten by now.
        told = OrderAddress.objects.filter(order=earlier).first()
        if told and delivery.address_told != (told.recipient, told.phone, told.address):
            raise OrderReferenceReused


@transaction.atomic
def _place(
    asked: _Asked,
    member: Identity,
    *,
    at: datetime,
    reference: str,
    who: Who,
    placed_store: int | None = None,
) -> tuple[Order, bool]:
    is_systems = placed_store is not None
    item_id, quantity, delivery = asked.item_id, asked.quantity, asked.delivery
    if not 1 <= len(reference) <= REFERENCE_MAX - len(SYSTEMS) or reference.startswith(SYSTEMS):
        raise points.InvalidReference
    if quantity > PIECES_MAX:
        raise TooManyPieces(most=PIECES_MAX)
    reference = f"{SYSTEMS}{reference}" if is_systems else reference
    # Of two taps the second finds what the first has done.
    points.lock(member.id)
    earlier = _earlier(reference, member, is_systems=is_systems)
    if earlier is not None:
        asked.require_same(earlier)
        return earlier, True
    name = f"order:{member.id}:{reference}"
    claim = claims.claim(
        member=member, item_id=item_id, price_id=asked.price_id, quantity=quantity, at=at,
        reference=name,
    )  # fmt: skip
    if claim.price.cash:
        _paying.require_provider()
    delivery.require_sense(claim.listing.handovers)
    if delivery.handover == Handover.STORE:
        _require_store(delivery, claim)
    order = _write(
        claim, delivery, member, reference=reference, at=at, who=who, placed_store=placed_store
    )
    claims.take_stock(
        item_id=item_id, quantity=quantity, reference=name, at=at, store_id=order.store_id
    )
    if order.state == OrderState.PAID:
        _give(order, at=at, who=who)
    return order, False


def _earlier(reference: str, member: Identity, *, is_systems: bool) -> Order | None:
    """:raises OrderReferenceReused: if a system used it for another member"""
    found = Order.objects.filter(reference=reference)
    if not is_systems:
        return found.filter(member=member.id).first()
    earlier = found.filter(placed_store__isnull=False).first()
    if earlier is not None and earlier.member_id not in guests_of(member.id):
        raise OrderReferenceReused
    return earlier


def _require_store(delivery: Delivery, claim: Claim) -> None:
    offered = queries.stores(claim.listing)
    if delivery.store_id is None or not offered.filter(pk=delivery.store_id).exists():
        raise StoreNotOffered


def _write(
    claim: Claim,
    delivery: Delivery,
    member: Identity,
    *,
    reference: str,
    at: datetime,
    who: Who,
    placed_store: int | None,
) -> Order:
    total, cash = claim.price.points * claim.quantity, claim.price.cash * claim.quantity
    debit = _debit(claim, member, points_of_all=total, is_held=bool(cash), at=at) if total else None
    order = Order.objects.create(
        member_id=member.id,
        reference=reference,
        claim=claim,
        points=total,
        debit_seq=debit,
        handover=delivery.handover,
        store_id=delivery.store_id if delivery.handover == Handover.STORE else None,
        placed_store_id=placed_store,
        state=OrderState.PLACED,
        placed_at=at,
    )
    if delivery.handover == Handover.SHIP:
        OrderAddress.objects.create(
            order=order,
            **dict(zip(("recipient", "phone", "address"), delivery.address_told, strict=True)),
        )
    _take(order, OrderStepKind.PLACED, OrderState.PLACED, at=at, who=who)
    if cash:
        _paying.open_payment(order, cash, at=at)
    else:
        # Points pay at once.
        _take(order, OrderStepKind.PAID, OrderState.PAID, at=at, who=who)
    return order


def _debit(
    claim: Claim, member: Identity, *, points_of_all: int, is_held: bool, at: datetime
) -> int:
    """The entry that takes the points, or sets them aside until the money is there."""
    with override(settings.LANGUAGE_CODE):
        note = f"{claim.listing.name[:80]} ×{claim.quantity}"
    asked: dict[str, Any] = {
        "member": member,
        "points": points_of_all,
        "at": at,
        "reference": claim.reference,
        "source": _source(at),
        "note": note,
    }
    if is_held:
        until = _paying.deadline(at) + _paying.PATIENCE
        return points.hold(until=until, **asked).seq
    return points.redeem(**asked).seq


def _source(at: datetime) -> Source:
    issuer = points.our_source().issuer_id
    return Source(issuer_id=issuer, version_id=programme.rulebook_on(localdate(at)).id)


def money_came(order: Order, *, at: datetime) -> None:
    """
    Spend what was set aside: it is paid. Called by `operations.payments`, behind the order's lock.

    :raises points.HoldEnded: if it is not set aside any more
    :raises DomainError: if what it gives by itself cannot be given, see `_giving.give`
    """
    assert order.state == OrderState.PLACED, "it waits for money"
    if order.debit_seq is not None:
        points.lock(ledger.holder_of(order.member_id))
        spent = points.confirm(held=_debited(order), at=at, source=_source(at))
        order.debit_seq = spent.redemption
    _take(order, OrderStepKind.PAID, OrderState.PAID, at=at, who=THE_MEMBER)
    _give(order, at=at, who=THE_MEMBER)


def _give(order: Order, *, at: datetime, who: Who) -> None:
    if _giving.gives(order):
        _giving.give(order, at=at)
        _take(order, OrderStepKind.RECEIVED, OrderState.RECEIVED, at=at, who=who)


def run_out(order: Order, *, at: datetime) -> None:
    """
    Nobody paid in time: all goes back. Called by `operations.payments`, behind the order's lock.
    """
    who = Who(taker=Taker.NIGHT)
    _give_back(order, at=at, who=who, to_stock=True)
    kind, state = OrderStepKind.CANCELLED, OrderState.CANCELLED
    _take(order, kind, state, at=at, who=who, why=Why.NOT_PAID)


# --- On its way -----------------------------------------------------------------------------------


@transaction.atomic
def pick(*, order_id: int, at: datetime, by: User, note: str = "") -> Order:
    """:raises UnknownOrder: :raises WrongOrderState: unless it is paid and no online item"""
    order = held(order_id)
    _require(order, OrderState.PAID, but_not=Handover.ONLINE)
    return _taken(order, OrderStepKind.PICKED, OrderState.PICKED, at=at, who=staff(by), note=note)


@transaction.atomic
def ship(
    *, order_id: int, carrier: str, shipment: str, at: datetime, by: User, note: str = ""
) -> Order:
    """
    :raises UnknownOrder: :raises WrongOrderState: unless it is picked and to be sent
    :raises ShipmentMissing: without carrier and number
    """
    order = held(order_id)
    _require(order, OrderState.PICKED, only=Handover.SHIP)
    carrier, shipment = carrier.strip(), shipment.strip()
    if not 1 <= len(carrier) <= CARRIER_MAX or not 1 <= len(shipment) <= SHIPMENT_MAX:
        raise ShipmentMissing
    order.carrier, order.shipment = carrier, shipment
    return _taken(order, OrderStepKind.SHIPPED, OrderState.SHIPPED, at=at, who=staff(by), note=note)


@transaction.atomic
def make_ready(*, order_id: int, at: datetime, by: User, note: str = "") -> Order:
    """
    Say that it waits at the store for the member.

    :raises UnknownOrder: :raises WrongOrderState: unless it is picked and to be collected
    """
    order = held(order_id)
    _require(order, OrderState.PICKED, only=Handover.STORE)
    return _taken(order, OrderStepKind.READY, OrderState.READY, at=at, who=staff(by), note=note)


@transaction.atomic
def receive(*, order_id: int, at: datetime, who: Who = THE_MEMBER, note: str = "") -> Order:
    """
    Note that the member has it. What is given online is given by this: the note is what they get.

    :raises UnknownOrder: :raises WrongOrderState: unless it was sent, is ready, or is given online
    """
    order = held(order_id)
    if order.handover == Handover.ONLINE and who.taker == Taker.STAFF:
        _require(order, OrderState.PAID)
    elif who.taker == Taker.MEMBER:
        # What waits at the store, the store hands over.
        _require(order, OrderState.SHIPPED)
    else:
        _require(order, OrderState.SHIPPED, OrderState.READY)
    return _taken(order, OrderStepKind.RECEIVED, OrderState.RECEIVED, at=at, who=who, note=note)


@transaction.atomic
def prepare(*, order_id: int, state: OrderState, at: datetime, by: StoreSystem) -> Order:
    """
    Have a store's system pick an order, or say that it is ready. A repeat does nothing more.

    :param state: PICKED or READY
    :raises UnknownOrder: if it is not for one of its stores
    :raises WrongOrderState: unless it is in the state before
    """
    order = held(order_id)
    by.require(order)
    if order.state == state:
        return order
    before, kind = PREPARED[state]
    _require(order, before)
    return _taken(order, kind, state, at=at, who=by.who)


PREPARED = {
    OrderState.PICKED: (OrderState.PAID, OrderStepKind.PICKED),
    OrderState.READY: (OrderState.PICKED, OrderStepKind.READY),
}


@transaction.atomic
def hand_over(*, order_id: int, card: str, at: datetime, by: StoreSystem) -> Order:
    """
    Hand an order over at its store to the member whose code is shown. A repeat does nothing more.

    :raises UnknownOrder: if it is not for one of its stores
    :raises CardOfAnother: :raises cards.InvalidCard: :raises cards.CardExpired: as the code is
    :raises WrongOrderState: unless it is ready
    """
    order = held(order_id)
    by.require(order)
    return _handed_over(order, cards.read(card, at=at), at=at, who=by.who)


@transaction.atomic
def hand_over_to(*, order_id: int, member_id: int, store_id: int, at: datetime, by: User) -> Order:
    """
    Have a clerk hand an order over at its store to the member who stands there. A repeat does
    nothing more.

    :raises UnknownOrder: if it is not for this store, or not this member's
    :raises WrongOrderState: unless it is ready
    """
    order = held(order_id)
    if order.store_id != store_id or order.member_id not in guests_of(member_id):
        raise UnknownOrder
    return _handed_over(order, member_id, at=at, who=staff(by))


def _handed_over(order: Order, member_id: int, *, at: datetime, who: Who) -> Order:
    if order.member_id not in guests_of(member_id):
        raise CardOfAnother
    if order.state == OrderState.RECEIVED:
        return order
    _require(order, OrderState.READY)
    return _taken(order, OrderStepKind.RECEIVED, OrderState.RECEIVED, at=at, who=who)


# --- Back again -----------------------------------------------------------------------------------


@transaction.atomic
def cancel(
    *, order_id: int, at: datetime, who: Who = THE_MEMBER, why: str = "", note: str = ""
) -> Order:
    """
    Give everything back: points to their own lots, pieces, money, and what limits count.

    :param why: what a member chose; staff say it in a note

    :raises UnknownOrder: :raises WhyMissing: if so
    :raises WrongOrderState: if it is on its way or has ended; once it is picked, for members too
    """
    return _cancelled(held(order_id), at=at, who=who, why=why, note=note)


@transaction.atomic
def cancel_sold(*, order_id: int, why: str, at: datetime, by: StoreSystem, note: str = "") -> Order:
    """
    As `cancel`, by the system of the store where it was placed or is collected. A repeat does
    nothing more.

    :raises UnknownOrder: if it is none of its stores'
    """
    order = held(order_id)
    by.require_sold(order)
    if order.state == OrderState.CANCELLED:
        return order
    return _cancelled(order, at=at, who=by.who, why=why, note=note)


def _cancelled(order: Order, *, at: datetime, who: Who, why: str, note: str) -> Order:
    _require_reason(why, note)
    open_to = [OrderState.PLACED, OrderState.PAID]
    if who.taker != Taker.MEMBER:
        open_to += [OrderState.PICKED, OrderState.READY]
    _require(order, *open_to)
    _give_back(order, at=at, who=who, to_stock=True)
    return _taken(
        order, OrderStepKind.CANCELLED, OrderState.CANCELLED, at=at, who=who, why=why, note=note
    )


@transaction.atomic
def ask_return(*, order_id: int, why: str, at: datetime) -> Order:
    """
    A member wants to give it back. The points come when it is taken back.

    :raises UnknownOrder: :raises WhyMissing: if so
    :raises WrongOrderState: unless it was received, and is not closed
    """
    order = held(order_id)
    _require_reason(why)
    _require(order, OrderState.RECEIVED, but_not=Handover.ONLINE)
    return _taken(
        order, OrderStepKind.RETURN_ASKED, OrderState.RETURN_ASKED, at=at, who=THE_MEMBER, why=why
    )


@transaction.atomic
def refuse_return(*, order_id: int, note: str, at: datetime, by: User) -> Order:
    """:raises UnknownOrder: :raises WhyMissing: :raises WrongOrderState: unless it was asked for"""
    order = held(order_id)
    _require_reason(note=note)
    _require(order, OrderState.RETURN_ASKED)
    return _taken(
        order, OrderStepKind.RETURN_REFUSED, OrderState.RECEIVED, at=at, who=staff(by), note=note
    )


@transaction.atomic
def take_back(*, order_id: int, note: str, to_stock: bool, at: datetime, by: User) -> Order:
    """
    It came back, or was lost on its way: the points go back to their own lots.

    :param to_stock: whether the pieces can be sold again
    :raises UnknownOrder: :raises WhyMissing: if so
    :raises WrongOrderState: unless it was sent, received or is asked to be taken back
    :raises DrawnAlready: :raises coupons.CouponUsed: if what it gave cannot be taken away any more
    """
    order = held(order_id)
    _require_reason(note=note)
    _require(order, OrderState.SHIPPED, OrderState.RECEIVED, OrderState.RETURN_ASKED)
    if _giving.gives(order):
        _giving.take_away(order, note=note, at=at, by=by)
    return _returned(order, note=note, to_stock=to_stock, at=at, who=staff(by))


@transaction.atomic
def take_back_sold(
    *, order_id: int, why: str, to_stock: bool, at: datetime, by: StoreSystem, note: str = ""
) -> Order:
    """
    Have the system of the store where it was placed or is collected take back what the member has.
    A repeat does nothing more. What was given online, staff take back.

    :param to_stock: whether the pieces can be sold again
    :raises UnknownOrder: if it is none of its stores'
    :raises WhyMissing: without a reason
    :raises WrongOrderState: unless it was received, and is not closed
    """
    order = held(order_id)
    by.require_sold(order)
    if order.state == OrderState.RETURNED:
        return order
    _require_reason(why, note)
    _require(order, OrderState.RECEIVED, OrderState.RETURN_ASKED, but_not=Handover.ONLINE)
    return _returned(order, why=why, note=note, to_stock=to_stock, at=at, who=by.who)


def _returned(
    order: Order, *, to_stock: bool, at: datetime, who: Who, why: str = "", note: str = ""
) -> Order:
    _give_back(order, at=at, who=who, to_stock=to_stock)
    kind, state = OrderStepKind.RETURNED, OrderState.RETURNED
    return _taken(order, kind, state, at=at, who=who, why=why, note=note)


def _give_back(order: Order, *, at: datetime, who: Who, to_stock: bool) -> None:
    claim = order.claim
    points.lock(ledger.holder_of(order.member_id))
    order.points_back = 0
    if order.debit_seq is not None:
        is_held = order.state == OrderState.PLACED
        order.points_back = _let_go(order, at=at) if is_held else _reinstated(order, at=at, who=who)
    claims.give_back(reference=claim.reference, at=at)
    if to_stock:
        claims.return_stock(reference=claim.reference, at=at)
    _paying.not_wanted(order, at=at)


def _let_go(order: Order, *, at: datetime) -> int:
    # Released by hand or by the night before, it is released.
    points.release(held=_debited(order), at=at, source=_source(at))
    return order.points


def _reinstated(order: Order, *, at: datetime, who: Who) -> int:
    reference = order.claim.reference
    try:
        points.reinstate(
            member=members.identity_of(order.member_id),
            of=_debited(order),
            at=at,
            reference=reference,
            source=_source(at),
            floor_days=programme.rulebook_on(localdate(at)).policies.reinstatement_days,
            note=order.number,
            by=who.by,
        )
    except (MemberClosed, NothingToReinstate):
        # Whose membership has ended has no points any more, and what staff gave back by hand comes
        # not twice; the pieces come back all the same.
        return 0
    return ledger.cancellation(issuer_id=points.our_source().issuer_id, reference=reference).points


def _debited(order: Order) -> Entry:
    assert order.debit_seq is not None, "it costs points"
    return Entry.objects.get(member_id=order.member_id, seq=order.debit_seq)


# Each statement is the state and its step; whose order somebody moves on meanwhile is left alone.
LATE = """
    UPDATE benefits_order SET is_late = true
    WHERE member_id BETWEEN %(low)s AND %(high)s AND due_at < %(at)s AND NOT is_late
        AND state IN ('PAID', 'PICKED', 'READY', 'RETURN_ASKED')
"""
GONE_ON = """
    WITH gone AS (
        UPDATE benefits_order SET state = %(after)s, steps = steps + 1, is_late = false,
            due_at = %(due)s
        WHERE member_id BETWEEN %(low)s AND %(high)s AND due_at < %(at)s AND state = %(before)s
        RETURNING id, steps
    )
    INSERT INTO benefits_orderstep (order_id, nth, kind, at, taker, why, note)
    SELECT id, steps, %(after)s, %(at)s, 'NIGHT', '', '' FROM gone
"""


@transaction.atomic
def follow_due(*, low: int, high: int, at: datetime) -> dict[str, int]:
    """
    Mark as late what we should have done by a moment, close what was received so long ago, and take
    for received what was sent so long ago.

    :param low, high: ids of members, both inclusive
    :returns: how many were marked, received and closed
    """
    asked: dict[str, int | datetime] = {"low": low, "high": high, "at": at}
    again = _due(OrderState.RECEIVED, at)
    with connection.cursor() as cursor:
        cursor.execute(LATE, asked)
        late = cursor.rowcount
        cursor.execute(GONE_ON, asked | {"before": "RECEIVED", "after": "CLOSED", "due": None})
        closed = cursor.rowcount
        cursor.execute(GONE_ON, asked | {"before": "SHIPPED", "after": "RECEIVED", "due": again})
        received = cursor.rowcount
    return {"late": late, "received": received, "closed": closed}


@transaction.atomic
def export(*, by: User, reason: str) -> list[Order]:
    """
    What is to be sent, with whole addresses, the first ordered first; at most so many at once. Who
    took it, and why, is recorded.

    :raises WhyMissing: if there is no reason
    """
    _require_reason(note=reason)
    waiting = Order.objects.filter(
        handover=Handover.SHIP, state__in=[OrderState.PAID, OrderState.PICKED]
    )
    found = waiting.select_related("claim__item", "claim__listing", "address").order_by("pk")
    rows = list(found[:EXPORTED_MAX])
    audit.record(
        action="orders.exported", target="orders", by=by, reason=reason.strip(),
        details={"orders": len(rows)},
    )  # fmt: skip
    return rows


def _due(state: str, at: datetime) -> datetime | None:
    """Until when an order waits in a state it has just come to, as the rulebook of the day says."""
    waits = WAITS.get(state)
    return None if waits is None else at + timedelta(days=waits(_terms(at)))


def _terms(at: datetime) -> OrderTerms:
    try:
        return programme.rulebook_on(localdate(at)).policies.orders
    except programme.NoRulebook:
        # What costs money alone needs none.
        return OrderTerms()


# --- Steps ----------------------------------------------------------------------------------------


def held(order_id: int) -> Order:
    """:raises UnknownOrder: if there is none; else it is locked"""
    orders = Order.objects.select_for_update(of=("self",), no_key=True)
    found = orders.select_related("claim__listing").filter(pk=order_id).first()
    if found is None:
        raise UnknownOrder
    return found


def _require(
    order: Order, *states: OrderState, only: Handover | None = None, but_not: Handover | None = None
) -> None:
    fits = (only is None or order.handover == only) and order.handover != but_not
    if order.state not in states or not fits:
        raise WrongOrderState(state=order.get_state_display())


def _require_reason(why: str = "", note: str = "") -> None:
    if why not in Why.values and not note.strip():
        raise WhyMissing


def _taken(
    order: Order,
    kind: OrderStepKind,
    state: OrderState,
    *,
    at: datetime,
    who: Who,
    why: str = "",
    note: str = "",
) -> Order:
    """Take a step, and have it in the audit trail if staff took it."""
    note = note.strip()
    require_note(note)
    if who.by is not None:
        audit.record(action=f"order.{kind.lower()}", target=order.number, by=who.by, reason=note)
    _take(order, kind, state, at=at, who=who, why=why, note=note)
    return order


def _take(
    order: Order,
    kind: OrderStepKind,
    state: OrderState,
    *,
    at: datetime,
    who: Who,
    why: str = "",
    note: str = "",
) -> None:
    order.state, order.steps, order.is_late = state, order.steps + 1, False
    order.due_at = _paying.deadline(at) if state == OrderState.PLACED else _due(state, at)
    order.save(
        update_fields=[
            "state", "steps", "is_late", "due_at", "carrier", "shipment", "points_back",
            "debit_seq",
        ]
    )  # fmt: skip
    OrderStep.objects.create(
        order=order,
        nth=order.steps,
        kind=kind,
        at=at,
        taker=who.taker,
        actor=who.by,
        client_id=who.client_id,
        why=why,
        note=note,
    )
