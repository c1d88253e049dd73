"""
A coupon at the till: verified, reserved, consumed 核销, undone.

Locks: the coupon's row first, then a member's account (whose coupons are counted under it). The
coupons of one receipt are judged one after the other, under an advisory lock of the receipt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime

from benefits import queries as rights
from benefits.coupons import codes, discounts, tokens
from benefits.coupons.discounts import Line
from benefits.models.coupons import (
    Coupon,
    CouponState,
    CouponStep,
    CouponStepKind,
)
from benefits.operations._steps import Who
from benefits.operations.coupons import _guessing
from benefits.operations.coupons._refusals import (
    AnotherMembersCoupon,
    BillNeeded,
    BillTooLong,
    CouponExpired,
    CouponNotYet,
    CouponReserved,
    CouponRevoked,
    CouponUsed,
    CouponUsedThere,
    MemberLimitReached,
    MemberNeeded,
    NothingQualifies,
    NotUsed,
    ReceiptNeeded,
    TooLateToUndoCoupon,
    UnknownCoupon,
    WrongStore,
)
from benefits.queries import coupons as queries
from benefits.queries.coupons import Definition
from common import audit, personal
from common.models import User
from members.queries import Identity
from points import operations as points

LINES_MAX = 500
RESERVED_FOR = timedelta(minutes=15)
RESERVED_FOR_MAX = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """
    A coupon and what it is worth here. `discount`: in the programme's currency; None if what is
    bought was not said; nought where something is free. `is_repeat`: it was taken before, by this.
    """

    coupon: Coupon
    batch: Definition
    discount: Decimal | None
    is_repeat: bool = False


def verify(
    *,
    code: str,
    at: datetime,
    who: Who,
    lines: Sequence[Line] | None = None,
    receipt: str = "",
    member: Identity | None = None,
) -> Taken:
    """
    Say whether a coupon could be used now, and what it would take off. Changes nothing.

    :param code: as typed, or as scanned: a code or the token of a coupon's QR code
    :param who: where: `store_id` is a must; staff, or a store's system
    :param lines: what is bought; one line of no category stands for a sum. None: not known yet
    :param receipt: looks at the other coupons of this receipt of the store too
    :param member: who buys, if known: a coupon of another member is refused
    :raises UnknownCoupon, CouponUsed, CouponReserved, CouponRevoked: :raises CouponExpired:
    :raises CouponNotYet, WrongStore, AnotherMembersCoupon, MemberLimitReached, MemberNeeded:
    :raises NothingQualifies, benefits.coupons.discounts.BelowMinimum, NotStackable: as it is
    :raises common.limits.TooMany: after too many wrong codes from there
    """
    coupon = _found(code, who)
    batch = queries.definition(coupon.batch_id)
    _require_usable(coupon, batch, at=at, who=who, receipt=receipt, member=member)
    if member is not None or (batch.per_member is not None and coupon.member_id is None):
        _require_within_limit(coupon, batch, member)
    discount = _discount(coupon, batch, lines, receipt=receipt, who=who, at=at)
    return Taken(coupon=coupon, batch=batch, discount=discount)


@transaction.atomic
def reserve(
    *,
    code: str,
    at: datetime,
    who: Who,
    receipt: str,
    lines: Sequence[Line] | None = None,
    member: Identity | None = None,
    for_: timedelta = RESERVED_FOR,
) -> Taken:
    """
    Set a coupon aside for a receipt of a store; nobody else can take it until that time is over.

    Parameters and refusals are those of `verify`; reserving again moves the time.

    :raises ReceiptNeeded: if there is no receipt
    """
    assert for_ <= RESERVED_FOR_MAX, "the door looks"
    coupon, batch = _held(code, who, receipt)
    _require_usable(coupon, batch, at=at, who=who, receipt=receipt, member=member)
    _give_to(coupon, batch, member)
    discount = _discount(coupon, batch, lines, receipt=receipt, who=who, at=at)
    _take(
        coupon, CouponStepKind.RESERVED, at=at, who=who, receipt=receipt, discount=discount,
        state=CouponState.RESERVED, reserved_until=at + for_, store_id=who.store_id,
    )  # fmt: skip
    return Taken(coupon=coupon, batch=batch, discount=discount)


@transaction.atomic
def release(*, code: str, at: datetime, who: Who, receipt: str) -> Coupon:
    """
    Give back what was reserved for a receipt. What is not reserved for it stays as it is.

    :raises UnknownCoupon: if there is no such coupon
    """
    coupon, _batch = _held(code, who, receipt)
    if coupon.state == CouponState.RESERVED and _is_for(coupon, who, receipt):
        _take(
            coupon, CouponStepKind.RELEASED, at=at, who=who, receipt=receipt,
            **_FREE,
        )  # fmt: skip
    return coupon


@transaction.atomic
def consume(
    *,
    code: str,
    at: datetime,
    who: Who,
    receipt: str,
    lines: Sequence[Line] | None = None,
    member: Identity | None = None,
    note: str = "",
) -> Taken:
    """
    Use a coupon up 核销. The same store and receipt again get the first answer.

    A coupon of nobody becomes the member's, if one is named.

    :param code: as typed, or as scanned: a code or the token of a coupon's QR code
    :param at: when it is used; the day judges its validity, both ends included
    :param who: `store_id` is a must; `by` staff, or `client_id` a store's system
    :param receipt: the store's own name for what is paid
    :param lines: what is bought, unless something is free whatever is bought
    :raises UnknownCoupon, CouponUsed, CouponReserved, CouponRevoked, CouponExpired: :raises
        CouponNotYet, WrongStore, AnotherMembersCoupon, MemberLimitReached, MemberNeeded:
    :raises NothingQualifies, BillNeeded, BillTooLong, ReceiptNeeded: :raises
        benefits.coupons.discounts.BelowMinimum, NotStackable: as it is
    :raises common.limits.TooMany: after too many wrong codes from there
    :raises common.personal.NamesSomebody: if the note does
    """
    personal.keep_out(note)
    coupon, batch = _held(code, who, receipt)
    if coupon.state == CouponState.USED and _is_for(coupon, who, receipt):
        return Taken(coupon=coupon, batch=batch, discount=coupon.discount, is_repeat=True)
    _require_usable(coupon, batch, at=at, who=who, receipt=receipt, member=member)
    if lines is None and batch.is_bill_needed:
        raise BillNeeded
    _give_to(coupon, batch, member)
    discount = _discount(coupon, batch, lines, receipt=receipt, who=who, at=at)
    use(coupon, at=at, who=who, receipt=receipt, discount=discount, note=note)
    return Taken(coupon=coupon, batch=batch, discount=discount)


@transaction.atomic
def undo(
    *, code: str = "", coupon_id: int | None = None, at: datetime, who: Who, receipt: str = "",
    note: str = "", by_office: bool = False,
) -> Coupon:  # fmt: skip
    """
    Make a coupon good again that was used by mistake, within the minutes the rulebook allows.

    :param coupon_id: instead of its code, such as `Taken.coupon.pk`
    :param receipt: if given, only if it was used on this one
    :param by_office: staff who may undo what any store took, however long ago
    :raises UnknownCoupon: :raises NotUsed: if it is not used, or by another store
    :raises TooLateToUndoCoupon: after that
    :raises common.limits.TooMany: after too many wrong codes from there
    """
    personal.keep_out(note)
    coupon = _found(code, who, hold=True) if coupon_id is None else lock(coupon_id)
    is_theirs = by_office or coupon.store_id == who.store_id
    if coupon.state != CouponState.USED or not is_theirs or receipt not in ("", coupon.receipt):
        raise NotUsed
    assert coupon.used_at is not None, "benefits_coupon_used_somewhere"
    minutes = rights.matrix_on(localdate(at)).undo_minutes
    if not by_office and at > coupon.used_at + timedelta(minutes=minutes):
        raise TooLateToUndoCoupon(minutes=minutes)
    was = coupon.receipt
    _take(
        coupon, CouponStepKind.UNDONE, at=at, who=who, receipt=was, note=note, **_FREE,
    )  # fmt: skip
    record("coupon.undone", coupon, who.by, receipt=was)
    return coupon


# --- Finding --------------------------------------------------------------------------------------


def _found(code: str, who: Who, *, hold: bool = False) -> Coupon:
    """As `_find`, but from where too many wrong codes came nothing is answered."""
    _guessing.require_patience(who)
    try:
        return _find(code, hold=hold)
    except UnknownCoupon:
        _guessing.count(who)
        raise


def _find(code: str, *, hold: bool) -> Coupon:
    """By what was typed or scanned; its row is locked if it is to be held."""
    if tokens.is_one(code):
        try:
            coupon = queries.by_id(tokens.read(code).coupon_id, hold=hold)
        except tokens.InvalidToken as error:
            raise UnknownCoupon from error
    else:
        coupon = queries.by_digest(codes.digest(codes.read(code)), hold=hold)
    if coupon is None:
        raise UnknownCoupon
    return coupon


def _held(code: str, who: Who, receipt: str) -> tuple[Coupon, Definition]:
    """A coupon whose row, and whose receipt, is held until the transaction ends."""
    if not receipt:
        raise ReceiptNeeded
    coupon = _found(code, who, hold=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            (f"coupons on receipt {who.store_id} {receipt}",),
        )
    return coupon, queries.definition(coupon.batch_id)


def lock(coupon_id: int) -> Coupon:
    coupon = queries.by_id(coupon_id, hold=True)
    if coupon is None:
        raise UnknownCoupon
    return coupon


# --- Judging --------------------------------------------------------------------------------------


def _require_usable(
    coupon: Coupon,
    batch: Definition,
    *,
    at: datetime,
    who: Who,
    receipt: str,
    member: Identity | None,
) -> None:
    assert who.store_id is not None, "a coupon is used somewhere"
    require_open(coupon, at=at, who=who, receipt=receipt)
    require_day(coupon, localdate(at))
    require_place(batch, who.store_id)
    if member is not None and coupon.member_id not in (None, member.id):
        require_theirs(coupon, member.id)


def require_theirs(coupon: Coupon, member_id: int) -> None:
    """:raises AnotherMembersCoupon: if it is neither the member's nor of who was merged in"""
    if coupon.member_id not in rights.guests_of(member_id):
        raise AnotherMembersCoupon


