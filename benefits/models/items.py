"""
Tables of the catalogue: items, their prices, stock and pictures.

An item is a code and where it stands; what it says and costs is its *listing*. Members see the one
listing that is live. Whoever changes anything, a price too, writes the next listing as a draft, and
it goes live when a second person let it. A listing that was live once never changes: an order names
the one it was bought under.

What must always hold: of what is counted, `Stock.remaining` is the sum of its moves and not below
zero; nobody gets more of an item in a period than its limits; who approves a listing wrote none of
it: the database sees to the first and the third, the member's locked account to the second.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from benefits.models.rights import CODE_MAX
from common.localized import localized
from common.models import Approval
from members.models import Member
from partners.models import Organization, Store

REFERENCE_MAX = 64
REASON_MAX = 200
POINTS_MAX = 100_000_000
QUANTITY_MAX = 1_000_000


class ItemSource(models.TextChoices):
    """Whose an item is, and what the member has after it was ordered (B1, B3)."""

    OWN = "OWN", _("Own service")
    GOODS = "GOODS", _("Brand goods")
    CUSTOM = "CUSTOM", _("Made for the member")
    PARTNER = "PARTNER", _("From a partner")
    COUPON = "COUPON", _("Coupon")
    DRAW = "DRAW", _("Draw ticket")


class Handover(models.TextChoices):
    """How a member gets an item. A listing offers one or several."""

    SHIP = "SHIP", _("Sent to an address")
    STORE = "STORE", _("Collected or done at a store")
    ONLINE = "ONLINE", _("Given online at once")


class Category(models.Model):
    """A shelf of the catalogue. Switched off, never deleted."""

    code = models.SlugField(_("code"), max_length=CODE_MAX, unique=True)
    names = models.JSONField(_("names"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("category of items")
        verbose_name_plural = _("categories of items")

    def __str__(self) -> str:
        return localized(self.names)


class ItemState(models.TextChoices):
    DRAFT = "DRAFT", _("Not listed yet")
    LISTED = "LISTED", _("Listed")
    DELISTED = "DELISTED", _("Delisted")


class Item(models.Model):
    """Something members can order. Never deleted: orders name it."""

    code = models.SlugField(_("code"), max_length=CODE_MAX, unique=True)
    state = models.CharField(
        _("state"), max_length=8, choices=ItemState.choices, default=ItemState.DRAFT
    )
    is_counted = models.BooleanField(
        _("counted"),
        default=True,
        help_text=_("Without it, as many can be ordered as members want."),
    )
    live = models.OneToOneField(
        "Listing",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("live listing"),
        help_text="The latest that was listed, of delisted items too.",
    )
    listed_at = models.DateTimeField(_("listed at"), null=True, help_text="The latest time.")
    delisted_at = models.DateTimeField(_("delisted at"), null=True)
    created_at = models.DateTimeField(_("created at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("created by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        permissions = [
            ("edit_item", "Can write listings of items and ask for their approval"),
            ("approve_item", "Can approve listings of items"),
            ("delist_item", "Can take items out of the catalogue"),
            ("stock_item", "Can receive and correct stock"),
        ]
        constraints = [
            models.CheckConstraint(
                name="benefits_item_listed_by_a_listing",
                condition=Q(state="DRAFT", live=None, listed_at=None)
                | ~Q(state="DRAFT") & Q(live__isnull=False, listed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_item_delisted_at_a_time",
                condition=Q(state="DELISTED", delisted_at__isnull=False)
                | ~Q(state="DELISTED") & Q(delisted_at=None),
            ),
        ]
        indexes = [
            # The catalogue, the latest first.
            models.Index(
                fields=["-listed_at", "-id"], condition=Q(state="LISTED"), name="benefits_item_new"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class ListingState(models.TextChoices):
    DRAFT = "DRAFT", _("Draft")
    LIVE = "LIVE", _("In the shop")
    REPLACED = "REPLACED", _("Replaced by a later one")
    DISCARDED = "DISCARDED", _("Discarded")


class Listing(models.Model):
    """
    What an item says, costs and demands. While a request to list it waits (`approval` is pending)
    and once it was live or was discarded, triggers keep it, its prices, limits and pictures.
    """

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, related_name="listings", verbose_name=_("item")
    )
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(
        _("state"), max_length=9, choices=ListingState.choices, default=ListingState.DRAFT
    )
    revision = models.PositiveIntegerField(
        default=1, help_text="Counts what was saved: of two who edit, the second is told."
    )
    names = models.JSONField(_("names"))
    summary = models.JSONField(_("in one line"), default=dict)
    description = models.JSONField(_("description"), default=dict)
    category = models.ForeignKey(
        Category, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("category")
    )
    source = models.CharField(_("source"), max_length=7, choices=ItemSource.choices)
    partner = models.ForeignKey(
        Organization, null=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("partner"),
    )  # fmt: skip
    batch = models.ForeignKey(
        "benefits.CouponBatch", null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("coupon"), help_text="Of which each piece is one.",
    )  # fmt: skip
    draw = models.ForeignKey(
        "benefits.Draw", null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("prize draw"), help_text="Each piece is a go at it.",
    )  # fmt: skip
    handovers = ArrayField(
        models.CharField(max_length=6, choices=Handover.choices), verbose_name=_("handed over")
    )
    tiers = ArrayField(
        models.CharField(max_length=CODE_MAX), default=list, blank=True,
        verbose_name=_("only for tiers"), help_text=_("Nothing chosen: for all."),
    )  # fmt: skip
    tags = ArrayField(
        models.BigIntegerField(), default=list, blank=True, verbose_name=_("only for tags"),
        help_text="Ids of members' tags, of which one is enough; segments put tags on members.",
    )  # fmt: skip
    on_sale_from = models.DateTimeField(_("on sale from"), null=True)
    on_sale_until = models.DateTimeField(
        _("on sale until"), null=True, help_text="Exclusive: at this moment it is over."
    )
    cost = models.DecimalField(
        _("cost"), max_digits=12, decimal_places=2, default=0,
        help_text="Of one piece, in the programme's currency. Members never see it.",
    )  # fmt: skip
    value = models.DecimalField(
        _("usual price"), max_digits=12, decimal_places=2, null=True,
        help_text="Of one piece, as members are told it; empty: they are not.",
    )  # fmt: skip
    authors = ArrayField(
        models.BigIntegerField(), help_text="Ids of all logins that wrote on it, ever."
    )
    created_at = models.DateTimeField(_("begun at"))
    changed_at = models.DateTimeField(_("changed at"))
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("changed by"),
    )  # fmt: skip
    approval = models.ForeignKey(
        Approval, null=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("approval"), help_text="The latest request to list it, decided or not.",
    )  # fmt: skip
    approved_at = models.DateTimeField(_("approved at"), null=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("approved by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("listing")
        verbose_name_plural = _("listings")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "number"], name="benefits_listing_one_after_another"
            ),
            models.UniqueConstraint(
                fields=["item"], condition=Q(state="DRAFT"), name="benefits_listing_one_draft"
            ),
            models.UniqueConstraint(
                fields=["item"], condition=Q(state="LIVE"), name="benefits_listing_one_live"
            ),
            models.CheckConstraint(
                name="benefits_listing_sale_ends_after_it_begins",
                condition=Q(on_sale_from=None)
                | Q(on_sale_until=None)
                | Q(on_sale_until__gt=F("on_sale_from")),
            ),
            models.CheckConstraint(
                name="benefits_listing_live_by_approval",
                condition=Q(state__in=["DRAFT", "DISCARDED"], approved_at=None, approved_by=None)
                | Q(
                    state__in=["LIVE", "REPLACED"],
                    approval__isnull=False,
                    approved_at__isnull=False,
                    approved_by__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="benefits_listing_approved_by_another",
                condition=Q(approved_by=None) | ~Q(authors__contains=[F("approved_by")]),
            ),
            models.CheckConstraint(
                name="benefits_listing_has_an_author", condition=Q(authors__len__gt=0)
            ),
            models.CheckConstraint(
                name="benefits_listing_handed_over_somehow", condition=Q(handovers__len__gt=0)
            ),
            models.CheckConstraint(
                name="benefits_listing_cost_not_negative",
                condition=Q(cost__gte=0) & (Q(value=None) | Q(value__gt=0)),
            ),
            models.CheckConstraint(
                name="benefits_listing_of_a_partner",
                condition=~Q(source="PARTNER") | Q(partner__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_listing_gives_what_it_is",
                condition=Q(source="COUPON", batch__isnull=False, draw=None)
                | Q(source="DRAW", batch=None, draw__isnull=False)
                | ~Q(source__in=["COUPON", "DRAW"]) & Q(batch=None, draw=None),
            ),
            models.CheckConstraint(
                name="benefits_listing_given_online",
                condition=Q(batch=None, draw=None) | Q(handovers=["ONLINE"]),
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)

    @property
    def name(self) -> str:
        return localized(self.names)


class ItemPrice(models.Model):
    """
    One way to pay for one piece: points, cash, or both; members choose among those of their tier.

    A tier with prices of its own pays these only; the others pay those without a tier.
    """

    listing = models.ForeignKey(
        Listing, on_delete=models.CASCADE, db_index=False, related_name="prices",
        verbose_name=_("listing"),
    )  # fmt: skip
    tier = models.CharField(_("tier"), max_length=CODE_MAX, blank=True, default="")
    points = models.PositiveIntegerField(
        _("points"), validators=[MaxValueValidator(POINTS_MAX)], default=0
    )
    cash = models.DecimalField(
        _("cash"), max_digits=10, decimal_places=2, default=0,
        help_text="In the programme's currency.",
    )  # fmt: skip

    class Meta:
        verbose_name = _("price of an item")
        verbose_name_plural = _("prices of items")
        constraints = [
            # It also leads to a listing's prices.
            models.UniqueConstraint(
                fields=["listing", "tier", "points", "cash"], name="benefits_itemprice_once"
            ),
            models.CheckConstraint(
                name="benefits_itemprice_asks_something",
                condition=Q(cash__gte=0, points__range=(0, POINTS_MAX))
                & (Q(points__gt=0) | Q(cash__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.points} + {self.cash}"


class Period(models.TextChoices):
    """Of the calendar, in the programme's zone; a week begins on Monday."""

    DAY = "DAY", _("a day")
    WEEK = "WEEK", _("a week")
    MONTH = "MONTH", _("a month")
    YEAR = "YEAR", _("a year")
    LIFETIME = "LIFETIME", _("ever")


