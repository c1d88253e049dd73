from typing import Any

from django.utils import timezone

from common import events
from members import operations


@events.subscribe("member.export_requested")
def make_export(payload: dict[str, Any]) -> None:
    operations.make_export(export_id=payload["export_id"], at=timezone.now())
