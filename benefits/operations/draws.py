"""
How a prize draw comes to be, is drawn from, and is closed.

Drafted by one person, published by another (`benefits.approvals`): with that the seed is made and
its hash is published, and odds, prizes and rules stay as they are. Each draw takes the next number;
the number and the seed say what it came to (`benefits.drawing`). Closing reveals the seed.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import drawing
from benefits.models.draws import (
    Draw,
    DrawOutcome,
    DrawPrize,
    DrawState,
    PrizeHandover,
    PrizeKind,
)
from benefits.operations import coupons
from benefits.operations._using import require_note
from benefits.queries import draws as queries
from benefits.queries.draws import UnknownDraw
from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import Approval, ApprovalState, User
from common.moments import require_years
from members import queries as members
from members.models import Member
from members.queries import Identity
from messaging import operations as messaging
from messaging import templates
from points import operations as points
from points import queries as ledger
from points.models import EntryKind
from programme import queries as programme
from programme.policies import NEVER, FundingShare
from tiers.messages import NAMES

logger = logging.getLogger(__name__)

WON = "benefits.draw_won"


def register() -> None:
    templates.register(
        WON,
        subject=_("You won: %(prize)s"),
        body=_("You won %(prize)s in the draw “%(draw)s”, draw number %(number)s."),
        variables={"prize": NAMES, "draw": NAMES, "number": templates.NUMBER},
    )


class DrawCodeTaken(DomainError):
    code = "draw_code_taken"
    message = _("There is a prize draw with the code “%(code)s” already.")


class DrawNameMissing(Invalid):
    code = "draw_name_missing"
    message = _("Give the draw and each prize a name in %(language)s.")


class DrawTurned(Invalid):
    code = "draw_turned"
    message = _("The draw closes before it opens.")


class OddsTooHigh(Invalid):
    code = "odds_too_high"
    message = _("The odds of all prizes together are more than a million parts of a million.")


class PrizesMissing(Invalid):
    code = "prizes_missing"
    message = _("It has no prize.")


class PrizeUnclear(Invalid):
    code = "prize_unclear"
    message = _("A prize gives points, a coupon, or a thing: one of them.")


class OneConsolation(Invalid):
    code = "one_consolation"
    message = _("Only one prize can be given in place of those that are used up.")


class LimitUnclear(Invalid):
    code = "limit_unclear"
    message = _("A limit says how often, and in which period.")


class PrizesAboveBudget(DomainError):
    code = "prizes_above_budget"
    message = _("All prizes together may cost %(cost)s, the budget is %(budget)s.")


class DrawNotOpen(DomainError):
    code = "draw_not_open"
    message = _("This draw is not open.")


class DrawNotDraft(DomainError):
    code = "draw_not_draft"
    message = _("This draw is no draft any more, or waits for its approval.")


class DrawChanged(DomainError):
    code = "draw_changed"
    message = _("Somebody saved this draw meanwhile. Open it anew to see what it says now.")


class OwnDraw(DomainError):
    code = "own_draw"
    message = _("You wrote on this draw yourself; somebody else must approve it.")
    status = 403


class TicketNeeded(DomainError):
    code = "ticket_needed"
    message = _("Each go at this draw needs a ticket from the shop.")


class BirthdayUnknown(DomainError):
    code = "birthday_unknown"
    message = _("This draw has an age limit, and your birthday is not known.")


class TooYoung(DomainError):
    code = "too_young"
    message = _("This draw is for members of %(age)s years and older.")


class DrawLimitReached(DomainError):
    code = "draw_limit_reached"
    message = _("You have drawn as often as this draw allows for now.")


class UnknownOutcome(NotFound):
    code = "unknown_outcome"
    message = _("Nothing was won by this draw.")


class HandoverUnclear(Invalid):
    code = "handover_unclear"
    message = _("Say who took it where, or who carries it under which number.")


class DrawReferenceReused(DomainError):
    code = "reference_reused"
    message = _("The reference “%(reference)s” stands for another draw.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prize:
    """A prize level, the rarest usually first. `parts` of a million; `cost` of one."""

    names: dict[str, str]
    kind: str
    parts: int
    pieces: int
    cost: Decimal
    points: int = 0
    batch_id: int | None = None
    is_consolation: bool = False

    @property
    def is_clear(self) -> bool:
        gives = (self.points > 0, self.batch_id is not None)
        return gives == (self.kind == PrizeKind.POINTS, self.kind == PrizeKind.COUPON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All a draw says; see `Draw` for the fields."""

    names: dict[str, str]
    opens_at: datetime
    closes_at: datetime
    budget: Decimal
    prizes: Sequence[Prize]
    description: dict[str, str] = field(default_factory=dict)
    entry_points: int = 0
    needs_ticket: bool = False
    age_min: int | None = None
    limit_count: int | None = None
    limit_period: str = ""
    funding: Sequence[dict[str, str]] = ()

    def require_sense(self) -> None:
        """:raises Invalid: the first thing that makes none"""
        language = settings.LANGUAGE_CODE
        if not all(names.get(language) for names in (self.names, *(p.names for p in self.prizes))):
            raise DrawNameMissing(language=dict(settings.LANGUAGES)[language])
        require_years(self.opens_at, self.closes_at)
        if self.closes_at <= self.opens_at:
            raise DrawTurned
        if not self.prizes:
            raise PrizesMissing
        if not all(each.is_clear for each in self.prizes):
            raise PrizeUnclear
        if sum(each.parts for each in self.prizes) > drawing.PARTS:
            raise OddsTooHigh
        if sum(each.is_consolation for each in self.prizes) > 1:
            raise OneConsolation
        if (self.limit_count is None) != (not self.limit_period):
            raise LimitUnclear


