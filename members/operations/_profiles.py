"""What is known of a member, and who may see it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid
from common.models import User
from members import attributes, names, phones
from members.models import EmailDirectory, Member, MemberStatus, PhoneDirectory, stopped_until
from members.operations._directory import list_phone
from members.operations._duplicates import forget_fingerprint
from members.operations._states import locked


class BirthdayOutOfRange(Invalid):
    code = "birthday_out_of_range"
    message = _("The birthday must lie between 1900 and today.")


class NotStopped(DomainError):
    code = "spending_not_stopped"
    message = _("This member's points can be spent already.")


# What staff may correct. The phone moves in its directory, the name's parts follow the name.
CORRECTABLE = frozenset(
    {"name", "phone", "email", "sex", "birthday", "province", "city", "attributes"}
)


@transaction.atomic
def update_profile(
    *, member_id: int, changes: dict[str, Any], at: datetime, by: User | None, reason: str
) -> Member:
    """
    Correct what is known of a member. What is the same already is left alone.

    :param changes: field → new value, of CORRECTABLE; of `attributes` only those that change
    :param at: a birthday after it is refused
    :raises PhoneTaken: if another member has the new phone
    :raises phones.InvalidPhone: :raises BirthdayOutOfRange: if it cannot be one
    :raises attributes.UnknownAttribute: :raises attributes.InvalidAttribute: if one is wrong
    :raises attributes.AttributeRequired: if one that must be known would not be
    :raises WrongState: if the membership has ended
    """
    assert changes.keys() <= CORRECTABLE, f"not correctable: {changes.keys() - CORRECTABLE}"
    member = locked(
        member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN
    )
    if changes.get("phone"):
        changes = changes | {"phone": phones.normalize(changes["phone"])}
    if changes.get("birthday"):
        require_possible_birthday(changes["birthday"], today=localdate(at))
    if changes.get("attributes"):
        told = attributes.merged(member.attributes, changes["attributes"], attributes.defined())
        changes = changes | {"attributes": told}
    changed = [field for field, value in changes.items() if getattr(member, field) != value]
    if not changed:
        return member
    had_another_phone = bool(member.phone) and "phone" in changed
    for field in changed:
        setattr(member, field, changes[field])
    if "phone" in changed:
        PhoneDirectory.objects.filter(member=member).delete()
        if member.phone:
            list_phone(member, member.phone)
    if "email" in changed:
        # Nobody has proven the new one, so nobody logs in with it.
        EmailDirectory.objects.filter(member=member).delete()
    member.name_spelled = names.spelled(member.name) or None
    member.name_parts = names.parts(member.name)
    setattr(member, "_change_reason", reason[:100])  # noqa: B010 - simple-history's own way
    if had_another_phone:
        # Whoever took the phone over by a trick has not the points yet (docs/decisions/0030).
        member.spending_stopped_at = at
    member.save(update_fields=[*changed, "name_spelled", "name_parts", "spending_stopped_at"])
    forget_fingerprint(member.pk)
    events.publish("member.profile_changed", {"member_id": member.pk, "at": at.isoformat()})
    if "phone" in changed and member.status != MemberStatus.PRE_REGISTERED:
        _tell_phone_change(member, at)
    # Which fields, not their values: what is erased with the member must not live on here.
    audit.record(
        action="member.corrected",
        target=member.number,
        by=by,
        reason=reason,
        details={"fields": changed},
    )
    return member


@transaction.atomic
def release_spending(*, member_id: int, by: User, reason: str, at: datetime) -> Member:
    """
    Let a member spend points at once though the phone was changed only just before.

    :raises NotStopped: if nothing stops it
    :raises WrongState: if the membership has ended
    """
    member = locked(member_id, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    until = stopped_until(member.spending_stopped_at)
    if until is None or at >= until:
        raise NotStopped
    member.spending_stopped_at = None
    member.save(update_fields=["spending_stopped_at"])
    audit.record(action="member.spending_released", target=member.number, by=by, reason=reason)
    return member


def _tell_phone_change(member: Member, at: datetime) -> None:
    """
    Which versions of the profile, not which phones: what is erased with the member must not live on
    in an event.
    """
    events.publish(
        "member.phone_changed",
        {
            "member_id": member.pk,
            "version": member.history.latest("history_id").pk,
            "at": at.isoformat(),
        },
    )


@dataclass(frozen=True, slots=True)
class PersonalData:
    """`attributes`: names and values of those the brand calls personal."""

    phone: str
    email: str
    id_number: str
    products: list[str]
    attributes: list[tuple[str, Any]]


@transaction.atomic
def reveal(*, member_id: int, by: User, reason: str) -> PersonalData:
    """Show what is masked everywhere else. Each look leaves a record."""
    member = Member.objects.get(pk=member_id)
    audit.record(action="member.revealed", target=member.number, by=by, reason=reason)
    personal = [each for each in attributes.defined().values() if each.is_personal]
    return PersonalData(
        phone=member.phone,
        email=member.email,
        id_number=member.id_number,
        products=list(member.products.order_by("pk").values_list("identifier", flat=True)),
        attributes=attributes.told(member.attributes, personal),
    )


@transaction.atomic
def login_for(*, member_id: int) -> User:
    """Return the login of a member, made at the first proof of the phone."""
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.user is None:
        user = User(username=member.number)
        user.set_unusable_password()
        user.save()
        member.user = user
        member.save(update_fields=["user"])
    return member.user


def require_possible_birthday(birthday: date, *, today: date) -> None:
    if not date(1900, 1, 1) <= birthday <= today:
        raise BirthdayOutOfRange
