"""
Many documents of one caller at once: each as if it had been sent by itself.

Purchases are posted by the hundred, set by set; returns, activities and redemptions one by one.
Each chunk is a transaction of its own, so a batch never holds many members for long, and what is
done stays done when the rest is refused or broken off. References decide what is a repeat: sending
a batch again completes it.

The documents of one member are posted in the order given. Purchases of others may be posted a
little later than a redemption behind them.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext_lazy as _

from campaigns import activities, operations
from campaigns.earning import Line
from common.errors import DomainError
from common.postgres import races
from members import queries as members
from members.queries import Identity, UnknownMember
from points import operations as points
from points.operations import Posting

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Purchases per transaction: enough to share the commit, few enough not to keep a till waiting.
CHUNK = 500
# After this no other transaction is begun: callers, and proxies between, wait a minute at most.
SECONDS_MAX = 25.0


class NotReached(DomainError):
    code = "try_again_later"
    message = _("The system is busy. Send this document again.")
    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseDocument:
    # The member's number.
    member: str
    reference: str
    at: datetime
    at_was_given: bool
    amount: Decimal
    lines: Sequence[Line]
    store_id: int
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnDocument:
    # The purchase's reference.
    purchase: str
    reference: str
    at: datetime
    amount: Decimal
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityDocument:
    # The member's number.
    member: str
    reference: str
    at: datetime
    at_was_given: bool
    # Its code, as in the rulebook.
    activity: str
    store_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionDocument:
    # The member's number.
    member: str
    reference: str
    at: datetime
    points: int
    note: str
    store_id: int


Document = PurchaseDocument | ReturnDocument | ActivityDocument | RedemptionDocument


@dataclass(frozen=True, slots=True)
class Posted:
    """A document that is in the books. `posting` is None when no points moved."""

    # The member's number.
    member: str
    # What a purchase or an activity is worth, what a return takes of it, or what was spent.
    points: int
    posting: Posting | None
    replayed: bool


Outcome = Posted | DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whose documents they are. `only_stores` as in `operations.find_purchase`."""

    issuer_id: int
    client_id: int
    only_stores: Collection[int] | None


def post(*, documents: Sequence[Document], sender: Sender, now: datetime) -> list[Outcome]:
    """
    Post documents; tell what became of each, in their order. What is refused harms no other.

    Call it outside a transaction. When time is up, or a chunk lost every race for its locks, all
    that is left is `NotReached`: sent again, it will be posted then.
    """
    return _Batch(documents, sender, now).post()