# --- Drafting and publishing ----------------------------------------------------------------------


@transaction.atomic
def create(*, code: str, terms: Terms, by: User) -> Draw:
    """
    Begin a draw as a draft.

    :raises DrawCodeTaken: if there is one with this code
    :raises Invalid: see `Terms.require_sense`
    """
    terms.require_sense()
    draw = Draw(code=code, authors=[by.pk])
    try:
        with transaction.atomic():
            _write(draw, terms)
    except IntegrityError as error:
        if "code" not in str(error):
            raise
        raise DrawCodeTaken(code=code) from error
    _record("draw.created", draw, by)
    return draw


@transaction.atomic
def save(*, draw_id: int, terms: Terms, revision: int, by: User) -> Draw:
    """
    Keep what a draft says now. Whoever saves is one of its authors for good.

    :raises DrawNotDraft: if it is published, or waits for its approval
    :raises DrawChanged: if somebody saved another revision meanwhile
    :raises UnknownDraw: :raises Invalid: see `Terms.require_sense`
    """
    terms.require_sense()
    draw = _draft(draw_id, revision)
    draw.authors = sorted({*draw.authors, by.pk})
    draw.revision += 1
    draw.prizes.all().delete()
    _write(draw, terms)
    _record("draw.saved", draw, by, revision=draw.revision)
    return draw


def _write(draw: Draw, terms: Terms) -> None:
    said = {name: getattr(terms, name) for name in Terms.__slots__ if name != "prizes"}
    for name, value in said.items():
        setattr(draw, name, list(value) if name == "funding" else value)
    draw.save()
    DrawPrize.objects.bulk_create(
        DrawPrize(draw=draw, position=nth, remaining=each.pieces, **asdict(each))
        for nth, each in enumerate(terms.prizes)
    )


@transaction.atomic
def hold_draft(*, draw_id: int, revision: int) -> Draw:
    """
    Keep others from changing a draft that is about to be asked for.

    :raises PrizesAboveBudget: if the prizes may cost more than the budget
    :raises UnknownDraw, DrawNotDraft, DrawChanged: as `save`
    """
    draw = _draft(draw_id, revision)
    cost = queries.cost_at_most(list(draw.prizes.all()))
    if cost > draw.budget:
        raise PrizesAboveBudget(cost=cost, budget=draw.budget)
    return draw


@transaction.atomic
def note_request(*, draw_id: int, approval: Approval) -> None:
    """From now on the draft waits for its approval."""
    Draw.objects.filter(pk=draw_id).update(approval=approval)


@transaction.atomic
def publish(*, draw_id: int, revision: int, by: User, at: datetime) -> Draw:
    """
    Publish a draw whose request was approved in this transaction: with the hash of a new seed.

    :raises OwnDraw: if who approves wrote on it
    :raises UnknownDraw, DrawNotDraft, DrawChanged: if it is not what was asked for
    """
    draw = _draft(draw_id, revision)
    if by.pk in draw.authors:
        raise OwnDraw
    draw.seed = secrets.token_hex(32)
    draw.seed_hash = drawing.commitment(draw.seed)
    draw.state, draw.approved_by, draw.approved_at = DrawState.RUNNING, by, at
    draw.save(update_fields=["seed", "seed_hash", "state", "approved_by", "approved_at"])
    _record("draw.published", draw, by, seed_hash=draw.seed_hash)
    return draw


