"""
How an item comes into the catalogue and out of it: drafted, asked for (`benefits.approvals`),
listed by a second person, delisted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import CodesFrom
from benefits.models.items import (
    Handover,
    Item,
    ItemLimit,
    ItemPrice,
    ItemSource,
    ItemState,
    Listing,
    ListingPicture,
    ListingState,
)
from benefits.operations import coupons
from common import audit
from common.errors import DomainError, Invalid, NotFound
from common.models import Approval, ApprovalState, User
from common.moments import require_years


class CodeTaken(DomainError):
    code = "code_taken"
    message = _("There is an item with the code “%(code)s” already.")


class NameMissing(Invalid):
    code = "name_missing"
    message = _("Give it a name in %(language)s.")


class HandoverMissing(Invalid):
    code = "handover_missing"
    message = _("Say how members get it.")


class PartnerMissing(Invalid):
    code = "partner_missing"
    message = _("Say which partner it is from.")


class CouponMissing(Invalid):
    code = "coupon_missing"
    message = _("Say which coupon it is.")


class DrawMissing(Invalid):
    code = "draw_missing"
    message = _("Say which prize draw it is for.")


class GivenOnline(Invalid):
    code = "given_online"
    message = _("Coupons and draws are given online at once, and in no other way.")


class SaleTurned(Invalid):
    code = "sale_turned"
    message = _("The sale ends before it begins.")


class PriceTwice(Invalid):
    code = "price_twice"
    message = _("The same price is there twice.")


class PriceOfNothing(Invalid):
    code = "price_of_nothing"
    message = _("A price asks for points, cash or both.")


class PriceMissing(DomainError):
    code = "price_missing"
    message = _("It has no price.")


class LimitTwice(Invalid):
    code = "limit_twice"
    message = _("There are two limits for the same tier and period.")


class DraftNotOpen(DomainError):
    code = "draft_not_open"
    message = _("This draft cannot be changed any more: %(state)s.")


class DraftWaits(DomainError):
    code = "draft_waits"
    message = _("This draft waits for its approval. To go on with it, the request is withdrawn.")


class DraftChanged(DomainError):
    code = "draft_changed"
    message = _("Somebody saved this draft meanwhile. Open it anew to see what it says now.")


class OwnListing(DomainError):
    code = "own_listing"
    message = _("You wrote on this listing yourself; somebody else must approve it.")
    status = 403


class NothingListed(DomainError):
    code = "nothing_listed"
    message = _("“%(item)s” is not in the catalogue.")


class ReasonMissing(Invalid):
    code = "reason_missing"
    message = _("Say why.")


@dataclass(frozen=True, slots=True)
class Price:
    """For one piece, of a tier; without a tier, of those that have no price of their own."""

    points: int
    cash: Decimal = Decimal(0)
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Pieces a member gets in a period."""

    count: int
    period: str
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and, by language, what it shows."""

    picture_id: int
    alt: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All a listing says, costs and demands. Texts by language; see `Listing` for the fields."""

    names: dict[str, str]
    source: str
    handovers: Sequence[str]
    prices: Sequence[Price] = ()
    summary: dict[str, str] = field(default_factory=dict)
    description: dict[str, str] = field(default_factory=dict)
    category_id: int | None = None
    partner_id: int | None = None
    batch_id: int | None = None
    draw_id: int | None = None
    tiers: Sequence[str] = ()
    tags: Sequence[int] = ()
    limits: Sequence[Limit] = ()
    on_sale_from: datetime | None = None
    on_sale_until: datetime | None = None
    cost: Decimal = Decimal(0)
    value: Decimal | None = None
    pictures: Sequence[Shown] = ()

    def require_sense(self) -> None:
        """:raises Invalid: the first thing that makes none"""
        if not self.names.get(settings.LANGUAGE_CODE, "").strip():
            raise NameMissing(language=dict(settings.LANGUAGES)[settings.LANGUAGE_CODE])
        if not self.handovers:
            raise HandoverMissing
        if self.source == ItemSource.PARTNER and self.partner_id is None:
            raise PartnerMissing
        self._require_gift()
        require_years(self.on_sale_from, self.on_sale_until)
        if self.on_sale_from and self.on_sale_until and self.on_sale_until <= self.on_sale_from:
            raise SaleTurned
        if any(not each.points and not each.cash for each in self.prices):
            raise PriceOfNothing
        if len(set(self.prices)) < len(self.prices):
            raise PriceTwice
        if len({(each.tier, each.period) for each in self.limits}) < len(self.limits):
            raise LimitTwice

    def _require_gift(self) -> None:
        if (self.source == ItemSource.COUPON) != (self.batch_id is not None):
            raise CouponMissing
        if (self.source == ItemSource.DRAW) != (self.draw_id is not None):
            raise DrawMissing
        is_given = self.batch_id is not None or self.draw_id is not None
        if is_given and tuple(self.handovers) != (Handover.ONLINE,):
            raise GivenOnline


