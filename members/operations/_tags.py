"""Words on members: by hand, by an import, by a rule (M5)."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import Invalid
from common.models import User
from members.models import Member, Tag, Tagging, TagSource

TAG_MAX = 50
# On one member, or named in one request.
TAGS_MAX = 50


class InvalidTag(Invalid):
    code = "invalid_tag"
    message = _("A tag is a word of 1 to 50 characters without commas.")


class TooManyTags(Invalid):
    code = "too_many_tags"
    message = _("A member has %(count)s tags at most.")


def read_tags(text: str) -> list[str]:
    """
    Split what somebody typed, at commas and semicolons of both scripts, once each.

    :raises InvalidTag: :raises TooManyTags: if so
    """
    return _checked(each for each in re.split(r"[,，;；\n]", text) if each.strip())


@transaction.atomic
def set_tags(*, member_id: int, names: Sequence[str], at: datetime, by: User, reason: str) -> None:
    """
    Let a member have these tags and no others.

    :raises InvalidTag: :raises TooManyTags: if so
    """
    wanted = set(_checked(names))
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    # What is switched off was not shown, so its absence says nothing.
    shown = Tagging.objects.filter(member=member, tag__is_active=True)
    had = set(shown.values_list("tag__name", flat=True))
    added, removed = sorted(wanted - had), sorted(had - wanted)
    if not (added or removed):
        return
    Tagging.objects.filter(member=member, tag__name__in=removed).delete()
    Tagging.objects.bulk_create(
        Tagging(member=member, tag_id=tag_id, source=TagSource.HAND, tagged_at=at)
        for tag_id in _tags(added).values()
    )
    audit.record(
        action="member.tagged",
        target=member.number,
        by=by,
        reason=reason,
        details={"added": added, "removed": removed},
    )


@transaction.atomic
def tag_many(
    *, member_ids: Sequence[int], names: Sequence[str], source: TagSource, at: datetime
) -> int:
    """
    Put tags on many members, in two statements however many they are. Who has one keeps it.

    :returns: how many were new
    :raises InvalidTag: :raises TooManyTags: if so
    """
    tags = list(_tags(_checked(names)).values())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO members_tagging (member_id, tag_id, source, tagged_at)
            SELECT member, tag, %s, %s
            FROM unnest(%s::bigint[]) AS member, unnest(%s::bigint[]) AS tag
            ON CONFLICT (member_id, tag_id) DO NOTHING
            """,
            [source.value, at, sorted(set(member_ids)), tags],
        )
        return cursor.rowcount


def _checked(names: Iterable[str]) -> list[str]:
    found = dict.fromkeys(name.strip() for name in names)
    for name in found:
        if not 0 < len(name) <= TAG_MAX or not name.isprintable() or re.search("[,，;；]", name):
            raise InvalidTag
    if len(found) > TAGS_MAX:
        raise TooManyTags(count=TAGS_MAX)
    return list(found)


def _tags(names: Sequence[str]) -> dict[str, int]:
    """Their ids, made where they are new."""
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    return dict(Tag.objects.filter(name__in=names).values_list("name", "pk"))