def require_open(coupon: Coupon, *, at: datetime, who: Who, receipt: str) -> None:
    """:raises CouponUsed: :raises CouponRevoked: :raises CouponReserved: as it is"""
    if coupon.state == CouponState.USED:
        raise _used(coupon, who)
    if CouponState.REVOKED in (coupon.state, getattr(coupon, "batch_state", "")):
        raise CouponRevoked
    if coupon.state == CouponState.RESERVED and not _is_for(coupon, who, receipt):
        assert coupon.reserved_until is not None, "benefits_coupon_reserved_until_a_time"
        if coupon.reserved_until > at:
            until = date_format(localtime(coupon.reserved_until), "TIME_FORMAT")
            raise CouponReserved(until=until)


def _used(coupon: Coupon, who: Who) -> CouponUsed:
    """Where it was used is told to the one who took it, to the same organization, and to staff."""
    assert coupon.store_id is not None, "benefits_coupon_used_somewhere"
    assert coupon.used_at is not None, "benefits_coupon_used_somewhere"
    may_know = (who.by is not None and who.client_id is None) or (
        who.store_id is not None
        and queries.organization_of(who.store_id) == queries.organization_of(coupon.store_id)
    )
    if not may_know:
        return CouponUsed()
    used_at = date_format(localtime(coupon.used_at), "SHORT_DATETIME_FORMAT")
    assert coupon.store is not None, "benefits_coupon_used_somewhere"
    return CouponUsedThere(used_at=used_at, store=coupon.store.name, receipt=coupon.receipt)


