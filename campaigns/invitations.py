"""
Invitations: historical members are asked to prove who they are, and are active then (M4).

A round goes through the pre-registered members of an import, or with a tag, in the order of their
ids; how far it is commits with each five hundred. Who was invited before is left out unless the
round is to ask again. The link works once, and only together with a code sent to the phone.
"""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns.models import Invitation, InvitationRound, MemberImport
from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from members import operations as members
from members import queries as members_queries
from members.models import Member, MemberStatus, Tag
from messaging import operations as messaging
from messaging import queries as messaging_queries
from messaging import templates
from messaging.models import Delivery

TEMPLATE = "campaigns.invitation"
CHUNK = 500
LEASE = timedelta(seconds=60)
DAYS_MAX = 90
SIGNATURE_BYTES = 16

TARGETS = """
    SELECT member.id, member.email <> '' AS has_email, phone.member_id IS NOT NULL AS has_phone,
        (SELECT max(nth) FROM campaigns_invitation AS earlier
            WHERE earlier.member_id = member.id) AS nth
    FROM {of} JOIN members_member AS member ON member.id = {of_member}
    LEFT JOIN members_phonedirectory AS phone ON phone.member_id = member.id
    WHERE {which} AND member.status = 'PRE_REGISTERED' AND member.id > %(behind)s
"""
REACH = """
    SELECT count(*),
        count(*) FILTER (WHERE NOT has_phone),
        count(*) FILTER (WHERE has_phone AND nth IS NOT NULL),
        count(*) FILTER (WHERE {wanted} AND %(by_sms)s),
        count(*) FILTER (WHERE {wanted} AND has_email),
        count(*) FILTER (WHERE {wanted} AND ({reachable})),
        count(*) FILTER (WHERE {wanted} AND NOT ({reachable}))
    FROM ({targets}) AS target
"""
NEXT = """
    SELECT id, coalesce(nth, 0) + 1 FROM ({targets}) AS target
    WHERE {wanted} AND ({reachable}) ORDER BY id LIMIT %(most)s
"""
# Without a phone nobody can prove anything.
_WANTED = "has_phone AND (%(again)s OR nth IS NULL)"
_REACHABLE = "has_email OR %(by_sms)s"


class InvitationOver(DomainError):
    code = "invitation_over"
    message = _("This invitation is not valid any more.")
    status = 410