@transaction.atomic
def close(*, draw_id: int, by: User, at: datetime) -> Draw:
    """
    End a draw and reveal its seed; after its time, or before it is over. Safe to repeat.

    :raises DrawNotOpen: if it was never published
    """
    draw = _held(draw_id)
    if draw.state == DrawState.CLOSED:
        return draw
    if draw.state != DrawState.RUNNING:
        raise DrawNotOpen
    draw.state, draw.closed_at = DrawState.CLOSED, at
    draw.save(update_fields=["state", "closed_at"])
    _record("draw.closed", draw, by, drawn=draw.drawn)
    return draw


# --- Drawing --------------------------------------------------------------------------------------


@transaction.atomic
def enter(
    *, member: Identity, draw_id: int, reference: str, at: datetime, has_ticket: bool = False
) -> DrawOutcome:
    """
    Draw once. Repeating a reference answers the first outcome and costs nothing.

    The member's account is locked first, so limits hold; the draw's row last, in which all who draw
    stand in line: a number is given for good only with what it came to.

    :param reference: the caller's own name for this draw
    :param has_ticket: it was paid for with an order, and costs no points
    :raises DrawNotOpen: before it opens, when it is over, or never published
    :raises TicketNeeded: if there is none
    :raises BirthdayUnknown, TooYoung, DrawLimitReached: if the member may not draw (now)
    :raises MemberFrozen, MemberClosed, MemberNotActivated: as `points.redeem`
    :raises points.InsufficientPoints: if the points to enter are too few
    :raises DrawReferenceReused: if the reference stands for another member or draw
    """
    points.lock(member.id)
    first = DrawOutcome.objects.filter(reference=reference).select_related("prize").first()
    if first is not None:
        if (first.draw_id, first.member_id) not in [(draw_id, one) for one in _named(member)]:
            raise DrawReferenceReused(reference=reference)
        return first
    draw = Draw.objects.filter(pk=draw_id).first()
    if draw is None:
        raise UnknownDraw
    member.require_can_redeem()
    if draw.needs_ticket and not has_ticket:
        raise TicketNeeded
    _require_may_enter(draw, member, at)
    if draw.entry_points and not has_ticket:
        points.redeem(
            member=member,
            points=draw.entry_points,
            at=at,
            reference=f"draw:{reference}",
            source=points.our_source(),
            note=draw.code,
        )
    outcome = _drawn(_held(draw_id), member, reference, at)
    if outcome.prize is not None:
        _tell(draw, outcome, outcome.prize, member)
        _give(draw, outcome, outcome.prize, member)
    return outcome


def _named(member: Identity) -> set[int]:
    return {member.id, member.asked_id}


def _require_may_enter(draw: Draw, member: Identity, at: datetime) -> None:
    if draw.state != DrawState.RUNNING or not draw.opens_at <= at < draw.closes_at:
        raise DrawNotOpen
    day = localdate(at)
    if draw.age_min is not None:
        birthday = Member.objects.values_list("birthday", flat=True).get(pk=member.id)
        if birthday is None:
            raise BirthdayUnknown
        if _age(birthday, day) < draw.age_min:
            raise TooYoung(age=draw.age_min)
    if (
        draw.limit_count is not None
        and queries.times_drawn(draw, member.id, day) >= draw.limit_count
    ):
        raise DrawLimitReached


def _age(birthday: date, day: date) -> int:
    """Full years. Who was born on 29 February is a year older from 1 March in other years."""
    return day.year - birthday.year - ((day.month, day.day) < (birthday.month, birthday.day))


def _drawn(draw: Draw, member: Identity, reference: str, at: datetime) -> DrawOutcome:
    """Take the next number of a draw whose row is held, and what it comes to."""
    if draw.state != DrawState.RUNNING:
        raise DrawNotOpen
    assert draw.seed, "what is published has a seed"
    prizes = list(draw.prizes.order_by("position"))
    number = draw.drawn + 1
    result = drawing.result(draw.seed, draw.code, number)
    hit = drawing.level(result, [each.parts for each in prizes])
    given = drawing.given(hit, [each.remaining for each in prizes], queries.consolation(prizes))
    Draw.objects.filter(pk=draw.pk).update(drawn=number)
    prize = None
    if given is not None:
        prize = prizes[given]
        DrawPrize.objects.filter(pk=prize.pk).update(remaining=prize.remaining - 1)
    return DrawOutcome.objects.create(
        draw=draw, number=number, member_id=member.id, on=localdate(at), at=at,
        reference=reference, result=result, hit=hit, prize=prize,
    )  # fmt: skip


