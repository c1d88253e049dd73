"""The validity of what pre-registered members earned begins when they are activated (M3)."""

from datetime import date, datetime

from django.db import transaction
from django.db.models import Max
from django.utils.timezone import localdate

from points import queries
from points.models import Account, Entry, Lot, Pending
from points.operations._ledger import extend, lock
from points.operations._posting import Posting
from programme import queries as programme
from programme.policies import NEVER


@transaction.atomic
def start_clock(*, member_id: int, activated_at: datetime) -> Posting | None:
    """
    Give points that waited for the activation the last day their rulebook says, counted from it;
    for those of purchases with the extra time of the tier they were judged at (P6).

    What came later, with another's account, is counted from the day it came.

    Repeating finds none that wait.
    """
    lock(member_id)
    day = localdate(activated_at)
    waiting = set(_waiting(Lot, member_id)) | set(_waiting(Pending, member_id))
    versions = Entry.objects.filter(member_id=member_id, seq__in=waiting).exclude(version=None)
    moves: list[tuple[int, date, date]] = []
    account_last_days: list[date] = []
    found = versions.order_by("seq").values_list(
        "seq", "version_id", "effective_at", "activity__explanation__tier"
    )
    for seq, version_id, came_at, tier in found:
        policies = programme.rulebook(version_id).policies
        if not policies.clock_from_activation:
            continue
        last_day = policies.validity.last_day(max(day, localdate(came_at)), tier=tier or "")
        if last_day < NEVER:
            moves.append((seq, NEVER, last_day))
        if account_last_day := policies.validity.account_last_day(day):
            account_last_days.append(account_last_day)
    has_begun = Account.objects.filter(pk=member_id, lapses_on__lt=NEVER).exists()
    lapses_on = max(account_last_days) if account_last_days and not has_begun else None
    if not moves and lapses_on is None:
        return None
    return extend(member_id=member_id, moves=moves, at=activated_at, lapses_on=lapses_on)


@transaction.atomic
def start_account_clock(*, member_id: int, on: date) -> Posting | None:
    """
    Give an account whose points lapse together, and that has no last day, the one their rulebook
    says; counted from a day, but not from before they came.

    Repeating finds that it has one.
    """
    lock(member_id)
    if Account.objects.filter(pk=member_id, lapses_on__lt=NEVER).exists():
        return None
    lots = Lot.objects.filter(member_id=member_id, expires_on=NEVER).values_list("seq", flat=True)
    entries = Entry.objects.filter(member_id=member_id)
    came_at = entries.filter(points__gt=0).aggregate(latest=Max("effective_at"))["latest"]
    begins_on = max(on, localdate(came_at)) if came_at else on
    versions = entries.filter(seq__in=list(lots)).exclude(version=None).values_list("version_id")
    last_days = [
        programme.rulebook(version_id).policies.validity.account_last_day(begins_on)
        for (version_id,) in versions.distinct()
    ]
    lapses_on = max(filter(None, last_days), default=None)
    if lapses_on is None:
        return None
    at = queries.start_of_day(begins_on)
    return extend(member_id=member_id, moves=[], at=at, lapses_on=lapses_on)


def _waiting(kind: type[Lot] | type[Pending], member_id: int) -> list[int]:
    found = kind.objects.filter(member_id=member_id, expires_on=NEVER)
    return list(found.values_list("seq", flat=True))
