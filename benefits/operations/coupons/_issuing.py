"""
Coupons to members: one by one for an order, a draw, a tier or by hand; to everybody with a tag; and
claimed by a code or a word.

What a coupon is issued for has a natural name, the reference: issued again for the same, it is the
same coupon. Locks: the member's account first (whose coupons are counted under it), the batch last.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import queries as rights
from benefits.coupons import codes
from benefits.models.coupons import (
    BatchState,
    CodesFrom,
    Coupon,
    CouponBatch,
    CouponRun,
    CouponState,
    CouponStep,
    CouponStepKind,
)
from benefits.operations._steps import NOBODY, Who
from benefits.operations.coupons import _guessing
from benefits.operations.coupons._batches import BatchNotRunning, UnknownBatch, held
from benefits.operations.coupons._messages import ISSUED
from benefits.operations.coupons._refusals import (
    CouponRevoked,
    UnknownCoupon,
)
from benefits.operations.coupons._using import record, require_day, require_open, require_room
from common import approvals, audit, personal
from common.errors import DomainError
from common.models import User
from common.postgres import copying
from members.models import MemberStatus, Tag, Tagging
from members.queries import Identity
from messaging import operations as messaging
from points import operations as points

# Members of a transaction.
PIECE = 500


class BatchExhausted(DomainError):
    code = "coupon_batch_exhausted"
    message = _("No more coupons of “%(batch)s” are left.")


class BatchOver(DomainError):
    code = "coupon_batch_over"
    message = _("The coupons of “%(batch)s” are not good any more.")


class NotForMembers(DomainError):
    code = "coupon_batch_not_for_members"
    message = _("The codes of this batch are given out as a file.")


class ReferenceOfAnother(DomainError):
    code = "coupon_reference_reused"
    message = _("A coupon was issued for this to another member.")


class AlreadyClaimed(DomainError):
    code = "coupon_claimed_already"
    message = _("This code was claimed by somebody else.")


class UnknownTag(DomainError):
    code = "unknown_tag"
    message = _("No member has the tag “%(tag)s”.")
    status = 422


@transaction.atomic
def issue(
    *, batch_id: int, member: Identity, reference: str, at: datetime, who: Who = NOBODY
) -> Coupon:
    """
    Give a member a coupon of a running batch, and tell them. The same reference again gives the
    same coupon.

    :param reference: what it is for: `order:12`, `draw:7:3`, `right:81`; never empty
    :raises UnknownBatch: :raises BatchNotRunning: :raises BatchOver: :raises NotForMembers: if so
    :raises MemberLimitReached: if the member has as many as one may have
    :raises BatchExhausted: if the total is reached, or the pool is empty
    :raises ReferenceOfAnother: if the reference stands for another member's
    :raises members.MemberClosed: and the like, as the member is
    """
    assert reference, "a coupon is issued for something"
    member.require_can_redeem()
    batch = _running(CouponBatch.objects.filter(pk=batch_id).first(), day=localdate(at))
    if batch.codes_from == CodesFrom.GENERATED:
        raise NotForMembers
    earlier = Coupon.objects.filter(batch=batch, reference=reference).first()
    if earlier is None:
        # Two at once for the same, or of the same member, come one after the other.
        points.lock(member.id)
        earlier = Coupon.objects.filter(batch=batch, reference=reference).first()
    if earlier is not None:
        if earlier.member_id not in rights.guests_of(member.id):
            raise ReferenceOfAnother
        return earlier
    require_room(batch.pk, batch.per_member, member.id)
    coupon = (
        _make(batch, member.id, reference, at)
        if batch.codes_from == CodesFrom.MEMBERS
        else _from_pool(batch, member.id, reference, at)
    )
    _step(coupon, CouponStepKind.ISSUED, at=at, who=who)
    _tell(batch, [coupon], at=at)
    if who.by is not None:
        record("coupon.issued", coupon, who.by, reference=reference)
    return coupon


@transaction.atomic
def claim(*, typed: str, member: Identity, at: datetime) -> Coupon:
    """
    Make a coupon a member's own, by its code or by a word known to many. Again it is the same one.

    :raises UnknownCoupon: if nothing has that code
    :raises AlreadyClaimed: if it is another member's
    :raises MemberLimitReached: :raises BatchExhausted: :raises BatchOver: :raises BatchNotRunning:
    :raises CouponUsed, CouponReserved, CouponRevoked, CouponExpired: as it is
    :raises common.limits.TooMany: after too many wrong codes of the member
    """
    member.require_can_redeem()
    _guessing.require_patience(NOBODY, member_id=member.id)
    word = typed.strip().upper()
    by_word = CouponBatch.objects.filter(claim_word=word, state=BatchState.RUNNING).first()
    if word and by_word is not None:
        return _claim_by_word(by_word, member, at)
    coupon = find_by_code(typed)
    if coupon is None:
        _guessing.count(NOBODY, member_id=member.id)
        raise UnknownCoupon
    if coupon.member_id is not None:
        if coupon.member_id in rights.guests_of(member.id):
            return coupon
        raise AlreadyClaimed
    return _claim(coupon, typed, member, at)


def find_by_code(typed: str, *, held: bool = True) -> Coupon | None:
    """A coupon by its code, its row locked: of two who claim it, the second finds it claimed."""
    found = Coupon.objects.annotate(batch_state=F("batch__state"))
    if held:
        found = found.select_for_update(no_key=True, of=("self",))
    return found.filter(digest=codes.digest(codes.read(typed))).first()


def _claim(coupon: Coupon, typed: str, member: Identity, at: datetime) -> Coupon:
    require_open(coupon, at=at, who=NOBODY, receipt="")
    batch = _running(coupon.batch, day=localdate(at))
    points.lock(member.id)
    require_room(batch.pk, batch.per_member, member.id)
    coupon.member_id = member.id
    # So that its member can read it again; of what was printed we had only the hash.
    coupon.code = coupon.code or codes.read(typed)
    coupon.first_on, coupon.last_on = good_from(batch, localdate(at))
    require_day(coupon, max(coupon.first_on, localdate(at)))
    coupon.save(update_fields=["member", "code", "first_on", "last_on"])
    _step(coupon, CouponStepKind.CLAIMED, at=at, who=NOBODY)
    return coupon


def _claim_by_word(batch: CouponBatch, member: Identity, at: datetime) -> Coupon:
    """The next coupon of the word for a member: as many as the limit allows, else one."""
    _running(batch, day=localdate(at))
    points.lock(member.id)
    had = Coupon.objects.filter(batch=batch, member_id__in=rights.guests_of(member.id))
    require_room(batch.pk, batch.per_member or 1, member.id)
    coupon = _make(batch, member.id, f"word:{member.id}:{had.count() + 1}", at)
    _step(coupon, CouponStepKind.CLAIMED, at=at, who=NOBODY)
    return coupon


@transaction.atomic
def revoke(*, coupon_id: int, reason: str, at: datetime, by: User) -> Coupon:
    """
    Make one coupon good for nothing. Again it changes nothing.

    :raises UnknownCoupon: :raises CouponUsed: :raises common.approvals.ReasonMissing: if so
    """
    if not reason.strip():
        raise approvals.ReasonMissing
    personal.keep_out(reason)
    coupon = Coupon.objects.select_for_update(no_key=True).filter(pk=coupon_id).first()
    if coupon is None:
        raise UnknownCoupon
    if coupon.state == CouponState.REVOKED:
        return coupon
    try:
        require_open(coupon, at=at, who=Who(by=by), receipt=coupon.receipt)
    except CouponRevoked:  # pragma: no cover - looked at above
        return coupon
    _revoke([coupon], at=at, who=Who(by=by), note=reason.strip())
    record("coupon.revoked", coupon, by, reason=reason.strip())
    return coupon


@transaction.atomic
def revoke_all(*, member_id: int, at: datetime) -> int:
    """Revoke what is open of who has left. Returns how many coupons."""
    held = Coupon.objects.select_for_update(no_key=True).filter(
        member_id=member_id, state__in=[CouponState.OPEN, CouponState.RESERVED]
    )
    found = list(held.order_by("pk"))
    _revoke(found, at=at, who=NOBODY, note="")
    return len(found)


def _revoke(coupons: Sequence[Coupon], *, at: datetime, who: Who, note: str) -> None:
    for coupon in coupons:
        coupon.state = CouponState.REVOKED
        coupon.receipt, coupon.store_id, coupon.reserved_until = "", None, None
        coupon.save(update_fields=["state", "receipt", "store", "reserved_until"])
        _step(coupon, CouponStepKind.REVOKED, at=at, who=who, note=note)


def good_from(batch: CouponBatch, day: date) -> tuple[date, date]:
    """First and last good day, both included, of a coupon that a member gets on a day."""
    first_on = max(batch.first_on, day)
    if batch.good_days is None:
        return first_on, batch.last_on
    return first_on, min(batch.last_on, first_on + timedelta(days=batch.good_days - 1))


def _running(batch: CouponBatch | None, *, day: date) -> CouponBatch:
    if batch is None:
        raise UnknownBatch
    if batch.state != BatchState.RUNNING:
        raise BatchNotRunning
    if day > batch.last_on:
        raise BatchOver(batch=str(batch))
    return batch


def _make(batch: CouponBatch, member_id: int, reference: str, at: datetime) -> Coupon:
    """A coupon with a code of its own, within the batch's total."""
    _count(batch, 1)
    [code] = codes.make(1)
    first_on, last_on = good_from(batch, localdate(at))
    return Coupon.objects.create(
        batch=batch, digest=codes.digest(code), code=code, member_id=member_id,
        reference=reference, issued_on=localdate(at), first_on=first_on, last_on=last_on,
    )  # fmt: skip


