"""
The benefits of each version, and the rights that members were granted by them.

What must always hold: a right is there once for each member, benefit, period and ordinal; its state
is that of its latest step; steps are never changed nor deleted: the database sees to it.
"""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from common.fields import EncryptedBytesField
from common.localized import localized
from members.models import Member
from partners.models import ApiClient, Store
from programme.models import Version

CODE_MAX = 50
PERIOD_MAX = 40
NOTE_MAX = 500
REFERENCE_MAX = 64
PROOF_BYTES_MAX = 2_000_000


class Source(models.TextChoices):
    """Whose a benefit is (B1)."""

    OWN = "own", _("Own service")
    GOODS = "goods", _("Brand goods")
    CUSTOM = "custom", _("Made for the member")
    PARTNER = "partner", _("A partner's benefit")


class Kind(models.TextChoices):
    SERVICE = "service", _("Service or goods, counted")
    DISCOUNT = "discount", _("Discount at the till")
    STANDING = "standing", _("Standing right, not counted")


class OnDowngrade(models.TextChoices):
    KEEP = "keep", _("What was granted stays to its last day")
    END = "end", _("What the lower tier does not have ends at once")


class BenefitTerms(models.Model):
    """What holds for all benefits of a version. A version without benefits has no row."""

    version = models.OneToOneField(
        Version,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="benefit_terms",
        verbose_name=_("version"),
    )
    undo_minutes = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = _("terms of benefits")
        verbose_name_plural = _("terms of benefits")

    def __str__(self) -> str:
        return str(self.version)


