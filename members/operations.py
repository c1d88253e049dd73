"""What can be done with a membership."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid
from common.models import User
from members import names, phones, products, queries
from members.models import (
    ExternalNumber,
    Member,
    MemberStatus,
    PhoneDirectory,
    Product,
)
from members.numbers import member_number


class PhoneTaken(DomainError):
    code = "phone_taken"
    message = _("Another member has this phone number.")


class ProductTaken(DomainError):
    code = "product_taken"
    message = _("Another member owns this product.")


class ExternalNumberTaken(DomainError):
    code = "external_number_taken"
    message = _("Another member has this external number.")


class WrongState(DomainError):
    code = "wrong_state"
    message = _("This cannot be done to a member who is %(status)s.")


class BirthdayOutOfRange(Invalid):
    code = "birthday_out_of_range"
    message = _("The birthday must lie between 1900 and today.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a person when they join. Empty: not known."""

    name: str = ""
    phone: str = ""
    email: str = ""
    id_number: str = ""
    sex: str = ""
    birthday: date | None = None
    province: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFacts:
    identifier: str
    name: str = ""
    purchased_on: date | None = None
    selling_organization_id: int | None = None


@transaction.atomic
def enroll(
    *,
    profile: Profile,
    joined_at: datetime,
    active: bool,
    store_id: int | None = None,
    product: ProductFacts | None = None,
    external: tuple[int, str] | None = None,
    by: User | None = None,
) -> Member:
    """
    Make someone a member: active at once, or pre-registered until they prove who they are.

    :param external: organization and the number its own system has for this customer
    :raises PhoneTaken: :raises ProductTaken: :raises ExternalNumberTaken: if another has it
    :raises phones.InvalidPhone: :raises products.InvalidIdentifier: if it cannot be one
    :raises BirthdayOutOfRange: if nobody living can have it
    """
    phone = phones.normalize(profile.phone) if profile.phone else ""
    if profile.birthday:
        _require_possible_birthday(profile.birthday, today=localdate(joined_at))
    member = Member.objects.create(
        number=_next_numbers(1)[0],
        status=MemberStatus.ACTIVE if active else MemberStatus.PRE_REGISTERED,
        name=profile.name,
        name_spelled=names.spelled(profile.name) or None,
        name_parts=names.parts(profile.name),
        phone=phone,
        email=profile.email,
        id_number=profile.id_number,
        sex=profile.sex,
        birthday=profile.birthday,
        province=profile.province,
        city=profile.city,
        enrolling_store_id=store_id,
        joined_at=joined_at,
        activated_at=joined_at if active else None,
    )
    if phone:
        _list_phone(member, phone)
    if product:
        add_product(member_id=member.pk, product=product, bound_at=joined_at)
    if external:
        _list_external(member, *external)
    events.publish(
        "member.joined",
        {"member_id": member.pk, "joined_at": joined_at.isoformat(), "active": active},
    )
    audit.record(
        action="member.enrolled",
        target=member.number,
        by=by,
        details={"status": member.status, "store": store_id},
    )
    return member


@dataclass(frozen=True, slots=True)
class Enrolled:
    member: Member
    replayed: bool