def _count(batch: CouponBatch, count: int) -> None:
    """:raises BatchExhausted: if so many more are over the total; of two at once, one waits"""
    within = CouponBatch.objects.filter(
        pk=batch.pk, issued__lte=F("total") - count, state=BatchState.RUNNING
    )
    if not within.update(issued=F("issued") + count):
        raise BatchExhausted(batch=str(batch))


def _from_pool(batch: CouponBatch, member_id: int, reference: str, at: datetime) -> Coupon:
    """The next free code; what somebody is taking at the moment is left to them."""
    free = Coupon.objects.filter(batch=batch, member=None, state=CouponState.OPEN).order_by("pk")
    coupon = free.select_for_update(skip_locked=True, no_key=True).first()
    if coupon is None:
        raise BatchExhausted(batch=str(batch))
    coupon.member_id = member_id
    coupon.reference = reference
    coupon.issued_on = localdate(at)
    coupon.first_on, coupon.last_on = good_from(batch, localdate(at))
    coupon.save(update_fields=["member", "reference", "issued_on", "first_on", "last_on"])
    return coupon


def _step(
    coupon: Coupon, kind: CouponStepKind, *, at: datetime, who: Who, note: str = ""
) -> CouponStep:
    coupon.steps += 1
    coupon.save(update_fields=["steps"])
    return CouponStep.objects.create(
        coupon=coupon, nth=coupon.steps, kind=kind, at=at, actor=who.by, client_id=who.client_id,
        store_id=who.store_id, note=note,
    )  # fmt: skip