class Benefit(models.Model):
    """A row of a version's tier × benefit matrix."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="benefits", verbose_name=_("version")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.SlugField(_("code"), max_length=CODE_MAX)
    names = models.JSONField(_("names"))
    description = models.JSONField(_("description"), default=dict)
    source = models.CharField(_("source"), max_length=7, choices=Source.choices)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    cost = models.DecimalField(
        _("cost of a delivery"), max_digits=12, decimal_places=2, default=0,
        help_text="In the programme's currency.",
    )  # fmt: skip
    funding = models.JSONField(default=list, help_text="Who bears it; empty: the brand.")
    categories = models.JSONField(default=list, help_text="Of a discount; empty: all lines.")
    days = models.JSONField(default=list, help_text="Of the month, for a discount; empty: all.")
    lapse_days = models.PositiveSmallIntegerField(
        null=True, help_text="After it was granted; empty: at the end of its period."
    )
    on_downgrade = models.CharField(max_length=4, choices=OnDowngrade.choices)
    tiers = models.JSONField(help_text="By the tier's code, one cell: see benefits.matrix.")

    class Meta:
        verbose_name = _("tier benefit")
        verbose_name_plural = _("tier benefits")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="benefits_benefit_code_once"),
            models.UniqueConstraint(
                fields=["version", "position"], name="benefits_benefit_position_once"
            ),
            models.CheckConstraint(
                name="benefits_benefit_cost_not_negative", condition=Q(cost__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class RightState(models.TextChoices):
    GRANTED = "GRANTED", _("Granted")
    BOOKED = "BOOKED", _("Booked")
    DELIVERED = "DELIVERED", _("Handed over")
    RATED = "RATED", _("Rated")
    FAILED = "FAILED", _("Not kept")
    COMPENSATED = "COMPENSATED", _("Compensated")
    LAPSED = "LAPSED", _("Lapsed")
    ENDED = "ENDED", _("Ended early")


class Ended(models.TextChoices):
    """Why a right ended that was neither used nor lapsed."""

    DOWNGRADE = "DOWNGRADE", _("The tier fell")
    MERGED = "MERGED", _("The same right came twice as memberships were joined")
    CLOSED = "CLOSED", _("The membership ended")
    UNDONE = "UNDONE", _("The delivery was undone")


OPEN = (RightState.GRANTED, RightState.BOOKED)
PAST = (RightState.DELIVERED, RightState.RATED, RightState.FAILED, RightState.COMPENSATED)


class Right(models.Model):
    """One unit of what a tier promises: one health check, not all of a year."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    benefit = models.SlugField(_("benefit"), max_length=CODE_MAX, db_index=False)
    period = models.CharField(
        _("period"), max_length=PERIOD_MAX, help_text="Such as 2026-07; see benefits.matrix."
    )
    ordinal = models.PositiveSmallIntegerField(_("number"))
    level = models.CharField(_("tier"), max_length=CODE_MAX)
    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("rulebook version"),
    )  # fmt: skip
    state = models.CharField(
        _("state"), max_length=11, choices=RightState.choices, default=RightState.GRANTED
    )
    ended = models.CharField(max_length=9, choices=Ended.choices, blank=True, default="")
    steps = models.PositiveSmallIntegerField(default=1, help_text="How many there are.")
    granted_on = models.DateField(_("granted on"))
    last_on = models.DateField(
        _("last day"), null=True, help_text="The last good day; empty: for ever."
    )
    on_demand = models.BooleanField(
        default=False, help_text="Made as it was used: its benefit is not counted."
    )
    booked_for = models.DateTimeField(_("booked for"), null=True)
    delivered_at = models.DateTimeField(pgettext_lazy("a right", "delivered at"), null=True)
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=2, default=0)
    compensated_points = models.PositiveIntegerField(_("points for it"), null=True)
    compensates = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="compensation",
        verbose_name=_("in place of"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("right")
        verbose_name_plural = _("rights")
        permissions = [
            ("deliver_right", "Can book, deliver and undo members' rights"),
            ("compensate_right", "Can report rights as failed and make up for them"),
        ]
        constraints = [
            # Granting twice grants nothing twice; and it leads to a member's rights.
            models.UniqueConstraint(
                fields=["member", "benefit", "period", "ordinal"], name="benefits_right_once"
            ),
            models.CheckConstraint(
                name="benefits_right_counted_from_one", condition=Q(ordinal__gte=1)
            ),
            models.CheckConstraint(
                name="benefits_right_ends_after_it_begins",
                condition=Q(last_on=None) | Q(last_on__gte=F("granted_on")),
            ),
            models.CheckConstraint(
                name="benefits_right_booked_for_a_time",
                condition=~Q(state="BOOKED") | Q(booked_for__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_right_delivered_at_a_time",
                condition=Q(state__in=["DELIVERED", "RATED"], delivered_at__isnull=False)
                | Q(state__in=["FAILED", "COMPENSATED"])
                | Q(state__in=["GRANTED", "BOOKED", "LAPSED", "ENDED"], delivered_at=None),
            ),
            models.CheckConstraint(
                name="benefits_right_ended_for_a_reason",
                condition=Q(state="ENDED") & ~Q(ended="") | ~Q(state="ENDED") & Q(ended=""),
            ),
            models.CheckConstraint(
                name="benefits_right_points_make_up_for_a_failure",
                condition=Q(compensated_points=None) | Q(state="COMPENSATED"),
            ),
        ]
        indexes = [
            # The night's work: what lapses.
            models.Index(
                fields=["last_on", "member"],
                condition=Q(state="GRANTED"),
                name="benefits_right_lapsing",
            ),
            # The console's list: what staff look after, the latest first.
            models.Index(fields=["state", "-id"], name="benefits_right_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.benefit} {self.period} #{self.ordinal}"


class StepKind(models.TextChoices):
    GRANTED = "GRANTED", _("Granted")
    RESTORED = "RESTORED", _("Granted again")
    BOOKED = "BOOKED", _("Booked")
    DELIVERED = "DELIVERED", _("Handed over")
    UNDONE = "UNDONE", _("Delivery undone")
    RATED = "RATED", _("Rated")
    FAILED = "FAILED", _("Not kept")
    COMPENSATED = "COMPENSATED", _("Compensated")
    LAPSED = "LAPSED", _("Lapsed")
    ENDED = "ENDED", _("Ended early")


class Proof(models.TextChoices):
    """What shows that a right was delivered."""

    CARD = "CARD", _("The member's code")
    STORE = "STORE", _("The store confirms it")
    SIGNATURE = "SIGNATURE", _("The member's signature")
    PHOTO = "PHOTO", _("Photo")


class Failure(models.TextChoices):
    NOT_OFFERED = "NOT_OFFERED", _("The store could not do it")
    OUT_OF_STOCK = "OUT_OF_STOCK", _("Nothing in stock")
    PARTNER = "PARTNER", _("The partner did not do it")
    QUALITY = "QUALITY", _("Done badly")
    LATE = "LATE", _("Too late")
    OTHER = "OTHER", _("Another reason")


class Step(models.Model):
    """What happened to a right: who, where, when, and what proves it. Never changed."""

    right = models.ForeignKey(
        Right, on_delete=models.PROTECT, db_index=False, related_name="taken",
        verbose_name=_("right"),
    )  # fmt: skip
    nth = models.PositiveSmallIntegerField()
    kind = models.CharField(_("kind"), max_length=11, choices=StepKind.choices)
    at = models.DateTimeField(_("at"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("by"),
    )  # fmt: skip
    client = models.ForeignKey(
        ApiClient, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("API client"),
    )  # fmt: skip
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("store"),
    )  # fmt: skip
    proof = models.CharField(_("proof"), max_length=9, choices=Proof.choices, blank=True)
    reason = models.CharField(
        _("reason"), max_length=12, choices=[*Failure.choices, *Ended.choices], blank=True
    )
    note = models.CharField(_("note"), max_length=NOTE_MAX, blank=True)
    reference = models.CharField(
        max_length=REFERENCE_MAX, null=True, help_text="What tells a repeat of it."
    )

    class Meta:
        verbose_name = _("step of a right")
        verbose_name_plural = _("steps of rights")
        constraints = [
            models.UniqueConstraint(
                fields=["right", "nth"], name="benefits_step_one_after_another"
            ),
            # Who taps twice delivers once.
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(reference__isnull=False),
                name="benefits_step_reference_once",
            ),
            models.CheckConstraint(
                name="benefits_step_delivery_is_proven",
                condition=Q(kind="DELIVERED") & ~Q(proof="") | ~Q(kind="DELIVERED") & Q(proof=""),
            ),
            models.CheckConstraint(
                name="benefits_step_failure_has_a_reason",
                condition=~Q(kind__in=["FAILED", "ENDED"]) | ~Q(reason=""),
            ),
        ]
        indexes = [
            # Members are told in the order of recording (benefits.changes), as of the ledger's
            # entries.
            BrinIndex(
                fields=["recorded_at"],
                autosummarize=True,
                pages_per_range=64,
                name="benefits_step_recorded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.right_id}-{self.nth} {self.kind}"


class Picture(models.Model):
    """
    The photo or signature that proves a delivery, sealed. Personal data: unlike other rows it may
    go.

    Read it without `content` where only that there is one is shown.
    """

    step = models.OneToOneField(
        Step, primary_key=True, on_delete=models.PROTECT, related_name="picture"
    )
    media_type = models.CharField(max_length=10)
    size = models.PositiveIntegerField(help_text="In bytes.")
    content = EncryptedBytesField()

    class Meta:
        verbose_name = _("picture of a delivery")
        verbose_name_plural = _("pictures of deliveries")
        constraints = [
            models.CheckConstraint(
                name="benefits_picture_bounded",
                condition=Q(size__range=(1, PROOF_BYTES_MAX)),
            ),
            models.CheckConstraint(
                name="benefits_picture_type_known",
                condition=Q(media_type__in=["image/jpeg", "image/png"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.step_id)


class Rating(models.Model):
    """What a member says of what they got. The words go with the member."""

    right = models.OneToOneField(
        Right, primary_key=True, on_delete=models.PROTECT, related_name="rating"
    )
    stars = models.PositiveSmallIntegerField(
        _("stars"), validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    words = models.CharField(_("words"), max_length=NOTE_MAX, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints = [
            models.CheckConstraint(
                name="benefits_rating_of_five_stars", condition=Q(stars__range=(1, 5))
            )
        ]

    def __str__(self) -> str:
        return f"{self.right_id}: {self.stars}"
