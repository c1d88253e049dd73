"""
Open challenges: which phone was asked, and a keyed hash of the code that was sent to it.

In Redis and nowhere else, for five minutes; the phone is sealed. Each function is one transaction
there, so answers at the same instant cannot overtake the count of tries or use a code twice.
"""

import hmac
import secrets
from dataclasses import dataclass

from common import limits
from common.fields import blind_index, seal, unseal

SECONDS = 300
TRIES = 5
_SEALED_AS = "messaging.challenge.phone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an answer. `phone` is set only by the one right answer that was first."""

    phone: str = ""
    tries_left: int = 0


def start(phone: str) -> str:
    """Return the name of a new challenge; it cannot be guessed."""
    challenge = secrets.token_urlsafe(16)
    sealed = seal(phone, column=_SEALED_AS)
    limits.client().set(_key(challenge, "phone"), sealed, ex=SECONDS)
    return challenge


def phone_of(challenge: str) -> str:
    """The phone that was asked; empty when the challenge is over."""
    sealed = limits.client().get(_key(challenge, "phone"))
    return unseal(str(sealed), column=_SEALED_AS) if sealed else ""


def set_code(challenge: str, code: str) -> None:
    limits.client().set(_key(challenge, "digest"), _digest(challenge, code), ex=SECONDS)


def attempt(challenge: str, code: str) -> Attempt:
    """Count a try, then look whether it is right."""
    store = limits.client()
    with store.pipeline(transaction=True) as pipe:
        pipe.get(_key(challenge, "phone"))
        pipe.get(_key(challenge, "digest"))
        pipe.set(_key(challenge, "tries"), 0, ex=SECONDS, nx=True)
        pipe.incr(_key(challenge, "tries"))
        sealed, digest, _new, tries = pipe.execute()
    if sealed is None or tries > TRIES:
        return Attempt()
    if not hmac.compare_digest(digest or "", _digest(challenge, code)):
        if tries == TRIES:
            store.delete(_key(challenge, "phone"))
        return Attempt(tries_left=TRIES - tries)
    # Of two right answers at the same instant one finds the challenge gone.
    if not store.delete(_key(challenge, "phone")):
        return Attempt()
    return Attempt(phone=unseal(sealed, column=_SEALED_AS))


def _key(challenge: str, part: str) -> str:
    return f"challenge:{challenge}:{part}"


def _digest(challenge: str, code: str) -> str:
    # Bound to its challenge: equal codes of two members do not look equal.
    return blind_index(f"{challenge}:{code}", purpose="messaging.code").hex()
