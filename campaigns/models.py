from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from common.localized import localized
from members.models import Member, Product, Tag
from messaging.models import Message
from partners.models import Organization, Store
from programme.models import Version


class EarningRule(models.Model):
    """Points for money: `points` for each `per_amount` of a line. The first that fits counts."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="earning_rules", verbose_name=_("version")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.SlugField(_("code"))
    names = models.JSONField(_("names"))
    categories = ArrayField(
        models.CharField(max_length=32),
        verbose_name=_("line categories"),
        help_text="Empty: lines of every category.",
    )
    points = models.DecimalField(_("points"), max_digits=12, decimal_places=4)
    per_amount = models.DecimalField(_("per amount"), max_digits=14, decimal_places=2)
    tiers = models.JSONField(
        _("by tier"), default=dict, help_text="Tier code → points, per_amount where they differ."
    )
    conditions = models.JSONField(
        _("conditions"), default=dict, help_text="`where` of the programme file."
    )

    class Meta:
        verbose_name = _("earning rule")
        verbose_name_plural = _("earning rules")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_rule_code_once"),
            models.UniqueConstraint(
                fields=["version", "position"], name="campaigns_rule_position_once"
            ),
            models.CheckConstraint(
                condition=Q(points__gte=0, per_amount__gt=0), name="campaigns_rule_rate"
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class Stacking(models.TextChoices):
    ADD = "ADD", _("Added to what the rules give")
    MULTIPLY = "MULTIPLY", _("Multiplies what the rules and other boosts give")
    BEST = "BEST", _("The best of its group")
    EXCLUSIVE = "EXCLUSIVE", _("Stands alone")


class Boost(models.Model):
    """More points than the rules give, on certain days, for certain members or goods."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="boosts", verbose_name=_("version")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.SlugField(_("code"))
    names = models.JSONField(_("names"))
    conditions = models.JSONField(_("conditions"), help_text="`when` of the programme file.")
    gives = models.JSONField(_("gives"), help_text="A percent, a factor or whole points.")
    stacking = models.CharField(_("stacking"), max_length=9, choices=Stacking.choices)
    group = models.CharField(_("group"), max_length=50, blank=True)
    priority = models.PositiveSmallIntegerField(
        _("priority"), default=0, help_text=_("The greater goes first.")
    )

    class Meta:
        verbose_name = _("boost")
        verbose_name_plural = _("boosts")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_boost_code_once"),
            models.UniqueConstraint(
                fields=["version", "position"], name="campaigns_boost_position_once"
            ),
            models.CheckConstraint(
                condition=Q(stacking=Stacking.BEST) ^ Q(group=""),
                name="campaigns_boost_best_of_a_group",
            ),
            models.CheckConstraint(
                condition=~Q(stacking=Stacking.MULTIPLY, gives__has_key="points"),
                name="campaigns_boost_whole_points_do_not_multiply",
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class ImportRun(models.Model):
    """How far the import of one file came, so that a second start goes on behind it."""

    digest = models.CharField(
        max_length=64, help_text=_("SHA-256 of the file and how it was read.")
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, verbose_name=_("store"))
    rows_done = models.BigIntegerField(_("rows done"), default=0)
    posted = models.BigIntegerField(_("posted"), default=0)
    repeated = models.BigIntegerField(_("repeated"), default=0)
    refused = models.BigIntegerField(_("refused"), default=0)
    started_at = models.DateTimeField(_("started at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("import run")
        verbose_name_plural = _("import runs")
        constraints = [
            models.UniqueConstraint(fields=["digest", "store"], name="campaigns_importrun_once")
        ]

    def __str__(self) -> str:
        return f"{self.digest[:12]} {self.rows_done}"


class MemberImportState(models.TextChoices):
    HANDED_IN = "HANDED_IN", _("To be set up")
    CHECKING = "CHECKING", _("Being checked")
    CHECKED = "CHECKED", _("Checked")
    RUNNING = "RUNNING", _("At work")
    DONE = "DONE", _("Done")
    DISCARDED = "DISCARDED", _("Discarded")


class MemberImport(models.Model):
    """
    A file of historical members (M4): how it is read, how far it came, what became of its rows.

    One that staff hand in is kept, sealed, until its rows need not be looked at any more.
    """

    name = models.CharField(_("file"), max_length=200)
    state = models.CharField(_("state"), max_length=9, choices=MemberImportState.choices)
    is_kept = models.BooleanField(_("file is kept"))
    encoding = models.CharField(_("encoding"), max_length=20, blank=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("organization"), help_text=_("Whose external numbers they are."),
    )  # fmt: skip
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("enrolling store"),
    )  # fmt: skip
    mapping = models.JSONField(_("mapping"), default=dict)
    is_active = models.BooleanField(_("active at once"), default=False)
    tags = ArrayField(models.CharField(max_length=50), default=list, verbose_name=_("tags"))
    points = models.BigIntegerField(_("starting points"), default=0)
    rate = models.DecimalField(
        _("points per unit of spend"), max_digits=12, decimal_places=4, null=True
    )
    digest = models.CharField(
        max_length=64, blank=True, help_text=_("SHA-256 of the file and how it was read.")
    )
    rows = models.BigIntegerField(_("rows"), null=True)
    rows_done = models.BigIntegerField(_("rows done"), default=0)
    report = models.JSONField(
        _("report"), default=dict, help_text="Of the check, and from the start on of the import."
    )
    created_at = models.DateTimeField(_("handed in at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        db_index=False, verbose_name=_("handed in by"),
    )  # fmt: skip
    started_at = models.DateTimeField(
        _("begun at"), null=True, help_text=_("The moment all its points count from.")
    )
    finished_at = models.DateTimeField(_("finished at"), null=True)
    # Until then a worker has it; one that was killed gives it up by that.
    leased_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("import of members")
        verbose_name_plural = _("imports of members")
        permissions = [("import_members", "Can import members from a file and invite them")]
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], condition=~Q(digest=""), name="campaigns_memberimport_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["RUNNING", "DONE"], started_at__isnull=False)
                | (~Q(state__in=["RUNNING", "DONE"]) & Q(started_at=None)),
                name="campaigns_memberimport_has_begun",
            ),
            models.CheckConstraint(
                condition=Q(state="DONE", finished_at__isnull=False)
                | (~Q(state="DONE") & Q(finished_at=None)),
                name="campaigns_memberimport_done_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(points__gte=0) & (Q(rate=None) | Q(rate__gt=0)),
                name="campaigns_memberimport_gives",
            ),
        ]
        indexes = [
            # A worker takes the oldest there is something to do for.
            models.Index(
                fields=["id"],
                condition=Q(state__in=["CHECKING", "RUNNING"]),
                name="campaigns_memberimport_open",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}"


class MemberImportPart(models.Model):
    """A piece of a file that staff handed in, sealed: it is full of personal data."""

    run = models.ForeignKey(
        MemberImport, on_delete=models.PROTECT, related_name="parts", db_index=False
    )
    nth = models.IntegerField()
    content = EncryptedTextField(help_text="Base64 of the compressed bytes.")

    class Meta:
        verbose_name = _("piece of a file")
        verbose_name_plural = _("pieces of files")
        constraints = [
            models.UniqueConstraint(fields=["run", "nth"], name="campaigns_memberimportpart_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.nth}"


class MemberImportProblem(models.Model):
    """What is wrong or suspicious about a row of a kept file."""

    run = models.ForeignKey(
        MemberImport, on_delete=models.PROTECT, related_name="problems", db_index=False
    )
    row = models.IntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    field = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=64)
    details = EncryptedTextField(blank=True, help_text="JSON; it may quote the cell.")
    is_refused = models.BooleanField()

    class Meta:
        verbose_name = _("problem of a row")
        verbose_name_plural = _("problems of rows")
        indexes = [models.Index(fields=["run", "row"], name="campaigns_importproblem_of_row")]

    def __str__(self) -> str:
        return f"{self.run_id}:{self.row} {self.code}"


class BroughtMember(models.Model):
    """Which row of which file brought a member: a row that comes again brings nobody."""

    run = models.ForeignKey(
        MemberImport, on_delete=models.PROTECT, related_name="brought", db_index=False
    )
    row = models.IntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    member = models.OneToOneField(
        Member, primary_key=True, on_delete=models.PROTECT, related_name="brought_by"
    )

    class Meta:
        verbose_name = _("brought member")
        verbose_name_plural = _("brought members")
        constraints = [
            models.UniqueConstraint(fields=["run", "row"], name="campaigns_broughtmember_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}:{self.row} {self.member_id}"


class BroughtProduct(models.Model):
    """Which row of which file told of a further product of somebody an earlier row had brought."""

    run = models.ForeignKey(
        MemberImport, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    row = models.IntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    product = models.OneToOneField(
        Product, primary_key=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = _("brought product")
        verbose_name_plural = _("brought products")
        constraints = [
            models.UniqueConstraint(fields=["run", "row"], name="campaigns_broughtproduct_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}:{self.row} {self.product_id}"


class InvitationRound(models.Model):
    """Pre-registered members of an import, or with a tag, are asked to prove who they are."""

    run = models.ForeignKey(
        MemberImport, null=True, on_delete=models.PROTECT, related_name="rounds",
        verbose_name=_("import of members"),
    )  # fmt: skip
    tag = models.ForeignKey(
        Tag, null=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("tag"),
    )  # fmt: skip
    days = models.PositiveSmallIntegerField(_("days the link is good for"))
    again = models.BooleanField(_("also who was invited before"))
    created_at = models.DateTimeField(_("begun at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("begun by"),
    )  # fmt: skip
    last_member = models.BigIntegerField(default=0, help_text="How far it is.")
    invited = models.BigIntegerField(_("invited"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("round of invitations")
        verbose_name_plural = _("rounds of invitations")
        constraints = [
            models.CheckConstraint(
                condition=Q(run=None) ^ Q(tag=None), name="campaigns_invitationround_of_one"
            )
        ]
        indexes = [
            # A worker takes the oldest that is not finished.
            models.Index(
                fields=["id"],
                condition=Q(finished_at=None),
                name="campaigns_invitationround_open",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Invitation(models.Model):
    """A link for one member. Who is asked again gets another one; each works once."""

    round = models.ForeignKey(InvitationRound, on_delete=models.PROTECT, related_name="invitations")
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="invitations", db_index=False
    )
    nth = models.PositiveSmallIntegerField()
    message = models.OneToOneField(
        Message, null=True, on_delete=models.PROTECT, related_name="invitation"
    )
    last_day = models.DateField(_("good until"))
    used_at = models.DateTimeField(_("used at"), null=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(fields=["member", "nth"], name="campaigns_invitation_nth")
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.nth}"


class Period(models.TextChoices):
    """For how long a cap counts. Weeks begin on Monday."""

    DAY = "day", _("a day")
    WEEK = "week", _("a week")
    MONTH_QUARTER = "month_quarter", _("a quarter of a month")
    MONTH = "month", _("a month")
    YEAR = "year", _("a year")
    LIFETIME = "lifetime", _("a lifetime")


class ActivityGroup(models.TextChoices):
    """What a tier's criterion counts an activity as."""

    INTERACTION = "interaction", _("Interaction")
    EVENT = "event", _("Event")
    REFERRAL = "referral", _("Referral")
    TASK = "task", _("Task")


class _Rule(models.Model):
    """What every part of a version has: a place, a code and a name."""

    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, related_name="+", verbose_name=_("version")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    code = models.SlugField(_("code"))
    names = models.JSONField(_("names"))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return localized(self.names)


class ActivityRule(_Rule):
    """Something a member can do besides buying, and what it is worth each time."""

    group = models.CharField(_("group"), max_length=11, choices=ActivityGroup.choices)
    points = models.BigIntegerField(_("points"))
    once_per = models.CharField(_("once in"), max_length=13, choices=Period.choices, blank=True)

    class Meta:
        verbose_name = _("activity rule")
        verbose_name_plural = _("activity rules")
        constraints = [
            models.UniqueConstraint(
                fields=["version", "code"], name="campaigns_activityrule_code_once"
            ),
            models.CheckConstraint(
                condition=Q(points__gte=0), name="campaigns_activityrule_not_negative"
            ),
        ]


class Cap(_Rule):
    """
    The most that some activities or earning rules may give one member in a period.

    In points, in times, or as a share of the points of another type.
    """

    of = ArrayField(models.CharField(max_length=50), verbose_name=_("applies to"))
    per = models.CharField(_("per"), max_length=13, choices=Period.choices)
    points = models.BigIntegerField(_("points"), null=True)
    times = models.IntegerField(_("times"), null=True)
    share = models.DecimalField(_("percent"), max_digits=5, decimal_places=2, null=True)
    of_type = models.CharField(_("of the points of type"), max_length=11, blank=True)

    class Meta:
        verbose_name = _("cap")
        verbose_name_plural = _("caps")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_cap_code_once"),
            models.CheckConstraint(
                condition=Q(points__gte=0, times=None, share=None, of_type="")
                | Q(points=None, times__gte=0, share=None, of_type="")
                | Q(points=None, times=None, share__gt=0, of_type="consumption"),
                name="campaigns_cap_has_one_measure",
            ),
        ]


class Budget(_Rule):
    """The most that some activities or earning rules may give all members together."""

    of = ArrayField(models.CharField(max_length=50), verbose_name=_("applies to"))
    points = models.BigIntegerField(_("points"))
    money = models.DecimalField(
        _("money"),
        max_digits=14,
        decimal_places=2,
        null=True,
        help_text="If it was given in money; the points are what it bought when it was written.",
    )
    dealer = models.CharField(
        _("dealer"), max_length=50, blank=True, help_text="Its code; empty: whoever reports."
    )
    first_day = models.DateField(_("from"), null=True)
    last_day = models.DateField(_("until"), null=True, help_text="Inclusive.")

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_budget_code_once"),
            models.CheckConstraint(condition=Q(points__gt=0), name="campaigns_budget_positive"),
            models.CheckConstraint(
                condition=Q(first_day=None) | Q(last_day=None) | Q(last_day__gte=F("first_day")),
                name="campaigns_budget_ends_after_it_begins",
            ),
        ]


class BudgetPurse(models.Model):
    """
    What a budget was given, whichever versions name it: a newer version may change how much.

    The points lie in slices, so that those who spend at the same time need not wait for one row.
    """

    code = models.SlugField(_("code"), primary_key=True)
    points = models.BigIntegerField(_("points"))
    version_number = models.PositiveIntegerField(help_text="The version that said so last.")

    class Meta:
        verbose_name = _("budget purse")
        verbose_name_plural = _("budget purses")
        constraints = [
            models.CheckConstraint(condition=Q(points__gte=0), name="campaigns_budgetpurse_natural")
        ]

    def __str__(self) -> str:
        return self.code


class BudgetSlice(models.Model):
    """A part of a purse that is not spent yet."""

    pk = models.CompositePrimaryKey("purse_id", "nth")
    purse = models.ForeignKey(
        BudgetPurse, on_delete=models.PROTECT, related_name="slices", db_index=False
    )
    nth = models.SmallIntegerField()
    remaining = models.BigIntegerField()

    class Meta:
        verbose_name = _("slice of a budget")
        verbose_name_plural = _("slices of budgets")
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0), name="campaigns_budgetslice_not_overspent"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purse_id}/{self.nth}: {self.remaining}"


class GiftOccasion(models.TextChoices):
    JOINED = "joined", _("Joining")
    ACTIVATED = "activated", _("Activation")
    PRODUCT_BOUND = "product_bound", _("Binding of a product")
    YEAR_END = "year_end", _("Year's end")


class Gift(_Rule):
    """Points given once on an occasion, or each year for what was spent in it."""

    when = models.CharField(_("occasion"), max_length=13, choices=GiftOccasion.choices)
    points = models.DecimalField(_("points"), max_digits=12, decimal_places=4)
    since = models.DateField(_("launch"), null=True)
    within_months = models.PositiveSmallIntegerField(_("within months"), null=True)
    categories = ArrayField(
        models.CharField(max_length=32), default=list, verbose_name=_("line categories")
    )
    per_amount = models.DecimalField(_("per amount"), max_digits=14, decimal_places=2, null=True)

    class Meta:
        verbose_name = _("gift")
        verbose_name_plural = _("gifts")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_gift_code_once"),
            models.CheckConstraint(
                condition=Q(points__gt=0)
                & (
                    Q(when="year_end", per_amount__gt=0)
                    | (~Q(when="year_end") & Q(per_amount=None))
                ),
                name="campaigns_gift_has_a_rate_at_years_end",
            ),
            models.CheckConstraint(
                condition=Q(within_months=None) | Q(when="product_bound", since__isnull=False),
                name="campaigns_gift_months_count_from_a_launch",
            ),
        ]


class CampaignKind(models.TextChoices):
    EARNING = "earning", _("Earning points")
    ENGAGEMENT = "engagement", _("Engagement")
    MEMBER_DAY = "member_day", _("Member day")
    FESTIVAL = "festival", _("Festival")
    JOINT = "joint", _("Joint with a partner")
    LAUNCH = "launch", _("Launch")


class Campaign(_Rule):
    """
    Boosts, rules, activities, tasks and gifts that count only in some days, with one budget (C1).

    Later versions that name it by its code say what it is from then on.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=CampaignKind.choices)
    first_day = models.DateField(_("from"))
    last_day = models.DateField(_("until"), help_text="Inclusive.")
    goal = models.JSONField(_("goal"), default=dict, help_text="By language.")
    of = ArrayField(models.CharField(max_length=50), verbose_name=_("applies to"))
    points = models.BigIntegerField(_("budget in points"), null=True)
    money = models.DecimalField(
        _("budget in money"), max_digits=14, decimal_places=2, null=True,
        help_text="If it was given in money; the points are what it bought when it was written.",
    )  # fmt: skip
    expected = models.JSONField(
        _("expected"), default=dict, help_text="Of `members`, `points`, `spend`; spend as text."
    )

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        constraints = [
            models.UniqueConstraint(
                fields=["version", "code"], name="campaigns_campaign_code_once"
            ),
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="campaigns_campaign_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(points=None, money=None) | Q(points__gt=0),
                name="campaigns_campaign_budget_positive",
            ),
        ]
        indexes = [
            # What the versions said of one campaign.
            models.Index(fields=["code"], name="campaigns_campaign_of_code"),
        ]


class Evaluation(models.Model):
    """What staff wrote about a campaign after its end. The latest counts; none is changed."""

    campaign = models.SlugField(_("campaign"), help_text="Its code.")
    text = models.CharField(_("text"), max_length=4000)
    written_at = models.DateTimeField(_("written at"))
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("written by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("evaluation of a campaign")
        verbose_name_plural = _("evaluations of campaigns")
        constraints = [
            models.CheckConstraint(
                condition=~Q(text=""), name="campaigns_evaluation_says_something"
            )
        ]
        indexes = [
            # The latest of one campaign.
            models.Index(fields=["campaign", "-id"], name="campaigns_evaluation_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} {self.written_at:%Y-%m-%d}"


class TaskStep(models.TextChoices):
    """What a member does to complete a task."""

    JOINED = "joined", _("Join")
    ACTIVATED = "activated", _("Activate the membership")
    PROFILE_COMPLETE = "profile_complete", _("Complete the profile")
    PRODUCT_BOUND = "product_bound", _("Bind a product")
    FIRST_PURCHASE = "first_purchase", _("Make a first purchase")
    UPGRADED = "upgraded", _("Rise to a higher tier")


class Task(_Rule):
    """A step that is rewarded once when a member takes it (M7)."""

    when = models.CharField(_("step"), max_length=16, choices=TaskStep.choices)
    points = models.BigIntegerField(_("points"))

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="campaigns_task_code_once"),
            models.CheckConstraint(condition=Q(points__gte=0), name="campaigns_task_not_negative"),
        ]


class SegmentKind(models.TextChoices):
    LIVE = "LIVE", _("Live")
    KEPT = "KEPT", _("Kept list")


class Segment(models.Model):
    """A group of members by a definition (`campaigns.segments`). Switched off, never deleted."""

    name = models.CharField(_("name"), max_length=100)
    note = models.CharField(_("note"), max_length=500, blank=True)
    kind = models.CharField(_("kind"), max_length=4, choices=SegmentKind.choices)
    definition = models.JSONField(_("definition"))
    tag = models.ForeignKey(
        Tag,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("tag of its members"),
    )
    kept_at = models.DateTimeField(_("kept at"), null=True)
    is_active = models.BooleanField(_("in use"), default=True)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(_("created at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    changed_at = models.DateTimeField(_("changed at"))
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("changed by"),
    )

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        permissions = [("export_segment", "Can export the members of a segment")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(is_active=True), name="campaigns_segment_name_once"
            ),
            # Two rules for one tag would take it off each other's members.
            models.UniqueConstraint(
                fields=["tag"], condition=Q(is_active=True), name="campaigns_segment_tag_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="KEPT", kept_at__isnull=False) | Q(kind="LIVE", kept_at=None),
                name="campaigns_segment_kept_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(kind="LIVE") | Q(tag=None),
                name="campaigns_segment_tag_follows_a_live_one",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_kept(self) -> bool:
        return self.kind == SegmentKind.KEPT


class SegmentMember(models.Model):
    """Who stands in a kept list. INSERT only."""

    pk = models.CompositePrimaryKey("segment_id", "member_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.PROTECT, db_index=False, related_name="listed"
    )
    # Members are never deleted; a list of a million is written at once.
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )

    class Meta:
        verbose_name = _("member of a kept list")
        verbose_name_plural = _("members of kept lists")

    def __str__(self) -> str:
        return f"{self.segment_id} {self.member_id}"
