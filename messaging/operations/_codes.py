"""
One-time codes that prove a phone is somebody's.

Somebody asks for a code and gets a challenge; the code goes to the phone; whoever answers the
challenge with the code has the phone (docs/decisions/0006).

Asking does the same for every phone: the worker, not the request, looks whether a member has it.
So neither the answer nor its time tells a stranger who is a member. Who wants to join gets a code
whoever they are, from a budget of its own: strangers cannot use up the codes of members.
"""

import hashlib
import logging
import secrets
import time
from datetime import datetime

import kombu.exceptions
import redis
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common import limits
from common.errors import DomainError, Invalid
from members import applications, phones
from members import queries as members
from messaging import challenges
from messaging.channels import Away, NotNow, Outgoing, Refused, sms
from messaging.models import SandboxCode

logger = logging.getLogger(__name__)

CODE_DIGITS = 6
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Somebody looks at the phone and waits: what fails is tried again at once, and soon given up.
WAITS_SECONDS = (1, 3)


class NoSmsProvider(DomainError):
    code = "no_sms_provider"
    message = _("This installation cannot send text messages yet.")
    status = 503


class WrongCode(Invalid):
    code = "wrong_code"
    message = _("That code is not right. Tries left: %(left)s.")


class ChallengeOver(DomainError):
    code = "challenge_over"
    message = _("That code is no longer valid. Please ask for a new one.")


def ask_for_code(*, phone: str, address: str, to_strangers: bool = False) -> str:
    """
    Have a code sent to a phone if a member or an applicant has it.

    :param address: the network address of who asks
    :param to_strangers: also if nobody has it: somebody wants to join
    :returns: the challenge that the code answers
    :raises phones.InvalidPhone: if it is none
    :raises NoSmsProvider: outside a sandbox, unless a provider is set
    :raises limits.TooMany: after one a minute or five a day to a phone, or thirty an hour from
        one address
    :raises limits.Unavailable: without Redis
    """
    from messaging.tasks import send_code as later  # noqa: PLC0415 - the task's door calls us back

    if not settings.SANDBOX and sms.provider() is None:
        raise NoSmsProvider
    phone = phones.normalize(phone)
    limits.consume(f"codes:address:{address}", limit=30, seconds=HOUR)
    # The minute first: who is told to wait has not used up one of the day's.
    name = f"codes:phone:{members.phone_index(phone).hex()}"
    limits.consume(f"{name}:minute", limit=1, seconds=MINUTE)
    limits.consume(f"{name}:day", limit=5, seconds=DAY)
    try:
        challenge = challenges.start(phone)
        # A code that waited longer than it is good for is of no use to anybody.
        wanted = {
            "challenge": challenge,
            "language": get_language() or "",
            "to_strangers": to_strangers,
        }
        later.apply_async(kwargs=wanted, expires=challenges.SECONDS)
    except (redis.RedisError, kombu.exceptions.OperationalError) as error:
        raise limits.Unavailable from error
    return challenge


def send_code(
    *, challenge: str, sent_at: datetime, language: str = "", to_strangers: bool = False
) -> None:
    """
    Make a code for a challenge and send it, if a member or an applicant has the phone. The
    worker's part.

    :param language: the one of the page that asked
    :param to_strangers: also if nobody has it
    """
    phone = challenges.phone_of(challenge)
    if not phone:
        return
    is_member = members.has_phone(phone)
    if not (is_member or to_strangers or applications.has_applied(phone)):
        return
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    challenges.set_code(challenge, code)
    if sms.provider() is None:
        # The sandbox's page; outside it `ask_for_code` refuses.
        SandboxCode.objects.create(phone=phone, code=code, sent_at=sent_at)
        return
    try:
        # Somebody with many addresses and phones must not empty our account.
        if is_member:
            limits.consume("codes:sent:day", limit=settings.SMS_CODES_PER_DAY, seconds=DAY)
        else:
            most = settings.SMS_JOINING_CODES_PER_DAY
            limits.consume("codes:joining:day", limit=most, seconds=DAY)
    except limits.TooMany:
        name = "SMS_CODES_PER_DAY" if is_member else "SMS_JOINING_CODES_PER_DAY"
        logger.error("More one-time codes than %s: no more are sent today", name)
        return
    _send_by_sms(phone, code, challenge, language)


def _send_by_sms(phone: str, code: str, challenge: str, language: str) -> None:
    carrier = sms.TextMessages()
    outgoing = Outgoing(
        name=hashlib.sha256(challenge.encode()).hexdigest()[:32],
        address=phone,
        provider_template=sms.code_template(language),
        parameters={"code": code},
    )
    for wait in (*WAITS_SECONDS, None):
        try:
            carrier.send(outgoing)
        except Refused as refusal:
            logger.error("A one-time code was refused: %s", refusal)
        except (Away, NotNow) as trouble:
            # A number that has enough stays so for the life of a code.
            if wait is not None and trouble.wait is None:
                time.sleep(wait)
                continue
            logger.error("A one-time code could not be sent: %s", trouble)
        return


def answer(*, challenge: str, code: str) -> str:
    """
    Return the phone that a code proves. A code works once.

    :raises WrongCode: while there are tries left; a phone that is nobody's gets the same answer
    :raises ChallengeOver: if it was used, is too old or was tried too often
    :raises limits.Unavailable: without Redis
    """
    try:
        attempt = challenges.attempt(challenge, code)
    except redis.RedisError as error:
        raise limits.Unavailable from error
    if attempt.phone:
        return attempt.phone
    if attempt.tries_left:
        raise WrongCode(left=attempt.tries_left)
    raise ChallengeOver
