"""
The ladder of each version, who stands where, what they gathered, and every decision.

What must always hold: a day's row of `Gathered` is what the journal and the ledger say of that day;
a `Standing` is what its member's days and decisions by hand make of it under the rules of each day;
decisions are never changed nor deleted: the database sees to it.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.utils.translation import gettext_lazy as _

from common.localized import localized
from members.models import Member
from messaging.models import Message
from programme.models import Version

CODE_MAX = 50
NAME_MAX = 200


class LadderTerms(models.Model):
    """What holds for all levels of a version. A version without tiers has no row."""

    version = models.OneToOneField(
        Version,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="ladder_terms",
        verbose_name=_("version"),
    )
    window = models.JSONField(help_text="Of a criterion that names none. See tiers.criteria.")
    downgrade = models.CharField(max_length=9)
    grace_days = models.PositiveSmallIntegerField()
    minimum_stay_days = models.PositiveSmallIntegerField()
    warn_days = ArrayField(models.PositiveSmallIntegerField())

    class Meta:
        verbose_name = _("ladder")
        verbose_name_plural = _("ladders")
        constraints = [
            models.CheckConstraint(
                name="tiers_ladder_downgrade_known",
                condition=Q(downgrade__in=["one_level", "earned", "base"]),
            )
        ]

    def __str__(self) -> str:
        return str(self.version)


class Level(models.Model):
    """A rung of a version's ladder; position 0 is the base, which everybody has."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="levels", verbose_name=_("version")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.SlugField(_("code"), max_length=CODE_MAX)
    names = models.JSONField(_("names"))
    color = models.CharField(_("color"), max_length=7, help_text="#rrggbb")
    # Criteria as tiers.rulebook describes them; empty: none.
    upgrade = models.JSONField(null=True)
    keep = models.JSONField(null=True, help_text="Empty: what the upgrade asks for.")
    application = models.JSONField(null=True, help_text="With this a member may apply.")
    validity = models.JSONField(null=True, help_text="Empty: for ever.")
    approval = models.BooleanField(default=False, help_text="Staff decide upgrades.")

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="tiers_level_code_once"),
            models.UniqueConstraint(
                fields=["version", "position"], name="tiers_level_position_once"
            ),
            models.CheckConstraint(
                name="tiers_level_base_asks_nothing",
                condition=Q(position__gt=0)
                | Q(upgrade=None, keep=None, application=None, validity=None, approval=False),
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class StartingLevel(models.Model):
    """Who buys this product starts at this tier (T5)."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="starting_levels", verbose_name=_("version")
    )
    product = models.CharField(_("product"), max_length=200)
    level = models.SlugField(_("tier"), max_length=CODE_MAX)

    class Meta:
        verbose_name = _("starting tier")
        verbose_name_plural = _("starting tiers")
        constraints = [
            models.UniqueConstraint(
                fields=["version", "product"], name="tiers_startinglevel_product_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.level}"


class Beginning(models.Model):
    """
    The first day of tiers in a programme that had none the day before: what was bought earlier was
    taken up that night (see `tiers.operations.take_up`).
    """

    day = models.DateField(primary_key=True)
    counts_from = models.DateField(help_text="As far back as the ladder's windows reach.")

    class Meta:
        verbose_name = _("beginning of tiers")
        verbose_name_plural = _("beginnings of tiers")
        constraints = [
            models.CheckConstraint(
                name="tiers_beginning_looks_back", condition=Q(counts_from__lte=models.F("day"))
            )
        ]

    def __str__(self) -> str:
        return str(self.day)


class Gathered(models.Model):
    """
    What a member gathered on one day, of everything a tier may ask for.

    Any window is a sum of days, so a late purchase or a return only changes its own day.
    """

    pk = models.CompositePrimaryKey("member_id", "day")
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    day = models.DateField()
    points = models.BigIntegerField(help_text="Qualifying ones; spending and expiry never count.")
    spend = models.DecimalField(max_digits=14, decimal_places=2)
    purchases = models.IntegerField()
    interactions = models.IntegerField()
    events = models.IntegerField()
    referrals = models.IntegerField()

    class Meta:
        verbose_name = _("day's gathering")
        verbose_name_plural = _("days' gatherings")

    def __str__(self) -> str:
        return f"{self.member_id} {self.day}"


class Standing(models.Model):
    """
    Where a member stands: the one row an operation of this room locks. Who has none is at the base.

    `level` is what counts. It is the one earned, unless one given by hand is higher.
    """

    member = models.OneToOneField(
        Member, primary_key=True, on_delete=models.PROTECT, verbose_name=_("member")
    )
    level = models.CharField(_("tier"), max_length=CODE_MAX)
    earned = models.CharField(_("earned tier"), max_length=CODE_MAX)
    since = models.DateField(_("since"), null=True, help_text="Empty: from the beginning.")
    period_from = models.DateField(
        null=True, help_text="The first day that counts since the last change; empty: ever."
    )
    valid_until = models.DateField(
        _("valid until"), null=True, help_text="The earned tier's last day; empty: for ever."
    )
    manual = models.CharField(_("tier by hand"), max_length=CODE_MAX, blank=True)
    manual_until = models.DateField(
        _("by hand until"), null=True, help_text="Its last day; empty: until it is ended."
    )
    review_on = models.DateField(null=True, help_text="The night of this day looks again.")
    judged_on = models.DateField(null=True, help_text="The latest day it was judged on.")
    guests = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=[],
        help_text="Members merged into this one: their days count with its own.",
    )

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")
        permissions = [
            ("set_tier", "Can give, extend and end tiers by hand"),
            ("approve_tier", "Can decide upgrades, applications and tiers by hand"),
        ]
        constraints = [
            models.CheckConstraint(
                name="tiers_standing_end_of_what_is_by_hand",
                condition=Q(manual_until=None) | ~Q(manual=""),
            )
        ]
        indexes = [
            # The night's work of a day.
            models.Index(
                fields=["review_on", "member"],
                condition=Q(review_on__isnull=False),
                name="tiers_standing_review",
            ),
            # Who is to be warned that a tier ends.
            models.Index(
                fields=["valid_until", "member"],
                condition=Q(valid_until__isnull=False),
                name="tiers_standing_ends",
            ),
            # Whether a level is in use, and the console's filter.
            models.Index(fields=["level", "member"], name="tiers_standing_level"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.level}"


class DecisionKind(models.TextChoices):
    UPGRADE = "UPGRADE", _("Upgrade")
    KEEP = "KEEP", _("Tier kept")
    DOWNGRADE = "DOWNGRADE", _("Downgrade")
    REVOKE = "REVOKE", _("Tier taken back")
    RESTORE = "RESTORE", _("Tier given back")
    REJUDGE = "REJUDGE", _("Judged anew")
    START = "START", _("Starting tier")
    MANUAL = "MANUAL", _("Tier by hand")
    MANUAL_END = "MANUAL_END", _("End of a tier by hand")
    EXTEND = "EXTEND", _("Validity extended")
    MERGE = "MERGE", _("Merged with another membership")
    UNMERGE = "UNMERGE", _("Merge taken apart")


class Decision(models.Model):
    """Why a member stands where they do. Never changed; the latest one that had begun counts."""

    # Members and versions are never deleted: a constraint would only cost the night a look-up each.
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+",
        verbose_name=_("member"),
    )  # fmt: skip
    kind = models.CharField(_("kind"), max_length=10, choices=DecisionKind.choices)
    from_level = models.CharField(_("from"), max_length=CODE_MAX)
    to_level = models.CharField(_("to"), max_length=CODE_MAX)
    earned = models.CharField(_("earned tier"), max_length=CODE_MAX)
    valid_until = models.DateField(_("valid until"), null=True)
    effective_on = models.DateField(_("from the day"))
    decided_at = models.DateTimeField(_("decided at"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+",
        null=True, verbose_name=_("rulebook version"),
    )  # fmt: skip
    granted = models.BooleanField(
        default=False, help_text="Not from what was gathered: somebody or a product gave it."
    )
    evidence = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, help_text="See tiers.criteria.told."
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("by"),
    )  # fmt: skip
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("approved by"),
    )  # fmt: skip
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    is_quiet = models.BooleanField(
        db_default=False, help_text="The member is not told: it came over with them."
    )

    class Meta:
        verbose_name = _("tier decision")
        verbose_name_plural = _("tier decisions")
        constraints = [
            models.CheckConstraint(
                name="tiers_decision_by_hand_says_why",
                condition=~Q(kind__in=["MANUAL", "EXTEND"])
                | (Q(actor__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(
                name="tiers_decision_by_rule_names_its_version",
                condition=Q(granted=True) | Q(version__isnull=False),
            ),
        ]
        indexes = [
            # A member's tier on a day: the latest decision that had begun.
            models.Index(fields=["member", "-id"], name="tiers_decision_of_member"),
            # Members are told in the order of recording (tiers.changes).
            BrinIndex(
                fields=["recorded_at"],
                autosummarize=True,
                pages_per_range=16,
                name="tiers_decision_recorded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.from_level} → {self.to_level}"


class ProposalKind(models.TextChoices):
    UPGRADE = "UPGRADE", _("Upgrade by rule")
    APPLICATION = "APPLICATION", _("Application")


class ProposalState(models.TextChoices):
    WAITING = "WAITING", _("Waiting")
    APPROVED = "APPROVED", _("Approved")
    REJECTED = "REJECTED", _("Rejected")
    OBSOLETE = "OBSOLETE", _("Obsolete")


class Proposal(models.Model):
    """An upgrade that staff decide: the rules propose it, or the member applies for it."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", verbose_name=_("member")
    )
    kind = models.CharField(_("kind"), max_length=11, choices=ProposalKind.choices)
    level = models.CharField(_("tier"), max_length=CODE_MAX)
    state = models.CharField(
        _("state"), max_length=8, choices=ProposalState.choices, default=ProposalState.WAITING
    )
    proposed_on = models.DateField(_("proposed on"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("rulebook version"),
    )  # fmt: skip
    evidence = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    text = models.CharField(_("what the member says"), max_length=1000, blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("decided by"),
    )  # fmt: skip
    note = models.CharField(_("note"), max_length=500, blank=True)
    decision = models.OneToOneField(
        Decision, null=True, on_delete=models.PROTECT, related_name="proposal",
        verbose_name=_("decision"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("proposed upgrade")
        verbose_name_plural = _("proposed upgrades")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "level"],
                condition=Q(state="WAITING"),
                name="tiers_proposal_waits_once",
            ),
            models.CheckConstraint(
                name="tiers_proposal_decided_by_somebody",
                condition=~Q(state__in=["APPROVED", "REJECTED"])
                | Q(decided_at__isnull=False, decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="tiers_proposal_approved_was_done",
                condition=Q(state="APPROVED", decision__isnull=False)
                | (~Q(state="APPROVED") & Q(decision=None)),
            ),
        ]
        indexes = [
            # The console's list of what waits, oldest first.
            models.Index(
                fields=["id"], condition=Q(state="WAITING"), name="tiers_proposal_waiting"
            ),
            # Members are told in the order of recording (tiers.changes).
            BrinIndex(
                fields=["recorded_at"],
                autosummarize=True,
                pages_per_range=16,
                name="tiers_proposal_recorded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} → {self.level}"


class MediaType(models.TextChoices):
    JPEG = "image/jpeg", "JPEG"
    PNG = "image/png", "PNG"
    PDF = "application/pdf", "PDF"


class Document(models.Model):
    """
    What a member attached to an application. Personal data: unlike other rows it may be deleted.

    Read it without `content` where only its name is shown.
    """

    proposal = models.ForeignKey(
        Proposal, on_delete=models.PROTECT, related_name="documents", db_index=False
    )
    place = models.PositiveSmallIntegerField()
    name = models.CharField(_("name"), max_length=NAME_MAX)
    media_type = models.CharField(max_length=15, choices=MediaType.choices)
    size = models.PositiveIntegerField(help_text="In bytes.")
    content = models.BinaryField()
    added_at = models.DateTimeField(_("added at"))

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints = [
            models.UniqueConstraint(
                fields=["proposal", "place"], name="tiers_document_one_in_a_place"
            ),
            models.CheckConstraint(
                name="tiers_document_at_most_five", condition=Q(place__range=(1, 5))
            ),
            models.CheckConstraint(
                name="tiers_document_of_at_most_5_mb",
                condition=Q(size=Length("content"), size__range=(1, 5_000_000)),
            ),
            models.CheckConstraint(
                name="tiers_document_type_known", condition=Q(media_type__in=MediaType.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DowngradeWarning(models.Model):
    """A member was told that a tier ends and what is missing: once for each lead and end."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, related_name="+", verbose_name=_("message")
    )
    level = models.CharField(_("tier"), max_length=CODE_MAX)
    valid_until = models.DateField(_("valid until"))
    days = models.PositiveSmallIntegerField(_("days before"))
    sent_at = models.DateTimeField(_("sent at"))
    evidence = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("warning of a downgrade")
        verbose_name_plural = _("warnings of downgrades")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "valid_until", "days"], name="tiers_downgradewarning_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.valid_until} −{self.days}"
