from datetime import date, datetime
from typing import Any

from common import events
from messaging import operations, privacy


@events.subscribe("member.export_made")
def tell_export_is_there(payload: dict[str, Any]) -> None:
    operations.send(
        member_id=payload["member_id"],
        template=privacy.EXPORT_MADE,
        key=f"{privacy.EXPORT_MADE}:{payload['export_id']}",
        variables={"last_day": date.fromisoformat(payload["last_day"])},
        at=datetime.fromisoformat(payload["made_at"]),
    )


@events.subscribe("member.erasure_requested")
def tell_erasure_is_due(payload: dict[str, Any]) -> None:
    """By every way there is: whoever did not ask for it must hear of it in time."""
    operations.send(
        member_id=payload["member_id"],
        template=privacy.ERASURE_REQUESTED,
        key=f"{privacy.ERASURE_REQUESTED}:{payload['erasure_id']}",
        variables={"due_on": date.fromisoformat(payload["due_on"])},
        at=datetime.fromisoformat(payload["at"]),
    )
