"""
The second factor of staff: a code that an app makes anew every 30 seconds (TOTP, RFC 6238).

The secret is sealed. A code works once; of the ten recovery codes only keyed hashes are kept, each
works once. Tries are counted before they are judged, over all browsers.
"""

import hmac
import secrets
from datetime import datetime

import pyotp
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from common import audit, limits
from common.errors import DomainError, Invalid
from common.fields import blind_index
from common.models import SecondFactor, User

STEP_SECONDS = 30
# Clocks of phones go wrong: the code before and the one to come are taken too.
STEPS_OFF = 1
TRIES, WINDOW_SECONDS = 10, 900
RECOVERY_CODES = 10
# Without what is easily misread: 0 O, 1 I L.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RECOVERY_LENGTH = 10


class WrongFactor(Invalid):
    code = "wrong_second_factor"
    message = _("That code is not right, or was used. Wait for the next one.")


class FactorSet(DomainError):
    code = "second_factor_set"
    message = _("This login has a second factor already.")


class NoFactor(DomainError):
    code = "no_second_factor"
    message = _("This login has no second factor.")


class OwnFactor(DomainError):
    code = "own_second_factor"
    message = _("Nobody takes away their own second factor: ask a colleague.")


def new_secret() -> str:
    """160 random bits in base 32, as apps read them."""
    return pyotp.random_base32()


def address(*, secret: str, user: User, issuer: str) -> str:
    """What an app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=issuer)


@transaction.atomic
def confirm(*, user: User, secret: str, code: str, at: datetime) -> list[str]:
    """
    Keep the secret of somebody whose app makes the right code.

    :returns: the recovery codes, shown this once
    :raises WrongFactor: if it does not; :raises FactorSet: if there is one
    :raises limits.TooMany: :raises limits.Unavailable: as `prove`
    """
    _count(user)
    step = _step(secret, code, at, after=0)
    if step is None:
        raise WrongFactor
    codes = _recovery_codes()
    try:
        with transaction.atomic():
            SecondFactor.objects.create(
                user=user,
                secret=secret,
                confirmed_at=at,
                last_step=step,
                recovery=[_digest(user, each) for each in codes],
            )
    except IntegrityError as error:
        raise FactorSet from error
    audit.record(action="secondfactor.set", target=user.username, by=user)
    return codes


@transaction.atomic
def prove(*, user: User, code: str, at: datetime) -> SecondFactor:
    """
    Take a code of the app, or a recovery code, each once.

    :raises WrongFactor: if it is neither; :raises NoFactor: if there is none
    :raises limits.TooMany: after ten tries in a quarter of an hour, right ones too
    :raises limits.Unavailable: without Redis
    """
    _count(user)
    factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=user).first()
    if factor is None:
        raise NoFactor
    step = _step(factor.secret, code, at, after=factor.last_step)
    if step is not None:
        factor.last_step = step
        factor.save(update_fields=["last_step"])
        return factor
    digest = _digest(user, code.upper())
    left = [kept for kept in factor.recovery if not hmac.compare_digest(bytes(kept), digest)]
    if len(left) == len(factor.recovery):
        raise WrongFactor
    factor.recovery = left
    factor.save(update_fields=["recovery"])
    audit.record(
        action="secondfactor.recovered",
        target=user.username,
        by=user,
        details={"codes left": len(left)},
    )
    return factor


@transaction.atomic
def renew_recovery(*, user: User, code: str, at: datetime) -> list[str]:
    """
    Make new recovery codes; the old ones are void. Raises as `prove`.

    :returns: shown this once
    """
    factor = prove(user=user, code=code, at=at)
    codes = _recovery_codes()
    factor.recovery = [_digest(user, each) for each in codes]
    factor.save(update_fields=["recovery"])
    audit.record(action="secondfactor.recovery_renewed", target=user.username, by=user)
    return codes


@transaction.atomic
def reset(*, user: User, by: User, reason: str) -> None:
    """
    Take away the second factor of somebody who lost it: at the next page they set another one.

    :raises OwnFactor: of one's own; :raises NoFactor: if there is none
    """
    if user.pk == by.pk:
        raise OwnFactor
    deleted, _rows = SecondFactor.objects.filter(user=user).delete()
    if not deleted:
        raise NoFactor
    audit.record(action="secondfactor.reset", target=user.username, by=by, reason=reason)


def _count(user: User) -> None:
    limits.consume(f"second-factor:{user.pk}", limit=TRIES, seconds=WINDOW_SECONDS)


def _step(secret: str, code: str, at: datetime, *, after: int) -> int | None:
    """The step of time whose code this is; None if of none that is left."""
    totp = pyotp.TOTP(secret)
    now = int(at.timestamp()) // STEP_SECONDS
    for step in range(now - STEPS_OFF, now + STEPS_OFF + 1):
        made = totp.generate_otp(step)
        if step > after and hmac.compare_digest(made.encode(), code.encode()):
            return step
    return None


def _recovery_codes() -> list[str]:
    return [
        "".join(secrets.choice(ALPHABET) for _each in range(RECOVERY_LENGTH))
        for _code in range(RECOVERY_CODES)
    ]


def _digest(user: User, code: str) -> bytes:
    return blind_index(f"{user.pk}:{code}", purpose="common.recovery")
