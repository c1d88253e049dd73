"""Agreeing, taking it back, and the texts that are agreed to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from members import consents, queries
from members.models import Consent, ConsentChannel, ConsentPurpose, ConsentText
from members.operations._states import hold_survivor
from partners.models import Organization, OrganizationKind


class UnknownConsentText(Invalid):
    code = "unknown_consent_text"
    message = _("There is no text %(version)s of the purpose “%(purpose)s”.")


class PublishedMeanwhile(DomainError):
    code = "published_meanwhile"
    message = _("Somebody else has just published another text. Look at it first.")


class NotAPartner(Invalid):
    code = "not_a_partner"
    message = _("Data are shared with partners only, each named by itself.")


class NeededForMembership(DomainError):
    code = "needed_for_membership"
    message = _("There is no membership without it: it ends when the membership ends.")


class SaidInFuture(Invalid):
    code = "said_in_future"
    message = _("Nobody has agreed, or taken back, at a time to come.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """
    A member's yes or no.

    :param text_version: what the member read; None: the latest text, for a no what was agreed to
    :param partner_id: whom data are shared with; None for every other purpose
    """

    purpose: ConsentPurpose
    is_given: bool
    text_version: int | None = None
    partner_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What somebody agreed to when they joined, and by which way we know."""

    words: Sequence[Word]
    channel: ConsentChannel
    client_id: int | None = None
    # When, if it was before they joined.
    at: datetime | None = None


@transaction.atomic
def note_consents(
    *,
    member_id: int,
    words: Sequence[Word],
    at: datetime,
    channel: ConsentChannel,
    by: User | None = None,
    client_id: int | None = None,
) -> int:
    """
    Note what a member agrees to, or no longer does. It holds from now on, for what waits too.

    What says nothing new is not noted again. A word older than the latest one is noted and changes
    nothing.

    Of a member who was joined with another, it is who remains that it is noted of.

    :param by: the member's own login, or the staff the member told
    :param client_id: the API client the member's word came through
    :returns: how many were new
    :raises UnknownConsentText: if there is no such text
    :raises NotAPartner: if data would be shared with somebody else
    :raises NeededForMembership: if the member takes back what the membership needs
    :raises queries.MemberClosed: if somebody agrees whose membership has ended
    """
    # A refusal must not be lost beside a merge that is under way.
    member_id = hold_survivor(member_id)
    if any(word.is_given for word in words):
        queries.identity_of(member_id).require_not_closed()
    held = {(now.purpose, now.partner_id): now for now in consents.standing(member_id)}
    fresh = []
    for word in words:
        _require_possible(word)
        now = held.get((word.purpose, word.partner_id))
        if now is None and not word.is_given:
            continue
        text = _text_of(word, now)
        if now and (now.is_given, now.text.pk) == (word.is_given, text.pk):
            continue
        fresh.append(
            Consent(
                member_id=member_id,
                purpose=word.purpose,
                partner_id=word.partner_id,
                is_given=word.is_given,
                text=text,
                at=at,
                channel=channel,
                actor=by,
                client_id=client_id,
            )
        )
    Consent.objects.bulk_create(fresh)
    return len(fresh)


@transaction.atomic
def note_told_consents(
    *,
    member_id: int,
    words: Sequence[Word],
    said_at: datetime,
    now: datetime,
    channel: ConsentChannel,
    by: User | None = None,
    client_id: int | None = None,
    reason: str = "",
) -> int:
    """
    Note what a member told somebody else, staff or a dealer's system, and that they have noted it.

    :param said_at: when the member said it; a later word of the member holds against it
    :returns: how many were new
    :raises SaidInFuture: if that is still to come; and as `note_consents`
    """
    assert channel != ConsentChannel.WEB, "what members say on their own pages they say themselves"
    if said_at > now:
        raise SaidInFuture
    noted = note_consents(
        member_id=member_id, words=words, at=said_at, channel=channel, by=by, client_id=client_id
    )
    if noted:
        audit.record(
            action="member.consents_noted",
            target=queries.identity_of(member_id).number,
            by=by,
            reason=reason,
            details={
                "words": [
                    {"purpose": word.purpose, "partner": word.partner_id, "agreed": word.is_given}
                    for word in words
                ],
                "channel": channel,
                "client": client_id,
            },
        )
    return noted


@transaction.atomic
def publish_consent_text(
    *, purpose: ConsentPurpose, texts: Mapping[str, str], at: datetime, by: User
) -> ConsentText:
    """
    Let another text be agreed to from now on. Who agreed to an earlier one has agreed to that one.

    :param texts: by language
    :raises PublishedMeanwhile: if somebody published another one at the same instant
    """
    try:
        with transaction.atomic():
            published = ConsentText.objects.create(
                purpose=purpose,
                version=_latest_version(purpose) + 1,
                texts=dict(texts),
                published_at=at,
                published_by=by,
            )
    except IntegrityError as error:
        raise PublishedMeanwhile from error
    audit.record(
        action="consenttext.published",
        target=f"{purpose} {published.version}",
        by=by,
    )
    return published


def _require_possible(word: Word) -> None:
    if word.purpose == ConsentPurpose.SERVICE and not word.is_given:
        raise NeededForMembership
    if (word.purpose == ConsentPurpose.SHARING) is not (word.partner_id is not None):
        raise NotAPartner
    partners = Organization.objects.filter(kind=OrganizationKind.PARTNER)
    if word.partner_id is not None and not partners.filter(pk=word.partner_id).exists():
        raise NotAPartner


def _text_of(word: Word, now: consents.Standing | None) -> ConsentText:
    if word.text_version is None and not word.is_given and now is not None:
        return now.text
    version = word.text_version or _latest_version(word.purpose)
    text = ConsentText.objects.filter(purpose=word.purpose, version=version).first()
    if text is None:
        raise UnknownConsentText(version=version, purpose=ConsentPurpose(word.purpose).label)
    return text


def _latest_version(purpose: ConsentPurpose) -> int:
    found = ConsentText.objects.filter(purpose=purpose).aggregate(latest=Max("version"))
    return int(found["latest"] or 0)
