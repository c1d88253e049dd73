"""
A visit: that a clerk has found a member, for as long as serving one takes.

It is a signed text in the address of each page, good for this clerk at this store alone: nobody
can make one to look at a member who is not there, and two windows never mix two members up.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.core import signing
from django.utils.translation import gettext_lazy as _

from benefits.models import Proof
from benefits.operations import Shown
from common.errors import DomainError
from membership.counter.access import Counter

GOOD_FOR = timedelta(minutes=30)
SALT = "membership.counter.visit"


class VisitOver(DomainError):
    code = "visit_over"
    message = _("This visit is over. Find the member again.")


@dataclass(frozen=True)
class Visit:
    """`card`: the code that was scanned, at `met_at`; empty if digits and name were typed."""

    member_id: int
    clerk_id: int
    store_id: int
    met_at: str
    card: str = ""

    def sign(self) -> str:
        return signing.dumps(asdict(self), salt=SALT)

    @cached_property
    def shown(self) -> Shown:
        """What proves that the member was there: the code they showed, or the store's word."""
        if not self.card:
            return Shown(proof=Proof.STORE)
        seen_at = datetime.fromisoformat(self.met_at)
        return Shown(proof=Proof.CARD, card=self.card, seen_at=seen_at)


def read(text: str, *, at: Counter) -> Visit:
    """:raises VisitOver: if it is none, another clerk's, or older than GOOD_FOR"""
    try:
        visit = Visit(**signing.loads(text, salt=SALT, max_age=GOOD_FOR))
    except (signing.BadSignature, TypeError) as error:
        raise VisitOver from error
    if (visit.clerk_id, visit.store_id) != (at.clerk.pk, at.store.pk):
        raise VisitOver
    return visit


def once() -> str:
    """The name of what a form does: sent twice, it is done once."""
    return secrets.token_hex(12)
