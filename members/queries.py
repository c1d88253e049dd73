"""Questions about who belongs."""

import contextlib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
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
    MergePart,
    PhoneDirectory,
    Product,
    Tagging,
    stopped_until,
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


class MemberMerged(DomainError):
    code = "member_merged"
    message = _("Member %(number)s was joined with %(into)s.")


class MemberNotActivated(DomainError):
    code = "member_not_activated"
    message = _("Member %(number)s is pre-registered and not activated yet.")


class SpendingStopped(DomainError):
    """`until` in its details is a moment of RFC 3339."""

    code = "spending_stopped"
    message = _(
        "The phone number was changed lately: the points of %(number)s can be spent from %(until)s "
        "on."
    )

    @property
    def sentence(self) -> str:
        until = date_format(datetime.fromisoformat(self.details["until"]), "SHORT_DATETIME_FORMAT")
        return str(self.message) % {**self.details, "until": until}


@dataclass(frozen=True, slots=True)
class Identity:
    """What an operation needs to know of a member: no personal data."""

    id: int
    number: str
    status: str
    # Whose number the caller named, if that member was joined with this one.
    named_id: int | None = None
    # When the phone was changed, see `require_can_spend`.
    spending_stopped_at: datetime | None = None

    @property
    def asked_id(self) -> int:
        """Who was named: the same before and after a merge, so that a repeat stays a repeat."""
        return self.named_id or self.id

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

    def require_can_spend(self, at: datetime) -> None:
        """
        :param at: when it is done: what was done before the phone was changed, is told later too
        :raises SpendingStopped: if the phone was changed just before; or as `require_can_redeem`
        """
        self.require_can_redeem()
        stopped_at = self.spending_stopped_at
        if stopped_at is None or at < stopped_at:
            return
        until = stopped_until(stopped_at)
        assert until is not None, "it was stopped"
        if at < until:
            raise SpendingStopped(number=self.number, until=localtime(until).isoformat())


BY_NUMBER = """
    SELECT id, number, status, NULL::bigint, spending_stopped_at, merged_into_id
    FROM members_member WHERE number = %s
"""


def identify(number: str) -> Identity:
    """
    Find a member by number, in one query that one index answers. A number that was given up for
    another leads to who remains (docs/decisions/0020).

    :raises UnknownMember: if the check digit is wrong or nobody has it
    """
    if not is_member_number(number):
        raise UnknownMember
    # Each till request asks this. Composing it anew from objects cost a seventh of the CPU of a
    # whole purchase request (docs/performance.md).
    row = first_row(BY_NUMBER, (number,))
    if row is None:
        raise UnknownMember
    *known, merged_into = row
    return Identity(*known) if merged_into is None else survivors([row[0]])[row[0]]


def identify_many(numbers: Collection[str]) -> dict[str, Identity]:
    """As `identify`, for many in one query. Leaves out unknown ones."""
    ours = [number for number in numbers if is_member_number(number)]
    found = Member.objects.filter(number__in=ours)
    return _led({row[1]: row for row in found.values_list(*_NAMED)})


def identify_many_by_phone(given: Collection[str]) -> dict[str, Identity]:
    """As `identify_many`, by normalized phones. Leaves out those nobody has."""
    indexes = {phone_index(phone): phone for phone in given}
    found = PhoneDirectory.objects.filter(phone_index__in=list(indexes))
    rows = found.values_list("phone_index", *(f"member__{name}" for name in _NAMED))
    return _led({indexes[bytes(index)]: tuple(row) for index, *row in rows})


def survivors(member_ids: Collection[int]) -> dict[int, Identity]:
    """Who these members turned out to be, by their own ids, in one query; mostly themselves."""
    with connection.cursor() as cursor:
        cursor.execute(SURVIVORS, {"members": list(member_ids)})
        return {
            named: Identity(
                member_id, number, status, None if named == member_id else named, stopped_at
            )
            for named, member_id, number, status, stopped_at in cursor.fetchall()
        }


SURVIVORS = """
    WITH RECURSIVE way (named, member_id) AS (
        SELECT m.id, m.id FROM members_member AS m WHERE m.id = ANY(%(members)s)
        UNION ALL
        SELECT w.named, m.merged_into_id
        FROM way AS w JOIN members_member AS m ON m.id = w.member_id
        WHERE m.merged_into_id IS NOT NULL
    )
    SELECT w.named, m.id, m.number, m.status, m.spending_stopped_at
    FROM way AS w JOIN members_member AS m ON m.id = w.member_id
    WHERE m.merged_into_id IS NULL
"""


def with_guests(member_ids: Collection[int]) -> list[int]:
    """These members, and everybody who was joined with them, directly or with another."""
    with connection.cursor() as cursor:
        cursor.execute(GUESTS, {"members": list(member_ids)})
        return sorted(member_id for (member_id,) in cursor.fetchall())


