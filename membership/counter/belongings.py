"""What a member has, and what this counter did for them today: each room is asked once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils.timezone import localdate

from benefits import queries as rights
from benefits.models import OPEN, Right, RightState
from benefits.models.coupons import Coupon, CouponState
from benefits.queries import Offer, coupons
from members.models import Member
from membership.counter.access import Counter
from membership.counter.receipts import REFERENCE
from points.models import Entry, EntryKind
from tiers import queries as tiers
from tiers.ladders import Level

# Of a member's coupons, those that lapse first; of what was done, the latest.
COUPONS, DEEDS = 20, 5
LOOKED_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something this counter has done for the member, by which its receipt is found again."""

    name: str
    at: datetime
    right_id: int | None = None
    coupon_id: int | None = None
    once: str = ""


@dataclass(frozen=True, slots=True)
class Belongings:
    tier: Level | None
    offers: list[Offer]
    coupons: list[Coupon]
    deeds: list[Deed]


def of(member: Member, *, at: Counter, now: datetime) -> Belongings:
    """:param member: with the standing selected"""
    today, tier = localdate(now), tiers.level_of(member, localdate(now))
    here = Q(store=at.store)
    delivered = here & Q(state=RightState.DELIVERED, delivered_at__gte=now - LOOKED_BACK)
    had = list(rights.rights(member.pk).filter(rights.is_usable(today) | delivered))
    cards = _coupons(member, here=here, now=now)
    return Belongings(
        tier=tier,
        offers=rights.offered(
            [each for each in had if each.state in OPEN],
            level=tier.code if tier else None,
            day=today,
        ),
        coupons=[each for each in cards if each.state != CouponState.USED][:COUPONS],
        deeds=_deeds(
            rights_of=[each for each in had if each.state == RightState.DELIVERED],
            coupons_of=[each for each in cards if each.state == CouponState.USED],
            held=_held(member, here=here, now=now),
        ),
    )


def _coupons(member: Member, *, here: Q, now: datetime) -> list[Coupon]:
    """What was used comes first: a member of many coupons must not lose sight of it."""
    today = localdate(now)
    good = coupons.is_usable(today) & Q(first_on__lte=today)
    used = here & Q(state=CouponState.USED, used_at__gte=now - LOOKED_BACK)
    found = coupons.of_member(member.pk).filter(good | used)
    return list(
        found.order_by(F("used_at").desc(nulls_last=True), "last_on", "pk")[: COUPONS + DEEDS]
    )


def _held(member: Member, *, here: Q, now: datetime) -> list[Entry]:
    bills = Entry.objects.filter(
        here,
        member_id__in=rights.Guests(member.pk),
        kind=EntryKind.HOLD,
        effective_at__gte=now - LOOKED_BACK,
        reference__startswith=REFERENCE,
    )
    return list(bills.order_by("-effective_at")[:DEEDS])


def _deeds(*, rights_of: list[Right], coupons_of: list[Coupon], held: list[Entry]) -> list[Deed]:
    deeds = [
        *(
            Deed(_name(each), each.delivered_at, right_id=each.pk)
            for each in rights_of
            if each.delivered_at
        ),
        *(
            Deed(coupons.definition(each.batch_id).name, each.used_at, coupon_id=each.pk)
            for each in coupons_of
            if each.used_at
        ),
        *(
            Deed(each.note or "", each.effective_at, once=(each.reference or "")[len(REFERENCE) :])
            for each in held
        ),
    ]
    return sorted(deeds, key=lambda deed: deed.at, reverse=True)[:DEEDS]


def _name(right: Right) -> str:
    benefit = rights.benefit_of(right)
    return benefit.name if benefit else right.benefit
