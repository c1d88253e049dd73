"""
Tables of draws, their prizes, and what each draw came to.

A draw commits to a secret seed by publishing its hash, and reveals the seed once it is closed
(benefits.drawing). What must always hold: nothing of a published draw changes but what is left; its
outcomes are numbered without gaps; no prize is given more often than there are of it; who approves
it wrote none of it: the database sees to it.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from benefits.drawing import PARTS
from benefits.models.coupons import CouponBatch
from benefits.models.items import POINTS_MAX, REFERENCE_MAX, Period
from benefits.models.rights import CODE_MAX, NOTE_MAX
from common.fields import EncryptedTextField
from common.localized import localized
from common.models import Approval
from members.models import Member


class DrawState(models.TextChoices):
    DRAFT = "DRAFT", _("Draft")
    RUNNING = "RUNNING", pgettext_lazy("a prize draw", "Running")
    CLOSED = "CLOSED", _("Over")


class PrizeKind(models.TextChoices):
    POINTS = "POINTS", _("Points")
    THING = "THING", _("Thing in kind")
    COUPON = "COUPON", _("Coupon")


class Draw(models.Model):
    """A prize draw. In review while its request (`approval`) waits; whoever approves publishes."""

    code = models.SlugField(_("code"), max_length=CODE_MAX, unique=True)
    state = models.CharField(
        _("state"), max_length=7, choices=DrawState.choices, default=DrawState.DRAFT
    )
    revision = models.PositiveIntegerField(
        default=1, help_text="Counts what was saved: what was asked for is what is published."
    )
    names = models.JSONField(_("names"))
    description = models.JSONField(_("description"), default=dict)
    opens_at = models.DateTimeField(_("opens at"))
    closes_at = models.DateTimeField(_("closes at"), help_text="Exclusive.")
    entry_points = models.PositiveIntegerField(_("points to enter"), default=0)
    needs_ticket = models.BooleanField(
        _("only with a ticket"), default=False, help_text=_("From the shop: its limits hold too.")
    )
    age_min = models.PositiveSmallIntegerField(
        _("from age"), null=True, help_text="Whose birthday is not known may not enter then."
    )
    limit_count = models.PositiveIntegerField(_("times at most"), null=True)
    limit_period = models.CharField(_("period"), max_length=8, choices=Period.choices, blank=True)
    funding = models.JSONField(
        _("who pays"), default=list, help_text="Empty: as the rulebook says."
    )
    budget = models.DecimalField(
        _("budget"), max_digits=12, decimal_places=2,
        help_text="In the programme's currency: what all prizes together may cost.",
    )  # fmt: skip
    authors = ArrayField(models.BigIntegerField(), help_text="Ids of all logins that wrote on it.")
    approval = models.ForeignKey(
        Approval, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("approval")
    )
    approved_at = models.DateTimeField(_("approved at"), null=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("approved by"),
    )  # fmt: skip
    seed = EncryptedTextField(null=True, help_text="Nobody is shown it before the draw is closed.")
    seed_hash = models.CharField(_("hash of the seed"), max_length=64, blank=True)
    drawn = models.PositiveIntegerField(_("drawn"), default=0)
    closed_at = models.DateTimeField(pgettext_lazy("a prize draw", "closed at"), null=True)

    class Meta:
        verbose_name = _("prize draw")
        verbose_name_plural = _("prize draws")
        permissions = [
            ("edit_draw", "Can write prize draws, ask for their approval and close them"),
            ("approve_draw", "Can approve prize draws"),
            ("deliver_draw", "Can hand over prizes of draws"),
        ]
        constraints = [
            models.CheckConstraint(
                name="benefits_draw_ends_after_it_begins", condition=Q(closes_at__gt=F("opens_at"))
            ),
            models.CheckConstraint(
                name="benefits_draw_published_by_approval",
                condition=Q(state="DRAFT", approved_at=None, approved_by=None, seed__isnull=True)
                | ~Q(state="DRAFT")
                & Q(approved_at__isnull=False, approved_by__isnull=False, seed__isnull=False)
                & ~Q(seed_hash=""),
            ),
            models.CheckConstraint(
                name="benefits_draw_approved_by_another",
                condition=Q(approved_by=None) | ~Q(authors__contains=[F("approved_by")]),
            ),
            models.CheckConstraint(
                name="benefits_draw_has_an_author", condition=Q(authors__len__gt=0)
            ),
            models.CheckConstraint(
                name="benefits_draw_closed_at_a_time",
                condition=Q(state="CLOSED", closed_at__isnull=False)
                | ~Q(state="CLOSED") & Q(closed_at=None),
            ),
            models.CheckConstraint(
                name="benefits_draw_limit_is_whole",
                condition=Q(limit_count=None, limit_period="")
                | Q(limit_count__gte=1) & ~Q(limit_period=""),
            ),
            models.CheckConstraint(
                name="benefits_draw_bounded",
                condition=Q(entry_points__lte=POINTS_MAX, budget__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class DrawPrize(models.Model):
    """A prize level: what it is, how likely, and how many there are."""

    draw = models.ForeignKey(
        Draw, on_delete=models.PROTECT, db_index=False, related_name="prizes",
        verbose_name=_("prize draw"),
    )  # fmt: skip
    position = models.PositiveSmallIntegerField(_("level"), help_text="From 0.")
    names = models.JSONField(_("names"))
    kind = models.CharField(_("kind"), max_length=6, choices=PrizeKind.choices)
    points = models.PositiveIntegerField(_("points"), default=0)
    batch = models.ForeignKey(
        CouponBatch, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("coupon"),
    )  # fmt: skip
    parts = models.PositiveIntegerField(_("odds"), help_text="Parts of a million.")
    pieces = models.PositiveIntegerField(_("pieces"))
    remaining = models.PositiveIntegerField(_("left"))
    cost = models.DecimalField(
        _("cost"), max_digits=12, decimal_places=2,
        help_text="Of one, in the programme's currency. Members never see it.",
    )  # fmt: skip
    is_consolation = models.BooleanField(
        _("consolation"), default=False, help_text=_("Given in place of what is used up.")
    )

    class Meta:
        verbose_name = _("prize")
        verbose_name_plural = _("prizes")
        constraints = [
            models.UniqueConstraint(
                fields=["draw", "position"], name="benefits_drawprize_position_once"
            ),
            models.UniqueConstraint(
                fields=["draw"],
                condition=Q(is_consolation=True),
                name="benefits_drawprize_one_consolation",
            ),
            models.CheckConstraint(
                name="benefits_drawprize_points_fit_kind",
                condition=Q(kind="POINTS", points__range=(1, POINTS_MAX), batch=None)
                | Q(kind="THING", points=0, batch=None)
                | Q(kind="COUPON", points=0, batch__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_drawprize_bounded",
                condition=Q(parts__lte=PARTS, remaining__lte=F("pieces"), cost__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class DrawOutcome(models.Model):
    """What one draw came to. Never changed: with the seed, all of them can be derived anew."""

    draw = models.ForeignKey(
        Draw, on_delete=models.PROTECT, db_index=False, related_name="outcomes",
        verbose_name=_("prize draw"),
    )  # fmt: skip
    number = models.PositiveIntegerField(_("number"), help_text="From 1, in each draw.")
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    on = models.DateField(_("on"), help_text="In the programme's zone: what limits count by.")
    at = models.DateTimeField(_("at"))
    reference = models.CharField(max_length=REFERENCE_MAX, unique=True)
    result = models.PositiveIntegerField(_("result"), help_text="0 … 999,999.")
    hit = models.PositiveSmallIntegerField(_("level hit"), null=True)
    prize = models.ForeignKey(
        DrawPrize, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("prize"), help_text="What was given: what was hit may be used up.",
    )  # fmt: skip

    class Meta:
        verbose_name = _("outcome of a draw")
        verbose_name_plural = _("outcomes of draws")
        constraints = [
            models.UniqueConstraint(
                fields=["draw", "number"], name="benefits_drawoutcome_number_once"
            ),
            models.CheckConstraint(
                name="benefits_drawoutcome_counted", condition=Q(number__gte=1, result__lt=PARTS)
            ),
            models.CheckConstraint(
                name="benefits_drawoutcome_no_prize_without_a_hit",
                condition=Q(prize=None) | Q(hit__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["member", "draw", "on"], name="benefits_drawoutcome_limit"),
            # What was won, without the many that won nothing.
            models.Index(
                fields=["draw", "number"],
                condition=Q(prize__isnull=False),
                name="benefits_drawoutcome_won",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draw_id}-{self.number}"


class PrizeHandover(models.Model):
    """
    A prize that its winner has: written with the outcome where it needs nobody, else by who handed
    it over. What was won and has no such row is still owed.
    """

    outcome = models.OneToOneField(
        DrawOutcome, primary_key=True, on_delete=models.PROTECT, related_name="handover",
        verbose_name=_("outcome of a draw"),
    )  # fmt: skip
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("by"),
    )  # fmt: skip
    note = models.CharField(
        _("note"), max_length=NOTE_MAX, blank=True, help_text="The winner reads it."
    )

    class Meta:
        verbose_name = _("prize handed over")
        verbose_name_plural = _("prizes handed over")

    def __str__(self) -> str:
        return str(self.pk)
