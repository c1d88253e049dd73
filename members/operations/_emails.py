"""The second way in: an e-mail the member has proven, and a password."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from common import audit, events
from common.errors import DomainError
from common.models import User
from members import emails, queries
from members.models import EmailDirectory, Member, MemberStatus
from members.operations._profiles import login_for
from members.operations._states import locked


class EmailTaken(DomainError):
    code = "email_taken"
    message = _("Another member logs in with this e-mail address.")


class EmailChanged(DomainError):
    code = "email_changed"
    message = _("This link is no longer valid: it was used, or is older than what holds now.")


@transaction.atomic
def confirm_email(*, member_id: int, email: str, replacing: bytes, at: datetime) -> Member:
    """
    Note that a member has proven to read an e-mail address: they may log in with it.

    :param replacing: the directory's key of what held when the proof was asked for; empty if none
    :raises EmailChanged: if something else holds by now: a proof works once
    :raises EmailTaken: if another member has proven the same one
    :raises WrongState: if the member is not active or frozen
    """
    email = emails.normalize(email)
    member = locked(member_id, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    held = EmailDirectory.objects.filter(member=member)
    if queries.email_key(member_id) != replacing:
        raise EmailChanged
    held.delete()
    try:
        with transaction.atomic():
            EmailDirectory.objects.create(
                email_index=queries.email_index(email), member=member, confirmed_at=at
            )
    except IntegrityError as error:
        raise EmailTaken from error
    member.email = email
    member.save(update_fields=["email"])
    events.publish("member.profile_changed", {"member_id": member.pk, "at": at.isoformat()})
    audit.record(action="member.email_confirmed", target=member.number, by=member.user)
    return member


@transaction.atomic
def set_password(*, member_id: int, password: str) -> User:
    """
    Give a member's login a password, which the form has found good enough. Other sessions end.

    :raises WrongState: if the member is not active or frozen
    """
    member = locked(member_id, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    user = login_for(member_id=member_id)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record(action="member.password_set", target=member.number, by=user)
    return user