def require_day(coupon: Coupon, day: date) -> None:
    """:raises CouponExpired: :raises CouponNotYet: unless it is one of its good days"""
    # What the night has written off was past its last day, and is so on every later one.
    if day > coupon.last_on or coupon.state == CouponState.LAPSED:
        raise CouponExpired(last_day=date_format(coupon.last_on, "SHORT_DATE_FORMAT"))
    if day < coupon.first_on:
        raise CouponNotYet(first_day=date_format(coupon.first_on, "SHORT_DATE_FORMAT"))


def require_place(batch: Definition, store_id: int) -> None:
    """:raises WrongStore: if it is neither one of the stores nor of an organization named"""
    if batch.is_everywhere or store_id in batch.stores:
        return
    if queries.organization_of(store_id) not in batch.organizations:
        raise WrongStore


def _require_within_limit(coupon: Coupon, batch: Definition, member: Identity | None) -> None:
    """:raises MemberNeeded: :raises MemberLimitReached: if a coupon of nobody would be too many"""
    if coupon.member_id is not None or batch.per_member is None:
        return
    if member is None:
        raise MemberNeeded
    require_room(batch.id, batch.per_member, member.id)


def require_room(batch_id: int, per_member: int | None, member_id: int) -> None:
    """:raises MemberLimitReached: if a member has as many of a batch as one may have"""
    if per_member is None:
        return
    had = Coupon.objects.filter(batch_id=batch_id, member_id__in=rights.guests_of(member_id))
    if had.exclude(state=CouponState.REVOKED).count() >= per_member:
        raise MemberLimitReached(most=per_member)