def _tell(batch: CouponBatch, coupons: Sequence[Coupon], *, at: datetime) -> None:
    messaging.send_many(
        template=ISSUED,
        messages=[
            messaging.ToSend(
                member_id=coupon.member_id,
                key=f"coupon:{coupon.pk}",
                variables={"coupon": batch.names, "last_day": coupon.last_on},
            )
            for coupon in coupons
            if coupon.member_id is not None
        ],
        at=at,
    )


# --- To many --------------------------------------------------------------------------------------


@transaction.atomic
def issue_to_tag(*, batch_id: int, tag: str, at: datetime, by: User) -> CouponRun:
    """
    Give everybody with a tag a coupon; a worker does it piece by piece.

    :raises UnknownBatch: :raises BatchNotRunning: :raises BatchOver: :raises NotForMembers: if so
    :raises UnknownTag: if nobody has it
    """
    batch = for_members(batch_id, at=at)
    known = Tag.objects.filter(name=tag.strip()).first()
    wanted = _tagged(known.pk, 0).count() if known else 0
    if known is None or not wanted:
        raise UnknownTag(tag=tag)
    run = CouponRun.objects.create(
        batch=batch, work=CouponRun.Work.ISSUE, tag=known.name, wanted=wanted, created_at=at,
        created_by=by,
    )  # fmt: skip
    audit.record(
        action="coupon_batch.issued", target=batch.code, by=by,
        details={"run": run.pk, "tag": known.name, "members": wanted},
    )  # fmt: skip
    return run


