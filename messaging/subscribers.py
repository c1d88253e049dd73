from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.timezone import get_default_timezone, localdate

from common import events
from members import applications
from members import groups as members_groups
from members import queries as members
from members.models import Application, ApplicationState
from messaging import applying, groups, operations, phones, privacy, queries
from messaging.restraint import quiet_until


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


@events.subscribe("member.phone_changed")
def tell_phone_changed(payload: dict[str, Any]) -> None:
    operations.send(
        member_id=payload["member_id"],
        template=phones.CHANGED,
        key=f"{phones.CHANGED}:{payload['version']}",
        variables={},
        at=datetime.fromisoformat(payload["at"]),
    )


@events.subscribe("member.phone_changed")
def tell_old_phone(payload: dict[str, Any]) -> None:
    """By itself: a provider that is away keeps the member's own message from nobody."""
    if old := members.phone_before(payload["version"]):
        operations.tell_stranger(
            template=phones.LEFT,
            key=f"{phones.LEFT}:{payload['version']}",
            variables={},
            phone=old,
            language=queries.reader(payload["member_id"]).language,
        )


@events.subscribe("group.invited")
def tell_invitation(payload: dict[str, Any]) -> None:
    invitation = members_groups.invitation(payload["invitation_id"])
    if invitation.member_id is None or invitation.answered_at is not None:
        return
    operations.send(
        member_id=invitation.member_id,
        template=groups.INVITED,
        key=f"{groups.INVITED}:{invitation.pk}",
        variables={
            "group": str(invitation.group),
            "last_day": localdate(invitation.lapses_at),
        },
        at=datetime.fromisoformat(payload["at"]),
    )


@events.subscribe("group.joined")
def tell_who_joined(payload: dict[str, Any]) -> None:
    _tell_leaders(groups.JOINED, payload)


@events.subscribe("group.left")
def tell_who_left(payload: dict[str, Any]) -> None:
    _tell_leaders(groups.LEFT, payload)


@events.subscribe("group.removed")
def tell_removed(payload: dict[str, Any]) -> None:
    _tell_member(groups.REMOVED, payload)


@events.subscribe("group.handed_over")
def tell_owner(payload: dict[str, Any]) -> None:
    _tell_member(groups.HANDED_OVER, payload)


@events.subscribe("group.ended")
def tell_ended(payload: dict[str, Any]) -> None:
    at = datetime.fromisoformat(payload["at"])
    for member_id in payload["member_ids"]:
        operations.send(
            member_id=member_id,
            template=groups.ENDED,
            key=f"{groups.ENDED}:{payload['group_id']}:{member_id}",
            variables={},
            at=at,
        )


def _tell_leaders(template: str, payload: dict[str, Any]) -> None:
    group_id, member_id = payload["group_id"], payload["member_id"]
    for leader_id in members_groups.leaders(group_id):
        if leader_id != member_id:
            _tell_of_group(template, payload, to=leader_id, name=members_groups.called(member_id))


def _tell_member(template: str, payload: dict[str, Any]) -> None:
    _tell_of_group(template, payload, to=payload["member_id"])


def _tell_of_group(template: str, payload: dict[str, Any], *, to: int, **variables: str) -> None:
    group_id = payload["group_id"]
    operations.send(
        member_id=to,
        template=template,
        key=f"{template}:{group_id}:{payload['member_id']}:{to}:{payload['at']}",
        variables={"group": members_groups.named([group_id])[group_id], **variables},
        at=datetime.fromisoformat(payload["at"]),
    )


@events.subscribe("application.ended")
def tell_applicant(payload: dict[str, Any]) -> None:
    """
    Who is a member now gets a message; who was turned down, or waited in vain, is told as a
    stranger. Who took the application back knows.
    """
    told = {
        ApplicationState.APPROVED: _tell_new_member,
        ApplicationState.REFUSED: _tell_turned_down,
        ApplicationState.EXPIRED: _tell_lapsed,
    }
    if tell := told.get(payload["state"]):
        tell(Application.objects.get(pk=payload["application_id"]), payload)


def _tell_new_member(application: Application, payload: dict[str, Any]) -> None:
    assert application.member_id is not None, "an approval makes a member"
    operations.send(
        member_id=application.member_id,
        template=applying.APPROVED,
        key=f"{applying.APPROVED}:{application.number}",
        variables={"application": application.number},
        at=datetime.fromisoformat(payload["at"]),
    )


def _tell_turned_down(application: Application, _payload: dict[str, Any]) -> None:
    _tell_applicant_in_vain(
        applying.REFUSED,
        application,
        reason=application.get_reason_display(),
        words=application.words or "–",
    )


def _tell_lapsed(application: Application, payload: dict[str, Any]) -> None:
    """They lapse at midnight, and nobody hears of it before the morning."""
    at = datetime.fromisoformat(payload["at"])
    morning = quiet_until(at, get_default_timezone())
    if morning is not None and timezone.now() < morning:
        raise events.NotYet(morning)
    _tell_applicant_in_vain(applying.LAPSED, application)


def _tell_applicant_in_vain(template: str, application: Application, **variables: str) -> None:
    told = applications.told(application)
    operations.tell_stranger(
        template=template,
        key=f"{template}:{application.number}",
        variables={"application": application.number, **variables},
        phone=application.phone,
        email=told["profile"].get("email", ""),
        language=told.get("language", ""),
    )
