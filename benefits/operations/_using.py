"""How rights are used: booked, delivered with a proof, undone, rated."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NoReturn

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import queries
from benefits.matrix import ALWAYS, YEAR, Benefit, period_of
from benefits.models import (
    NOTE_MAX,
    OPEN,
    PROOF_BYTES_MAX,
    Ended,
    Kind,
    Picture,
    Proof,
    Rating,
    Right,
    RightState,
    Step,
    StepKind,
)
from benefits.operations._steps import NOBODY, Who, take, taken_before
from common import audit, personal
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members import cards
from members import queries as members
from members.queries import Identity
from points import operations as points
from points import queries as ledger
from tiers import queries as tiers

STARS = range(1, 6)
# No id is larger; the database could not even compare one.
ID_MAX = 2**63 - 1
# What pictures begin with.
BEGINNINGS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


class UnknownBenefit(NotFound):
    code = "unknown_benefit"
    message = _("There is no such benefit.")


class UnknownRight(NotFound):
    code = "unknown_right"
    message = _("There is no such right.")


class NothingLeft(DomainError):
    code = "nothing_left"
    message = _("Nothing is left of “%(benefit)s”.")


class NotCounted(DomainError):
    code = "not_counted"
    message = _("“%(benefit)s” is not delivered one by one.")


class WrongRightState(DomainError):
    code = "wrong_right_state"
    message = _("The right is in the state “%(state)s”.")


class TooLateToUndo(DomainError):
    code = "too_late_to_undo"
    message = _("A delivery can be undone within %(minutes)s minutes.")


class AnotherMembersCode(Invalid):
    code = "another_members_code"
    message = _("This code is another member's.")


class NotAPicture(Invalid):
    code = "not_a_picture"
    message = _("The picture must be a JPEG or PNG file of at most 2 MB.")


class NotAProof(Invalid):
    code = "not_a_proof"
    message = _("Say what proves the delivery: the member's code, or a picture.")


class BookedInThePast(Invalid):
    code = "booked_in_the_past"
    message = _("An appointment lies ahead, and before the right lapses.")


class NotStars(Invalid):
    code = "not_stars"
    message = _("Give one to five stars.")


class WordsTooLong(Invalid):
    code = "words_too_long"
    message = _("Use at most %(count)s characters.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    What proves a delivery. `card`: the code a member shows, read at `seen_at`, or as it is told of;
    `picture`: a JPEG or PNG.
    """

    proof: Proof
    card: str = ""
    seen_at: datetime | None = None
    picture: bytes = b""

    def media_type(self) -> str:
        """:raises NotAPicture: if it is too large, or begins as no picture does"""
        found = (kind for kind, begins in BEGINNINGS.items() if self.picture.startswith(begins))
        media_type = next(found, "")
        if not media_type or len(self.picture) > PROOF_BYTES_MAX:
            raise NotAPicture
        return media_type


@transaction.atomic
def book(
    *,
    member: Identity,
    benefit: str,
    booked_for: datetime,
    at: datetime,
    who: Who = NOBODY,
    note: str = "",
) -> Right:
    """
    Make an appointment for one right to a benefit: the one that lapses first.

    :raises BookedInThePast: if the time has passed, or lies after the right's last day
    :raises UnknownBenefit: :raises NotCounted: :raises NothingLeft: if there is none to book
    """
    _require_can_use(member)
    require_note(note)
    if booked_for < at:
        raise BookedInThePast
    found = _locked(member, benefit, day=localdate(at))
    right = next((each for each in found if each.state == RightState.GRANTED), None)
    if right is None:
        _refuse(member, benefit, day=localdate(at))
    if right.last_on is not None and localdate(booked_for) > right.last_on:
        raise BookedInThePast
    take(
        right, StepKind.BOOKED, at=at, who=who, note=note, state=RightState.BOOKED,
        booked_for=booked_for, store_id=who.store_id,
    )  # fmt: skip
    record("right.booked", member, right, who.by)
    return right


