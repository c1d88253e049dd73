"""What can be done with a membership."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError, Invalid
from common.models import User
from members import phones, products, queries
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
    if profile.birthday and not date(1900, 1, 1) <= profile.birthday <= joined_at.date():
        raise BirthdayOutOfRange
    member = Member.objects.create(
        number=_next_number(),
        status=MemberStatus.ACTIVE if active else MemberStatus.PRE_REGISTERED,
        name=profile.name,
        name_parts=queries.name_parts(profile.name),
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
        add_product(member_id=member.pk, product=product)
    if external:
        _list_external(member, *external)
    audit.record(
        action="member.enrolled",
        target=member.number,
        by=by,
        details={"status": member.status, "store": store_id},
    )
    return member


@transaction.atomic
def add_product(*, member_id: int, product: ProductFacts) -> Product:
    """
    Note that a member owns a product.

    :raises ProductTaken: if another member owns it today
    :raises products.InvalidIdentifier: if it cannot be an identifier
    """
    identifier = products.normalize(product.identifier)
    try:
        with transaction.atomic():
            return Product.objects.create(
                member_id=member_id,
                identifier=identifier,
                name=product.name,
                purchased_on=product.purchased_on,
                selling_organization_id=product.selling_organization_id,
            )
    except IntegrityError as error:
        raise ProductTaken from error


@transaction.atomic
def activate(*, member_id: int, activated_at: datetime, by: User | None = None) -> Member:
    """
    Turn a pre-registered member into an active one.

    :raises WrongState: if the member is not pre-registered
    """
    member = _locked(member_id, MemberStatus.PRE_REGISTERED)
    member.status = MemberStatus.ACTIVE
    member.activated_at = activated_at
    return _changed(member, "member.activated", by, "")


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


def _next_number() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('members_member_number')")
        return member_number(cursor.fetchone()[0])


def _list_phone(member: Member, phone: str) -> None:
    try:
        with transaction.atomic():
            PhoneDirectory.objects.create(phone_index=queries.phone_index(phone), member=member)
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
