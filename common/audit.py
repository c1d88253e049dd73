"""Audit rows. No row, no deed: call `record` inside the transaction of what it tells."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from common import context, personal
from common.models import AuditRecord, User
from common.postgres import copying


def record(
    *,
    action: str,
    target: str,
    by: User | None,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> AuditRecord:
    """
    Write who did what to whom and why.

    :param action: `<noun>.<past participle>`, as events are named
    :param by: None when the system acted by itself
    :raises NamesSomebody: if the reason holds a phone, an e-mail address or an ID number
    """
    personal.keep_out(reason)
    row = _row(action=action, target=target, by=by, reason=reason, details=details)
    row.save()
    return row


def record_many(
    *, action: str, targets: Iterable[str], by: User | None, details: dict[str, Any] | None = None
) -> None:
    """As `record`, for the same deed done to many, in one statement."""
    row = _row(action=action, target="", by=by, reason="", details=details)
    alike = ("action", "actor_id", "reason", "details", "ip", "request_id")
    same = {name: getattr(row, name) for name in alike} | {"at": timezone.now()}
    copying.insert(AuditRecord, {"target": list(targets)}, same=same)


def _row(
    *, action: str, target: str, by: User | None, reason: str, details: dict[str, Any] | None
) -> AuditRecord:
    assert transaction.get_connection().in_atomic_block, "a deed and its audit row commit together"
    request = context.current.get()
    return AuditRecord(
        action=action,
        target=target,
        actor=by,
        reason=reason,
        details=details or {},
        ip=request.ip,
        request_id=request.request_id,
    )