# Fields of a listing that are the terms' as they stand.
PLAIN = (
    "names", "summary", "description", "category_id", "source", "partner_id", "batch_id",
    "draw_id", "on_sale_from", "on_sale_until", "cost", "value",
)  # fmt: skip
LISTS = ("handovers", "tiers", "tags")


def terms_of(listing: Listing) -> Terms:
    """What a listing says, to be changed and saved as a draft."""
    said: dict[str, Any] = {name: getattr(listing, name) for name in PLAIN}
    said |= {name: tuple(getattr(listing, name)) for name in LISTS}
    prices = listing.prices.order_by("tier", "points", "cash")
    limits = listing.limits.order_by("tier", "pk")
    return Terms(
        **said,
        prices=tuple(Price(each.points, each.cash, each.tier) for each in prices),
        limits=tuple(Limit(each.count, each.period, each.tier) for each in limits),
        pictures=tuple(
            Shown(each.picture_id, each.alt) for each in listing.pictures.order_by("position")
        ),
    )


# --- Drafting -------------------------------------------------------------------------------------


@transaction.atomic
def create(*, code: str, terms: Terms, by: User, at: datetime, is_counted: bool = True) -> Listing:
    """
    Begin an item with the draft of its first listing.

    :param is_counted: whether there is stock of it; it stays so
    :raises CodeTaken: if there is such an item
    :raises Invalid: if the terms make no sense, see `Terms.require_sense`
    """
    terms.require_sense()
    try:
        with transaction.atomic():
            item = Item.objects.create(
                code=code, is_counted=is_counted, created_at=at, created_by=by
            )
    except IntegrityError as error:
        raise CodeTaken(code=code) from error
    draft = _draft(item, terms, number=1, by=by, at=at)
    _record("item.created", item, by=by, listing=draft)
    return draft


@transaction.atomic
def start_draft(*, item_id: int, by: User, at: datetime) -> Listing:
    """
    The open draft of an item; if there is none, one that says what its latest listing says.

    :raises NotFound: if there is no such item
    """
    item = _locked(item_id)
    latest = item.listings.order_by("-number").first()
    assert latest is not None, "an item begins with one"
    if latest.state == ListingState.DRAFT:
        return latest
    source = item.live or latest
    draft = _draft(item, terms_of(source), number=latest.number + 1, by=by, at=at)
    _record("listing.drafted", item, by=by, listing=draft)
    return draft


@transaction.atomic
def save_draft(*, listing_id: int, terms: Terms, revision: int, by: User, at: datetime) -> Listing:
    """
    Keep what a draft says now. Whoever saves is one of its authors for good.

    :param revision: which one was edited
    :raises Invalid: if the terms make no sense, see `Terms.require_sense`
    :raises DraftChanged: if somebody saved another revision meanwhile
    :raises NotFound, DraftNotOpen, DraftWaits: if it cannot be changed
    """
    terms.require_sense()
    draft = _open_draft(listing_id, revision)
    if terms_of(draft) == _normal(terms):
        return draft
    for name in PLAIN:
        setattr(draft, name, getattr(terms, name))
    for name in LISTS:
        setattr(draft, name, list(getattr(terms, name)))
    draft.authors = sorted({*draft.authors, by.pk})
    draft.revision += 1
    draft.changed_by, draft.changed_at = by, at
    draft.save()
    _write_parts(draft, terms)
    _record("listing.saved", draft.item, by=by, listing=draft, revision=draft.revision)
    return draft


@transaction.atomic
def discard_draft(*, listing_id: int, by: User, at: datetime) -> Listing:
    """:raises NotFound, DraftNotOpen, DraftWaits: as `save_draft`"""
    draft = _open_draft(listing_id)
    draft.state = ListingState.DISCARDED
    draft.authors = sorted({*draft.authors, by.pk})
    draft.changed_by, draft.changed_at = by, at
    draft.save(update_fields=["state", "authors", "changed_by", "changed_at"])
    _record("listing.discarded", draft.item, by=by, listing=draft)
    return draft


# --- Listing and delisting ------------------------------------------------------------------------


@transaction.atomic
def hold_draft(*, listing_id: int, revision: int) -> Listing:
    """
    Keep others from changing a draft that is about to be asked for.

    :raises NotFound, DraftNotOpen, DraftWaits, DraftChanged: as `save_draft`
    :raises PriceMissing: if it could not be sold
    :raises coupons.NotForMembers: if its coupons are given out as a file of codes
    """
    draft = _open_draft(listing_id, revision)
    if not draft.prices.exists():
        raise PriceMissing
    if draft.batch and draft.batch.codes_from == CodesFrom.GENERATED:
        raise coupons.NotForMembers
    return draft


