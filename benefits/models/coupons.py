"""
Tables of coupons 券: batches, each coupon, each step of one, and uses that nobody should have had.

What must always hold: a coupon is used once at a time; a batch has no more coupons than its total;
what a batch promises does not change once it was approved; steps and conflicts are never changed.
The code itself stands nowhere but, sealed, with a coupon whose member must be able to read it.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from benefits.coupons import discounts
from common.fields import EncryptedTextField
from common.localized import localized
from common.models import Approval
from members.models import Member
from partners.models import ApiClient, Organization, Store

BATCH_CODE_MAX = 50
RECEIPT_MAX = 64
REFERENCE_MAX = 100
NOTE_MAX = 500


class CouponKind(models.TextChoices):
    PERCENT = discounts.PERCENT, _("Percentage off")
    AMOUNT = discounts.AMOUNT, _("Amount off")
    ITEM = discounts.ITEM, _("Something free")


class Stacking(models.TextChoices):
    STACKS = discounts.STACKS, pgettext_lazy("a coupon", "Together with others")
    ONCE = discounts.ONCE, _("Once a receipt, together with others")
    EXCLUSIVE = discounts.EXCLUSIVE, pgettext_lazy("a coupon", "Alone")


class CodesFrom(models.TextChoices):
    """Where the codes of a batch come from, and with them how its coupons reach members."""

    GENERATED = "GENERATED", _("Generated, for print and partners")
    POOL = "POOL", _("A partner's file")
    MEMBERS = "MEMBERS", _("One for each member, as it is issued")


class BatchState(models.TextChoices):
    """Of an ended one no more coupons are given out; those that were stay good, unless revoked."""

    DRAFT = "DRAFT", _("Draft")
    RUNNING = "RUNNING", pgettext_lazy("a batch of coupons", "Running")
    ENDED = "ENDED", pgettext_lazy("a batch of coupons", "Ended")
    REVOKED = "REVOKED", _("Revoked")


class CouponBatch(models.Model):
    """Coupons that are alike. Its terms are fixed when a second person approves it."""

    code = models.SlugField(_("code"), max_length=BATCH_CODE_MAX, unique=True)
    names = models.JSONField(_("names"))
    description = models.JSONField(_("conditions in words"), default=dict)
    kind = models.CharField(_("kind"), max_length=7, choices=CouponKind.choices)
    pays = models.DecimalField(
        _("percent of the price"), max_digits=5, decimal_places=2, null=True,
        help_text="What is left to pay: 85 is 15 % off, 8.5折.",
    )  # fmt: skip
    amount = models.DecimalField(_("amount off"), max_digits=12, decimal_places=2, null=True)
    most = models.DecimalField(
        _("at most"), max_digits=12, decimal_places=2, null=True, help_text="Of a percentage."
    )
    item = models.JSONField(_("what is free"), default=dict)
    minimum_spend = models.DecimalField(
        _("minimum spend"), max_digits=12, decimal_places=2, default=0
    )
    categories = ArrayField(
        models.CharField(max_length=32), verbose_name=_("categories"), default=list,
        help_text="Of lines; empty: all.",
    )  # fmt: skip
    stores = models.ManyToManyField(Store, related_name="+", verbose_name=_("stores"))
    organizations = models.ManyToManyField(
        Organization, related_name="+", verbose_name=_("organizations")
    )
    stacking = models.CharField(_("stacking"), max_length=9, choices=Stacking.choices)
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"), help_text="A good day still.")
    good_days = models.PositiveSmallIntegerField(
        _("good for days"), null=True, help_text="From the day a member gets it, that day included."
    )
    remind_days = models.PositiveSmallIntegerField(_("remind so many days before"), null=True)
    codes_from = models.CharField(_("codes"), max_length=9, choices=CodesFrom.choices)
    claim_word = models.CharField(
        _("word to claim it by"), max_length=32, blank=True, default="",
        help_text="Known to many: who types it gets a coupon of their own.",
    )  # fmt: skip
    per_member = models.PositiveSmallIntegerField(_("at most per member"), null=True)
    total = models.PositiveIntegerField(_("at most in total"))
    issued = models.PositiveIntegerField(
        _("issued"), default=0, help_text="Generated, loaded or given to members."
    )
    funding = models.JSONField(_("who pays"), default=list, help_text="Empty: the brand.")
    cost = models.DecimalField(
        _("cost of a use"), max_digits=12, decimal_places=2, null=True,
        help_text="In the programme's currency; empty: what it takes off.",
    )  # fmt: skip
    state = models.CharField(
        _("state"), max_length=7, choices=BatchState.choices, default=BatchState.DRAFT
    )
    created_at = models.DateTimeField(_("created at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("created by"),
    )  # fmt: skip
    approval = models.OneToOneField(
        Approval, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("approval")
    )
    exported_at = models.DateTimeField(_("exported at"), null=True)
    exported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("exported by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("batch of coupons")
        verbose_name_plural = _("batches of coupons")
        permissions = [
            ("draft_couponbatch", "Can draft batches of coupons, load codes and issue coupons"),
            ("approve_couponbatch", "Can approve batches of coupons"),
            ("export_couponbatch", "Can take the codes of a batch away"),
        ]
        constraints = [
            models.CheckConstraint(
                name="benefits_couponbatch_is_worth_something",
                condition=Q(kind="PERCENT", pays__gte=0, pays__lt=100, amount=None)
                | Q(kind="AMOUNT", amount__gt=0, pays=None, most=None)
                | Q(kind="ITEM", pays=None, amount=None, most=None) & ~Q(item={}),
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_ends_after_it_begins",
                condition=Q(last_on__gte=F("first_on")),
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_within_its_total", condition=Q(issued__lte=F("total"))
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_positive",
                condition=Q(minimum_spend__gte=0)
                & (Q(most=None) | Q(most__gt=0))
                & (Q(good_days=None) | Q(good_days__gte=1))
                & (Q(per_member=None) | Q(per_member__gte=1))
                & (Q(cost=None) | Q(cost__gte=0)),
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_word_gives_to_members",
                condition=Q(claim_word="") | Q(codes_from="MEMBERS"),
            ),
            models.UniqueConstraint(
                fields=["claim_word"],
                condition=~Q(claim_word="") & Q(state="RUNNING"),
                name="benefits_couponbatch_word_once",
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_runs_approved",
                condition=Q(state="DRAFT") | Q(approval__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_couponbatch_exported_by_somebody",
                condition=Q(exported_at=None, exported_by=None)
                | Q(exported_at__isnull=False, exported_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class CouponState(models.TextChoices):
    OPEN = "OPEN", pgettext_lazy("a coupon", "Open")
    RESERVED = "RESERVED", _("Reserved")
    USED = "USED", _("Used")
    LAPSED = "LAPSED", _("Lapsed")
    REVOKED = "REVOKED", _("Revoked")


class Coupon(models.Model):
    """One coupon. Without a member it belongs to whoever has its code."""

    batch = models.ForeignKey(
        CouponBatch, on_delete=models.PROTECT, db_index=False, related_name="coupons",
        verbose_name=_("batch"),
    )  # fmt: skip
    digest = models.BinaryField(max_length=16, help_text="Keyed hash of its code.")
    code = EncryptedTextField(
        default="", help_text="For its member's eyes, sealed; empty: nobody can read it."
    )
    member = models.ForeignKey(
        Member, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("member"),
    )  # fmt: skip
    reference = models.CharField(
        _("issued for"), max_length=REFERENCE_MAX, blank=True, default="",
        help_text="The natural name of what it was issued for, such as an order.",
    )  # fmt: skip
    state = models.CharField(
        _("state"), max_length=8, choices=CouponState.choices, default=CouponState.OPEN
    )
    issued_on = models.DateField(_("issued on"))
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"), help_text="A good day still.")
    steps = models.PositiveSmallIntegerField(default=0, help_text="How many there are.")
    receipt = models.CharField(
        _("receipt"), max_length=RECEIPT_MAX, blank=True, default="",
        help_text="It is reserved for, or was used on.",
    )  # fmt: skip
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("store"),
    )  # fmt: skip
    reserved_until = models.DateTimeField(_("reserved until"), null=True)
    used_at = models.DateTimeField(_("used at"), null=True)
    discount = models.DecimalField(
        _("taken off"), max_digits=12, decimal_places=2, null=True,
        help_text="In the programme's currency.",
    )  # fmt: skip

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        permissions = [("revoke_coupon", "Can revoke coupons and whole batches of them")]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="benefits_coupon_code_once"),
            models.UniqueConstraint(
                fields=["batch", "reference"],
                condition=~Q(reference=""),
                name="benefits_coupon_issued_once_for_it",
            ),
            models.CheckConstraint(
                name="benefits_coupon_ends_after_it_begins",
                condition=Q(last_on__gte=F("first_on")),
            ),
            models.CheckConstraint(
                name="benefits_coupon_used_somewhere",
                condition=Q(state="USED", used_at__isnull=False, store__isnull=False)
                & ~Q(receipt="")
                | Q(used_at=None, discount=None) & ~Q(state="USED"),
            ),
            models.CheckConstraint(
                name="benefits_coupon_reserved_until_a_time",
                condition=Q(state="RESERVED", reserved_until__isnull=False, store__isnull=False)
                & ~Q(receipt="")
                | Q(reserved_until=None) & ~Q(state="RESERVED"),
            ),
        ]
        indexes = [
            # A member's coupons; and how many of a batch the member has.
            models.Index(
                fields=["member", "batch"],
                condition=Q(member__isnull=False),
                name="benefits_coupon_of_member",
            ),
            # The night: what lapses, and what will.
            models.Index(
                fields=["last_on", "id"],
                condition=Q(state__in=["OPEN", "RESERVED"]),
                name="benefits_coupon_lapsing",
            ),
            # What is free of a pool.
            models.Index(
                fields=["batch", "id"],
                condition=Q(state="OPEN", member=None),
                name="benefits_coupon_free",
            ),
            # A batch's figures: what is not simply open is the smaller part of it.
            models.Index(
                fields=["batch", "state"],
                condition=~Q(state="OPEN"),
                name="benefits_coupon_by_state",
            ),
            # What coupons of a period cost.
            models.Index(
                fields=["used_at"], condition=Q(state="USED"), name="benefits_coupon_used"
            ),
            # The other coupons of a receipt.
            models.Index(
                fields=["store", "receipt"],
                condition=Q(store__isnull=False),
                name="benefits_coupon_on_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.state}"


class CouponStepKind(models.TextChoices):
    ISSUED = "ISSUED", _("Issued")
    CLAIMED = "CLAIMED", _("Claimed")
    RESERVED = "RESERVED", _("Reserved")
    RELEASED = "RELEASED", _("Released")
    USED = "USED", _("Used")
    UNDONE = "UNDONE", _("Use undone")
    REVOKED = "REVOKED", _("Revoked")


class CouponStep(models.Model):
    """
    What was done with a coupon: who, where, when. Never changed.

    That a code was generated, and that it lapsed, its row tells by itself: a million steps less.
    """

    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, db_index=False, related_name="taken",
        verbose_name=_("coupon"),
    )  # fmt: skip
    nth = models.PositiveSmallIntegerField()
    kind = models.CharField(_("kind"), max_length=8, choices=CouponStepKind.choices)
    at = models.DateTimeField(_("at"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    is_offline = models.BooleanField(_("without a network"), default=False)
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
    receipt = models.CharField(_("receipt"), max_length=RECEIPT_MAX, blank=True, default="")
    discount = models.DecimalField(_("taken off"), max_digits=12, decimal_places=2, null=True)
    note = models.CharField(_("note"), max_length=NOTE_MAX, blank=True, default="")

    class Meta:
        verbose_name = _("step of a coupon")
        verbose_name_plural = _("steps of coupons")
        constraints = [
            models.UniqueConstraint(
                fields=["coupon", "nth"], name="benefits_couponstep_one_after_another"
            ),
            models.CheckConstraint(
                name="benefits_couponstep_use_has_a_place",
                condition=~Q(kind="USED") | Q(store__isnull=False) & ~Q(receipt=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id}-{self.nth} {self.kind}"


class CouponConflict(models.Model):
    """
    A coupon that a till took without a network and that was good no more: mostly a second use.

    Who took it bears what it cost: whoever takes a coupon without asking takes the risk.
    """

    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="conflicts", verbose_name=_("coupon")
    )
    why = models.CharField(_("why"), max_length=40, help_text="The code of the refusal.")
    at = models.DateTimeField(_("at"), help_text="As the till says.")
    recorded_at = models.DateTimeField(_("reported at"))
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    client = models.ForeignKey(
        ApiClient, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("API client"),
    )  # fmt: skip
    receipt = models.CharField(_("receipt"), max_length=RECEIPT_MAX)
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=2, default=0)
    bearer = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("borne by"),
    )  # fmt: skip
    # The use that counts, if it is one.
    first = models.ForeignKey(
        CouponStep, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )

    class Meta:
        verbose_name = _("conflict of a coupon")
        verbose_name_plural = _("conflicts of coupons")
        constraints = [
            # Reported again, it is no further one.
            models.UniqueConstraint(
                fields=["coupon", "store", "receipt"], name="benefits_couponconflict_once"
            ),
            models.CheckConstraint(
                name="benefits_couponconflict_cost_not_negative", condition=Q(cost__gte=0)
            ),
        ]
        indexes = [models.Index(fields=["-recorded_at"], name="benefits_couponconflict_latest")]

    def __str__(self) -> str:
        return f"{self.coupon_id} {self.why}"


class CouponRun(models.Model):
    """
    Work on many coupons of a batch that a worker does piece by piece: how far it is.

    Each piece commits with the count, so after kill -9 the next worker goes on behind it.
    """

    class Work(models.TextChoices):
        GENERATE = "GENERATE", _("Generate codes")
        ISSUE = "ISSUE", _("Issue to members")

    batch = models.ForeignKey(
        CouponBatch, on_delete=models.PROTECT, related_name="runs", verbose_name=_("batch")
    )
    work = models.CharField(_("work"), max_length=8, choices=Work.choices)
    tag = models.CharField(_("tag"), max_length=100, blank=True, default="")
    wanted = models.PositiveIntegerField(_("wanted"))
    done = models.PositiveIntegerField(_("done"), default=0)
    skipped = models.PositiveIntegerField(_("left out"), default=0)
    last_member = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(_("begun at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("work on coupons")
        verbose_name_plural = _("work on coupons")
        constraints = [
            models.CheckConstraint(
                name="benefits_couponrun_within_what_is_wanted", condition=Q(done__lte=F("wanted"))
            ),
        ]
        indexes = [
            # What the next worker takes.
            models.Index(
                fields=["id"], condition=Q(finished_at=None), name="benefits_couponrun_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.work} {self.done}/{self.wanted}"


class CouponFile(models.Model):
    """A piece of the codes that were generated, sealed, until they are taken away: once."""

    run = models.ForeignKey(
        CouponRun, on_delete=models.PROTECT, db_index=False, related_name="files"
    )
    nth = models.PositiveIntegerField()
    codes = EncryptedTextField(help_text="One a line.")

    class Meta:
        verbose_name = _("codes to take away")
        verbose_name_plural = _("codes to take away")
        constraints = [
            models.UniqueConstraint(fields=["run", "nth"], name="benefits_couponfile_piece_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}-{self.nth}"
