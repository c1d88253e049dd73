"""Everything about a member as a file the member can read: data.json and index.html in a ZIP."""

import base64
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from common import audit, events, personal
from common.errors import NotFound
from common.models import User
from members import queries
from members.models import DataExport, Member

EXPORT_KEPT = timedelta(days=7)


class NoExport(NotFound):
    code = "no_export"
    message = _("There is no such file any more. Ask for a new one.")


@transaction.atomic
def request_export(
    *, member_id: int, language: str, at: datetime, by: User, reason: str = ""
) -> DataExport:
    """
    Have everything about a member put together; the member is told when it is there.

    Who asks again meanwhile gets the same one.

    :param by: the member's own login, or the staff the member asked in writing
    """
    try:
        with transaction.atomic():
            export = DataExport.objects.create(member_id=member_id, language=language, asked_at=at)
    except IntegrityError:
        return DataExport.objects.get(member_id=member_id, made_at=None)
    events.publish("member.export_requested", {"export_id": export.pk})
    audit.record(
        action="member.export_requested",
        target=Member.objects.values_list("number", flat=True).get(pk=member_id),
        by=by,
        reason=reason,
    )
    return export


@transaction.atomic
def make_export(*, export_id: int, at: datetime) -> None:
    """Put it together. Again, or after the member was erased, it changes nothing."""
    export = (
        DataExport.objects.select_for_update(no_key=True).filter(pk=export_id, made_at=None).first()
    )
    if export is None:
        return
    with override(export.language):
        guests = set(queries.with_guests([export.member_id])) - {export.member_id}
        joined = {
            number: _told(guest) for guest, number in sorted(queries.numbers_of(guests).items())
        }
        packed = _packed(_told(export.member_id), joined, at)
    export.content = base64.b64encode(packed).decode()
    export.made_at = at
    export.save(update_fields=["content", "made_at"])
    events.publish(
        "member.export_made",
        {
            "export_id": export.pk,
            "member_id": export.member_id,
            "made_at": at.isoformat(),
            "last_day": localdate(at + EXPORT_KEPT - timedelta(days=1)).isoformat(),
        },
    )


@transaction.atomic
def fetch_export(*, export_id: int, member_id: int, at: datetime, by: User) -> bytes:
    """
    The file, for the member whose it is. Each time leaves a record.

    :raises NoExport: if it is another's, not there yet, or older than EXPORT_KEPT
    """
    export = DataExport.objects.filter(
        pk=export_id, member_id=member_id, made_at__gt=at - EXPORT_KEPT
    ).first()
    if export is None or not export.content:
        raise NoExport
    number = Member.objects.values_list("number", flat=True).get(pk=member_id)
    audit.record(action="member.exported", target=number, by=by, details={"export": export.pk})
    return base64.b64decode(export.content)


def forget_exports(*, low: int, high: int, before: datetime) -> int:
    """Delete files made before a time. Returns how many."""
    old = DataExport.objects.filter(pk__range=(low, high), made_at__lt=before)
    return old.delete()[0]


Told = list[tuple[personal.Section, personal.Told]]


def _told(member_id: int) -> Told:
    return [(section, section.tell(member_id)) for section in personal.sections()]


def _packed(told: Told, joined: Mapping[str, Told], at: datetime) -> bytes:
    """:param joined: by number, what is known of those who were joined with the member"""
    data = {
        "made_at": at,
        **_by_name(told),
        "joined": [{"number": number, **_by_name(theirs)} for number, theirs in joined.items()],
    }
    parts = [_part(section, rows) for section, rows in told]
    for number, theirs in joined.items():
        parts += [_part(section, rows, of=f"{number} · ") for section, rows in theirs if rows]
    page = render_to_string("privacy/export.html", {"made_at": at, "parts": parts})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(data, ensure_ascii=False, indent=2, default=personal.as_json)
        archive.writestr("data.json", text)
        archive.writestr("index.html", page)
    return packed.getvalue()


def _by_name(told: Told) -> dict[str, personal.Told]:
    return {section.name: rows for section, rows in told}


def _part(section: personal.Section, told: personal.Told, *, of: str = "") -> dict[str, Any]:
    """A section as a page shows it: a row of its own for each value, or a table."""
    rows = [told] if isinstance(told, Mapping) else list(told)
    keys = [key for key in section.labels if any(key in row for row in rows)]
    return {
        "title": f"{of}{section.title}",
        "is_one": isinstance(told, Mapping),
        "labels": [section.labels[key] for key in keys],
        "rows": [
            {"pairs": [(section.labels[key], _cell(row.get(key))) for key in keys]} for row in rows
        ],
    }


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, list):
        return "\n".join(str(_cell(each)) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=personal.as_json)
    return value
