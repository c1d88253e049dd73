"""One person who is two members: found by what both have in common, judged by staff (M10)."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, NotFound
from common.models import User
from members.duplicates import fingerprint
from members.models import (
    Duplicate,
    DuplicateReason,
    DuplicateState,
    Fingerprint,
    Member,
    MemberStatus,
)

# What more members have in common says nothing of them: a dealer's e-mail, a made-up ID number.
GROUP_MAX = 10

# Who shares a fingerprint: %s is one of the columns below, never what somebody typed.
SHARED = """
    SELECT array_agg(f.member_id ORDER BY f.member_id) AS ids
    FROM members_fingerprint AS f
    JOIN members_member AS m ON m.id = f.member_id AND m.status <> 'CLOSED'
    WHERE f.{column} IS NOT NULL GROUP BY f.{column} HAVING count(*) > 1
"""
# Who has owned the same product under the same name.
SHARED_PRODUCT = """
    SELECT array_agg(DISTINCT m.id ORDER BY m.id) AS ids
    FROM members_product AS p
    JOIN members_member AS m ON m.id = p.member_id AND m.status <> 'CLOSED' AND m.name <> ''
    GROUP BY p.identifier, m.name HAVING count(DISTINCT m.id) > 1
"""
# A pair that is known keeps its state: what is not the same person does not come back.
NOTE_PAIRS = """
    INSERT INTO members_duplicate AS known (one_id, other_id, reasons, state, found_at)
    SELECT DISTINCT one, other, ARRAY[%(reason)s]::varchar[], 'OPEN', %(at)s::timestamptz
    FROM ({groups}) AS shared, unnest(shared.ids) AS one, unnest(shared.ids) AS other
    WHERE one < other AND cardinality(shared.ids) <= %(most)s
    ON CONFLICT (one_id, other_id) DO UPDATE SET reasons = known.reasons || excluded.reasons
    WHERE NOT known.reasons @> excluded.reasons
"""
TOO_MANY = "SELECT count(*) FROM ({groups}) AS shared WHERE cardinality(shared.ids) > %(most)s"
GROUPS = {
    DuplicateReason.ID_NUMBER: SHARED.format(column="id_number"),
    DuplicateReason.EMAIL: SHARED.format(column="email"),
    DuplicateReason.PERSON: SHARED.format(column="person"),
    DuplicateReason.PRODUCT: SHARED_PRODUCT,
}


class UnknownDuplicate(NotFound):
    code = "unknown_duplicate"
    message = _("There is no such pair.")


class DuplicateJudged(DomainError):
    code = "duplicate_judged"
    message = _("Somebody has judged this pair already.")


@transaction.atomic
def take_fingerprints(*, low: int, high: int) -> int:
    """
    Note what members low … high can be recognized by, where that is not noted yet.

    Their rows are locked: a profile that changes meanwhile takes away the fingerprint of before.

    :returns: of how many
    """
    here = Member.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    without = here.filter(pk__range=(low, high), fingerprint=None)
    members = without.exclude(status=MemberStatus.CLOSED).only(
        "id_number", "email", "name", "birthday", "phone"
    )
    made = [fingerprint(member) for member in members]
    Fingerprint.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def forget_fingerprint(member_id: int) -> None:
    """What a member can be recognized by has changed: the night notes it anew."""
    Fingerprint.objects.filter(pk=member_id).delete()


@transaction.atomic
def note_duplicates(*, reason: DuplicateReason, at: datetime) -> tuple[int, int]:
    """
    Find, in two statements, all pairs of members who have this in common.

    :returns: pairs that were not known, or not for this reason; groups too large to say anything
    """
    groups = GROUPS[reason]
    params: dict[str, Any] = {"reason": reason.value, "at": at, "most": GROUP_MAX}
    with connection.cursor() as cursor:
        cursor.execute(NOTE_PAIRS.format(groups=groups), params)
        found = cursor.rowcount
        cursor.execute(TOO_MANY.format(groups=groups), params)
        return found, int(cursor.fetchone()[0])


@transaction.atomic
def judge_not_same(*, duplicate_id: int, at: datetime, by: User, reason: str) -> Duplicate:
    """
    Note that two members are two people. The pair is not shown again.

    :raises UnknownDuplicate: :raises DuplicateJudged: if so
    """
    pair = (
        Duplicate.objects.select_for_update(of=("self",))
        .select_related("one", "other")
        .filter(pk=duplicate_id)
        .first()
    )
    if pair is None:
        raise UnknownDuplicate
    if pair.state != DuplicateState.OPEN:
        raise DuplicateJudged
    pair.state = DuplicateState.NOT_SAME
    pair.judged_at, pair.judged_by = at, by
    pair.save(update_fields=["state", "judged_at", "judged_by"])
    audit.record(
        action="duplicate.judged",
        target=pair.one.number,
        by=by,
        reason=reason,
        details={"other": pair.other.number, "same": False},
    )
    return pair
