"""What somebody or a product gives: a start, a tier by hand, more time, an approved upgrade."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members.models import MemberStatus, Product
from members.queries import Identity
from messaging import operations as messaging
from tiers import messages, queries
from tiers.judging import Sight, State, entered
from tiers.ladders import Ladder, Level
from tiers.models import Decision, DecisionKind, Proposal, ProposalKind, ProposalState
from tiers.operations._deciding import Settled, hold, judged_anew, settled, write
from tiers.operations._documents import Attached, checked, keep

REASON_MAX = 500


class NoTiers(DomainError):
    code = "no_tiers"
    message = _("The programme has no tiers.")


class UnknownLevel(Invalid):
    code = "unknown_tier"
    message = _("There is no tier “%(level)s”.")


class NotHigher(DomainError):
    code = "tier_not_higher"
    message = _("The member has the tier “%(level)s” already, or a higher one.")


class EndsTooSoon(Invalid):
    code = "tier_ends_too_soon"
    message = _("The last day must lie after %(day)s.")


class NothingToExtend(DomainError):
    code = "tier_without_end"
    message = _("The member's tier has no end.")


class NothingByHand(DomainError):
    code = "no_tier_by_hand"
    message = _("The member has no tier by hand.")


class SayWhy(Invalid):
    code = "reason_missing"
    message = _("Say why.")


class UnknownProposal(NotFound):
    code = "unknown_proposal"
    message = _("There is no such proposal.")


class ProposalDecided(DomainError):
    code = "proposal_decided"
    message = _("This was decided already: %(state)s.")


class CannotApply(DomainError):
    code = "cannot_apply"
    message = _("Your present figures do not allow an application for this tier.")


@transaction.atomic
def set_manual(
    *,
    member: Identity,
    level: str,
    until: date | None,
    reason: str,
    at: datetime,
    by: User,
    approved_by: User | None = None,
) -> Decision:
    """
    Give a tier by hand. What the member earns goes on beneath it, and shows again when it ends.

    :param until: its last day; None: until somebody ends it
    :raises NotHigher: if the member has it, or a higher one, already
    :raises UnknownLevel: :raises EndsTooSoon: :raises SayWhy: :raises NoTiers: if so
    """
    now = _present(member, at=at)
    given = _level(now.ladder, level)
    if not _is_higher(given, now):
        raise NotHigher(level=now.ladder.level(now.state.level).name)
    if until is not None and until <= now.day:
        raise EndsTooSoon(day=now.day)
    now.manual, now.manual_until = level, until
    return _by_hand(
        now,
        DecisionKind.MANUAL,
        member,
        at=at,
        valid_until=until,
        reason=_said(reason),
        actor=by,
        approved_by=approved_by,
    )


@transaction.atomic
def end_manual(*, member: Identity, reason: str, at: datetime, by: User) -> Decision:
    """
    End a tier given by hand: from the day of `at` on, what the member has earned shows.

    :raises NothingByHand: if there is none
    :raises SayWhy: :raises NoTiers: if so
    """
    now = _present(member, at=at)
    if not now.manual:
        raise NothingByHand
    now.manual, now.manual_until = "", None
    return _by_hand(now, DecisionKind.MANUAL_END, member, at=at, reason=_said(reason), actor=by)


@transaction.atomic
def extend(
    *,
    member: Identity,
    until: date,
    reason: str,
    at: datetime,
    by: User,
    approved_by: User | None = None,
) -> Decision:
    """
    Let the tier a member has earned last longer.

    :param until: its new last day
    :raises NothingToExtend: if it has no end
    :raises EndsTooSoon: if that is no later than its present one
    :raises SayWhy: :raises NoTiers: if so
    """
    now = _present(member, at=at)
    state = now.state
    if state.valid_until is None:
        raise NothingToExtend
    if until <= max(state.valid_until, now.day):
        raise EndsTooSoon(day=max(state.valid_until, now.day))
    now.state = State(state.level, state.since, state.period_from, until)
    return _by_hand(
        now,
        DecisionKind.EXTEND,
        member,
        at=at,
        reason=_said(reason),
        actor=by,
        approved_by=approved_by,
    )


@transaction.atomic
def start_by_products(*, member: Identity, at: datetime) -> Decision | None:
    """
    Begin at the highest tier that comes with a product the member owns (T5): once for each product,
    and only if it is higher than what the member has earned.
    """
    names = _starting_products([member.id], queries.ladder_on(localdate(at)))
    if not names or member.status == MemberStatus.CLOSED:
        return None
    now = _present(member, at=at)
    decision = _started(now, _new_ones(names).get(member.id, ()), at=at)
    if decision is not None:
        write([now])
    return decision


@transaction.atomic
def start_many_by_products(*, member_ids: Collection[int], at: datetime) -> int:
    """
    As `start_by_products` for many members in few queries, and nobody is told: they had what they
    own before they came (M4).

    :param member_ids: of members who have not come to the end of a tier's period
    :returns: how many begin higher than at the base
    """
    day = localdate(at)
    ladder = queries.ladder_on(day)
    names = _starting_products(member_ids, ladder)
    if not names:
        return 0
    all_held = hold(names, base=ladder.base.code)
    new = _new_ones(names)
    begun = []
    for held in all_held:
        judged = max(day, held.judged_on or day)
        now = Settled(held, ladder, judged, held.state, held.manual, held.manual_until)
        if _started(now, new.get(held.member_id, ()), at=at):
            begun.append(now)
    write(begun, tell=False)
    return len(begun)


def _starting_products(member_ids: Collection[int], ladder: Ladder) -> dict[int, set[str]]:
    """Names of the products they own that come with a tier, by member."""
    if not ladder.products:
        return {}
    owned = Product.objects.filter(
        member_id__in=member_ids, owned_until=None, name__in=ladder.products
    )
    names: dict[int, set[str]] = {}
    for member_id, name in owned.values_list("member_id", "name"):
        names.setdefault(member_id, set()).add(name)
    return names


def _new_ones(names: Mapping[int, set[str]]) -> dict[int, set[str]]:
    """Those of which none has brought its owner a tier before. Their standings are held."""
    begun = Decision.objects.filter(member_id__in=names, kind=DecisionKind.START)
    before: dict[int, set[str]] = {}
    for member_id, name in begun.values_list("member_id", "reason"):
        before.setdefault(member_id, set()).add(name)
    return {member_id: each - before.get(member_id, set()) for member_id, each in names.items()}


def _started(now: Settled, names: Collection[str], *, at: datetime) -> Decision | None:
    """Enter the highest tier that comes with one of these products, if it is higher."""
    levels = {name: _level(now.ladder, now.ladder.products.get(name, "")) for name in names}
    name = max(names, key=lambda name: levels[name].position, default=None)
    if name is None or not _is_higher(levels[name], now):
        return None
    now.state = entered(levels[name], now.day)
    return now.decide(DecisionKind.START, now.day, at=at, granted=True, reason=name)


# --- Proposals ------------------------------------------------------------------------------------


@transaction.atomic
def apply(
    *,
    member: Identity,
    level: str,
    text: str,
    at: datetime,
    documents: Sequence[Attached] = (),
) -> Proposal:
    """
    Apply for a tier 申请升级. One application waits at a time; applying again returns it as it is.

    :raises TooManyDocuments: :raises DocumentTooLarge: :raises EmptyDocument: if so
    :raises UnknownDocumentType: if one is no JPEG, PNG or PDF by its content
    :raises CannotApply: if the rulebook does not invite one with these figures
    :raises UnknownLevel: :raises NotHigher: :raises NoTiers: if so
    """
    now = _present(member, at=at)
    wanted = _level(now.ladder, level)
    if not _is_higher(wanted, now):
        raise NotHigher(level=now.ladder.level(now.state.level).name)
    sight = _sight(member, now)
    if wanted.application is None or not sight.meets(wanted.application):
        raise CannotApply
    to_keep = checked(documents)
    proposal, is_new = Proposal.objects.get_or_create(
        member_id=member.id,
        level=level,
        state=ProposalState.WAITING,
        defaults={
            "kind": ProposalKind.APPLICATION,
            "proposed_on": now.day,
            "version_id": now.ladder.version_id,
            "evidence": sight.evidence(wanted.application),
            "text": text.strip(),
        },
    )
    if is_new:
        keep(proposal, to_keep, at=at)
    return proposal


@transaction.atomic
def approve_proposal(
    *, proposal_id: int, member: Identity, at: datetime, by: User, note: str = ""
) -> Decision:
    """
    Let a proposed upgrade happen, from the day of `at` on.

    :raises NotHigher: if the member has reached it, or a higher one, meanwhile
    :raises UnknownProposal: :raises ProposalDecided: if so
    """
    # The standing first, then the proposal: as a purchase takes them.
    now = _present(member, at=at)
    proposal = _waiting(proposal_id, member)
    level = _level(now.ladder, proposal.level)
    if not _is_higher(level, now):
        raise NotHigher(level=now.ladder.level(now.state.level).name)
    decision = _enter(
        now,
        level,
        DecisionKind.UPGRADE,
        at=at,
        evidence=proposal.evidence,
        actor=by,
        reason=note.strip(),
    )
    _close(proposal, ProposalState.APPROVED, at=at, by=by, note=note, decision=decision)
    audit.record(
        action="tier.proposal_approved", target=member.number, by=by, reason=note.strip(),
        details={"proposal": proposal.pk, "level": level.code},
    )  # fmt: skip
    _tell(proposal, messages.APPROVED, names=level.names, day=decision.effective_on, at=at)
    return decision


@transaction.atomic
def reject_proposal(
    *, proposal_id: int, member: Identity, at: datetime, by: User, note: str
) -> Proposal:
    """
    Decline a proposed upgrade.

    :raises SayWhy: if the note is blank
    :raises UnknownProposal: :raises ProposalDecided: if so
    """
    proposal = _waiting(proposal_id, member)
    _close(proposal, ProposalState.REJECTED, at=at, by=by, note=_said(note), decision=None)
    audit.record(
        action="tier.proposal_rejected", target=member.number, by=by, reason=_said(note),
        details={"proposal": proposal.pk, "level": proposal.level},
    )  # fmt: skip
    level = queries.ladder(proposal.version_id).level(proposal.level)
    _tell(proposal, messages.DECLINED, names=level.names, day=proposal.proposed_on, at=at)
    return proposal


def _waiting(proposal_id: int, member: Identity) -> Proposal:
    found = Proposal.objects.select_for_update(no_key=True).filter(
        pk=proposal_id, member_id=member.id
    )
    proposal = found.first()
    if proposal is None:
        raise UnknownProposal
    if proposal.state != ProposalState.WAITING:
        raise ProposalDecided(state=proposal.get_state_display())
    return proposal


def _close(
    proposal: Proposal,
    state: ProposalState,
    *,
    at: datetime,
    by: User,
    note: str,
    decision: Decision | None,
) -> None:
    proposal.state = state
    proposal.decided_at = at
    proposal.decided_by = by
    proposal.note = note.strip()
    proposal.decision = decision
    proposal.save(update_fields=["state", "decided_at", "decided_by", "note", "decision"])


def _tell(
    proposal: Proposal, template: str, *, names: Mapping[str, str], day: date, at: datetime
) -> None:
    messaging.send(
        member_id=proposal.member_id,
        template=template,
        key=f"tiers.decided:{proposal.pk}",
        variables={"level": names, "day": day, "note": proposal.note},
        at=at,
    )


# --- Steps ----------------------------------------------------------------------------------------


def _present(member: Identity, *, at: datetime) -> Settled:
    """Hold a standing and bring it to the day: what had ended before it is decided first."""
    member.require_not_closed()
    day = localdate(at)
    ladder = queries.ladder_on(day)
    if not ladder:
        raise NoTiers
    [held] = hold([member.id], base=ladder.base.code)
    day = max(day, held.judged_on or day)
    if held.review_on is not None and held.review_on <= day:
        course = judged_anew(held, until=day)
        write([settled(held, course, ladder=ladder, day=day, at=at)])
        [held] = hold([member.id], base=ladder.base.code)
    return Settled(held, ladder, day, held.state, held.manual, held.manual_until)


def _by_hand(
    now: Settled, kind: DecisionKind, member: Identity, *, at: datetime, **said: object
) -> Decision:
    decision = now.decide(kind, now.day, at=at, granted=True, **said)
    write([now])
    audit.record(
        action=f"tier.{kind.lower()}",
        target=member.number,
        by=decision.actor,
        reason=decision.reason,
        details={"decision": decision.pk, "level": decision.to_level},
    )
    return decision


def _enter(
    now: Settled, level: Level, kind: DecisionKind, *, at: datetime, **said: object
) -> Decision:
    now.state = entered(level, now.day)
    decision = now.decide(kind, now.day, at=at, granted=True, **said)
    write([now])
    return decision


def _sight(member: Identity, now: Settled) -> Sight:
    histories = queries.histories(
        {member.id: now.held.guests}, with_products=now.ladder.counts_products
    )
    return Sight(histories[member.id], now.state, now.day)


def _is_higher(level: Level, now: Settled) -> bool:
    return level.position > now.ladder.level(now.state.level).position


def _level(ladder: Ladder, code: str) -> Level:
    level = ladder.find(code)
    if level is None:
        raise UnknownLevel(level=code)
    return level


def _said(reason: str) -> str:
    said = reason.strip()
    if not said:
        raise SayWhy
    return said[:REASON_MAX]
