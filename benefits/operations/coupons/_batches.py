"""Batches of coupons: drafted, approved by a second person, running, ended or revoked."""

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import (
    BatchState,
    CodesFrom,
    CouponBatch,
    CouponKind,
    CouponRun,
    Stacking,
)
from benefits.queries import coupons as queries
from common import approvals, audit
from common.approvals import Facts, Payload
from common.errors import DomainError, Invalid, NotFound
from common.localized import localized
from common.models import Approval, User
from common.moments import require_years
from programme.policies import FundingShare, of_funding

KIND = "benefits.coupons"
APPROVE = "benefits.approve_couponbatch"
# A million codes take a worker some seconds; ten are an oversight.
TOTAL_MAX = 5_000_000


class UnknownBatch(NotFound):
    code = "unknown_coupon_batch"
    message = _("There is no such batch of coupons.")


class BatchExists(DomainError):
    code = "coupon_batch_exists"
    message = _("There is a batch with the code “%(code)s” already.")


class ClaimWordTaken(DomainError):
    code = "claim_word_taken"
    message = _("The word “%(word)s” claims coupons of another batch that is running.")


class InvalidBatch(Invalid):
    code = "invalid_coupon_batch"
    message = _("%(problem)s")


class DraftChanged(DomainError):
    code = "coupon_batch_changed"
    message = _("The draft is not what was asked for any more: ask again.")


class BatchNotDraft(DomainError):
    code = "coupon_batch_not_draft"
    message = _("Only a draft can be changed or approved.")