class ItemLimit(models.Model):
    """How many pieces a member gets in a period. All that concern the member hold together."""

    listing = models.ForeignKey(
        Listing, on_delete=models.CASCADE, db_index=False, related_name="limits",
        verbose_name=_("listing"),
    )  # fmt: skip
    tier = models.CharField(
        _("tier"), max_length=CODE_MAX, blank=True, default="",
        help_text="Whose limit it is; empty: of tiers without one of their own for the period.",
    )  # fmt: skip
    period = models.CharField(_("period"), max_length=8, choices=Period.choices)
    count = models.PositiveIntegerField(_("at most"))

    class Meta:
        verbose_name = _("limit of an item")
        verbose_name_plural = _("limits of items")
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "tier", "period"], name="benefits_itemlimit_once"
            ),
            models.CheckConstraint(
                name="benefits_itemlimit_bounded", condition=Q(count__range=(1, QUANTITY_MAX))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.count} {self.period}"


class ItemPicture(models.Model):
    """
    A picture drawn anew by us from what staff handed in, in two sizes: nothing of the file itself
    is served. What was shown once stays: pages that browsers have kept point at it.
    """

    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the large one, which is its address."
    )
    large = models.BinaryField(help_text="WebP.")
    small = models.BinaryField(help_text="WebP, for lists.")
    width = models.PositiveSmallIntegerField(help_text="Of the large one, in pixels.")
    height = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )

    class Meta:
        verbose_name = _("picture of an item")
        verbose_name_plural = _("pictures of items")
        constraints = [
            models.CheckConstraint(
                name="benefits_itempicture_has_a_size", condition=Q(width__gt=0, height__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"


class ListingPicture(models.Model):
    """A picture's place in a listing, the first is the one of lists; and what it shows."""

    listing = models.ForeignKey(
        Listing, on_delete=models.CASCADE, db_index=False, related_name="pictures"
    )
    position = models.PositiveSmallIntegerField(_("position"))
    picture = models.ForeignKey(ItemPicture, on_delete=models.PROTECT, related_name="+")
    alt = models.JSONField(
        _("what it shows"), default=dict, help_text="By language; empty: the item's name."
    )

    class Meta:
        verbose_name = _("picture of a listing")
        verbose_name_plural = _("pictures of listings")
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "position"], name="benefits_listingpicture_place_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id}-{self.position}"


class Stock(models.Model):
    """
    What is left of an item at one place. `store` empty: the warehouse, from which what is sent or
    given online is taken. It changes by its moves only: a trigger adds them.
    """

    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, db_index=False, related_name="stock",
        verbose_name=_("item"),
    )  # fmt: skip
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    remaining = models.IntegerField(_("left"), default=0)

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "store"], nulls_distinct=False, name="benefits_stock_once"
            ),
            models.CheckConstraint(
                name="benefits_stock_not_below_zero", condition=Q(remaining__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.store_id or ''}"


class MoveKind(models.TextChoices):
    RECEIVED = "RECEIVED", _("Pieces received")
    CORRECTED = "CORRECTED", _("Corrected")
    TAKEN = "TAKEN", _("Ordered")
    RETURNED = "RETURNED", _("Came back")


class StockMove(models.Model):
    """Pieces that came or went, signed. INSERT only; inserting it changes the stock."""

    stock = models.ForeignKey(
        Stock, on_delete=models.PROTECT, related_name="moves", verbose_name=_("stock")
    )
    kind = models.CharField(_("kind"), max_length=9, choices=MoveKind.choices)
    quantity = models.IntegerField(_("pieces"), help_text="Signed.")
    remaining_after = models.IntegerField(
        _("left after it"), db_default=0, help_text="The trigger writes it."
    )
    reference = models.CharField(
        max_length=REFERENCE_MAX, blank=True, default="", help_text="The order's own name for it."
    )
    reason = models.CharField(_("reason"), max_length=REASON_MAX, blank=True, default="")
    at = models.DateTimeField(_("at"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("move of stock")
        verbose_name_plural = _("moves of stock")
        constraints = [
            # The same pieces are not taken twice, nor given back twice.
            models.UniqueConstraint(
                fields=["reference", "stock", "kind"],
                condition=~Q(reference=""),
                name="benefits_stockmove_once",
            ),
            models.CheckConstraint(
                name="benefits_stockmove_sign_fits_kind",
                condition=Q(kind__in=["RECEIVED", "RETURNED"], quantity__gt=0)
                | Q(kind="TAKEN", quantity__lt=0)
                | Q(kind="CORRECTED") & ~Q(quantity=0),
            ),
            models.CheckConstraint(
                name="benefits_stockmove_orders_are_named",
                condition=Q(kind__in=["TAKEN", "RETURNED"]) & ~Q(reference="")
                | Q(kind__in=["RECEIVED", "CORRECTED"], reference="", by__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_stockmove_corrected_for_a_reason",
                condition=~Q(kind="CORRECTED") | ~Q(reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity:+}"


class Claim(models.Model):
    """
    Pieces a member orders, under which listing and at which price: what limits are counted by.
    `given_back_at` says that they count no more.
    """

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    item = models.ForeignKey(
        Item, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("item")
    )
    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("listing"),
    )  # fmt: skip
    price = models.ForeignKey(
        ItemPrice, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("price"),
    )  # fmt: skip
    quantity = models.PositiveIntegerField(_("pieces"))
    on = models.DateField(_("on"), help_text="In the programme's zone: which period it counts in.")
    at = models.DateTimeField(_("at"))
    reference = models.CharField(
        max_length=REFERENCE_MAX, unique=True, help_text="The order's own name for it."
    )
    given_back_at = models.DateTimeField(_("given back at"), null=True)

    class Meta:
        verbose_name = _("claim to an item")
        verbose_name_plural = _("claims to items")
        constraints = [
            models.CheckConstraint(
                name="benefits_claim_of_something", condition=Q(quantity__range=(1, QUANTITY_MAX))
            ),
        ]
        indexes = [
            models.Index(
                fields=["member", "item", "on"],
                condition=Q(given_back_at=None),
                name="benefits_claim_counted",
            ),
        ]

    def __str__(self) -> str:
        return self.reference