GUESTS = """
    WITH RECURSIVE guest (id) AS (
        SELECT unnest(%(members)s::bigint[])
        UNION
        SELECT m.id FROM guest AS g JOIN members_member AS m ON m.merged_into_id = g.id
    )
    SELECT id FROM guest
"""


def parts_of_merge(merge_id: int) -> dict[str, list[int]]:
    """What a merge moved or added, by kind: primary keys, in the order they were noted."""
    rows: dict[str, list[int]] = {}
    parts = MergePart.objects.filter(merge_id=merge_id).order_by("pk")
    for kind, row in parts.values_list("kind", "row"):
        rows.setdefault(kind, []).append(row)
    return rows


def surviving(member: Member) -> Member:
    """Who a member turned out to be: mostly the same."""
    while member.merged_into_id is not None:
        member = Member.objects.get(pk=member.merged_into_id)
    return member


def identity_of(member_id: int) -> Identity:
    """Who a row of ours belongs to: the member themselves, also one given up for another."""
    return _identity(Member.objects.filter(pk=member_id))


def identities_of(member_ids: Collection[int]) -> dict[int, Identity]:
    """As `identity_of`, for many in one query."""
    found = Member.objects.filter(pk__in=member_ids).values_list(*_NAMED[:-1])
    return {row[0]: _identified(*row) for row in found}


def identity(member: Member) -> Identity:
    """What an operation needs to know of a member that was read."""
    return _identified(member.pk, member.number, member.status, member.spending_stopped_at)


def spending_stopped_until(member: Member, *, at: datetime) -> datetime | None:
    """Until when no points leave the account; None: they do."""
    until = stopped_until(member.spending_stopped_at)
    return until if until is not None and at < until else None


def _identified(pk: int, number: str, status: str, stopped_at: datetime | None) -> Identity:
    return Identity(pk, number, status, spending_stopped_at=stopped_at)


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
    found = survivors(list(external.values_list("member_id", flat=True)[:50]))
    if len({identity.id for identity in found.values()}) != 1:
        raise UnknownMember
    return next(iter(found.values()))


def identify_many_in_file(numbers: set[str], *, organization_id: int) -> dict[str, Identity]:
    """As `identify_in_file`, for a whole chunk of rows in two queries. Leaves out unknown ones."""
    ours = {number for number in numbers if is_member_number(number)}
    found = identify_many(ours)
    external = ExternalNumber.objects.filter(
        organization_id=organization_id, number__in=numbers - ours
    ).values_list("number", *(f"member__{name}" for name in _NAMED))
    return found | _led({number: tuple(row) for number, *row in external})


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
    Who has a phone. That of a member who was given up for another leads to who remains.

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
    return surviving(entry.member)


def has_phone(phone: str) -> bool:
    """Whether some member has a normalized phone."""
    return PhoneDirectory.objects.filter(phone_index=phone_index(phone)).exists()


def by_card(code: str, *, at: datetime) -> Member:
    """
    :raises cards.InvalidCard: :raises cards.CardExpired: as `cards.read` does
    :raises UnknownMember: if the membership has ended since
    """
    shown = Member.objects.filter(pk=cards.read(code, at=at)).first()
    if shown is None:
        raise UnknownMember
    member = surviving(shown)
    if member.status == MemberStatus.CLOSED:
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
    return surviving(entry.member)


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
    return surviving(member)


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


def ending_and_called(tail: str, name: str) -> QuerySet[Member]:
    """Members whose phone ends in these four digits and whose name is exactly this."""
    if not _is_tail(tail) or not name:
        return Member.objects.none()
    holds = Member.objects.filter(pk__in=_ending(tail).values("member"))
    return holds.exclude(status=MemberStatus.CLOSED).filter(name__iexact=name).order_by("pk")


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


def phone_before(version: int) -> str:
    """The phone that a version of a profile did away with; empty if none was, or it is erased."""
    whose = Member.history.filter(history_id=version).values("id")
    earlier = Member.history.filter(id__in=whose, history_id__lt=version)
    phone = earlier.order_by("-history_id").values_list("phone", flat=True).first()
    return phone or ""


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


# What an identity is made of, and whom it leads to.
_NAMED = ("pk", "number", "status", "spending_stopped_at", "merged_into_id")


def _led(found: dict[str, tuple[Any, ...]]) -> dict[str, Identity]:
    """Identities by what callers named; one query more only if somebody was given up."""
    given_up = {row[0] for row in found.values() if row[-1] is not None}
    remaining = survivors(given_up) if given_up else {}
    return {named: remaining.get(row[0]) or _identified(*row[:-1]) for named, row in found.items()}


def _identity(members: QuerySet[Member]) -> Identity:
    rows: list[Any] = list(members.values_list(*_NAMED[:-1])[:2])
    if len(rows) != 1:
        raise UnknownMember
    return _identified(*rows[0])
