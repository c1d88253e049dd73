"""What staff do with segments, and the tags that follow them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from campaigns.models import Segment, SegmentKind
from campaigns.segments import _finding
from campaigns.segments._definitions import require_valid
from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from members import operations as members
from members.models import Tagging, TagSource
from points.queries import start_of_day

NAME_MAX = 100


class NameTaken(DomainError):
    code = "segment_name_taken"
    message = _("Another segment has this name.")


class NameMissing(Invalid):
    code = "segment_name_missing"
    message = _("A segment has a name of 1 to 100 characters.")


class TagTaken(DomainError):
    code = "segment_tag_taken"
    message = _("Another segment puts this tag on its members.")


class NotEditable(DomainError):
    code = "segment_not_editable"
    message = _("What a kept list, or a segment switched off, asks for does not change any more.")


class SegmentChanged(DomainError):
    code = "segment_changed"
    message = _("Somebody else has changed this segment meanwhile. Look at it again.")


@transaction.atomic
def create(
    *, name: str, definition: Mapping[str, Any], tag: str, at: datetime, by: User, note: str = ""
) -> Segment:
    """
    Make a live segment.

    :param tag: its members get this tag every night; empty: none
    :raises InvalidSegment: if the definition is none
    :raises NameMissing: :raises NameTaken: :raises TagTaken: :raises members.InvalidTag: if so
    """
    require_valid(definition)
    made = Segment(
        name=_named(name),
        note=note,
        kind=SegmentKind.LIVE,
        definition=definition,
        tag_id=_tag(tag),
        created_at=at,
        created_by=by,
        changed_at=at,
        changed_by=by,
    )
    return _saved(made, "segment.created", by)


@transaction.atomic
def revise(
    *,
    segment_id: int,
    revision: int,
    name: str,
    definition: Mapping[str, Any],
    tag: str,
    at: datetime,
    by: User,
    note: str = "",
) -> Segment:
    """
    Change a live segment.

    :param revision: of what was looked at
    :raises SegmentChanged: if it is not that any more
    :raises NotEditable: if it is a kept list, or switched off; and as `create`
    """
    segment = Segment.objects.select_for_update().get(pk=segment_id)
    if segment.revision != revision:
        raise SegmentChanged
    if segment.is_kept or not segment.is_active:
        raise NotEditable
    require_valid(definition)
    segment.name, segment.note, segment.tag_id = _named(name), note, _tag(tag)
    segment.definition = dict(definition)
    segment.revision += 1
    segment.changed_at, segment.changed_by = at, by
    return _saved(segment, "segment.changed", by)


@transaction.atomic
def keep(*, segment_id: int, name: str, day: date, at: datetime, by: User) -> Segment:
    """
    Make a list of those who are in a segment now. It stays as it is, whoever comes and goes.

    :raises NameMissing: :raises NameTaken: if so
    """
    of = Segment.objects.get(pk=segment_id)
    kept = Segment(
        name=_named(name),
        kind=SegmentKind.KEPT,
        definition=of.definition,
        kept_at=at,
        created_at=at,
        created_by=by,
        changed_at=at,
        changed_by=by,
    )
    _saved(kept, "segment.kept", by)
    found = _finding.statement(of, day=day)
    with connection.cursor() as cursor:
        chosen = found.select(f"{found.param(kept.pk)}, m.id")
        cursor.execute(
            f"INSERT INTO campaigns_segmentmember (segment_id, member_id) {chosen}",
            found.params,
        )
    return kept


@transaction.atomic
def switch(*, segment_id: int, is_active: bool, at: datetime, by: User) -> Segment:
    """
    Switch a segment off, or on again. The tag it put on members is off them by the next night.

    :raises NameTaken: :raises TagTaken: if another has taken it meanwhile
    """
    segment = Segment.objects.select_for_update().get(pk=segment_id)
    if segment.is_active == is_active:
        return segment
    segment.is_active = is_active
    segment.revision += 1
    segment.changed_at, segment.changed_by = at, by
    return _saved(segment, "segment.switched_on" if is_active else "segment.switched_off", by)


@transaction.atomic
def note_export(*, segment: Segment, members: int, is_masked: bool, by: User, reason: str) -> None:
    """Write down who takes a list of members out of the house."""
    audit.record(
        action="segment.exported",
        target=segment.name,
        by=by,
        reason=reason,
        details={"segment": segment.pk, "members": members, "masked": is_masked},
    )


def has_rules() -> bool:
    """Whether any tag is put on by a segment, or still to be taken off."""
    ruled = Segment.objects.filter(is_active=True, tag__isnull=False)
    return ruled.exists() or Tagging.objects.filter(source=TagSource.RULE).exists()


@transaction.atomic
def follow(*, day: date, low: int, high: int) -> tuple[int, int]:
    """
    Put on the members low … high the tags of the segments they are in, and take off those of the
    segments they have left.

    :returns: how many were put on, and taken off
    """
    wanted = {
        segment.tag_id or 0: _finding.member_ids(segment, day=day, among=(low, high))
        for segment in Segment.objects.filter(is_active=True, tag__isnull=False).order_by("pk")
    }
    return members.follow_rules(wanted=wanted, low=low, high=high, at=start_of_day(day))


def _named(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise NameMissing
    return name


def _tag(name: str) -> int | None:
    return members.tag_named(name).pk if name.strip() else None


def _saved(segment: Segment, action: str, by: User) -> Segment:
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        if "campaigns_segment_tag_once" in str(error):
            raise TagTaken from error
        raise NameTaken from error
    audit.record(
        action=action,
        target=segment.name,
        by=by,
        details={
            "segment": segment.pk,
            "definition": segment.definition,
            "tag": segment.tag.name if segment.tag else "",
        },
    )
    return segment
