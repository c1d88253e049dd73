"""Questions about who belongs."""

import contextlib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError, NotFound
from common.fields import blind_index
from common.postgres.calls import first_row
from members import cards, emails, names, phones, products
from members.models import (
    DataExport,
    EmailDirectory,
    Erasure,
    ExternalNumber,
    Member,
    MemberStatus,
    PhoneDirectory,
    Product,
    Tagging,
)
from members.numbers import is_member_number


class UnknownMember(NotFound):
    code = "unknown_member"
    message = _("There is no such member.")


class MemberFrozen(DomainError):
    code = "member_frozen"
    message = _("Member %(number)s is frozen.")


class MemberClosed(DomainError):
    code = "member_closed"
    message = _("The membership %(number)s has ended.")


class MemberNotActivated(DomainError):
    code = "member_not_activated"
    message = _("Member %(number)s is pre-registered and not activated yet.")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an operation needs to know of a member: no personal data."""

    id: int
    number: str
    status: str

    def require_can_earn(self) -> None:
        """:raises MemberFrozen: :raises MemberClosed: if so"""
        if self.status == MemberStatus.FROZEN:
            raise MemberFrozen(number=self.number)
        self.require_not_closed()

    def require_not_closed(self) -> None:
        """:raises MemberClosed: if so"""
        if self.status == MemberStatus.CLOSED:
            raise MemberClosed(number=self.number)

    @property
    def is_pre_registered(self) -> bool:
        return self.status == MemberStatus.PRE_REGISTERED

    def require_can_redeem(self) -> None:
        """:raises MemberNotActivated: or as `require_can_earn`"""
        self.require_can_earn()
        if self.is_pre_registered:
            raise MemberNotActivated(number=self.number)


def identify(number: str) -> Identity:
    """
    Find a member by number, in one query that one index answers.

    :raises UnknownMember: if the check digit is wrong or nobody has it
    """
    if not is_member_number(number):
        raise UnknownMember
    # Each till request asks this. Composing it anew from objects cost a seventh of the CPU of a
    # whole purchase request (docs/performance.md).
    row = first_row("SELECT id, number, status FROM members_member WHERE number = %s", (number,))
    if row is None:
        raise UnknownMember
    return Identity(*row)


def identify_many(numbers: Collection[str]) -> dict[str, Identity]:
    """As `identify`, for many in one query. Leaves out unknown ones."""
    ours = [number for number in numbers if is_member_number(number)]
    found = Member.objects.filter(number__in=ours).values_list("pk", "number", "status")
    return {row[1]: Identity(*row) for row in found}


def identity_of(member_id: int) -> Identity:
    """Who a row of ours belongs to."""
    return _identity(Member.objects.filter(pk=member_id))


def identities_of(member_ids: Collection[int]) -> dict[int, Identity]:
    """As `identity_of`, for many in one query."""
    found = Member.objects.filter(pk__in=member_ids).values_list("pk", "number", "status")
    return {row[0]: Identity(*row) for row in found}


def numbers_of(member_ids: Collection[int]) -> dict[int, str]:
    """Member numbers by id, in one query; in none where there is nobody."""
    if not member_ids:
        return {}
    return dict(Member.objects.filter(pk__in=member_ids).values_list("pk", "number"))


def identify_in_file(number: str, *, organization_id: int | None) -> Identity:
    """
    Find a member as files name one: by our number, or by the organization's own for its customer.

    :param organization_id: None: any organization's number, if only one member has it
    :raises UnknownMember: if there is none, or more than one
    """
    if is_member_number(number):
        return identify(number)
    external = ExternalNumber.objects.filter(number=number)
    if organization_id is not None:
        external = external.filter(organization_id=organization_id)
    return _identity(Member.objects.filter(pk__in=external.values("member_id")))


def identify_many_in_file(numbers: set[str], *, organization_id: int) -> dict[str, Identity]:
    """As `identify_in_file`, for a whole chunk of rows in two queries. Leaves out unknown ones."""
    ours = {number for number in numbers if is_member_number(number)}
    found = identify_many(ours)
    external = ExternalNumber.objects.filter(
        organization_id=organization_id, number__in=numbers - ours
    ).values_list("number", "member_id", "member__number", "member__status")
    return found | {
        number: Identity(member_id, ours_is, status)
        for number, member_id, ours_is, status in external
    }


OWNERS = """
    SELECT 'external_number', number, NULL::bytea, member_id FROM members_externalnumber
    WHERE organization_id = %s AND number = ANY (%s::text[])
    UNION ALL
    SELECT 'phone', NULL, phone_index, member_id FROM members_phonedirectory
    WHERE phone_index = ANY (%s::bytea[])
    UNION ALL
    SELECT 'product', identifier, NULL, member_id FROM members_product
    WHERE identifier = ANY (%s::text[]) AND owned_until IS NULL
