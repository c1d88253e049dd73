"""Members of an older programme, whom a file brings by the hundred (M4)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from common import audit
from common.errors import DomainError
from common.models import User
from common.postgres import copying
from members import names, queries
from members.models import ExternalNumber, Member, MemberStatus, PhoneDirectory, Product
from members.operations._directory import ExternalNumberTaken, PhoneTaken, next_numbers
from members.operations._enrolling import Profile
from members.operations._products import ProductFacts, ProductTaken

UNIQUE_VIOLATION = "23505"


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
    now: datetime,
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
    if not people:
        return []
    status = MemberStatus.ACTIVE if active else MemberStatus.PRE_REGISTERED
    ids = copying.next_ids(Member, len(people))
    numbers = next_numbers(len(people))
    _insert(ids, numbers, people, status, now=now, by=by, reason=reason)
    _list(ids, people, organization_id)
    bind_historic(
        products=[
            (member_id, each.product)
            for member_id, each in zip(ids, people, strict=True)
            if each.product
        ]
    )
    audit.record_many(
        action="member.enrolled",
        targets=numbers,
        by=by,
        details={"status": status, "historic": True},
    )
    return [
        queries.Identity(member_id, number, status)
        for member_id, number in zip(ids, numbers, strict=True)
    ]


@transaction.atomic
def bind_historic(*, products: Sequence[tuple[int, ProductFacts]]) -> list[int]:
    """
    Note what members owned before, in two statements however many they are. Nobody is told.

    :param products: whose each is, by the member's id, and a product with a normalized identifier
    :returns: the ids of the products
    :raises ProductTaken: if somebody bound one of them meanwhile; then none is bound
    """
    if not products:
        return []
    ids = copying.next_ids(Product, len(products))
    facts = [each for _member_id, each in products]
    with _unless_taken():
        copying.insert(
            Product,
            {
                "id": ids,
                "member_id": [member_id for member_id, _each in products],
                "identifier": [each.identifier for each in facts],
                "name": [each.name for each in facts],
                "purchased_on": [each.purchased_on for each in facts],
                "selling_organization_id": [each.selling_organization_id for each in facts],
            },
        )
    return ids


def _insert(
    ids: Sequence[int],
    numbers: Sequence[str],
    people: Sequence[Historic],
    status: MemberStatus,
    *,
    now: datetime,
    by: User | None,
    reason: str,
) -> None:
    """The members, and the beginning of each one's history."""
    profiles = [each.profile for each in people]
    joined = [each.joined_at for each in people]
    told: dict[str, Sequence[Any]] = {
        "id": ids,
        "number": numbers,
        "name": [profile.name for profile in profiles],
        "phone": [profile.phone for profile in profiles],
        "email": [profile.email for profile in profiles],
        "id_number": [profile.id_number for profile in profiles],
        "sex": [profile.sex for profile in profiles],
        "birthday": [profile.birthday for profile in profiles],
        "province": [profile.province for profile in profiles],
        "city": [profile.city for profile in profiles],
        "attributes": [dict(profile.attributes) for profile in profiles],
        "enrolling_store_id": [each.store_id for each in people],
        "joined_at": joined,
    }
    same = {"status": status}
    if status == MemberStatus.ACTIVE:
        told["activated_at"] = joined
    found_by: dict[str, Sequence[Any]] = {
        "name_spelled": [names.spelled(profile.name) or None for profile in profiles],
        "name_parts": [names.parts(profile.name) for profile in profiles],
    }
    copying.insert(Member, told | found_by, same=same)
    about = {
        "history_date": now,
        "history_type": "+",
        "history_user_id": by.pk if by else None,
        "history_change_reason": reason[:100],
    }
    copying.insert(Member.history.model, told, same=same | about)


def _list(ids: Sequence[int], people: Sequence[Historic], organization_id: int) -> None:
    """Enter the members where each is found by what is theirs alone."""
    pairs = list(zip(ids, people, strict=True))
    phones = [(who, each.profile.phone) for who, each in pairs if each.profile.phone]
    external = [(who, each.external_number) for who, each in pairs if each.external_number]
    with _unless_taken():
        copying.insert(
            PhoneDirectory,
            {
                "phone_index": [queries.phone_index(phone) for _who, phone in phones],
                "tail_index": [queries.phone_tail_index(phone) for _who, phone in phones],
                "member_id": [who for who, _phone in phones],
            },
        )
        copying.insert(
            ExternalNumber,
            {
                "number": [number for _who, number in external],
                "member_id": [who for who, _number in external],
            },
            same={"organization_id": organization_id},
        )


_TAKEN: dict[str, type[DomainError]] = {
    PhoneDirectory._meta.db_table: PhoneTaken,
    ExternalNumber._meta.db_table: ExternalNumberTaken,
    Product._meta.db_table: ProductTaken,
}


@contextmanager
def _unless_taken() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        told = getattr(error.__cause__, "diag", None)
        if told is None or told.sqlstate != UNIQUE_VIOLATION or told.table_name not in _TAKEN:
            raise
        raise _TAKEN[told.table_name] from error
