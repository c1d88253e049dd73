"""By what a member is known: a phone, an organization's own number. Each is one member's only."""

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from members import queries
from members.models import ExternalNumber, Member, PhoneDirectory
from members.numbers import member_number


class PhoneTaken(DomainError):
    code = "phone_taken"
    message = _("Another member has this phone number.")


class ExternalNumberTaken(DomainError):
    code = "external_number_taken"
    message = _("Another member has this external number.")


def next_numbers(count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval('members_member_number') FROM generate_series(1, %s)", [count]
        )
        return [member_number(sequence) for (sequence,) in cursor.fetchall()]


def list_phone(member: Member, phone: str) -> None:
    try:
        with transaction.atomic():
            PhoneDirectory.objects.create(
                phone_index=queries.phone_index(phone),
                tail_index=queries.phone_tail_index(phone),
                member=member,
            )
    except IntegrityError as error:
        entry = PhoneDirectory.objects.filter(phone_index=queries.phone_index(phone)).first()
        if entry is None or queries.survivors([entry.member_id])[entry.member_id].id != member.pk:
            raise PhoneTaken from error
        # Of who was joined with this member, and led here already.
        entry.member = member
        entry.save(update_fields=["member"])


def list_external(member: Member, organization_id: int, number: str) -> None:
    try:
        with transaction.atomic():
            ExternalNumber.objects.create(
                organization_id=organization_id, number=number, member=member
            )
    except IntegrityError as error:
        raise ExternalNumberTaken from error
