"""What members do besides buying becomes points: check-ins, shares, events, reviews, tasks (P4)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns import budgets, limits
from campaigns.activity_rules import Kind, compiled, span
from campaigns.models import ActivityGroup
from campaigns.timetable import NOT_BEGUN, OVER
from common.errors import Invalid
from common.localized import localized
from members.queries import Identity
from points import operations as points
from points.models import Activity, Entry, EntryKind
from programme import queries as programme
from programme.policies import NEVER
from programme.queries import Rulebook
from tiers import operations as tiers
from tiers.operations import Measured


class UnknownActivity(Invalid):
    code = "unknown_activity"
    message = _("The rulebook of that day knows no activity “%(activity)s”.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something a member did, as it is reported."""

    member: Identity
    # As in the rulebook.
    code: str
    reference: str
    at: datetime
    # With the store it is reported from.
    source: points.Source
    # False when the caller gave no time: then a repeat at another time is still the same.
    at_was_given: bool = True

    def fingerprint(self) -> bytes:
        """A hash of what was asked, to tell a repeat from another use of the reference."""
        content = [
            self.member.asked_id,
            self.code,
            self.source.store_id,
            self.at.timestamp() if self.at_was_given else None,
        ]
        return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Granted:
    """What an activity was worth, and why: on a repeat, what the first was."""

    posted: points.PostedActivity
    # Says what was cut off, by which cap or budget, and how much there is of it.
    explanation: Mapping[str, Any]


def post_activity(*, done: Done, now: datetime) -> Granted:
    """
    Write down what a member did and credit what caps and budgets leave of its worth.

    What is cut off is not given later: it is told in the explanation, and the next time it counts
    anew. Posting it twice credits once.

    :raises UnknownActivity: if the rulebook of its day has none of this code
    :raises points.ReferenceReused: if the reference came in before with other content
    :raises points.DatedInFuture: :raises points.InvalidReference: if so
    """
    points.require_reference(done.reference)
    points.require_not_in_future(done.at, now=now)
    rulebook = programme.rulebook_on(localdate(done.at))
    rules = compiled(rulebook.id)
    kind = rules.kinds.get(done.code)
    if kind is None or done.code in rules.tasks:
        raise UnknownActivity(activity=done.code)
    return post(done, kind, rulebook, now=now)


@transaction.atomic
def post(done: Done, kind: Kind, rulebook: Rulebook, *, now: datetime | None = None) -> Granted:
    """As `post_activity`, of a kind that is known; also a task, whose step was taken."""
    if kind.is_limited:
        # What this member was given is counted before more is: nobody may give meanwhile.
        points.lock(done.member.id)
        first = points.first_activity(
            issuer_id=done.source.issuer_id,
            reference=done.reference,
            fingerprint=done.fingerprint(),
        )
        if first is not None:
            return _told_again(first)
    day = localdate(done.at)
    judged = _judged(done, kind, rulebook, day)
    policies = rulebook.policies
    # M3: the points wait with their member, as those of purchases do.
    waits = policies.clock_from_activation and done.member.is_pre_registered
    posted = points.post_activity(
        activity=points.JudgedActivity(
            member=done.member,
            code=done.code,
            reference=done.reference,
            at=done.at,
            fingerprint=done.fingerprint(),
            points=judged["points"],
            expires_on=NEVER if waits else policies.validity.last_day(day),
            explanation=judged,
            source=_source(done.source, rulebook),
            lapses_on=None if waits else policies.validity.account_last_day(day),
            rolls=policies.validity.counts(EntryKind.EARN),
        )
    )
    if posted.replayed:
        return _told_again(posted)
    if "counts" in judged:
        more: dict[str, Any] = {judged["counts"]: 1}
        measured = Measured(**more)
        tiers.gathered(
            member=done.member, at=done.at, measured=measured, rulebook=rulebook, now=now
        )
    return Granted(posted, judged)


# Group → what it is when tiers are judged.
MEASURES: Mapping[str, str] = {
    ActivityGroup.INTERACTION: "interactions",
    ActivityGroup.EVENT: "events",
    ActivityGroup.REFERRAL: "referrals",
}


def _counts(kind: Kind, cuts: Sequence[Mapping[str, Any]]) -> str | None:
    """
    As what it adds to what tiers are judged by: as nothing, if it was done in this period before,
    or outside its campaign.
    """
    if any(cut["reason"] in ("once", NOT_BEGUN, OVER) for cut in cuts):
        return None
    return MEASURES.get(kind.group)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An activity as the journal holds it, and its entry; None when no points moved."""

    activity: Activity
    entry: Entry | None
    name: str


def recorded(granted: Granted, *, member: Identity) -> Recorded:
    """Read what was posted, now or before."""
    activities = Activity.objects.select_related("store")
    activity = activities.get(pk=granted.posted.activity_id)
    posting = granted.posted.posting
    entry = Entry.objects.get(member_id=member.id, seq=posting.seq) if posting else None
    return Recorded(activity, entry, localized(activity.explanation["names"]))


def _told_again(first: points.PostedActivity) -> Granted:
    return Granted(first, Activity.objects.get(pk=first.activity_id).explanation)


def _judged(done: Done, kind: Kind, rulebook: Rulebook, day: date) -> dict[str, Any]:
    """The explanation: what it is worth, what was cut off and by what, what budgets paid, …"""
    cuts: list[dict[str, Any]] = []
    worth = kind.points
    timetable = compiled(rulebook.id).timetable
    if refusal := timetable.refusal(kind.code, day):
        why, campaign = refusal
        cuts.append({"by": campaign, "reason": why, "points": worth})
        worth = 0
    elif kind.once_per and _is_done(done.member, kind, day):
        cuts.append({"by": kind.code, "reason": "once", "points": worth, "per": kind.once_per})
        worth = 0
    for room in limits.rooms(member_id=done.member.id, caps=kind.caps, day=day) if worth else ():
        allowed = room.allows(worth)
        if allowed < worth:
            cuts.append(room.told(worth))
            worth = allowed
    paid: dict[str, int] = {}
    if worth and kind.budgets:
        taken = budgets.take(
            points=worth,
            rules=kind.budgets,
            day=day,
            issuer_id=done.source.issuer_id,
            version_number=rulebook.number,
        )
        cuts += taken.cuts
        worth, paid = taken.points, taken.paid
    return {
        "version": rulebook.number,
        "names": dict(kind.names),
        "worth": kind.points,
        "points": worth,
        "cut": cuts,
        # The nightly check derives from this what the member has gathered (tiers.verification).
        **({"counts": counts} if (counts := _counts(kind, cuts)) else {}),
        **({"budgets": paid} if paid else {}),
        **({"campaigns": shares} if (shares := timetable.shares({kind.code: worth}, day)) else {}),
    }


def _is_done(member: Identity, kind: Kind, day: date) -> bool:
    """Whether it counted in this period. What a cap cut off whole has not: it may come again."""
    times = limits.times_done(
        member_id=member.id,
        code=kind.code,
        within=span(kind.once_per, day),
        only_rewarded=kind.points > 0,
    )
    return times > 0


def _source(source: points.Source, rulebook: Rulebook) -> points.Source:
    return points.Source(
        issuer_id=source.issuer_id,
        store_id=source.store_id,
        client_id=source.client_id,
        version_id=rulebook.id,
        funding_id=points.funding_by_policy(
            rulebook.policies.funding, store_id=source.store_id, issuer_id=source.issuer_id
        ),
    )
