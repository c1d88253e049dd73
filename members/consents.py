"""
Who agreed to what. The latest word of a member counts, whoever passed it on.

A purpose nobody asked a member about is one the member did not agree to.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from members.models import Consent, ConsentChannel, ConsentPurpose, ConsentText
from partners.models import Organization

# Of one member, for statements of other rooms; a purpose without a partner. One index answers it.
HAS = """coalesce((
    SELECT consent.is_given
    FROM members_consent AS consent
    WHERE consent.member_id = {member} AND consent.purpose = '{purpose}'
        AND consent.partner_id IS NULL
    ORDER BY consent.at DESC, consent.id DESC
    LIMIT 1
), false)"""

WHO = """
    SELECT given.member_id
    FROM unnest(%(members)s::bigint[]) AS given (member_id)
    WHERE {has}
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for a purpose, and the member's word it comes from."""

    purpose: ConsentPurpose
    partner: Organization | None
    is_given: bool
    at: datetime
    text: ConsentText
    channel: ConsentChannel

    @property
    def partner_id(self) -> int | None:
        return self.partner.pk if self.partner else None


def has(member_id: int, purpose: ConsentPurpose, partner: int | None = None) -> bool:
    """
    Whether a member agrees to a purpose now.

    :param partner: the organization's id, for SHARING and for nothing else
    """
    assert (purpose == ConsentPurpose.SHARING) is (partner is not None), "sharing names a partner"
    words = Consent.objects.filter(member_id=member_id, purpose=purpose, partner_id=partner)
    return bool(words.order_by("-at", "-pk").values_list("is_given", flat=True).first())


def having(member_ids: Collection[int], purpose: ConsentPurpose) -> set[int]:
    """Which of these members agree to a purpose without a partner, in one query."""
    if not member_ids:
        return set()
    condition = HAS.format(member="given.member_id", purpose=ConsentPurpose(purpose).value)
    with connection.cursor() as cursor:
        cursor.execute(WHO.format(has=condition), {"members": list(member_ids)})
        return {member_id for (member_id,) in cursor.fetchall()}


def standing(member_id: int) -> list[Standing]:
    """The latest word of a member on each purpose, and on each partner, in one query."""
    latest = (
        Consent.objects.filter(member_id=member_id)
        .order_by("purpose", "partner_id", "-at", "-pk")
        .distinct("purpose", "partner_id")
        .select_related("text", "partner")
    )
    return [
        Standing(
            ConsentPurpose(word.purpose),
            word.partner,
            word.is_given,
            word.at,
            word.text,
            ConsentChannel(word.channel),
        )
        for word in latest
    ]


def history(member_id: int) -> QuerySet[Consent]:
    """Every word of a member, the latest first."""
    words = Consent.objects.filter(member_id=member_id).select_related("text", "partner")
    return words.order_by("-at", "-pk")


def texts() -> dict[ConsentPurpose, ConsentText]:
    """The latest text of each purpose: what is agreed to from now on."""
    latest = ConsentText.objects.order_by("purpose", "-version").distinct("purpose")
    return {ConsentPurpose(text.purpose): text for text in latest}
