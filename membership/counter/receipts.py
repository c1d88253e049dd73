"""What was done at the counter, as it is shown, printed and sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.timezone import localdate

from benefits import queries as rights
from benefits.models import Right, RightState, Step, StepKind
from benefits.models.coupons import Coupon, CouponState, CouponStep, CouponStepKind
from benefits.queries import coupons
from common.amounts import money
from common.localized import localized
from members.models import Member
from membership import notices
from membership.counter.access import Counter
from messaging import operations as messaging
from points import queries as ledger
from points.models import Entry, EntryKind
from programme import queries as programme
from programme.policies import BillTerms, worth

# In the ledger and on rights: what begins so was done at a counter.
REFERENCE = "counter:"


@dataclass(frozen=True, slots=True)
class RightReceipt:
    """`can_undo`: as long as the rulebook allows. `number`: what to say on the phone."""

    number: str
    name: str
    at: datetime
    is_delivered: bool
    can_undo: bool
    left: int | None


@dataclass(frozen=True, slots=True)
class BillReceipt:
    """`off`: what the points took off the bill. `state`: of the hold, or `UNDONE`."""

    number: str
    state: str
    points: int
    off: str
    told: str
    at: datetime
    balance: int
    can_undo: bool


@dataclass(frozen=True, slots=True)
class CouponReceipt:
    """`off`: empty where something is free."""

    number: str
    name: str
    off: str
    item: str
    at: datetime
    is_used: bool
    can_undo: bool


def of_coupon(coupon: Coupon, *, now: datetime) -> CouponReceipt:
    batch = coupons.definition(coupon.batch_id)
    used = CouponStep.objects.filter(coupon=coupon, kind=CouponStepKind.USED).order_by("-nth")[0]
    is_used = coupon.state == CouponState.USED
    minutes = rights.matrix_on(localdate(now)).undo_minutes
    return CouponReceipt(
        number=f"K{coupon.pk}-{used.nth}",
        name=batch.name,
        off=amount_told(coupon.discount) if is_used and coupon.discount else "",
        item=localized(batch.item) if batch.item else "",
        at=used.at,
        is_used=is_used,
        can_undo=is_used and now <= used.at + timedelta(minutes=minutes),
    )


def amount_told(amount: Decimal) -> str:
    installed = programme.programme()
    return money(amount, installed.currency) if installed else ""


def worth_of(points: int) -> str:
    """What points are worth at the counter, in the programme's currency."""
    installed = programme.programme()
    if installed is None:
        return ""
    return amount_told(worth(max(0, points), points_per_unit=installed.points_per_currency_unit))


def of_right(right: Right, *, now: datetime) -> RightReceipt:
    benefit = rights.benefit_of(right)
    is_delivered = right.state == RightState.DELIVERED
    last = Step.objects.filter(right=right, kind=StepKind.DELIVERED).order_by("-nth").first()
    assert last is not None, "it is found by its delivery"
    minutes = rights.matrix(right.version_id).undo_minutes
    return RightReceipt(
        number=f"R{right.pk}-{last.nth}",
        name=benefit.name if benefit else right.benefit,
        at=last.at,
        is_delivered=is_delivered,
        can_undo=is_delivered and now <= last.at + timedelta(minutes=minutes),
        left=rights.left(right.member_id, right, localdate(now)),
    )


def of_bill(held: Entry, *, now: datetime) -> BillReceipt:
    status = ledger.hold_status(held, at=now)
    spent = ledger.end_of_hold(held, EntryKind.REDEEM)
    is_undone = spent is not None and bool(ledger.reinstatements(spent))
    can_undo = spent is not None and not is_undone and now <= _undone_until(held, spent)
    return BillReceipt(
        number=f"{held.member_id}-{held.seq}",
        state="UNDONE" if is_undone else status.state.value,
        points=-held.points,
        off=worth_of(-held.points),
        told=held.note or "",
        at=spent.effective_at if spent else held.effective_at,
        balance=ledger.spendable_points(
            ledger.holder_of(held.member_id), on=localdate(now), at=now
        ),
        can_undo=can_undo,
    )


def _undone_until(held: Entry, spent: Entry) -> datetime:
    assert held.version_id is not None, "a bill is held under the rulebook of its day"
    terms = programme.rulebook(held.version_id).policies.bills or BillTerms(share=1)
    return spent.effective_at + timedelta(minutes=terms.undo_minutes)


def send_right(right: Right, *, to: Member, at: Counter, now: datetime) -> None:
    """Send the member the receipt of a delivery, once."""
    receipt = of_right(right, now=now)
    messaging.send(
        member_id=to.pk,
        template=notices.HANDED_OVER,
        key=f"{notices.HANDED_OVER}:{receipt.number}",
        variables={"benefit": receipt.name, "store": at.store.name, "number": receipt.number},
        at=now,
    )


def send_coupon(coupon: Coupon, *, to: Member, at: Counter, now: datetime) -> None:
    """Send the member the receipt of a coupon that was used, once."""
    receipt = of_coupon(coupon, now=now)
    off = coupon.discount
    gives: dict[str, object] = {"off": off} if off else {"item": receipt.item or receipt.name}
    template = notices.COUPON_USED if off else notices.COUPON_GAVE
    messaging.send(
        member_id=to.pk,
        template=template,
        key=f"{template}:{receipt.number}",
        variables={"coupon": receipt.name, "store": at.store.name, "number": receipt.number}
        | gives,
        at=now,
    )


def send_bill(held: Entry, *, to: Member, at: Counter, now: datetime) -> None:
    """Send the member the receipt of a bill that points paid a part of, once."""
    receipt = of_bill(held, now=now)
    messaging.send(
        member_id=to.pk,
        template=notices.BILL_PAID,
        key=f"{notices.BILL_PAID}:{receipt.number}",
        variables={
            "points": receipt.points,
            "off": worth(receipt.points, points_per_unit=programme.points_per_unit()),
            "store": at.store.name,
            "balance": receipt.balance,
        },
        at=now,
    )
