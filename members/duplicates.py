"""Questions about pairs of members who may be one person (M10)."""

import unicodedata
from collections.abc import Iterable

from django.db.models import QuerySet

from common.fields import blind_index
from members.models import Duplicate, DuplicateState, Fingerprint, Member, MemberStatus
from members.queries import TAIL_DIGITS


def waiting() -> QuerySet[Duplicate]:
    """Pairs nobody has judged, of members who are both still here; what says most comes first."""
    pairs = Duplicate.objects.filter(state=DuplicateState.OPEN)
    here = pairs.exclude(one__status=MemberStatus.CLOSED).exclude(other__status=MemberStatus.CLOSED)
    return here.select_related("one", "other")


def fingerprint(member: Member) -> Fingerprint:
    """What somebody can be recognized by, a member or not."""
    name = _plain([member.name])
    person = [name, str(member.birthday or ""), member.phone[-TAIL_DIGITS:]]
    return Fingerprint(
        member=member,
        id_number=_hash("id_number", [member.id_number]),
        email=_hash("email", [member.email]),
        person=_hash("person", person) if all(person) else None,
    )


def _hash(kind: str, parts: Iterable[str]) -> bytes | None:
    text = _plain(parts)
    return blind_index(text, purpose=f"members.duplicate.{kind}") if text else None


def _plain(parts: Iterable[str]) -> str:
    """Without blanks, however wide or large the letters were typed."""
    folded = (unicodedata.normalize("NFKC", part).casefold() for part in parts)
    return "\0".join("".join(part.split()) for part in folded).strip("\0")