def for_members(batch_id: int, *, at: datetime) -> CouponBatch:
    """
    A batch that gives members coupons of their own.

    :raises UnknownBatch: :raises BatchNotRunning: :raises BatchOver: :raises NotForMembers: if so
    """
    batch = _running(CouponBatch.objects.filter(pk=batch_id).first(), day=localdate(at))
    if batch.codes_from != CodesFrom.MEMBERS:
        raise NotForMembers
    return batch


def _tagged(tag_id: int, behind: int) -> Any:
    found = Tagging.objects.filter(
        tag=tag_id, member_id__gt=behind, member__status=MemberStatus.ACTIVE
    )
    return found.order_by("member_id").values_list("member_id", flat=True)


HELD = """
    SELECT given.member_id, count(coupon.id)
    FROM unnest(%(members)s::bigint[]) AS given (member_id)
    CROSS JOIN LATERAL unnest(points_guests(given.member_id)) AS had (id)
    JOIN benefits_coupon AS coupon ON coupon.member_id = had.id
        AND coupon.batch_id = %(batch)s AND coupon.state <> 'REVOKED'
    GROUP BY given.member_id
"""


def issue_piece(run: CouponRun, now: datetime) -> bool:
    """Give the next members of a run their coupons. Returns whether those were the last."""
    batch = CouponBatch.objects.get(pk=run.batch_id)
    tag_id = Tag.objects.values_list("pk", flat=True).get(name=run.tag)
    found = list(_tagged(tag_id, run.last_member)[:PIECE])
    if batch.per_member is not None:
        points.lock_many(found)
    batch = held(run.batch_id)
    if not found or batch.state != BatchState.RUNNING or localdate(now) > batch.last_on:
        return True
    given = with_room(batch, found)[: batch.total - batch.issued]
    if given:
        give(batch, run, given, now)
    run.last_member = found[-1]
    run.done = min(run.wanted, run.done + len(given))
    return batch.issued + len(given) == batch.total


def with_room(batch: CouponBatch, member_ids: Sequence[int]) -> list[int]:
    """Those of some members who may have one more of a batch."""
    if batch.per_member is None:
        return list(member_ids)
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"members": list(member_ids), "batch": batch.pk})
        had = dict(cursor.fetchall())
    return [each for each in member_ids if had.get(each, 0) < batch.per_member]


def give(batch: CouponBatch, run: CouponRun, member_ids: Sequence[int], now: datetime) -> list[int]:
    """Make a coupon for each of some members, and tell them. Returns the ids of the coupons."""
    _count(batch, len(member_ids))
    made = codes.make(len(member_ids))
    ids = copying.next_ids(Coupon, len(made))
    first_on, last_on = good_from(batch, localdate(now))
    copying.insert(
        Coupon,
        {
            "id": ids,
            "digest": codes.digests(made),
            "code": made,
            "member_id": member_ids,
            "reference": [f"run:{run.pk}:{each}" for each in member_ids],
        },
        same={
            "batch_id": batch.pk,
            "issued_on": localdate(now),
            "first_on": first_on,
            "last_on": last_on,
            "steps": 1,
        },
    )
    copying.insert(
        CouponStep,
        {"coupon_id": ids},
        same={
            "nth": 1, "kind": CouponStepKind.ISSUED.value, "at": now, "recorded_at": now,
            "actor_id": run.created_by_id,
        },
    )  # fmt: skip
    coupons = [
        Coupon(pk=pk, member_id=member_id, last_on=last_on)
        for pk, member_id in zip(ids, member_ids, strict=True)
    ]
    _tell(batch, coupons, at=now)
    return ids