class _Batch:
    def __init__(self, documents: Sequence[Document], sender: Sender, now: datetime) -> None:
        self._documents = documents
        self._sender = sender
        self._now = now
        self._until = time.monotonic() + SECONDS_MAX
        self._outcomes: dict[int, Outcome] = {}
        # Purchases that were read and not yet posted, by their place, and whose they are.
        self._waiting: dict[int, PurchaseDocument] = {}
        self._members: set[str] = set()
        self._references: set[str] = set()
        # One that is not reached ends the batch: a redemption must not be refused for want of
        # points that stand before it and that a repeat of the batch will bring.
        self._is_over = False

    def post(self) -> list[Outcome]:
        for place, document in enumerate(self._documents):
            if isinstance(document, PurchaseDocument):
                self._wait(place, document)
            elif isinstance(document, ReturnDocument):
                self._outcomes[place] = self._tried(partial(self._return, document))
            elif isinstance(document, ActivityDocument):
                self._outcomes[place] = self._tried(partial(self._activity, document))
            else:
                self._outcomes[place] = self._tried(partial(self._redeem, document))
        self._post_waiting()
        return [self._outcomes[place] for place in range(len(self._documents))]

    # --- Purchases

    def _wait(self, place: int, document: PurchaseDocument) -> None:
        self._waiting[place] = document
        self._members.add(document.member)
        self._references.add(document.reference)
        if len(self._waiting) >= CHUNK:
            self._post_waiting()

    def _post_waiting(self) -> None:
        if not self._waiting:
            return
        outcomes = self._tried(partial(self._purchases, list(self._waiting.values())))
        if isinstance(outcomes, DomainError):
            outcomes = [outcomes] * len(self._waiting)
        self._outcomes.update(zip(self._waiting, outcomes, strict=True))
        self._waiting, self._members, self._references = {}, set(), set()

    def _purchases(self, documents: Sequence[PurchaseDocument]) -> list[Outcome]:
        known = members.identify_many({document.member for document in documents})
        purchases = [
            self._purchase(document, known[document.member])
            for document in documents
            if document.member in known
        ]
        with transaction.atomic(durable=True):
            answers = iter(operations.post_many(purchases=purchases, now=self._now))
        return [
            _purchased(document.member, next(answers))
            if document.member in known
            else UnknownMember()
            for document in documents
        ]

    def _purchase(self, document: PurchaseDocument, member: Identity) -> operations.Purchase:
        return operations.Purchase(
            member=member,
            reference=document.reference,
            at=document.at,
            at_was_given=document.at_was_given,
            amount=document.amount,
            lines=document.lines,
            channel=document.channel,
            source=self._source(document.store_id),
        )

    # --- One by one

    def _return(self, document: ReturnDocument) -> Posted:
        if document.purchase in self._references:
            self._post_waiting_first()
        purchase = operations.find_purchase(
            issuer_id=self._sender.issuer_id,
            reference=document.purchase,
            only_stores=self._sender.only_stores,
        )
        member = members.identity_of(purchase.member_id)
        if member.number in self._members:
            self._post_waiting_first()
        posted = operations.post_return(
            returned=operations.Return(
                purchase=purchase,
                member=member,
                reference=document.reference,
                at=document.at,
                amount=document.amount,
                lines=document.lines,
                source=self._source(purchase.store_id),
            ),
            now=self._now,
        )
        return Posted(member.number, posted.points, posted.posting, posted.replayed)

    def _activity(self, document: ActivityDocument) -> Posted:
        if document.member in self._members:
            self._post_waiting_first()
        member = members.identify(document.member)
        granted = activities.post_activity(
            done=activities.Done(
                member=member,
                code=document.activity,
                reference=document.reference,
                at=document.at,
                at_was_given=document.at_was_given,
                source=self._source(document.store_id),
            ),
            now=self._now,
        ).posted
        return Posted(member.number, granted.points, granted.posting, granted.replayed)

    def _redeem(self, document: RedemptionDocument) -> Posted:
        if document.member in self._members:
            self._post_waiting_first()
        posting = points.redeem(
            member=members.identify(document.member),
            points=document.points,
            at=document.at,
            now=self._now,
            reference=document.reference,
            source=self._source(document.store_id),
            note=document.note,
        )
        return Posted(document.member, document.points, posting, posting.replayed)

    def _post_waiting_first(self) -> None:
        """:raises NotReached: if they were not"""
        self._post_waiting()
        if self._is_over:
            raise NotReached

    # --- Patience

    def _tried(self, work: Callable[[], T]) -> T | DomainError:
        """Do what is a transaction of its own; return what it refused."""
        if self._is_over or time.monotonic() > self._until:
            self._is_over = True
            return NotReached()
        try:
            return races.until_won(work, until=self._until)
        except DomainError as refusal:
            return refusal
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database did not answer: %s", error)
            self._is_over = True
            return NotReached()

    def _source(self, store_id: int) -> points.Source:
        return points.Source(
            issuer_id=self._sender.issuer_id,
            store_id=store_id,
            client_id=self._sender.client_id,
        )


def _purchased(member: str, answer: points.PostedActivity | DomainError) -> Outcome:
    if isinstance(answer, DomainError):
        return answer
    return Posted(member, answer.points, answer.posting, answer.replayed)
