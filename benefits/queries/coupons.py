"""Questions about coupons."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from django.db import connection
from django.db.models import Count, DateField, F, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.utils.timezone import make_aware

from benefits.coupons import discounts, tokens
from benefits.coupons.discounts import Terms
from benefits.models.coupons import (
    BatchState,
    Coupon,
    CouponBatch,
    CouponConflict,
    CouponKind,
    CouponState,
    CouponStep,
    CouponStepKind,
)
from benefits.queries.rights import Guests
from common.localized import localized
from partners.models import Organization, OrganizationKind, Store
from programme import queries as programme
from programme.policies import FundingShare

# Before a programme is installed.
CURRENCY = "CNY"
WHOLE = 10_000
BRAND_ALONE = [{"payer": FundingShare.BRAND, "share": "100"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an approved batch promises. No stores and no organizations: everywhere."""

    id: int
    code: str
    names: dict[str, str]
    description: dict[str, str]
    item: dict[str, str]
    terms: Terms
    stores: frozenset[int]
    organizations: frozenset[int]
    per_member: int | None
    cost: Decimal | None

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def is_everywhere(self) -> bool:
        return not self.stores and not self.organizations

    @property
    def is_bill_needed(self) -> bool:
        """Whether what it is worth depends on what is bought."""
        return self.terms.kind != CouponKind.ITEM or self.terms.minimum_spend > 0


@lru_cache(maxsize=1000)
def definition(batch_id: int) -> Definition:
    """Of a batch that was approved: it does not change any more."""
    return described(CouponBatch.objects.exclude(state=BatchState.DRAFT).get(pk=batch_id))


def described(batch: CouponBatch) -> Definition:
    """Of any batch, as it is at the moment."""
    return Definition(
        id=batch.pk,
        code=batch.code,
        names=batch.names,
        description=batch.description,
        item=batch.item,
        terms=terms_of(batch),
        stores=frozenset(batch.stores.values_list("pk", flat=True)),
        organizations=frozenset(batch.organizations.values_list("pk", flat=True)),
        per_member=batch.per_member,
        cost=batch.cost,
    )


def terms_of(batch: CouponBatch) -> Terms:
    return Terms(
        batch=batch.pk,
        kind=batch.kind,
        pays=batch.pays if batch.pays is not None else discounts.HUNDRED,
        amount=batch.amount or discounts.ZERO,
        most=batch.most,
        minimum_spend=batch.minimum_spend,
        categories=frozenset(batch.categories),
        stacking=batch.stacking,
    )


@lru_cache(maxsize=10_000)
def organization_of(store_id: int) -> int:
    """Whose store it is. A store keeps its owner."""
    return Store.objects.values_list("organization_id", flat=True).get(pk=store_id)


def currency() -> str:
    """Of the programme as it is today."""
    installed = programme.programme()
    return installed.currency if installed else CURRENCY


def places(batch: Definition) -> list[str]:
    """The names of the stores and organizations at which a batch is good; none: everywhere."""
    if batch.is_everywhere:
        return []
    organizations = Organization.objects.filter(pk__in=batch.organizations).order_by("name")
    stores = Store.objects.filter(pk__in=batch.stores).order_by("name")
    return [
        *organizations.values_list("name", flat=True),
        *stores.values_list("name", flat=True),
    ]


def of_member(member_id: int) -> QuerySet[Coupon]:
    """
    Every coupon of a member, and of who was merged into them; what lapses first comes first. With
    `batch_state`.
    """
    found = Coupon.objects.filter(member_id__in=Guests(member_id))
    found = found.annotate(batch_state=F("batch__state"))
    return found.select_related("store").order_by("last_on", "pk")


def usable(found: QuerySet[Coupon], day: date) -> QuerySet[Coupon]:
    """Of coupons, those not used and not over on a day. Some may not have begun."""
    return found.filter(is_usable(day))


def is_usable(day: date) -> Q:
    good = Q(state__in=[CouponState.OPEN, CouponState.RESERVED], last_on__gte=day)
    return good & ~Q(batch__state=BatchState.REVOKED)


def token_of(coupon: Coupon) -> str:
    """What its QR code carries."""
    return tokens.write(tokens.Token(coupon.pk, coupon.batch_id, coupon.first_on, coupon.last_on))


