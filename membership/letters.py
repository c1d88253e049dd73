"""
What we write to an e-mail address about a login: asked for in a request, sent by a worker.

Asking does the same whoever has the address. The worker looks, so neither the answer nor its time
tells a stranger who logs in with it. In the queue the address is sealed.
"""

import kombu.exceptions
from celery import Task
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from common import limits
from common.fields import seal, unseal
from members import emails, operations
from members import queries as members
from membership import links
from messaging import operations as messaging
from programme import queries as programme

_SEALED_AS = "membership.letters.email"
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Who waited longer asks again.
GOOD_FOR_SECONDS = 600


def ask_to_confirm(*, member_id: int, email: str, address: str) -> None:
    """
    Have a link sent to an e-mail address with which a member wants to log in.

    :param address: the network address of who asks
    :raises emails.InvalidEmail: if it is none
    :raises limits.TooMany: after one a minute or five a day to an e-mail address, or thirty an hour
        from one network address
    :raises limits.Unavailable: without Redis
    """
    from membership.tasks import send_confirmation as later  # noqa: PLC0415 - it calls us back

    _ask(later, email, address, member_id=member_id)


def ask_to_reset(*, email: str, address: str) -> None:
    """
    Have a link to a new password sent to an e-mail address, if a member logs in with it.

    Raises as `ask_to_confirm`.
    """
    from membership.tasks import send_reset as later  # noqa: PLC0415 - it calls us back

    _ask(later, email, address)


def send_confirmation(*, member_id: int, sealed: str, language: str) -> None:
    """
    The worker's part. Whether another member has the address, the link tells: who opens it has
    proven to read what is sent there.
    """
    email = unseal(sealed, column=_SEALED_AS)
    link = links.to_confirm(member_id=member_id, email=email)
    with override(language):
        messaging.send_letter(
            address=email,
            subject=_("Confirm your e-mail address"),
            body=_(
                "With this link you confirm that you read what is sent to this address, and may "
                "log in with it. It is good for one day:\n\n%(link)s\n\nIf you did not ask for it, "
                "do nothing: nothing changes.\n\n%(programme)s"
            )
            % {"link": link, "programme": programme.programme() or ""},
        )


def send_reset(*, sealed: str, language: str) -> None:
    """The worker's part."""
    email = unseal(sealed, column=_SEALED_AS)
    try:
        member = members.by_email(email)
    except members.UnknownMember:
        return
    link = links.to_reset(operations.login_for(member_id=member.pk))
    with override(language):
        messaging.send_letter(
            address=email,
            subject=_("Set a new password"),
            body=_(
                "With this link you set a new password. It is good for one hour and once:\n\n"
                "%(link)s\n\nIf you did not ask for it, do nothing: your password stays as it "
                "is.\n\n%(programme)s"
            )
            % {"link": link, "programme": programme.programme() or ""},
        )


def _ask(task: Task, email: str, address: str, **wanted: int) -> None:
    email = emails.normalize(email)
    limits.consume(f"letters:address:{address}", limit=30, seconds=HOUR)
    name = f"letters:email:{members.email_index(email).hex()}"
    limits.consume(f"{name}:minute", limit=1, seconds=MINUTE)
    limits.consume(f"{name}:day", limit=5, seconds=DAY)
    sealed = seal(email, column=_SEALED_AS)
    try:
        task.apply_async(
            kwargs={"email": sealed, "language": get_language() or "", **wanted},
            expires=GOOD_FOR_SECONDS,
        )
    except kombu.exceptions.OperationalError as error:
        raise limits.Unavailable from error