@transaction.atomic
def note_request(*, listing_id: int, approval: Approval) -> None:
    """From now on the draft waits for its approval."""
    Listing.objects.filter(pk=listing_id).update(approval=approval)


@transaction.atomic
def put_live(*, listing_id: int, revision: int, by: User, at: datetime) -> Item:
    """
    List an item by a draft whose request was approved in this transaction.

    :param by: who approved it
    :raises OwnListing: if they wrote on it
    :raises NotFound, DraftNotOpen, DraftChanged: if it is not what was asked for
    """
    draft = _open_draft(listing_id, revision)
    if by.pk in draft.authors:
        raise OwnListing
    item = draft.item
    item.listings.filter(state=ListingState.LIVE).update(state=ListingState.REPLACED)
    draft.state = ListingState.LIVE
    draft.approved_by, draft.approved_at = by, at
    draft.save(update_fields=["state", "approved_by", "approved_at"])
    # A change of what is listed moves it not to the front.
    if item.state != ItemState.LISTED:
        item.state, item.listed_at, item.delisted_at = ItemState.LISTED, at, None
    item.live = draft
    item.save(update_fields=["state", "listed_at", "delisted_at", "live"])
    _record("item.listed", item, by=by, listing=draft)
    return item


@transaction.atomic
def delist(*, item_id: int, reason: str, by: User, at: datetime) -> Item:
    """
    Take an item out of the catalogue at once; what was ordered stays ordered. It comes back by a
    listing that is approved anew.

    :raises NotFound: if there is no such item
    :raises NothingListed: if it is not listed
    :raises ReasonMissing: if the reason is blank
    """
    item = _locked(item_id)
    if item.state != ItemState.LISTED:
        raise NothingListed(item=item.code)
    if not reason.strip():
        raise ReasonMissing
    item.state, item.delisted_at = ItemState.DELISTED, at
    item.save(update_fields=["state", "delisted_at"])
    audit.record(action="item.delisted", target=item.code, by=by, reason=reason.strip())
    return item


# --- Writing --------------------------------------------------------------------------------------


def _draft(item: Item, terms: Terms, *, number: int, by: User, at: datetime) -> Listing:
    draft = Listing.objects.create(
        item=item,
        number=number,
        **{name: getattr(terms, name) for name in PLAIN},
        **{name: list(getattr(terms, name)) for name in LISTS},
        authors=[by.pk],
        created_at=at,
        changed_at=at,
        changed_by=by,
    )
    _write_parts(draft, terms)
    return draft


def _write_parts(draft: Listing, terms: Terms) -> None:
    """Prices, limits and pictures of a draft are written anew: nothing names them yet."""
    draft.prices.all().delete()
    draft.limits.all().delete()
    draft.pictures.all().delete()
    ItemPrice.objects.bulk_create(
        ItemPrice(listing=draft, tier=each.tier, points=each.points, cash=each.cash)
        for each in terms.prices
    )
    ItemLimit.objects.bulk_create(
        ItemLimit(listing=draft, tier=each.tier, period=each.period, count=each.count)
        for each in terms.limits
    )
    ListingPicture.objects.bulk_create(
        ListingPicture(listing=draft, position=nth, picture_id=each.picture_id, alt=each.alt)
        for nth, each in enumerate(terms.pictures)
    )


def _normal(terms: Terms) -> Terms:
    """Terms in the order in which `terms_of` reads them."""
    return replace(
        terms,
        handovers=tuple(terms.handovers),
        tiers=tuple(terms.tiers),
        tags=tuple(terms.tags),
        prices=tuple(sorted(terms.prices, key=lambda each: (each.tier, each.points, each.cash))),
        limits=tuple(sorted(terms.limits, key=lambda each: each.tier)),
        pictures=tuple(terms.pictures),
    )


def _locked(item_id: int) -> Item:
    items = Item.objects.select_for_update(of=("self",), no_key=True).select_related("live")
    found = items.filter(pk=item_id).first()
    if found is None:
        raise NotFound
    return found


def _open_draft(listing_id: int, revision: int | None = None) -> Listing:
    """The draft and its item, locked, in this order whoever asks."""
    found = Listing.objects.filter(pk=listing_id).values_list("item_id", flat=True).first()
    if found is None:
        raise NotFound
    item = _locked(found)
    draft = Listing.objects.select_related("approval").get(pk=listing_id)
    draft.item = item
    if draft.state != ListingState.DRAFT:
        raise DraftNotOpen(state=draft.get_state_display())
    if draft.approval and draft.approval.state == ApprovalState.PENDING:
        raise DraftWaits
    if revision not in (None, draft.revision):
        raise DraftChanged
    return draft


def _record(action: str, item: Item, *, by: User, listing: Listing, **details: Any) -> None:
    audit.record(
        action=action, target=item.code, by=by, details={"listing": listing.number, **details}
    )
