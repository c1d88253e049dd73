"""The catalogue in the console: its items, a listing in the making, its review, its stock."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView

from benefits import approvals as listings
from benefits import item_checks, item_words
from benefits.models.items import (
    Category,
    Item,
    ItemSource,
    ItemState,
    Listing,
    ListingState,
    StockMove,
)
from benefits.operations import items, stock
from benefits.operations.item_pictures import keep_picture
from benefits.queries import items as queries
from benefits.views.items import shown
from common import approvals
from common.errors import DomainError
from common.models import ApprovalState, User
from common.staff import acting
from membership.console import ConsolePage
from membership.item_forms import ListingForm, NewItemForm, StockForm, TermsForm, WhyForm
from membership.points_actions import sent_for_approval
from points.forms import ByHandForm
from tiers import queries as tiers

VIEW, EDIT = "benefits.view_item", "benefits.edit_item"
DELIST, STOCK = "benefits.delist_item", "benefits.stock_item"
PAGE_SIZE = 50
PAGE_MAX = 200
DIGITS_MAX = 5
MOVES_SHOWN = 100
WAITS = "WAITS"
LABELS = {ItemState.DRAFT: "", ItemState.LISTED: "success", ItemState.DELISTED: "danger"}


class ItemsPage(ConsolePage, TemplateView):
    """All items: searched by code or name, filtered by where they stand."""

    template_name = "console/items/list.html"
    permission_required = VIEW
    title = _("Catalogue")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        asked = {name: self.request.GET.get(name, "") for name in ("q", "state", "source", "shelf")}
        page = self._page()
        start = (page - 1) * PAGE_SIZE
        found = list(_found(**asked)[start : start + PAGE_SIZE + 1])
        rows = found[:PAGE_SIZE]
        pieces = queries.left([each.pk for each in rows])
        latest = _latest(rows)
        return super().get_context_data(
            asked=asked,
            rows=[_row(each, latest[each.pk], pieces.get(each.pk)) for each in rows],
            states=[*ItemState.choices, (WAITS, gettext("Waits for approval"))],
            sources=ItemSource.choices,
            shelves=[(each.code, str(each)) for each in Category.objects.order_by("position")],
            before=self._query(page - 1) if page > 1 else "",
            after=self._query(page + 1) if len(found) > PAGE_SIZE else "",
            may_edit=self.request.user.has_perm(EDIT),
            **context,
        )

    def _page(self) -> int:
        text = self.request.GET.get("page", "")
        asked = int(text) if text.isdecimal() and len(text) < DIGITS_MAX else 1
        return min(max(asked, 1), PAGE_MAX)

    def _query(self, page: int) -> str:
        query = self.request.GET.copy()
        query["page"] = str(page)
        return query.urlencode()


def _found(*, q: str, state: str, source: str, shelf: str) -> QuerySet[Item]:
    found = Item.objects.order_by("-pk")
    present = Listing.objects.filter(state__in=(ListingState.DRAFT, ListingState.LIVE))
    # No text of the database holds NUL, and no driver takes one.
    q, shelf = (each.replace("\0", "") for each in (q, shelf))
    if text := q.strip()[:100]:
        # Some thousand items: their names, in all languages, are read through.
        named = present.annotate(told=Cast("names", TextField())).filter(told__icontains=text)
        found = found.filter(Q(code__icontains=text) | Q(pk__in=named.values("item")))
    if state == WAITS:
        waits = present.filter(approval__state=ApprovalState.PENDING, state=ListingState.DRAFT)
        found = found.filter(pk__in=waits.values("item"))
    elif state in ItemState.values:
        found = found.filter(state=state)
    if source in ItemSource.values:
        found = found.filter(pk__in=present.filter(source=source).values("item"))
    if shelf:
        found = found.filter(pk__in=present.filter(category__code=shelf).values("item"))
    return found


def _latest(found: list[Item]) -> dict[int, Listing]:
    """The latest listing of each, in one query."""
    rows = Listing.objects.filter(item__in=found).order_by("item", "-number").distinct("item")
    return {each.item_id: each for each in rows.select_related("category", "approval")}


def _row(item: Item, latest: Listing, pieces: int | None) -> dict[str, Any]:
    return {
        "item": item,
        "listing": latest,
        "label": LABELS[ItemState(item.state)],
        "draft": draft_label(latest) if latest.state == ListingState.DRAFT else None,
        "left": pieces,
    }


def draft_label(draft: Listing) -> tuple[str, str]:
    """How far a draft is, and the colour of it."""
    state = draft.approval.state if draft.approval else ""
    if state == ApprovalState.PENDING:
        return gettext("Waits for approval"), "warning"
    if state == ApprovalState.REJECTED:
        return gettext("Rejected"), "danger"
    return gettext("Draft"), "info"


# --- One item -------------------------------------------------------------------------------------


class ItemPageBase(ConsolePage):
    """A page of one listing, or of the item it is of."""

    kwargs: dict[str, Any]

    @cached_property
    def listing(self) -> Listing:
        found = Listing.objects.select_related("item__live", "approval", "changed_by")
        return get_object_or_404(found, pk=self.kwargs["listing_id"])

    @property
    def title(self) -> str:
        return self.listing.name

    @property
    def is_open(self) -> bool:
        """Whether it can be changed. That it may be, the operations judge."""
        asked = self.listing.approval
        waits = asked is not None and asked.state == ApprovalState.PENDING
        return self.listing.state == ListingState.DRAFT and not waits

    def refused(self, refusal: DomainError) -> HttpResponse:
        messages.error(self.request, refusal.sentence)
        return HttpResponseRedirect(self.request.path)


class ListingPage(ItemPageBase, FormView):
    """What a listing says and changes, what strikes one about it, and what can be done with it."""

    template_name = "console/items/listing.html"
    permission_required = VIEW
    form_class = ByHandForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        listing, item = self.listing, self.listing.item
        terms = items.terms_of(listing)
        is_draft = listing.state == ListingState.DRAFT
        before = items.terms_of(item.live) if is_draft and item.live else None
        may = self.request.user.has_perm
        findings = item_checks.findings(item, terms, at=timezone.now()) if is_draft else ()
        return super().get_context_data(
            **{
                "listing": listing,
                "item": item,
                "item_label": LABELS[ItemState(item.state)],
                "draft": draft_label(listing) if is_draft else None,
                "is_open": self.is_open,
                "is_first": before is None,
                "findings": list(findings),
                "changes": item_words.changes(before, terms),
                "pictures": queries.pictures(listing.pk),
                "authors": _authors(listing),
                "all_listings": item.listings.order_by("-number"),
                "may_edit": may(EDIT),
                "may_decide": listing.approval is not None
                and approvals.may_decide(listing.approval, user=acting(self.request)),
                "may_delist": item.state == ItemState.LISTED and may(DELIST),
                "why_form": WhyForm(),
                **context,
            }
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        needed = DELIST if "delist" in request.POST else EDIT
        if not request.user.has_perm(needed):
            return self.handle_no_permission()
        for name, deed in (
            ("delist", self._delist),
            ("discard", self._discard),
            ("draft", self._draft),
        ):
            if name in request.POST:
                try:
                    return deed()
                except DomainError as refusal:
                    return self.refused(refusal)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            approval = listings.submit(
                listing_id=self.listing.pk,
                revision=revision(self.request),
                at=timezone.now(),
                reference=form.cleaned_data["reference"],
                by=acting(self.request),
                reason=form.cleaned_data["reason"],
            )
        except DomainError as refusal:
            return self.refused(refusal)
        messages.success(self.request, sent_for_approval(approval))
        return HttpResponseRedirect(self.request.path)

    def _draft(self) -> HttpResponse:
        draft = items.start_draft(
            item_id=self.listing.item_id, by=acting(self.request), at=timezone.now()
        )
        return HttpResponseRedirect(reverse("admin:listing-edit", args=[draft.pk]))

    def _discard(self) -> HttpResponse:
        items.discard_draft(listing_id=self.listing.pk, by=acting(self.request), at=timezone.now())
        messages.success(self.request, gettext("Discarded."))
        return HttpResponseRedirect(self.request.path)

    def _delist(self) -> HttpResponse:
        form = WhyForm(self.request.POST)
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        items.delist(
            item_id=self.listing.item_id, reason=reason, by=acting(self.request), at=timezone.now()
        )
        messages.success(self.request, gettext("Members do not find it in the catalogue any more."))
        return HttpResponseRedirect(self.request.path)


def _authors(listing: Listing) -> str:
    found = User.objects.filter(pk__in=listing.authors).order_by("username")
    return ", ".join(found.values_list("username", flat=True))


def revision(request: HttpRequest) -> int:
    """Which revision a form was filled in for; none at all is none there is."""
    text = request.POST.get("revision", "")
    return int(text) if text.isdecimal() and len(text) <= 9 else 0


class EditListing(ItemPageBase, TemplateView):
    """The form of a draft."""

    template_name = "console/items/edit.html"
    permission_required = EDIT

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        form = context.pop("form", None) or self._form(None, None)
        found = queries.pictures(self.listing.pk)
        return super().get_context_data(
            listing=self.listing,
            form=form,
            pictures=list(zip(form.pictures, found, strict=False)),
            **context,
        )

    def _form(self, data: Any, files: Any) -> ListingForm:
        return ListingForm(TermsForm, data, files, items.terms_of(self.listing))

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.is_open:
            return HttpResponseRedirect(reverse("admin:listing", args=[self.listing.pk]))
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        form = self._form(request.POST, request.FILES)
        if form.is_valid():
            try:
                items.save_draft(
                    listing_id=self.listing.pk,
                    terms=form.terms(added(request, form)),
                    revision=revision(request),
                    by=acting(request),
                    at=timezone.now(),
                )
            except DomainError as refusal:
                form.main.add_error(None, refusal.sentence)
            else:
                messages.success(request, gettext("Saved."))
                return HttpResponseRedirect(reverse("admin:listing", args=[self.listing.pk]))
        return self.render_to_response(self.get_context_data(form=form), status=422)


class NewItem(ConsolePage, TemplateView):
    """A new item with the draft of its first listing."""

    template_name = "console/items/edit.html"
    permission_required = EDIT
    title = _("New item")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        form = context.pop("form", None) or ListingForm(NewItemForm, None, None, None)
        return super().get_context_data(form=form, **context)

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        form = ListingForm(NewItemForm, request.POST, request.FILES, None)
        if form.is_valid():
            given = form.main.cleaned_data
            try:
                draft = items.create(
                    code=given["code"],
                    terms=form.terms(added(request, form)),
                    by=acting(request),
                    at=timezone.now(),
                    is_counted=given["is_counted"],
                )
            except DomainError as refusal:
                form.main.add_error(None, refusal.sentence)
            else:
                return HttpResponseRedirect(reverse("admin:listing", args=[draft.pk]))
        return self.render_to_response(self.get_context_data(form=form), status=422)


def added(request: HttpRequest, form: ListingForm) -> list[int]:
    """The picture that was handed in with a form. The same one twice is one picture."""
    file = form.main.cleaned_data["file"]
    if not file:
        return []
    return [keep_picture(file=file.read(), by=acting(request), at=timezone.now()).pk]


class PreviewPage(ItemPageBase, TemplateView):
    """A listing as a member of a tier would see it."""

    template_name = "shop/preview.html"
    permission_required = VIEW

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        rungs = tiers.ladder_on(localdate())
        levels = [(each.code, each.name) for each in rungs.levels]
        tier = self.request.GET.get("tier", "")
        chosen = tier if tier in dict(levels) else (levels[0][0] if levels else None)
        shopper = queries.Shopper(member_id=0, tier=chosen, tags=frozenset(self.listing.tags))
        return super().get_context_data(
            **shown(self.listing.item, self.listing, shopper, queries.said(self.listing)),
            levels=levels,
            tier=chosen,
            **context,
        )


class StockPage(ConsolePage, FormView):
    """What is left of an item, where, and everything that came and went."""

    template_name = "console/items/stock.html"
    permission_required = VIEW
    form_class = StockForm

    @cached_property
    def item(self) -> Item:
        return get_object_or_404(Item.objects.select_related("live"), pk=self.kwargs["item_id"])

    @property
    def title(self) -> str:
        return gettext("Stock of %(item)s") % {"item": self._latest.name}

    @cached_property
    def _latest(self) -> Listing:
        return self.item.live or self.item.listings.order_by("-number")[0]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        moves = StockMove.objects.filter(stock__item=self.item).order_by("-pk")
        places = list(queries.places(self.item.pk))
        return super().get_context_data(
            item=self.item,
            listing=self._latest,
            places=places,
            total=sum(each.remaining for each in places),
            moves=moves.select_related("stock__store", "by")[:MOVES_SHOWN],
            may_change=self.item.is_counted and self.request.user.has_perm(STOCK),
            **context,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(STOCK):
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        given = form.cleaned_data
        deed = stock.correct if given["kind"] == "correct" else stock.receive
        try:
            deed(
                item_id=self.item.pk,
                quantity=given["quantity"],
                reason=given["reason"],
                store_id=given["store"].pk if given["store"] else None,
                by=acting(self.request),
                at=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        messages.success(self.request, gettext("Noted."))
        return HttpResponseRedirect(self.request.path)


URLS: dict[str, tuple[str, Any]] = {
    "items": ("items/", ItemsPage),
    "item-new": ("items/new/", NewItem),
    "item-stock": ("items/<int:item_id>/stock/", StockPage),
    "listing": ("items/listings/<int:listing_id>/", ListingPage),
    "listing-edit": ("items/listings/<int:listing_id>/edit/", EditListing),
    "listing-preview": ("items/listings/<int:listing_id>/preview/", PreviewPage),
}
