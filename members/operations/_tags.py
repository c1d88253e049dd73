"""Words on members: by hand, by an import, by a rule (M5)."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

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
def tag_many(*, names: Mapping[int, Sequence[str]], source: TagSource, at: datetime) -> int:
    """
    Put tags on many members, in three statements however many they are. Who has one keeps it.

    :param names: of the tags of each, by the member's id
    :returns: how many were new
    :raises InvalidTag: :raises TooManyTags: if so
    """
    alike = {each: _checked(each) for each in {tuple(each) for each in names.values()}}
    tags = _tags(sorted({name for checked in alike.values() for name in checked}))
    pairs = sorted(
        (member_id, tags[name]) for member_id, each in names.items() for name in alike[tuple(each)]
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO members_tagging (member_id, tag_id, source, tagged_at)
            SELECT wanted.member_id, wanted.tag_id, %s, %s
            FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (member_id, tag_id)
            ON CONFLICT (member_id, tag_id) DO NOTHING
            """,
            [
                source.value,
                at,
                [member_id for member_id, _tag_id in pairs],
                [tag_id for _member_id, tag_id in pairs],
            ],
        )
        return cursor.rowcount


def tag_named(name: str) -> Tag:
    """
    The tag of this name, made where it is new.

    :raises InvalidTag: if it is no name of one tag
    """
    (checked,) = _checked([name])
    return Tag.objects.get(pk=_tags([checked])[checked])


@transaction.atomic
def follow_rules(
    *, wanted: Mapping[int, Collection[int]], low: int, high: int, at: datetime
) -> tuple[int, int]:
    """
    Let members low … high have by a rule these tags and no others, in two statements. What was put
    on by hand or by an import stays.

    :param wanted: ids of members, all of them from low to high, by the id of the tag
    :returns: how many were put on, and taken off
    """
    pairs = [(member_id, tag_id) for tag_id, ids in wanted.items() for member_id in ids]
    params: dict[str, Any] = {
        "members": [member_id for member_id, _tag_id in pairs],
        "tags": [tag_id for _member_id, tag_id in pairs],
        "low": low,
        "high": high,
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(PUT_ON_BY_RULE, params)
        put_on = cursor.rowcount
        cursor.execute(TAKE_OFF_BY_RULE, params)
        return put_on, cursor.rowcount


PUT_ON_BY_RULE = """
    INSERT INTO members_tagging (member_id, tag_id, source, tagged_at)
    SELECT wanted.member_id, wanted.tag_id, 'RULE', %(at)s
    FROM unnest(%(members)s::bigint[], %(tags)s::bigint[]) AS wanted (member_id, tag_id)
    ON CONFLICT (member_id, tag_id) DO NOTHING
"""
TAKE_OFF_BY_RULE = """
    DELETE FROM members_tagging AS had
    WHERE had.member_id BETWEEN %(low)s AND %(high)s AND had.source = 'RULE' AND NOT EXISTS (
        SELECT FROM unnest(%(members)s::bigint[], %(tags)s::bigint[]) AS wanted (member_id, tag_id)
        WHERE wanted.member_id = had.member_id AND wanted.tag_id = had.tag_id
    )
"""


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
