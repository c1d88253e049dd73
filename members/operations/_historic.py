"""Members of an older programme, whom a file brings by the hundred (M4)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from common import audit
from common.errors import DomainError
from common.models import User
from members import names, queries
from members.models import ExternalNumber, Member, MemberStatus, PhoneDirectory, Product
from members.operations._directory import ExternalNumberTaken, PhoneTaken, next_numbers
from members.operations._enrolling import Profile
from members.operations._products import ProductFacts, ProductTaken


@dataclass(frozen=True, slots=True, kw_only=True)
class Historic:
    """
    What an older programme knew of a member. Whoever reads it has checked it.

    :param profile: its phone as E.164, its attributes as `members.attributes` keeps them
    :param external_number: what the organization's own system calls the member; may be empty
    :param product: with a normalized identifier
    """

    profile: Profile
    joined_at: datetime
    external_number: str = ""
    store_id: int | None = None
    product: ProductFacts | None = None


@transaction.atomic
def enroll_historic(
    *,
    people: Sequence[Historic],
    organization_id: int,
    active: bool,
    by: User | None = None,
    reason: str = "",
) -> list[queries.Identity]:
    """
    Make members of people who belonged before, in nine statements however many they are.

    Nobody is told and no event is published: who has belonged for years gets no welcome.

    :param active: else they are pre-registered until they prove who they are
    :param reason: for the history of each member
    :raises PhoneTaken: :raises ExternalNumberTaken: :raises ProductTaken: if one of them became a
        member meanwhile; then nobody is enrolled
    """
    status = MemberStatus.ACTIVE if active else MemberStatus.PRE_REGISTERED
    members = Member.objects.bulk_create(
        _member(number, each, status)
        for number, each in zip(next_numbers(len(people)), people, strict=True)
    )
    Member.history.bulk_history_create(members, default_user=by, default_change_reason=reason[:100])
    _list(members, people, organization_id)
    audit.record_many(
        action="member.enrolled",
        targets=[member.number for member in members],
        by=by,
        details={"status": status, "historic": True},
    )
    return [queries.Identity(member.pk, member.number, member.status) for member in members]


def _member(number: str, historic: Historic, status: MemberStatus) -> Member:
    profile = historic.profile
    return Member(
        number=number,
        status=status,
        name=profile.name,
        name_spelled=names.spelled(profile.name) or None,
        name_parts=names.parts(profile.name),
        phone=profile.phone,
        email=profile.email,
        id_number=profile.id_number,
        sex=profile.sex,
        birthday=profile.birthday,
        province=profile.province,
        city=profile.city,
        attributes=dict(profile.attributes),
        enrolling_store_id=historic.store_id,
        joined_at=historic.joined_at,
        activated_at=historic.joined_at if status == MemberStatus.ACTIVE else None,
    )


def _list(members: Sequence[Member], people: Sequence[Historic], organization_id: int) -> None:
    """Enter the members where each is found by what is theirs alone."""
    pairs = list(zip(members, people, strict=True))
    with _unless_taken(PhoneTaken):
        PhoneDirectory.objects.bulk_create(
            PhoneDirectory(
                phone_index=queries.phone_index(each.profile.phone),
                tail_index=queries.phone_tail_index(each.profile.phone),
                member=member,
            )
            for member, each in pairs
            if each.profile.phone
        )
    with _unless_taken(ExternalNumberTaken):
        ExternalNumber.objects.bulk_create(
            ExternalNumber(
                organization_id=organization_id, number=each.external_number, member=member
            )
            for member, each in pairs
            if each.external_number
        )
    with _unless_taken(ProductTaken):
        Product.objects.bulk_create(
            Product(
                member=member,
                identifier=each.product.identifier,
                name=each.product.name,
                purchased_on=each.product.purchased_on,
                selling_organization_id=each.product.selling_organization_id,
            )
            for member, each in pairs
            if each.product
        )


@contextmanager
def _unless_taken(refusal: type[DomainError]) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise refusal from error
