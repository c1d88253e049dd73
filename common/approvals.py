"""
Four eyes: one person asks for an operation, another lets it happen.

A room registers, in its AppConfig, a kind of request: who may decide it, what performs it, how it
reads. Asking writes a row with the operation's exact arguments. Approving performs them in the
transaction of the decision: no deed without its approval, no approval without its deed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import Approval, ApprovalState, User

# How far the console counts what waits for somebody.
WAITING_COUNTED = 1000

Payload = Mapping[str, Any]
Facts = Sequence[tuple[str | Promise, Any]]


class Perform(Protocol):
    """The room's operation. Its refusals leave the request as it was, undecided."""

    def __call__(
        self,
        *,
        payload: Payload,
        requested_by: User,
        approved_by: User,
        approval_id: int,
        at: datetime,
    ) -> object: ...


class Describe(Protocol):
    """
    What the payload says, in the reader's language: labels and values. The console asks it of each
    row of a list, so it asks nothing of the database.
    """

    def __call__(self, payload: Payload, /) -> Facts: ...


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    title: str | Promise
    permission: str
    perform: Perform
    describe: Describe


_kinds: dict[str, Kind] = {}


def kind(
    *, name: str, title: str | Promise, permission: str, perform: Perform, describe: Describe
) -> None:
    """
    Register what can be asked for. Rows live for ever: `describe` reads every payload ever written.

    :param name: `<room>.<noun>`
    :param permission: what a login needs to decide, such as `points.approve_adjustment`
    """
    assert name not in _kinds, f"{name} is registered already"
    _kinds[name] = Kind(name, title, permission, perform, describe)


# --- Refusals -------------------------------------------------------------------------------------


class UnknownKind(DomainError):
    code = "unknown_kind"
    message = _("Nothing does a request of the kind “%(kind)s” any more.")


class ReasonMissing(Invalid):
    code = "reason_missing"
    message = _("Say why.")


class ReferenceReused(DomainError):
    code = "reference_reused"
    message = _("The reference “%(reference)s” stands for something else already.")


class NotOnTheStaff(DomainError):
    code = "not_on_the_staff"
    message = _("“%(login)s” is no active member of staff.")
    status = 403


class NotAllowedToDecide(DomainError):
    code = "not_allowed_to_decide"
    message = _("You may not decide requests of this kind.")
    status = 403


class OwnRequest(DomainError):
    code = "own_request"
    message = _("You asked for this yourself; somebody else must decide.")
    status = 403


class NotYourRequest(DomainError):
    code = "not_your_request"
    message = _("Only who asked for this can withdraw it.")
    status = 403


class AlreadyDecided(DomainError):
    code = "already_decided"
    message = _("This request was decided already: %(state)s.")


# --- Operations -----------------------------------------------------------------------------------


@transaction.atomic
def request(
    *,
    kind: str,
    payload: Payload,
    target: str,
    reason: str,
    reference: str,
    by: User,
    at: datetime,
) -> Approval:
    """
    Ask for an operation. Repeating a reference returns the first request, decided or not.

    :param payload: the operation's arguments as JSON; small, and without personal data
    :param target: a name people know, such as a member number
    :param reference: the asking form's own name for this request
    :raises UnknownKind: if no room registered it
    :raises ReasonMissing: if the reason is blank
    :raises NotOnTheStaff: if who asks is no active staff
    :raises ReferenceReused: if the reference stands for another request
    """
    if kind not in _kinds:
        raise UnknownKind(kind=kind)
    asking = _staff(by.pk)
    asked = {
        "target": target,
        "reason": _said(reason),
        # As the database will return it: a date is its text.
        "payload": json.loads(DjangoJSONEncoder().encode(dict(payload))),
        "requested_by": asking,
    }
    # Of two at once the unique reference makes one the first; the other finds it.
    approval, is_new = Approval.objects.get_or_create(
        kind=kind, reference=reference, defaults=asked | {"requested_at": at}
    )
    if is_new:
        _record(approval, "requested", by=asking, reason=approval.reason)
    elif any(getattr(approval, name) != value for name, value in asked.items()):
        raise ReferenceReused(reference=reference)
    return approval