class NobodyToInvite(Invalid):
    code = "nobody_to_invite"
    message = _("Nobody can be reached.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """
    How many can be invited, and how.

    :param members: pre-registered ones
    :param without_phone: who can prove nothing, and is left out
    :param invited_before: left out, unless asked again
    :param invited: who would be invited now; `by_sms` and `by_email` may be the same people
    :param unreachable: who has a phone, but there is no way to write to them
    """

    members: int
    without_phone: int
    invited_before: int
    by_sms: int
    by_email: int
    invited: int
    unreachable: int


def register() -> None:
    templates.register(
        TEMPLATE,
        subject=_("Your membership awaits you"),
        body=_(
            "You are a member already: confirm your phone and see your points. The link is good "
            "until %(last_day)s: %(link)s"
        ),
        variables={"link": templates.TEXT, "last_day": templates.DAY},
        to_unproven=True,
    )


def reach(*, run: MemberImport | None = None, tag: Tag | None = None, again: bool) -> Reach:
    """How many of a run's members, or of those with a tag, an invitation would reach."""
    statement = REACH.format(targets=_targets(run), wanted=_WANTED, reachable=_REACHABLE)
    with connection.cursor() as cursor:
        cursor.execute(statement, _arguments(run, tag, again=again, behind=0))
        row = cursor.fetchone()
    names = (
        "members", "without_phone", "invited_before", "by_sms", "by_email", "invited",
        "unreachable",
    )  # fmt: skip
    return Reach(**dict(zip(names, row, strict=True)))


@transaction.atomic
def begin(
    *,
    run: MemberImport | None = None,
    tag: Tag | None = None,
    days: int,
    again: bool,
    at: datetime,
    by: User,
    reason: str,
) -> InvitationRound:
    """
    Have members invited, from now on by a worker.

    :param days: for how many days the links are good
    :param again: also those who were invited before
    :raises NobodyToInvite: if nobody would be
    """
    if not reach(run=run, tag=tag, again=again).invited:
        raise NobodyToInvite
    made = InvitationRound.objects.create(
        run=run, tag=tag, days=days, again=again, created_at=at, created_by=by
    )
    audit.record(
        action="members.invited",
        target=str(run or tag)[:128],
        by=by,
        reason=reason,
        details={"round": made.pk, "again": again, "days": days},
    )
    return made


def work(*, clock: Callable[[], datetime], chunks: int = 100) -> int:
    """Invite what the oldest open round has left, up to so many chunks; returns how many."""
    invited = 0
    for _chunk in range(chunks):
        found = _next_chunk(clock())
        if not found:
            break
        invited += found
    return invited


@transaction.atomic
def _next_chunk(now: datetime) -> int:
    going = (
        InvitationRound.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(finished_at=None)
        .order_by("pk")
        .first()
    )
    if going is None:
        return 0
    statement = NEXT.format(targets=_targets(going.run), wanted=_WANTED, reachable=_REACHABLE)
    arguments = _arguments(going.run, going.tag, again=going.again, behind=going.last_member)
    with connection.cursor() as cursor:
        cursor.execute(statement, {**arguments, "most": CHUNK})
        found = cursor.fetchall()
    if not found:
        going.finished_at = now
        going.save(update_fields=["finished_at"])
        return 0
    _invite(going, found, now)
    InvitationRound.objects.filter(pk=going.pk).update(
        last_member=found[-1][0], invited=F("invited") + len(found)
    )
    return len(found)


def _invite(going: InvitationRound, found: list[tuple[int, int]], now: datetime) -> None:
    last_day = localdate(now) + timedelta(days=going.days)
    made = Invitation.objects.bulk_create(
        Invitation(round=going, member_id=member_id, nth=nth, last_day=last_day)
        for member_id, nth in found
    )
    numbers = members_queries.numbers_of([member_id for member_id, _nth in found])
    keys = {one.pk: f"{TEMPLATE}:{numbers[one.member_id]}:{one.nth}" for one in made}
    sent = messaging.send_many(
        template=TEMPLATE,
        messages=[
            messaging.ToSend(
                member_id=one.member_id,
                key=keys[one.pk],
                variables={"link": link(one), "last_day": last_day},
            )
            for one in made
        ],
        at=now,
    )
    for one in made:
        one.message_id = sent[keys[one.pk]]
    Invitation.objects.bulk_update(made, ["message"])


def _targets(run: MemberImport | None) -> str:
    if run is not None:
        return TARGETS.format(
            of="campaigns_broughtmember AS b", of_member="b.member_id", which="b.run_id = %(run)s"
        )
    return TARGETS.format(
        of="members_tagging AS t", of_member="t.member_id", which="t.tag_id = %(tag)s"
    )


def _arguments(
    run: MemberImport | None, tag: Tag | None, *, again: bool, behind: int
) -> dict[str, Any]:
    return {
        "run": run.pk if run else None,
        "tag": tag.pk if tag else None,
        "again": again,
        "behind": behind,
        "by_sms": messaging_queries.can_text(TEMPLATE),
    }


# --- The link -------------------------------------------------------------------------------------


def link(invitation: Invitation) -> str:
    """What the message says. It tells nothing of the member and cannot be guessed."""
    path = reverse("invited", args=[f"{invitation.pk}-{_signature(invitation.pk)}"])
    return f"{settings.SITE_URL}{path}"


def opened(token: str, *, at: datetime) -> Invitation:
    """
    Whom a link invites.

    :raises InvitationOver: if it is none, was used or is too old
    """
    invitation = _signed(token)
    if invitation is None or not _is_good(invitation, at):
        raise InvitationOver
    return invitation


@transaction.atomic
def accept(*, token: str, phone: str, at: datetime) -> Member:
    """
    Make who came by a link and has proven the phone an active member. The link is used up.

    :param phone: normalized; the one a code has just proven
    :raises InvitationOver: as `opened`, or if the phone is not the member's
    """
    found = opened(token, at=at)
    held = Invitation.objects.select_for_update(no_key=True, of=("self",))
    invitation = held.select_related("member").get(pk=found.pk)
    # Of two at once, the second finds it used.
    if not _is_good(invitation, at) or invitation.member.phone != phone:
        raise InvitationOver
    invitation.used_at = at
    invitation.save(update_fields=["used_at"])
    member = invitation.member
    if member.status == MemberStatus.PRE_REGISTERED:
        member = members.activate(member_id=member.pk, activated_at=at)
    return member


def _is_good(invitation: Invitation, at: datetime) -> bool:
    return (
        invitation.used_at is None
        and localdate(at) <= invitation.last_day
        and invitation.member.status in (MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE)
    )


def _signed(token: str) -> Invitation | None:
    number, _dash, signature = token.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < SIGNATURE_BYTES):
        return None
    if not hmac.compare_digest(_signature(int(number)), signature):
        return None
    return Invitation.objects.select_related("member").filter(pk=int(number)).first()


def _signature(number: int) -> str:
    digest = salted_hmac("campaigns.invitation", str(number), algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode().rstrip("=")


# --- What came of it ------------------------------------------------------------------------------


def rounds(limit: int) -> list[InvitationRound]:
    """The latest rounds, each with how many of its links were used."""
    found = InvitationRound.objects.select_related("run", "tag", "created_by")
    return list(
        found.annotate(used=Count("invitations__used_at"), until=Max("invitations__last_day"))
        .order_by("-pk")[:limit]
    )  # fmt: skip


def deliveries(round_id: int) -> list[tuple[str, str, int]]:
    """By channel and state, how many messages of a round are there."""
    found = (
        Delivery.objects.filter(message__invitation__round_id=round_id)
        .values_list("channel", "state")
        .annotate(count=Count("pk"))
        .order_by("channel", "state")
    )
    return list(found)