def _tell(draw: Draw, outcome: DrawOutcome, prize: DrawPrize, member: Identity) -> None:
    messaging.send_many(
        template=WON,
        messages=[
            messaging.ToSend(
                member_id=member.id,
                key=f"draw:{draw.pk}:{outcome.number}",
                variables={"prize": prize.names, "draw": draw.names, "number": outcome.number},
            )
        ],
        at=outcome.at,
    )


def _give(draw: Draw, outcome: DrawOutcome, prize: DrawPrize, member: Identity) -> None:
    """Points and coupons come at once; a thing is owed until staff hand it over."""
    if prize.kind == PrizeKind.POINTS:
        _grant(draw, outcome, prize.points, member)
    elif prize.kind == PrizeKind.COUPON:
        try:
            with transaction.atomic():
                _give_coupon(outcome, prize, member, at=outcome.at)
        except DomainError as refusal:
            # What was won stays won, or who draws next would be told the same: staff see it.
            logger.warning("draw %s-%s owes a coupon: %s", draw.code, outcome.number, refusal.code)
            return
    if prize.kind != PrizeKind.THING:
        PrizeHandover.objects.create(outcome=outcome, at=outcome.at)


def _give_coupon(outcome: DrawOutcome, prize: DrawPrize, member: Identity, *, at: datetime) -> None:
    assert prize.batch_id is not None, "the kind of the prize says so"
    reference = f"draw:{outcome.draw_id}:{outcome.number}"
    coupons.issue(batch_id=prize.batch_id, member=member, reference=reference, at=at)


@transaction.atomic
def hand_over(*, outcome_id: int, note: str, by: User, at: datetime) -> PrizeHandover:
    """
    Note that the winner has a prize that was owed. A repeat changes nothing.

    :param note: who took it where, or who carries it under which number: the winner reads it.
        Without a note an owed coupon is issued; with one, something was given in its place
    :raises UnknownOutcome: if nothing was won by it
    :raises HandoverUnclear: without a note, for a thing
    :raises WordsTooLong: :raises personal.NamesSomebody: as the note is
    :raises DomainError: if a coupon cannot be issued, see `coupons.issue`
    """
    found = DrawOutcome.objects.select_related("draw", "prize").filter(pk=outcome_id)
    outcome = found.exclude(prize=None).first()
    if outcome is None or outcome.prize is None:
        raise UnknownOutcome
    # Of two who hand it over, the second finds it done.
    points.lock(ledger.holder_of(outcome.member_id))
    earlier = PrizeHandover.objects.filter(pk=outcome_id).first()
    if earlier is not None:
        return earlier
    note = note.strip()
    require_note(note)
    if not note and outcome.prize.kind != PrizeKind.COUPON:
        raise HandoverUnclear
    if not note:
        winner = members.identity_of(outcome.member_id)
        _give_coupon(outcome, outcome.prize, winner, at=at)
    _record("draw.prize_handed_over", outcome.draw, by, number=outcome.number, note=note)
    return PrizeHandover.objects.create(outcome=outcome, at=at, by=by, note=note)


def _grant(draw: Draw, outcome: DrawOutcome, won: int, member: Identity) -> None:
    rulebook = programme.rulebook_on(outcome.on)
    validity, ours = rulebook.policies.validity, points.our_source()
    shares = tuple(FundingShare.parse(each) for each in draw.funding) or rulebook.policies.funding
    (posted,) = points.grant(
        grants=[
            points.Grant(
                member=member,
                points=won,
                reference=f"draw-prize:{draw.pk}:{outcome.number}",
                at=outcome.at,
                expires_on=validity.last_day(outcome.on) or NEVER,
                lapses_on=validity.account_last_day(outcome.on),
            )
        ],
        source=points.Source(
            issuer_id=ours.issuer_id,
            version_id=rulebook.id,
            funding_id=points.funding_by_policy(shares, store_id=None, issuer_id=ours.issuer_id),
        ),
        rolls=validity.counts(EntryKind.EARN),
        note=draw.code,
    )
    if isinstance(posted, DomainError):
        raise posted


# --- Parts ----------------------------------------------------------------------------------------


def _held(draw_id: int) -> Draw:
    draw = Draw.objects.select_for_update(no_key=True).filter(pk=draw_id).first()
    if draw is None:
        raise UnknownDraw
    return draw


def _draft(draw_id: int, revision: int) -> Draw:
    draw = _held(draw_id)
    waits = draw.approval is not None and draw.approval.state == ApprovalState.PENDING
    if draw.state != DrawState.DRAFT or waits:
        raise DrawNotDraft
    if draw.revision != revision:
        raise DrawChanged
    return draw


def _record(action: str, draw: Draw, by: User, **details: Any) -> None:
    audit.record(action=action, target=draw.code, by=by, details=details)