"""


def owners(
    *,
    organization_id: int,
    external_numbers: list[str],
    phone_indexes: list[bytes],
    identifiers: list[str],
) -> dict[tuple[str, str | bytes], int]:
    """
    Ids of the members who have what is one member's alone, in one query however much is asked for.

    :returns: by `external_number`, `phone` or `product`, and what it is
    """
    with connection.cursor() as cursor:
        cursor.execute(OWNERS, [organization_id, external_numbers, phone_indexes, identifiers])
        return {
            (kind, text if index is None else bytes(index)): member_id
            for kind, text, index, member_id in cursor.fetchall()
        }


def by_phone(phone: str) -> Member:
    """
    :raises UnknownMember: if nobody has the phone
    :raises phones.InvalidPhone: if it is none
    """
    entry = (
        PhoneDirectory.objects.filter(phone_index=phone_index(phones.normalize(phone)))
        .select_related("member")
        .first()
    )
    if entry is None:
        raise UnknownMember
    return entry.member


def has_phone(phone: str) -> bool:
    """Whether some member has a normalized phone."""
    return PhoneDirectory.objects.filter(phone_index=phone_index(phone)).exists()


def by_card(code: str, *, at: datetime) -> Member:
    """
    :raises cards.InvalidCard: :raises cards.CardExpired: as `cards.read` does
    :raises UnknownMember: if the membership has ended since
    """
    found = Member.objects.filter(pk=cards.read(code, at=at)).exclude(status=MemberStatus.CLOSED)
    member = found.first()
    if member is None:
        raise UnknownMember
    return member


def by_email(email: str) -> Member:
    """
    Who has proven to read an e-mail address.

    :raises UnknownMember: if nobody has
    :raises emails.InvalidEmail: if it is none
    """
    index = email_index(emails.normalize(email))
    entry = EmailDirectory.objects.filter(email_index=index).select_related("member").first()
    if entry is None:
        raise UnknownMember
    return entry.member


def owns_products(member_id: int) -> bool:
    return Product.objects.filter(member_id=member_id, owned_until=None).exists()


def by_product(identifier: str) -> Member:
    """
    :raises UnknownMember: if nobody owns it today
    :raises products.InvalidIdentifier: if it cannot be one
    """
    product = (
        Product.objects.filter(identifier=products.normalize(identifier), owned_until=None)
        .select_related("member")
        .first()
    )
    if product is None:
        raise UnknownMember
    return product.member


def by_number(number: str) -> Member:
    """:raises UnknownMember: if nobody has it"""
    member = Member.objects.filter(number=number).first() if is_member_number(number) else None
    if member is None:
        raise UnknownMember
    return member


# A longer text is no name, number or identifier of anybody.
SEARCH_MAX = 100

TAIL_DIGITS = 4
MIN_PINYIN = 2


def search(text: str) -> QuerySet[Member]:
    """
    Find members by phone, member number, product identifier, external number, the last four digits
    of the phone, part of the name or of its pinyin, or by last digits and name: 5678 王.

    Each kind of question goes to the one index that answers it; one condition over all of them
    would read the whole table. What stands exactly for somebody wins over names that contain it.
    An empty text finds nobody.
    """
    text = text.strip()
    if not text or len(text) > SEARCH_MAX or not text.isprintable():
        return Member.objects.none()
    if ids := _ids_by_code(text):
        return Member.objects.filter(pk__in=ids)
    words = unicodedata.normalize("NFKC", text).split()
    tails = [word for word in words if _is_tail(word)]
    if len(tails) != 1:
        return _called(text)
    words.remove(tails[0])
    return _called(" ".join(words)).filter(pk__in=_ending(tails[0]).values("member"))


def _called(text: str) -> QuerySet[Member]:
    """Those whose name has this text in it, or whose name is spelled so, in pinyin or initials."""
    has = Q(name_parts__contains=names.parts_sought(text), name__icontains=text)
    pinyin = names.as_pinyin(text)
    # A letter alone begins too many names to be a question.
    if len(pinyin) < MIN_PINYIN:
        return Member.objects.filter(has)
    # From the beginning of a syllable, with or without blanks; or the initials of neighbours.
    letters, initials = " ?".join(pinyin), r"\w* ".join(pinyin)
    spelled = Q(
        name_parts__contains=names.parts_sought(pinyin),
        name_spelled__regex=f"(^| )({letters}|{initials})",
    )
    return Member.objects.filter(has | spelled)


def _is_tail(word: str) -> bool:
    return len(word) == TAIL_DIGITS and word.isascii() and word.isdigit()


def _ending(tail: str) -> QuerySet[PhoneDirectory]:
    return PhoneDirectory.objects.filter(tail_index=phone_tail_index(tail))


def open_erasure(member_id: int) -> Erasure | None:
    """A member's wish to be forgotten, waiting or done; None if there is none."""
    return Erasure.objects.filter(member_id=member_id, withdrawn_at=None).first()