def enroll_once(
    *,
    profile: Profile,
    joined_at: datetime,
    active: bool,
    store_id: int,
    product: ProductFacts | None = None,
    external: tuple[int, str] | None = None,
) -> Enrolled:
    """
    As `enroll`, for a caller that may not know whether its first try arrived.

    The organization's own number for the customer names the enrollment: with the same phone it is a
    repeat and answers with the member made before. Without such a number there is no repeat.

    :raises ExternalNumberTaken: if the number is of someone with another phone; and as `enroll`
    """
    if earlier := _enrolled_before(external, profile.phone):
        return Enrolled(earlier, replayed=True)
    try:
        member = enroll(
            profile=profile,
            joined_at=joined_at,
            active=active,
            store_id=store_id,
            product=product,
            external=external,
        )
    except (PhoneTaken, ProductTaken, ExternalNumberTaken):
        # The first try may have committed just now.
        if earlier := _enrolled_before(external, profile.phone):
            return Enrolled(earlier, replayed=True)
        raise
    return Enrolled(member, replayed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """All that a file of purchases tells of a customer nobody has enrolled yet."""

    external_number: str
    joined_at: datetime


@transaction.atomic
def enroll_many(
    *, newcomers: Sequence[Newcomer], organization_id: int, store_id: int, by: User | None = None
) -> dict[str, queries.Identity]:
    """
    Make active members of an organization's customers, in six statements however many they are.

    They are history: nobody is told that they joined.

    :returns: who they are, by external number
    :raises ExternalNumberTaken: if one of them became a member meanwhile; then nobody is enrolled
    """
    members = Member.objects.bulk_create(
        Member(
            number=number,
            status=MemberStatus.ACTIVE,
            enrolling_store_id=store_id,
            joined_at=newcomer.joined_at,
            activated_at=newcomer.joined_at,
        )
        for number, newcomer in zip(_next_numbers(len(newcomers)), newcomers, strict=True)
    )
    Member.history.bulk_history_create(members, default_user=by)
    try:
        with transaction.atomic():
            ExternalNumber.objects.bulk_create(
                ExternalNumber(
                    organization_id=organization_id,
                    number=newcomer.external_number,
                    member=member,
                )
                for newcomer, member in zip(newcomers, members, strict=True)
            )
    except IntegrityError as error:
        raise ExternalNumberTaken from error
    audit.record_many(
        action="member.enrolled",
        targets=[member.number for member in members],
        by=by,
        details={"status": MemberStatus.ACTIVE, "store": store_id},
    )
    return {
        newcomer.external_number: queries.Identity(member.pk, member.number, member.status)
        for newcomer, member in zip(newcomers, members, strict=True)
    }


@transaction.atomic
def add_product(
    *, member_id: int, product: ProductFacts, bound_at: datetime | None = None
) -> Product:
    """
    Note that a member owns a product.

    :param bound_at: when that was; None: now
    :raises ProductTaken: if another member owns it today
    :raises products.InvalidIdentifier: if it cannot be an identifier
    """
    identifier = products.normalize(product.identifier)
    try:
        with transaction.atomic():
            bound = Product.objects.create(
                member_id=member_id,
                identifier=identifier,
                name=product.name,
                purchased_on=product.purchased_on,
                selling_organization_id=product.selling_organization_id,
            )
    except IntegrityError as error:
        raise ProductTaken from error
    told = {"member_id": member_id, "bound_at": bound_at.isoformat() if bound_at else None}
    events.publish("member.product_bound", told)
    return bound


@transaction.atomic
def activate(
    *, member_id: int, activated_at: datetime, by: User | None = None, reason: str = ""
) -> Member:
    """
    Turn a pre-registered member into an active one. What they earned follows by the event
    `member.activated`: its validity may begin only now.

    :raises WrongState: if the member is not pre-registered
    """
    member = _locked(member_id, MemberStatus.PRE_REGISTERED)
    member.status = MemberStatus.ACTIVE
    member.activated_at = activated_at
    events.publish(
        "member.activated",
        {"member_id": member.pk, "activated_at": activated_at.isoformat()},
    )
    return _changed(member, "member.activated", by, reason)


@transaction.atomic
def freeze(*, member_id: int, by: User, reason: str) -> Member:
    """
    Stop a member from earning and redeeming until `unfreeze`.

    :raises WrongState: if the member is not active
    """
    member = _locked(member_id, MemberStatus.ACTIVE)
    member.status = MemberStatus.FROZEN
    return _changed(member, "member.frozen", by, reason)


@transaction.atomic
def unfreeze(*, member_id: int, by: User, reason: str) -> Member:
    """:raises WrongState: if the member is not frozen"""
    member = _locked(member_id, MemberStatus.FROZEN)
    member.status = MemberStatus.ACTIVE
    return _changed(member, "member.unfrozen", by, reason)


@transaction.atomic
def close(*, member_id: int, closed_at: datetime, by: User | None, reason: str) -> Member:
    """
    End a membership. The points follow by way of `member.closed`; the phone becomes free.

    :raises WrongState: if it has ended before
    """
    member = _locked(
        member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN
    )
    member.status = MemberStatus.CLOSED
    member.closed_at = closed_at
    PhoneDirectory.objects.filter(member=member).delete()
    if member.user is not None:
        member.user.is_active = False
        member.user.save(update_fields=["is_active"])
    events.publish("member.closed", {"member_id": member.pk, "closed_at": closed_at.isoformat()})
    return _changed(member, "member.closed", by, reason)


# What staff may correct. The phone moves in its directory, the name's parts follow the name.
CORRECTABLE = frozenset({"name", "phone", "email", "sex", "birthday", "province", "city"})


@transaction.atomic
def update_profile(
    *, member_id: int, changes: dict[str, Any], at: datetime, by: User | None, reason: str
) -> Member:
    """
    Correct what is known of a member. What is the same already is left alone.

    :param changes: field → new value, of CORRECTABLE
    :param at: a birthday after it is refused
    :raises PhoneTaken: if another member has the new phone
    :raises phones.InvalidPhone: :raises BirthdayOutOfRange: if it cannot be one
    :raises WrongState: if the membership has ended
    """
    assert changes.keys() <= CORRECTABLE, f"not correctable: {changes.keys() - CORRECTABLE}"
    member = _locked(
        member_id, MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN
    )
    if changes.get("phone"):
        changes = changes | {"phone": phones.normalize(changes["phone"])}
    if changes.get("birthday"):
        _require_possible_birthday(changes["birthday"], today=localdate(at))
    changed = [field for field, value in changes.items() if getattr(member, field) != value]
    if not changed:
        return member
    for field in changed:
        setattr(member, field, changes[field])
    if "phone" in changed:
        PhoneDirectory.objects.filter(member=member).delete()
        if member.phone:
            _list_phone(member, member.phone)
    member.name_spelled = names.spelled(member.name) or None
    member.name_parts = names.parts(member.name)
    setattr(member, "_change_reason", reason[:100])  # noqa: B010 - simple-history's own way
    member.save(update_fields=[*changed, "name_spelled", "name_parts"])
    events.publish("member.profile_changed", {"member_id": member.pk, "at": at.isoformat()})
    # Which fields, not their values: what is erased with the member must not live on here.
    audit.record(
        action="member.corrected",
        target=member.number,
        by=by,
        reason=reason,
        details={"fields": changed},
    )
    return member


@dataclass(frozen=True, slots=True)
class PersonalData:
    phone: str
    email: str
    id_number: str


@transaction.atomic
def reveal(*, member_id: int, by: User, reason: str) -> PersonalData:
    """Show what is masked everywhere else. Each look leaves a record."""
    member = Member.objects.get(pk=member_id)
    audit.record(action="member.revealed", target=member.number, by=by, reason=reason)
    return PersonalData(member.phone, member.email, member.id_number)


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


def _enrolled_before(external: tuple[int, str] | None, phone: str) -> Member | None:
    if external is None:
        return None
    organization_id, number = external
    listed = (
        ExternalNumber.objects.filter(organization_id=organization_id, number=number)
        .select_related("member")
        .first()
    )
    if listed is None or listed.member.phone != phones.normalize(phone):
        return None
    return listed.member


def _require_possible_birthday(birthday: date, *, today: date) -> None:
    if not date(1900, 1, 1) <= birthday <= today:
        raise BirthdayOutOfRange


def _next_numbers(count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval('members_member_number') FROM generate_series(1, %s)", [count]
        )
        return [member_number(sequence) for (sequence,) in cursor.fetchall()]


def _list_phone(member: Member, phone: str) -> None:
    try:
        with transaction.atomic():
            PhoneDirectory.objects.create(
                phone_index=queries.phone_index(phone),
                tail_index=queries.phone_tail_index(phone),
                member=member,
            )
    except IntegrityError as error:
        raise PhoneTaken from error


def _list_external(member: Member, organization_id: int, number: str) -> None:
    try:
        with transaction.atomic():
            ExternalNumber.objects.create(
                organization_id=organization_id, number=number, member=member
            )
    except IntegrityError as error:
        raise ExternalNumberTaken from error


def _locked(member_id: int, *allowed: MemberStatus) -> Member:
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.status not in allowed:
        raise WrongState(status=member.get_status_display())
    return member


def _changed(member: Member, action: str, by: User | None, reason: str) -> Member:
    member.save(update_fields=["status", "activated_at", "closed_at"])
    audit.record(action=action, target=member.number, by=by, reason=reason)
    return member
