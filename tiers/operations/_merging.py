"""Members who are one: what becomes of their tiers when accounts are merged, or taken apart."""

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction
from django.utils.timezone import localdate

from members import queries as members
from points import queries as points
from tiers import queries
from tiers.judging import higher, walk
from tiers.models import Decision, DecisionKind, Proposal, ProposalKind, ProposalState, Standing
from tiers.operations._deciding import (
    Held,
    Settled,
    hold,
    judge_anew,
    judged_anew,
    propose,
    settled,
    write,
)


@transaction.atomic
def follow_merge(*, member_id: int, into_id: int, at: datetime) -> Decision | None:
    """
    Let the standing of `into_id` be what the ledger says of a merge with another member: merged, or
    taken apart. Nothing happens if it is so already, so that an event may come twice or too late.

    Merged, the higher of both tiers remains, as it stood: with its own period and its own last day,
    of equal ones the one that ends later. So nobody gains time by a merge. What the other gathers
    and had gathered counts from that day on together with the survivor's own, in every window,
    which may upgrade at once. The days stay the other's; `Standing.guests` is the link. A tier
    given by hand comes along if it is higher.

    Taken apart, the standing is judged anew as if it had never been. The other's own standing goes
    on by its own days all the while, so that there is nothing to give back.

    :returns: the decision that came of it
    """
    day = localdate(at)
    if not (ladder := queries.ladder_on(day)):
        # Whatever is gathered before there are tiers is taken up when they begin.
        return None
    hosts = points.hosts_of(into_id)
    held = {
        each.member_id: each for each in hold([member_id, into_id, *hosts], base=ladder.base.code)
    }
    is_merged = points.hosts_of(member_id)[:1] == [into_id]
    if is_merged == (member_id in held[into_id].guests):
        return None
    day = max(day, *(held[one].judged_on or day for one in (member_id, into_id)))
    came = _reviewed(held[member_id], day=day, at=at)
    host = _reviewed(held[into_id], day=day, at=at)
    moved = {member_id, *came.guests}
    _reckon(into_id, moved, together=is_merged)
    take = _take_in if is_merged else _let_go
    decision = take(host, came, day=day, at=at)
    for other_id in hosts:
        # Events may come in another order than the merges they tell of.
        if into_id in held[other_id].guests:
            _reckon(other_id, moved, together=is_merged)
            judge_anew(other_id, day=day, at=at)
    return decision


def _take_in(host: Held, came: Held, *, day: date, at: datetime) -> Decision:
    ladder = queries.ladder_on(day)
    now = Settled(host, ladder, day, host.state, host.manual, host.manual_until)
    now.state = higher(host.state, came.state, ladder)
    brought = came.manual_on(day)
    told: dict[str, object] = {"id": came.member_id, "number": _number(came.member_id)}
    if ladder.level(brought).position > ladder.level(host.manual).position:
        now.manual, now.manual_until = brought, came.manual_until
        told["by_hand"] = [brought, came.manual_until]
        told["by_hand_before"] = [host.manual, host.manual_until]
    told["proposals"] = _bring_applications(came.member_id, now)
    decision = now.decide(DecisionKind.MERGE, day, at=at, granted=True, evidence={"merged": told})
    write([now])
    judge_anew(host.member_id, day=day, at=at)
    return decision


def _bring_applications(member_id: int, host: Settled) -> list[int]:
    """
    What waits for staff's decision goes on with who remains, unless it asks for no more than they
    have, or have asked for; what rules had proposed they propose anew.

    :returns: the ids of all that waited
    """
    waited = list(Proposal.objects.filter(member_id=member_id, state=ProposalState.WAITING))
    present = host.ladder.level(host.level).position
    asked = Proposal.objects.filter(member_id=host.held.member_id, state=ProposalState.WAITING)
    levels = set(asked.values_list("level", flat=True))
    for each in waited:
        wanted = host.ladder.find(each.level)
        is_more = wanted is not None and wanted.position > present and each.level not in levels
        if each.kind == ProposalKind.APPLICATION and is_more:
            each.member_id = host.held.member_id
        else:
            each.state = ProposalState.OBSOLETE
        each.save(update_fields=["member", "state"])
    return [each.pk for each in waited]


def _give_applications_back(ids: Sequence[int], member_id: int) -> None:
    """What nobody has decided meanwhile waits again with who had asked."""
    again = Proposal.objects.filter(member_id=member_id, state=ProposalState.WAITING)
    Proposal.objects.filter(
        pk__in=ids, state__in=[ProposalState.WAITING, ProposalState.OBSOLETE]
    ).exclude(level__in=again.values("level")).update(member=member_id, state=ProposalState.WAITING)


def _let_go(host: Held, came: Held, *, day: date, at: datetime) -> Decision:
    held = Held.of(Standing.objects.get(pk=host.member_id))
    ladder = queries.ladder_on(day)
    course = judged_anew(held, until=day)
    now = Settled(held, ladder, day, course.state, held.manual, held.manual_until)
    merges = Decision.objects.filter(member_id=host.member_id, kind=DecisionKind.MERGE)
    merge = merges.filter(evidence__merged__id=came.member_id).order_by("-pk").first()
    told = merge.evidence["merged"] if merge else {}
    if told.get("by_hand") == [held.manual, _iso(held.manual_until)]:
        now.manual, until = told["by_hand_before"]
        now.manual_until = date.fromisoformat(until) if until else None
        if now.manual_until is not None and now.manual_until < day:
            now.manual, now.manual_until = "", None
    decision = now.decide(
        DecisionKind.UNMERGE,
        day,
        at=at,
        evidence={"merged": {"id": came.member_id, "number": _number(came.member_id)}},
    )
    write([now])
    _give_applications_back(told.get("proposals", []), came.member_id)
    propose([(course, now)])
    return decision


def _reviewed(held: Held, *, day: date, at: datetime) -> Held:
    """The standing on a day: what had ended before it is decided first."""
    if held.review_on is None or held.review_on > day:
        return held
    ladder = queries.ladder_on(day)
    histories = queries.histories(
        {held.member_id: held.guests}, with_products=ladder.counts_products
    )
    course = walk(
        histories[held.member_id],
        ladder_on=queries.ladder_on,
        until=day,
        start=held.state,
        after=day,
    )
    write([settled(held, course, ladder=ladder, day=day, at=at)])
    return Held.of(Standing.objects.get(pk=held.member_id))


def _reckon(member_id: int, guests: set[int], *, together: bool) -> None:
    standing = Standing.objects.get(pk=member_id)
    present = set(standing.guests)
    standing.guests = sorted(present | guests if together else present - guests)
    standing.save(update_fields=["guests"])


def _number(member_id: int) -> str:
    return members.numbers_of({member_id})[member_id]


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
