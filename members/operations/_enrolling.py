"""How somebody becomes a member."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.timezone import localdate

from common import audit, events
from common.models import User
from members import attributes, names, phones, queries
from members.models import ExternalNumber, Member, MemberStatus
from members.operations._consents import Agreed, note_consents
from members.operations._directory import (
    ExternalNumberTaken,
    PhoneTaken,
    list_external,
    list_phone,
    next_numbers,
)
from members.operations._products import ProductFacts, ProductTaken, add_product
from members.operations._profiles import require_possible_birthday


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
    # By code, as `members.attributes` checks them.
    attributes: Mapping[str, Any] = field(default_factory=dict)


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
    agreed: Agreed | None = None,
) -> Member:
    """
    Make someone a member: active at once, or pre-registered until they prove who they are.

    :param external: organization and the number its own system has for this customer
    :param agreed: what they agreed to when they joined
    :raises PhoneTaken: :raises ProductTaken: :raises ExternalNumberTaken: if another has it
    :raises phones.InvalidPhone: :raises products.InvalidIdentifier: if it cannot be one
    :raises BirthdayOutOfRange: if nobody living can have it
    :raises attributes.UnknownAttribute: :raises attributes.InvalidAttribute: if one is wrong
    :raises UnknownConsentText: :raises NotAPartner: as `note_consents` does
    """
    phone = phones.normalize(profile.phone) if profile.phone else ""
    if profile.birthday:
        require_possible_birthday(profile.birthday, today=localdate(joined_at))
    member = Member.objects.create(
        number=next_numbers(1)[0],
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
        attributes=attributes.merged({}, profile.attributes, attributes.defined())
        if profile.attributes
        else {},
        enrolling_store_id=store_id,
        joined_at=joined_at,
        activated_at=joined_at if active else None,
    )
    if phone:
        list_phone(member, phone)
    if product:
        add_product(member_id=member.pk, product=product, bound_at=joined_at)
    if external:
        list_external(member, *external)
    if agreed:
        note_consents(
            member_id=member.pk,
            words=agreed.words,
            at=agreed.at or joined_at,
            channel=agreed.channel,
            by=by,
            client_id=agreed.client_id,
        )
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
    store_id: int | None = None,
    product: ProductFacts | None = None,
    external: tuple[int, str] | None = None,
    agreed: Agreed | None = None,
) -> Enrolled:
    """
    As `enroll`, for a caller that may not know whether its first try arrived.

    The organization's own number for the customer names the enrollment: with the same phone it is a
    repeat and answers with the member made before. Without such a number there is no repeat.

    :raises ExternalNumberTaken: if the number is of someone with another phone; and as `enroll`
    """
    if earlier := enrolled_before(external, profile.phone):
        return Enrolled(earlier, replayed=True)
    try:
        member = enroll(
            profile=profile,
            joined_at=joined_at,
            active=active,
            store_id=store_id,
            product=product,
            external=external,
            agreed=agreed,
        )
    except (PhoneTaken, ProductTaken, ExternalNumberTaken):
        # The first try may have committed just now.
        if earlier := enrolled_before(external, profile.phone):
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
    Make active members of an organization's customers, in seven statements however many they are.

    One event, `members.joined`, tells of all of them.

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
        for number, newcomer in zip(next_numbers(len(newcomers)), newcomers, strict=True)
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
    events.publish(
        "members.joined",
        {"members": [[member.pk, member.joined_at.isoformat()] for member in members]},
    )
    return {
        newcomer.external_number: queries.Identity(member.pk, member.number, member.status)
        for newcomer, member in zip(newcomers, members, strict=True)
    }


def enrolled_before(external: tuple[int, str] | None, phone: str) -> Member | None:
    """Whom an organization enrolled under its own number before, with the same phone."""
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
    return queries.surviving(listed.member)
