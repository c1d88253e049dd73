"""What dealers' systems send and get about coupons."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.timezone import localtime
from rest_framework import serializers

from benefits.coupons.discounts import HUNDRED, Line
from benefits.models.coupons import NOTE_MAX, Coupon, CouponKind
from benefits.operations import coupons as operations
from benefits.queries import coupons as queries
from benefits.queries.coupons import Definition
from common.api.fields import (
    Amount,
    Document,
    Moment,
    Text,
    Whole,
    member_number,
    reference,
    store_code,
)
from common.api.rendering import Answer
from partners.api.authentication import Caller

CATEGORY = r"^[a-z][a-z0-9_-]{0,31}$"
LINES_MAX = 500
REPORTS_MAX = 100


def coupon_code() -> Text:
    return Text(limit=200, help_text="As typed or scanned: a code, or what its QR code carries.")


def receipt(**options: Any) -> Text:
    return reference(help_text="Your receipt's number; unique in the store.", **options)


class BillLineInput(Document):
    category = Text(limit=32, pattern=CATEGORY, required=False, help_text="As in the rulebook.")
    amount = Amount(help_text="What is to be paid for it.")


def bill_lines() -> serializers.ListField:
    return serializers.ListField(
        child=BillLineInput(),
        required=False,
        max_length=LINES_MAX,
        help_text="What is bought; or `amount`, where the coupon is good for everything.",
    )


class VerifyInput(Document):
    code = coupon_code()
    store = store_code()
    member = member_number(required=False)
    receipt = receipt(required=False)
    amount = Amount(required=False, help_text="What is to be paid, all in all.")
    lines = bill_lines()


class ReserveInput(VerifyInput):
    receipt = receipt()
    minutes = Whole(
        low=1, high=int(operations.RESERVED_FOR_MAX / timedelta(minutes=1)), required=False,
        help_text="How long it is set aside; 15 by default.",
    )  # fmt: skip


class ConsumeInput(VerifyInput):
    receipt = receipt()
    note = Text(limit=NOTE_MAX, required=False, help_text="Stays for ever: nothing personal.")


class CouponReleaseInput(Document):
    code = coupon_code()
    store = store_code()
    receipt = receipt()


class UndoCouponInput(CouponReleaseInput):
    note = Text(limit=NOTE_MAX, required=False, help_text="Why; stays for ever.")


class ReportInput(Document):
    token = Text(limit=200, help_text="What the coupon's QR code carried.")
    store = store_code()
    receipt = receipt()
    used_at = Moment(help_text="When your till took it, with its offset.")
    discount = Amount(required=False, help_text="What your till took off.")


class OfflineInput(Document):
    uses = serializers.ListField(child=ReportInput(), min_length=1, max_length=REPORTS_MAX)


def lines_in(body: Mapping[str, Any]) -> list[Line] | None:
    """What is bought; None where the till did not say."""
    if "lines" in body:
        return [Line(each.get("category", ""), each["amount"]) for each in body["lines"]]
    return [Line("", body["amount"])] if "amount" in body else None


# --- Answers --------------------------------------------------------------------------------------


class CouponAnswer(Answer):
    """
    A coupon. `discount`: what it takes off here, null where you did not say what is bought.
    `pays`: per cent of the price that is left; `amount`: what it takes off; `item`: what is free.
    """

    id: int
    batch: str
    names: dict[str, str]
    descriptions: dict[str, str]
    state: str
    kind: str
    pays: str | None
    amount: str | None
    at_most: str | None
    item: dict[str, str]
    minimum_spend: str
    categories: list[str]
    stacking: str
    first_on: date
    # The last good day.
    last_on: date
    discount: str | None
    # When and for which receipt it was used or is set aside, if that was at one of your stores.
    receipt: str | None
    reserved_until: datetime | None
    used_at: datetime | None


class MemberCouponAnswer(Answer):
    """A member's coupon that can be used. `token`: what its QR code carries, which you may send."""

    coupon: CouponAnswer
    token: str


class MemberCouponsAnswer(Answer):
    member: str
    coupons: list[MemberCouponAnswer]


class ReportedAnswer(Answer):
    """`outcome`: `counted`, `conflict` or `refused`; of the latter two, `code` says why."""

    receipt: str
    outcome: str
    code: str | None


class OfflineAnswer(Answer):
    uses: list[ReportedAnswer]


class KeyAnswer(Answer):
    """An Ed25519 public key: 32 bytes, base64. `id` changes with it."""

    id: str
    algorithm: str
    public_key: str
    # What a token begins with; behind it base32 without padding: 6 bytes the coupon, 4 the batch,
    # 3 and 3 the first and the last good day (days since 0001-01-01, which is 1), 64 the signature
    # of the prefix and these 16 bytes.
    prefix: str


def coupon_answer(
    coupon: Coupon, batch: Definition, by: Caller, discount: Decimal | None = None
) -> CouponAnswer:
    terms, is_theirs = batch.terms, _is_of(by, coupon.store_id)
    is_percent, is_amount = terms.kind == CouponKind.PERCENT, terms.kind == CouponKind.AMOUNT
    return CouponAnswer(
        id=coupon.pk,
        batch=batch.code,
        names=batch.names,
        descriptions=batch.description,
        state=coupon.state,
        kind=terms.kind,
        pays=_money(terms.pays) if is_percent and terms.pays != HUNDRED else None,
        amount=_money(terms.amount) if is_amount else None,
        at_most=_money(terms.most),
        item=batch.item,
        minimum_spend=f"{terms.minimum_spend:.2f}",
        categories=sorted(terms.categories),
        stacking=terms.stacking,
        first_on=coupon.first_on,
        last_on=coupon.last_on,
        discount=_money(discount),
        receipt=(is_theirs and coupon.receipt) or None,
        reserved_until=_moment(coupon.reserved_until) if is_theirs else None,
        used_at=_moment(coupon.used_at) if is_theirs else None,
    )


def _is_of(by: Caller, store_id: int | None) -> bool:
    """Whether a store is one of those whose documents a client may read."""
    if store_id is None or queries.organization_of(store_id) != by.organization_id:
        return False
    return by.only_stores is None or store_id in by.only_stores


def _moment(at: datetime | None) -> datetime | None:
    return None if at is None else localtime(at)


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def member_coupons_answer(number: str, found: Sequence[Coupon], by: Caller) -> MemberCouponsAnswer:
    """Of a member's coupons, those that can be used at one of the client's stores."""
    told = [(each, queries.definition(each.batch_id)) for each in found]
    return MemberCouponsAnswer(
        number,
        [
            MemberCouponAnswer(coupon_answer(each, batch, by), queries.token_of(each))
            for each, batch in told
            if _is_good_at(batch, by)
        ],
    )


def _is_good_at(batch: Definition, by: Caller) -> bool:
    # The brand's own systems, such as the members' app, show them all.
    if by.is_brand and by.only_stores is None:
        return True
    return batch.is_everywhere or (
        by.organization_id in batch.organizations or not batch.stores.isdisjoint(by.stores.values())
    )