@transaction.atomic
def deliver(
    *,
    member: Identity,
    benefit: str,
    shown: Shown,
    at: datetime,
    now: datetime | None = None,
    who: Who = NOBODY,
    note: str = "",
    reference: str = "",
) -> Right:
    """
    Deliver one right to a benefit: one booked at this store, else the one that lapses first.

    :param now: when it is told, if that is later than `at`: a code is judged by then
    :param reference: the caller's name for it: what comes again under the same is delivered once
    :raises UnknownBenefit: :raises NotCounted: :raises NothingLeft: if there is none to deliver
    :raises NotAProof, NotAPicture, AnotherMembersCode: if it is not proven
    :raises members.cards.InvalidCard, members.cards.CardExpired: as the code is
    """
    _require_can_use(member)
    require_note(note)
    day = localdate(at)
    found = _locked(member, benefit, day=day)
    if told := taken_before(reference, StepKind.DELIVERED):
        return _same(told, member, benefit)
    _require_proof(shown, member, at=shown.seen_at or now or at)
    # What waits for another store or another day is left to it, as long as there is something else.
    found.sort(key=lambda each: _turn(each, who.store_id, day))
    if not found:
        # Two at once number their rights one after the other, and a second tap finds the first.
        points.lock(member.id)
        if told := taken_before(reference, StepKind.DELIVERED):
            return _same(told, member, benefit)
    right = found[0] if found else _on_demand(member, benefit, at=at)
    step = take(
        right, StepKind.DELIVERED, at=at, who=who, proof=shown.proof, note=note,
        reference=reference,
        state=RightState.DELIVERED, delivered_at=at, store_id=who.store_id,
    )  # fmt: skip
    if shown.picture:
        Picture.objects.create(
            step=step,
            media_type=shown.media_type(),
            size=len(shown.picture),
            content=shown.picture,
        )
    record("right.delivered", member, right, who.by, proof=shown.proof.value)
    return right


def _same(told: Step, member: Identity, benefit: str) -> Right:
    """:raises points.ReferenceReused: if the reference stands for another delivery"""
    right = told.right
    if right.benefit != benefit or right.member_id not in queries.guests_of(member.id):
        raise points.ReferenceReused(reference=told.reference)
    return right


def _turn(right: Right, store_id: int | None, day: date) -> int:
    """An appointment made for this comes first, one made for something else last."""
    if right.booked_for is None:
        return 1
    is_for_this = localdate(right.booked_for) <= day and right.store_id in (None, store_id)
    return 0 if is_for_this else 2


def _require_can_use(member: Identity) -> None:
    member.require_can_redeem()
    if ledger.holder_of(member.id) != member.id:
        raise points.AccountMerged(number=ledger.merged_into(member.id))


def _require_proof(shown: Shown, member: Identity, *, at: datetime) -> None:
    if shown.proof == Proof.CARD:
        of = cards.read(shown.card, at=at)
        if of != member.id and of not in queries.guests_of(member.id):
            raise AnotherMembersCode
    elif shown.proof in (Proof.SIGNATURE, Proof.PHOTO) and not shown.picture:
        raise NotAProof
    if shown.picture:
        shown.media_type()


def _locked(member: Identity, benefit: str, *, day: date) -> list[Right]:
    """
    The rights that can be used, held until the transaction ends. All of them, not the first: who
    waits for a row that another has used meanwhile must still see the next.
    """
    open_ones = queries.usable(queries.rights(member.id).filter(benefit=benefit), day)
    held = open_ones.select_related(None).select_for_update(no_key=True)
    # After waiting, the condition is looked at again; the order is that of before.
    return [each for each in held if each.state in OPEN]


def _refuse(member: Identity, benefit: str, *, day: date) -> NoReturn:
    """Say why there is nothing to use."""
    found = _benefit(member, benefit, day=day)
    if found.kind != Kind.SERVICE:
        raise NotCounted(benefit=found.name)
    raise NothingLeft(benefit=found.name)


def _benefit(member: Identity, benefit: str, *, day: date) -> Benefit:
    found = queries.matrix_on(day).find(benefit)
    if found is None:
        # The present version may not know what an earlier one granted.
        latest = queries.rights(member.id).filter(benefit=benefit).order_by("-pk").first()
        found = queries.benefit_of(latest) if latest else None
    if found is None:
        raise UnknownBenefit
    return found


def _on_demand(member: Identity, benefit: str, *, at: datetime) -> Right:
    """A right made as it is used, where the member's tier always has the benefit."""
    day = localdate(at)
    found = _benefit(member, benefit, day=day)
    level = tiers.level_code_on(member.id, day)
    cell = found.cells.get(level or "")
    if found.kind != Kind.SERVICE or cell is None or cell.per != ALWAYS:
        _refuse(member, benefit, day=day)
    period = period_of(YEAR, day).key
    same = Right.objects.filter(member_id=member.id, benefit=benefit, period=period)
    latest = same.order_by("-ordinal").values_list("ordinal", flat=True).first()
    right = Right.objects.create(
        member_id=member.id,
        benefit=benefit,
        period=period,
        ordinal=(latest or 0) + 1,
        level=level or "",
        version_id=queries.matrix_on(day).version_id,
        steps=0,
        granted_on=day,
        last_on=day,
        on_demand=True,
        cost=found.cost,
    )
    take(right, StepKind.GRANTED, at=at, state=RightState.GRANTED)
    return right