@transaction.atomic
def approve(*, approval_id: int, by: User, at: datetime, note: str = "") -> Approval:
    """
    Let the operation happen, and perform it. What it refuses is raised, and nothing is decided.

    :raises NotFound: if there is no such request
    :raises AlreadyDecided: if it does not wait any more
    :raises OwnRequest: if who decides is who asked
    :raises NotAllowedToDecide: if who decides lacks the kind's permission
    :raises UnknownKind: if this release has no such kind
    :raises NotOnTheStaff: if who asked or who decides is no active staff
    """
    approval, deciding = _to_decide(approval_id, by=by)
    asked = _kinds.get(approval.kind)
    if asked is None:
        raise UnknownKind(kind=approval.kind)
    asking = _staff(approval.requested_by_id)
    # Decided first, so that the operation and its tables find it approved.
    _decide(approval, ApprovalState.APPROVED, by=deciding, at=at, note=note.strip())
    asked.perform(
        payload=approval.payload,
        requested_by=asking,
        approved_by=deciding,
        approval_id=approval.pk,
        at=at,
    )
    return approval


@transaction.atomic
def reject(*, approval_id: int, by: User, at: datetime, note: str) -> Approval:
    """
    Decline. The same may be asked for again, under another reference.

    :raises NotFound, AlreadyDecided, OwnRequest, NotAllowedToDecide: as `approve` does
    :raises ReasonMissing: if the note is blank
    """
    approval, deciding = _to_decide(approval_id, by=by)
    _decide(approval, ApprovalState.REJECTED, by=deciding, at=at, note=_said(note))
    return approval


@transaction.atomic
def withdraw(*, approval_id: int, by: User, at: datetime, note: str = "") -> Approval:
    """
    Take back what one asked for.

    :raises NotFound: if there is no such request
    :raises AlreadyDecided: if it does not wait any more
    :raises NotYourRequest: if somebody else asked
    :raises NotOnTheStaff: if who asked is staff no more
    """
    approval = _waiting(approval_id)
    if approval.requested_by_id != by.pk:
        raise NotYourRequest
    asking = _staff(by.pk)
    _decide(approval, ApprovalState.WITHDRAWN, by=asking, at=at, note=note.strip())
    return approval


def _to_decide(approval_id: int, *, by: User) -> tuple[Approval, User]:
    approval = _waiting(approval_id)
    if approval.requested_by_id == by.pk:
        raise OwnRequest
    deciding = _staff(by.pk)
    if not may_decide(approval, user=deciding):
        raise NotAllowedToDecide
    return approval, deciding


def _waiting(approval_id: int) -> Approval:
    """The request, locked: of two who decide at once, the second finds it decided."""
    found = Approval.objects.select_for_update(no_key=True).filter(pk=approval_id).first()
    if found is None:
        raise NotFound
    if found.state != ApprovalState.PENDING:
        raise AlreadyDecided(state=found.get_state_display())
    return found


def _decide(approval: Approval, state: ApprovalState, *, by: User, at: datetime, note: str) -> None:
    approval.state = state
    approval.decided_by = by
    approval.decided_at = at
    approval.note = note
    approval.save(update_fields=["state", "decided_by", "decided_at", "note"])
    _record(approval, state.lower(), by=by, reason=note)


def _record(approval: Approval, verb: str, *, by: User, reason: str) -> None:
    audit.record(
        action=f"approval.{verb}",
        target=approval.target,
        by=by,
        reason=reason,
        details={"approval": approval.pk, "kind": approval.kind},
    )


def _said(text: str) -> str:
    said = text.strip()
    if not said:
        raise ReasonMissing
    return said


def _staff(user_id: int) -> User:
    """The login as it is now: a session may have begun before a role was taken away."""
    user = User.objects.get(pk=user_id)
    if not (user.is_active and user.is_staff):
        raise NotOnTheStaff(login=user.get_username())
    return user


# --- Questions ------------------------------------------------------------------------------------


def may_decide(approval: Approval, *, user: User) -> bool:
    """Whether a login has what the kind demands; what nothing does any more, superusers reject."""
    asked = _kinds.get(approval.kind)
    return user.has_perm(asked.permission) if asked else user.is_superuser


def waiting_for(user: User | AnonymousUser) -> QuerySet[Approval]:
    """What waits for this login's decision. Asks the database nothing of who may decide nothing."""
    decidable = [each.name for each in _kinds.values() if user.has_perm(each.permission)]
    if not decidable:
        return Approval.objects.none()
    pending = Approval.objects.filter(state=ApprovalState.PENDING, kind__in=decidable)
    return pending.exclude(requested_by=user.pk)


def title(approval: Approval) -> str:
    """What is asked for, in the reader's language."""
    asked = _kinds.get(approval.kind)
    return str(asked.title) if asked else approval.kind


def facts(approval: Approval) -> Facts:
    """What approving would do, in the words of its kind; else the payload as it stands."""
    asked = _kinds.get(approval.kind)
    return asked.describe(approval.payload) if asked else list(approval.payload.items())


def is_known(approval: Approval) -> bool:
    """Whether this release can perform it."""
    return approval.kind in _kinds