# Plain SQL: tills ask at each coupon, and the ORM would take longer to say it than the server to
# answer. The code stays sealed, where it is.
_FOUND = """
    SELECT b.state, c.id, c.batch_id, c.member_id, c.reference, c.state, c.issued_on, c.first_on,
        c.last_on, c.steps, c.receipt, c.store_id, c.reserved_until, c.used_at, c.discount
    FROM benefits_coupon AS c JOIN benefits_couponbatch AS b ON b.id = c.batch_id
    WHERE b.state <> 'DRAFT' AND
"""
# As in the statement.
_FIELDS = (
    "id", "batch_id", "member_id", "reference", "state", "issued_on", "first_on", "last_on",
    "steps", "receipt", "store_id", "reserved_until", "used_at", "discount",
)  # fmt: skip
_ON_RECEIPT = """
    SELECT c.batch_id FROM benefits_coupon AS c CROSS JOIN LATERAL (
        SELECT s.recorded_at FROM benefits_couponstep AS s
        WHERE s.coupon_id = c.id AND s.kind IN ('USED', 'RESERVED')
        ORDER BY s.nth DESC LIMIT 1
    ) AS taken
    WHERE c.store_id = %s AND c.receipt = %s AND c.id <> %s
        AND (c.state = 'USED' OR c.state = 'RESERVED' AND c.reserved_until > %s)
    ORDER BY taken.recorded_at, c.id
"""
_HOLD = " FOR NO KEY UPDATE OF c"


def by_digest(digest: bytes, *, hold: bool = False) -> Coupon | None:
    """
    None of a draft; its row is locked if it is to be held. With `batch_state`, as
    the ORM would annotate it; without the code.
    """
    return _found(" c.digest = %s", digest, hold=hold)


def by_id(coupon_id: int, *, hold: bool = False) -> Coupon | None:
    """As `by_digest`."""
    return _found(" c.id = %s", coupon_id, hold=hold)


def _found(where: str, value: bytes | int, *, hold: bool) -> Coupon | None:
    with connection.cursor() as cursor:
        cursor.execute(_FOUND + where + (_HOLD if hold else ""), (value,))
        row = cursor.fetchone()
    if row is None:
        return None
    batch_state, *fields = row
    coupon = Coupon.from_db(connection.alias, _FIELDS, fields)
    coupon.__dict__["batch_state"] = batch_state
    return coupon


def on_receipt(store_id: int, receipt: str, *, but: int, at: datetime) -> list[Terms]:
    """What other coupons were taken, or are set aside, for a receipt; the earliest first."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_RECEIPT, (store_id, receipt, but, at))
        return [definition(batch_id).terms for (batch_id,) in cursor.fetchall()]


def steps(coupon_ids: Collection[int]) -> QuerySet[CouponStep]:
    """What was done with coupons, earliest first."""
    found = CouponStep.objects.filter(coupon_id__in=coupon_ids).order_by("coupon_id", "nth")
    return found.select_related("actor", "client", "store")


# --- For the office -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of a batch. `given`: with a member; `taken_off` and `cost` in the programme's currency."""

    issued: int
    given: int
    reserved: int
    used: int
    lapsed: int
    revoked: int
    taken_off: Decimal
    cost: Decimal

    @property
    def open(self) -> int:
        return self.issued - self.used - self.lapsed - self.revoked - self.reserved