@transaction.atomic
def undo(
    *,
    right_id: int,
    at: datetime,
    who: Who,
    note: str = "",
    by_office: bool = False,
    reference: str = "",
) -> Right:
    """
    Take a delivery back that was told by mistake, within the minutes the rulebook allows.

    :param by_office: staff who may undo what any store delivered
    :param reference: as for a delivery
    :raises TooLateToUndo: after that
    :raises UnknownRight: if another store delivered it: of that a till learns nothing
    """
    right = held(right_id)
    told = taken_before(reference, StepKind.UNDONE)
    if told is not None and told.right_id == right.pk:
        return right
    if not by_office and who.store_id != right.store_id:
        raise UnknownRight
    require_note(note)
    require_state(right, RightState.DELIVERED)
    assert right.delivered_at is not None, "benefits_right_delivered_at_a_time"
    minutes = queries.matrix(right.version_id).undo_minutes
    if at > right.delivered_at + timedelta(minutes=minutes):
        raise TooLateToUndo(minutes=minutes)
    if right.on_demand:
        after, ended = RightState.ENDED, Ended.UNDONE.value
    else:
        after, ended = RightState.BOOKED if right.booked_for else RightState.GRANTED, ""
    take(
        right, StepKind.UNDONE, at=at, who=who, note=note, reason=ended, state=after,
        reference=reference,
        delivered_at=None, store_id=right.store_id if right.booked_for else None,
    )  # fmt: skip
    member = members.identity_of(right.member_id)
    record("right.undone", member, right, who.by, reason=note, store=who.store_id)
    return right


@transaction.atomic
def rate(*, right_id: int, member_id: int, stars: int, words: str, at: datetime) -> Rating:
    """
    Note what a member says of what they got. A second word replaces nothing: it is refused.

    :raises UnknownRight: if it is another member's
    :raises NotStars: :raises WordsTooLong: if they are none, or too many
    :raises WrongRightState: if it was not delivered, or is rated already
    """
    if stars not in STARS:
        raise NotStars
    if len(words) > NOTE_MAX:
        raise WordsTooLong(count=NOTE_MAX)
    right = held(right_id)
    if right.member_id not in queries.guests_of(member_id):
        raise UnknownRight
    require_state(right, RightState.DELIVERED)
    take(right, StepKind.RATED, at=at, state=RightState.RATED)
    return Rating.objects.create(right=right, stars=stars, words=words, at=at)


@transaction.atomic
def look_at_pictures(
    *, step_ids: Collection[int], member: Identity, by: User
) -> dict[int, Picture]:
    """
    The pictures that prove a member's deliveries, by step. That somebody looked is on record.

    :param step_ids: of other members', and without a picture, there is none
    """
    found = Picture.objects.filter(
        step__in=step_ids, step__right__member_id__in=queries.Guests(member.id)
    )
    pictures = {each.pk: each for each in found}
    if pictures:
        told = {"steps": sorted(pictures)}
        audit.record(action="right.picture_seen", target=member.number, by=by, details=told)
    return pictures


def held(right_id: int) -> Right:
    """
    A right whose row is locked until the transaction ends.

    :raises UnknownRight: if there is none
    """
    found = Right.objects.select_for_update(no_key=True).filter(pk=right_id)
    right = found.first() if right_id <= ID_MAX else None
    if right is None:
        raise UnknownRight
    return right


def require_state(right: Right, *states: RightState) -> None:
    if right.state not in states:
        raise WrongRightState(state=right.get_state_display())


def require_note(note: str) -> None:
    """:raises WordsTooLong: :raises personal.NamesSomebody: as a step stays for ever"""
    if len(note) > NOTE_MAX:
        raise WordsTooLong(count=NOTE_MAX)
    personal.keep_out(note)


def record(
    action: str,
    member: Identity,
    right: Right,
    by: User | None,
    *,
    reason: str = "",
    **details: object,
) -> None:
    told = {"right": right.pk, "benefit": right.benefit, "store": right.store_id, **details}
    audit.record(action=action, target=member.number, by=by, reason=reason, details=told)
