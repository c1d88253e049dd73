from datetime import UTC, datetime
from itertools import count

from members import operations, queries
from members.models import Application, ConsentChannel, ConsentPurpose, ConsentText, Member
from members.queries import Identity

_numbers = count(1)
JOINED = datetime(2020, 1, 1, tzinfo=UTC)


def member(*, active: bool = True, joined_at: datetime = JOINED, store=None, **profile) -> Member:
    """An active member with a phone of their own."""
    n = next(_numbers)
    profile = {"name": f"会员{n}", "phone": f"+86138{n:08d}"} | profile
    return operations.enroll(
        profile=operations.Profile(**profile),
        joined_at=joined_at,
        active=active,
        store_id=store.pk if store else None,
    )


def consent_text(purpose: str, version: int = 1) -> ConsentText:
    """The text a migration published; published again where a test emptied the tables."""
    return ConsentText.objects.get_or_create(
        purpose=purpose,
        version=version,
        defaults={"texts": {"zh-hans": f"我同意{purpose}。"}, "published_at": JOINED},
    )[0]


def application(phone: str, *, store=None, at: datetime = JOINED, **profile) -> Application:
    """Somebody who has applied on the web, whatever the rulebook says."""
    wish = operations.Wish(
        profile=operations.Profile(**({"name": "王小明", "phone": phone} | profile)),
        agreed=operations.Agreed(words=[], channel=ConsentChannel.WEB),
        store_id=store.pk if store else None,
    )
    return operations.apply(wish=wish, at=at)


def agree(to: Member, purpose: str = "MARKETING", *, is_given=True, at=JOINED, partner=None):
    """Let a member agree to a purpose, or take it back."""
    consent_text(purpose)
    word = operations.Word(
        purpose=ConsentPurpose(purpose),
        is_given=is_given,
        partner_id=partner.pk if partner else None,
    )
    return operations.note_consents(
        member_id=to.pk, words=[word], at=at, channel=ConsentChannel.WEB
    )


def identity(of: Member | None = None, **fields) -> Identity:
    """What operations take for a member; a new one unless given."""
    return queries.identify((of or member(**fields)).number)