def copies(member_id: int, *, since: datetime) -> QuerySet[DataExport]:
    """Copies of a member's data: those being made, and those made since a time."""
    asked = DataExport.objects.filter(member_id=member_id)
    wanted = asked.filter(Q(made_at=None) | Q(made_at__gt=since))
    return wanted.defer("content").order_by("-pk")


def tags_of(member_id: int | OuterRef) -> QuerySet[Tagging, Any]:
    """The names of a member's tags, in order."""
    on = Tagging.objects.filter(member_id=member_id, tag__is_active=True)
    return on.order_by("tag__name").values_list("tag__name", flat=True)


def phone_index(phone: str) -> bytes:
    """The directory's key of a normalized phone."""
    return blind_index(phone, purpose="members.phone")


def email_index(email: str) -> bytes:
    """The directory's key of a normalized e-mail address."""
    return blind_index(email, purpose="members.email")


def email_key(member_id: int) -> bytes:
    """The directory's key of the e-mail a member may log in with; empty if there is none."""
    held = EmailDirectory.objects.filter(member_id=member_id).values_list("email_index", flat=True)
    return bytes(held.first() or b"")


def phone_tail_index(phone: str) -> bytes:
    """What its last four digits are found by."""
    return blind_index(phone[-TAIL_DIGITS:], purpose="members.phone_tail")


def _ids_by_code(text: str) -> set[int]:
    """Whom a text stands for exactly, whatever kind of code it is: one round trip, four indexes."""
    # People paste full-width digits, and leave out the M and the zeros of a member number.
    code = unicodedata.normalize("NFKC", text).upper()
    number = f"M{code.removeprefix('M'):0>10}"
    external = {text, code}
    found = ExternalNumber.objects.filter(number__in=external).values_list("member_id")[:50]
    owner = Product.objects.filter(identifier=code, owned_until=None).values_list("member_id")
    others: list[QuerySet[Any, Any]] = [owner]
    if is_member_number(number):
        others.append(Member.objects.filter(number=number).values_list("pk"))
    with contextlib.suppress(phones.InvalidPhone):
        index = phone_index(phones.normalize(code))
        others.append(PhoneDirectory.objects.filter(phone_index=index).values_list("member_id"))
    if _is_tail(code):
        others.append(_ending(code).values_list("member_id"))
    return {row[0] for row in found.union(*others)}


def _identity(members: QuerySet[Member]) -> Identity:
    rows: list[Any] = list(members.values_list("pk", "number", "status")[:2])
    if len(rows) != 1:
        raise UnknownMember
    return Identity(*rows[0])