def figures(batches: Collection[CouponBatch]) -> dict[int, Figures]:
    """By batch. Looks only at coupons that are not simply open, and at those of members."""
    found = Coupon.objects.filter(batch__in=batches)
    by_state: dict[int, dict[str, Any]] = {batch.pk: {} for batch in batches}
    rest = found.exclude(state=CouponState.OPEN).values("batch", "state")
    for row in rest.annotate(count=Count("pk"), off=Sum("discount")).order_by():
        by_state[row["batch"]][row["state"]] = (row["count"], row["off"] or Decimal(0))
    given = dict(
        found.filter(member__isnull=False).values_list("batch").annotate(Count("pk")).order_by()
    )
    return {
        batch.pk: _figures(batch, by_state[batch.pk], given.get(batch.pk, 0)) for batch in batches
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Borne:
    """
    What the coupons of a batch that were used in a month cost somebody. `month`: its first day;
    `payer`: the code of an organization; `budget`: which of its pots, in its own words; `cost`: in
    the programme's currency
    """

    month: date
    batch: str
    payer: str
    budget: str
    uses: int
    cost: Decimal


def used_between(first: date, last: date) -> QuerySet[Coupon]:
    """Coupons that count as used on these days at us, both included: not those undone."""
    since, until = (
        make_aware(datetime.combine(day, time.min)) for day in (first, last + timedelta(days=1))
    )
    return Coupon.objects.filter(state=CouponState.USED, used_at__gte=since, used_at__lt=until)


def borne(first: date, last: date) -> list[Borne]:
    """
    What coupons that were used cost whom, by month, batch and payer, in this order.

    A use counts on its day at us; one undone does not count. The sum of a month is shared to the
    cent: of several payers the last gets what rounding leaves.

    :param first, last: days, both included; of whole months the figures are final
    """
    used = used_between(first, last).annotate(month=TruncMonth("used_at", output_field=DateField()))
    found = used.values_list(
        "month", "batch__code", "batch__cost", "batch__funding", "store__organization"
    )
    codes = dict(Organization.objects.values_list("pk", "code"))
    brand = Organization.objects.filter(kind=OrganizationKind.BRAND).values_list("code", flat=True)
    ours = {FundingShare.BRAND: brand.first() or FundingShare.BRAND}
    borne: dict[tuple[date, str, str, str], tuple[int, Decimal]] = {}
    counted = found.annotate(uses=Count("pk"), off=Sum("discount")).order_by()
    for month, batch, each, funding, taker, uses, off in counted:
        cost = (off or Decimal(0)) if each is None else uses * each
        shares = [FundingShare.parse(share) for share in funding or BRAND_ALONE]
        payers = ours | {FundingShare.STORE: codes[taker]}
        for share, part in zip(shares, _parts(cost, shares), strict=True):
            key = (month, batch, payers.get(share.payer, share.payer), share.budget)
            had = borne.get(key, (0, Decimal(0)))
            borne[key] = (had[0] + uses, had[1] + part)
    return [
        Borne(month=month, batch=batch, payer=payer, budget=budget, uses=uses, cost=cost)
        for (month, batch, payer, budget), (uses, cost) in sorted(borne.items())
    ]


def who_pays(funding: Sequence[Mapping[str, str]]) -> str:
    """In one line: each payer with the percentage, and the pot if it was named."""
    return ", ".join(
        " ".join(filter(None, (f"{share['payer']} {share['share']} %", share.get("budget"))))
        for share in funding or BRAND_ALONE
    )


def _parts(cost: Decimal, shares: Sequence[FundingShare]) -> list[Decimal]:
    """Of several, each up to where its share ends, so that together they are the whole."""
    ends = [
        (cost * upto / WHOLE).quantize(discounts.CENT, ROUND_HALF_UP)
        for upto in accumulate(share.basis_points for share in shares)
    ]
    return [end - begin for begin, end in pairwise([Decimal(0), *ends])]


def _figures(batch: CouponBatch, states: dict[str, Any], given: int) -> Figures:
    nothing = (0, Decimal(0))
    used, taken_off = states.get(CouponState.USED, nothing)
    return Figures(
        issued=batch.issued,
        given=given,
        reserved=states.get(CouponState.RESERVED, nothing)[0],
        used=used,
        lapsed=states.get(CouponState.LAPSED, nothing)[0],
        revoked=states.get(CouponState.REVOKED, nothing)[0],
        taken_off=taken_off,
        cost=taken_off if batch.cost is None else used * batch.cost,
    )


def conflicts() -> QuerySet[CouponConflict]:
    """What tills took without a network and should not have, the latest reported first."""
    found = CouponConflict.objects.order_by("-recorded_at", "-pk")
    return found.select_related(
        "coupon__batch", "coupon__member", "store", "client", "bearer", "first__store"
    )


def latest_use(coupon: Coupon) -> CouponStep | None:
    """The use that counts."""
    used = CouponStep.objects.filter(coupon=coupon, kind=CouponStepKind.USED).order_by("-nth")
    return used.first() if coupon.state == CouponState.USED else None