class BatchNotRunning(DomainError):
    code = "coupon_batch_not_running"
    message = _("The batch is not running.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDraft:
    """
    What a batch is to be; the fields are those of `CouponBatch`. Stores and organizations by id;
    none: everywhere. `funding`: shares as in the rulebook; none: the brand pays.
    """

    code: str
    names: Mapping[str, str]
    kind: str
    first_on: date
    last_on: date
    total: int
    codes_from: str
    description: Mapping[str, str] = field(default_factory=dict)
    pays: Decimal | None = None
    amount: Decimal | None = None
    most: Decimal | None = None
    item: Mapping[str, str] = field(default_factory=dict)
    minimum_spend: Decimal = Decimal(0)
    categories: tuple[str, ...] = ()
    stores: tuple[int, ...] = ()
    organizations: tuple[int, ...] = ()
    stacking: str = Stacking.ONCE
    good_days: int | None = None
    remind_days: int | None = None
    claim_word: str = ""
    per_member: int | None = None
    funding: tuple[Mapping[str, str], ...] = ()
    cost: Decimal | None = None

    def problem(self) -> str:
        """What makes no sense of it, in words; empty if it does."""
        return next((str(why) for is_so, why in self._problems() if is_so), "")

    def _problems(self) -> Collection[tuple[bool, Any]]:
        is_percent, is_amount = self.kind == CouponKind.PERCENT, self.kind == CouponKind.AMOUNT
        pays = self.pays if self.pays is not None else Decimal(-1)
        shares = [FundingShare.parse(dict(share)) for share in self.funding]
        return (
            (not self.names, _("Give it a name.")),
            (self.last_on < self.first_on, _("The last day lies before the first.")),
            (is_percent and not 0 <= pays < 100, _("Say what percent of the price is paid.")),
            (is_amount and not (self.amount and self.amount > 0), _("Say what it takes off.")),
            (self.kind == CouponKind.ITEM and not self.item, _("Say what is free.")),
            (not is_percent and self.pays is not None, _("Only a percentage has a percent.")),
            (not is_amount and self.amount is not None, _("Only an amount has an amount.")),
            (not is_percent and self.most is not None, _("Only a percentage has an upper limit.")),
            (not 1 <= self.total <= TOTAL_MAX, _("At least one, and at most five million.")),
            (
                bool(self.claim_word) and self.codes_from != CodesFrom.MEMBERS,
                _("A word claims coupons that are issued to members."),
            ),
            (bool(shares) and any(of_funding(shares)), _("The shares must add up to 100.")),
        )


def register() -> None:
    """Make known what a second person approves."""
    approvals.kind(
        name=KIND,
        title=_("Batch of coupons"),
        permission=APPROVE,
        perform=perform,
        describe=describe,
    )


@transaction.atomic
def draft(*, content: BatchDraft, at: datetime, by: User) -> CouponBatch:
    """
    Write a batch down. Nothing is promised yet.

    :raises BatchExists: if its code is taken
    :raises InvalidBatch: if it makes no sense
    """
    _require_sense(content)
    if CouponBatch.objects.filter(code=content.code).exists():
        raise BatchExists(code=content.code)
    try:
        with transaction.atomic():
            batch = CouponBatch.objects.create(**_columns(content), created_at=at, created_by=by)
    except IntegrityError as error:
        raise BatchExists(code=content.code) from error
    batch.stores.set(content.stores)
    batch.organizations.set(content.organizations)
    _record("drafted", batch, by)
    return batch


@transaction.atomic
def change_draft(*, batch_id: int, content: BatchDraft, by: User) -> CouponBatch:
    """:raises UnknownBatch: :raises BatchNotDraft: :raises InvalidBatch: :raises BatchExists:"""
    _require_sense(content)
    batch = held(batch_id)
    if batch.state != BatchState.DRAFT:
        raise BatchNotDraft
    if CouponBatch.objects.filter(code=content.code).exclude(pk=batch_id).exists():
        raise BatchExists(code=content.code)
    for name, value in _columns(content).items():
        setattr(batch, name, value)
    batch.save()
    batch.stores.set(content.stores)
    batch.organizations.set(content.organizations)
    _record("draft_changed", batch, by)
    return batch


@transaction.atomic
def ask_to_run(*, batch_id: int, reason: str, at: datetime, by: User) -> Approval:
    """
    Ask for a second person's approval; with it the batch runs, and codes are generated.

    :raises UnknownBatch: :raises BatchNotDraft: if so
    :raises common.approvals.ReasonMissing: if there is no reason
    """
    batch = held(batch_id)
    if batch.state != BatchState.DRAFT:
        raise BatchNotDraft
    return approvals.request(
        kind=KIND,
        payload={
            "batch": batch.pk,
            "terms": _fingerprint(batch),
            "code": batch.code,
            "names": batch.names,
            "kind": batch.kind,
            "pays": batch.pays,
            "amount": batch.amount,
            "total": batch.total,
            "first_on": batch.first_on,
            "last_on": batch.last_on,
            "funding": batch.funding,
        },
        target=batch.code,
        reason=reason,
        reference=uuid.uuid4().hex,
        by=by,
        at=at,
    )


def perform(
    *, payload: Payload, requested_by: User, approved_by: User, approval_id: int, at: datetime
) -> CouponBatch:
    """
    Let an approved batch run.

    :raises BatchNotDraft: :raises DraftChanged: :raises ClaimWordTaken: if so
    """
    batch = held(payload["batch"])
    if batch.state != BatchState.DRAFT:
        raise BatchNotDraft
    if _fingerprint(batch) != payload["terms"]:
        raise DraftChanged
    batch.state = BatchState.RUNNING
    batch.approval_id = approval_id
    try:
        with transaction.atomic():
            batch.save(update_fields=["state", "approval"])
    except IntegrityError as error:
        raise ClaimWordTaken(word=batch.claim_word) from error
    if batch.codes_from == CodesFrom.GENERATED:
        CouponRun.objects.create(
            batch=batch, work=CouponRun.Work.GENERATE, wanted=batch.total, created_at=at,
            created_by=requested_by,
        )  # fmt: skip
    _record("started", batch, approved_by)
    return batch


def describe(payload: Payload) -> Facts:
    worth = payload["pays"] or payload["amount"] or "–"
    return [
        (_("Batch"), f"{payload['code']} · {localized(payload['names'])}"),
        (_("Kind"), CouponKind(payload["kind"]).label),
        (_("Percent of the price, or amount off"), worth),
        (_("At most in total"), payload["total"]),
        (_("Good days"), f"{payload['first_on']} – {payload['last_on']}"),
        (_("Who pays"), queries.who_pays(payload["funding"])),
    ]


@transaction.atomic
def end(*, batch_id: int, by: User) -> CouponBatch:
    """
    Give out no more coupons of a batch; those that were given out stay good to their last day.

    :raises UnknownBatch: :raises BatchNotRunning: if so
    """
    batch = held(batch_id)
    if batch.state != BatchState.RUNNING:
        raise BatchNotRunning
    return _close(batch, BatchState.ENDED, by=by, reason="")


@transaction.atomic
def revoke_batch(*, batch_id: int, reason: str, by: User) -> CouponBatch:
    """
    Make every coupon of a batch that is not used yet good for nothing, at once and for ever.

    :raises UnknownBatch: :raises BatchNotRunning: if it is a draft, or revoked already
    :raises common.approvals.ReasonMissing: if nobody says why
    """
    if not reason.strip():
        raise approvals.ReasonMissing
    batch = held(batch_id)
    if batch.state not in (BatchState.RUNNING, BatchState.ENDED):
        raise BatchNotRunning
    return _close(batch, BatchState.REVOKED, by=by, reason=reason.strip())


def held(batch_id: int) -> CouponBatch:
    """A batch whose row is locked. :raises UnknownBatch: if there is none"""
    found = CouponBatch.objects.select_for_update(no_key=True).filter(pk=batch_id).first()
    if found is None:
        raise UnknownBatch
    return found


def _close(batch: CouponBatch, state: BatchState, *, by: User, reason: str) -> CouponBatch:
    batch.state = state
    batch.save(update_fields=["state"])
    _record(state.lower(), batch, by, reason=reason)
    return batch


def _require_sense(content: BatchDraft) -> None:
    require_years(content.first_on, content.last_on)
    if problem := content.problem():
        raise InvalidBatch(problem=problem)


def _columns(content: BatchDraft) -> dict[str, Any]:
    columns = asdict(content)
    del columns["stores"], columns["organizations"]
    return columns | {
        "categories": list(content.categories),
        "funding": [dict(share) for share in content.funding],
        "claim_word": content.claim_word.strip().upper(),
    }


def _fingerprint(batch: CouponBatch) -> str:
    """Of everything that a second person approves."""
    terms = asdict(queries.terms_of(batch)) | {
        "categories": sorted(batch.categories),
        "stores": sorted(batch.stores.values_list("pk", flat=True)),
        "organizations": sorted(batch.organizations.values_list("pk", flat=True)),
    }
    named = ("names", "description", "item", "first_on", "last_on", "good_days", "remind_days",
             "codes_from", "claim_word", "per_member", "total", "funding", "cost")  # fmt: skip
    terms |= {name: getattr(batch, name) for name in named}
    text = json.dumps(terms, cls=DjangoJSONEncoder, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _record(verb: str, batch: CouponBatch, by: User, *, reason: str = "") -> None:
    audit.record(
        action=f"coupon_batch.{verb}", target=batch.code, by=by, reason=reason,
        details={"batch": batch.pk},
    )  # fmt: skip