def _give_to(coupon: Coupon, batch: Definition, member: Identity | None) -> None:
    """Let a coupon of nobody become a member's, within the limit."""
    if coupon.member_id is not None:
        return
    if member is not None:
        member.require_can_redeem()
        # Two coupons of one member are counted one after the other.
        points.lock(member.id)
    _require_within_limit(coupon, batch, member)
    if member is not None:
        coupon.member_id = member.id
        coupon.save(update_fields=["member"])


def _discount(
    coupon: Coupon,
    batch: Definition,
    lines: Sequence[Line] | None,
    *,
    receipt: str,
    who: Who,
    at: datetime,
) -> Decimal | None:
    """What it takes off a receipt, after the coupons that were handed over before."""
    assert who.store_id is not None, "a coupon is used somewhere"
    others = queries.on_receipt(who.store_id, receipt, but=coupon.pk, at=at) if receipt else []
    discounts.require_stackable([*others, batch.terms])
    if lines is None:
        return None
    if len(lines) > LINES_MAX:
        raise BillTooLong(most=LINES_MAX)
    if not any(batch.terms.covers(line) for line in lines):
        raise NothingQualifies
    return discounts.discounted(lines, [*others, batch.terms]).discounts[-1]


# --- Writing --------------------------------------------------------------------------------------


def _is_for(coupon: Coupon, who: Who, receipt: str) -> bool:
    return coupon.store_id == who.store_id and coupon.receipt == receipt


def use(
    coupon: Coupon,
    *,
    at: datetime,
    who: Who,
    receipt: str,
    discount: Decimal | None,
    note: str = "",
    is_offline: bool = False,
) -> CouponStep:
    """Write the use of a coupon whose row is locked and that was judged."""
    return _take(
        coupon, CouponStepKind.USED, at=at, who=who, receipt=receipt, discount=discount, note=note,
        is_offline=is_offline, state=CouponState.USED, used_at=at, store_id=who.store_id,
        reserved_until=None,
    )  # fmt: skip


# What makes it as it was before somebody took it.
_FREE: dict[str, Any] = {
    "state": CouponState.OPEN,
    "used_at": None,
    "store_id": None,
    "reserved_until": None,
}


def _take(
    coupon: Coupon,
    kind: CouponStepKind,
    *,
    at: datetime,
    who: Who,
    receipt: str,
    state: CouponState,
    discount: Decimal | None = None,
    note: str = "",
    is_offline: bool = False,
    **fields: Any,
) -> CouponStep:
    """Write what was done with a coupon whose row is locked, and what that makes of it."""
    coupon.state = state
    coupon.steps += 1
    coupon.receipt = receipt if state in (CouponState.USED, CouponState.RESERVED) else ""
    coupon.discount = discount if state == CouponState.USED else None
    for name, value in fields.items():
        setattr(coupon, name, value)
    changed = {name.removesuffix("_id") for name in fields}
    coupon.save(update_fields=["state", "steps", "receipt", "discount", *changed])
    return CouponStep.objects.create(
        coupon=coupon, nth=coupon.steps, kind=kind, at=at, is_offline=is_offline,
        actor=who.by, client_id=who.client_id, store_id=who.store_id, receipt=receipt,
        discount=discount, note=note,
    )  # fmt: skip


def record(action: str, coupon: Coupon, by: User | None, **details: object) -> None:
    told = {"coupon": coupon.pk, "batch": coupon.batch_id, "store": coupon.store_id, **details}
    audit.record(action=action, target=f"coupon {coupon.pk}", by=by, details=told)
