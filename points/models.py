"""
The ledger's tables. They are written by the functions in `points/sql`, and only by them. That some
columns are never negative is said by their types in the database (migrations/0002_ledger.py).

What must always hold: a member's entries add up to the balance, to what waits and to what is held;
the open lots add up to the balance too, or there is none of them while it is below zero (a debt);
`seq` has no gaps; entries and activities are never changed nor deleted: the database sees to it.
"""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from common.models import Approval
from members.models import Group, Member
from messaging.models import Message
from partners.models import ApiClient, Organization, Store
from programme.models import Version
from programme.policies import NEVER


class EntryKind(models.TextChoices):
    EARN = "EARN", _("Earned")
    VEST = "VEST", _("Vested")
    REDEEM = "REDEEM", _("Redeemed")
    HOLD = "HOLD", _("Held")
    RELEASE = "RELEASE", _("Released")
    REVERSE = "REVERSE", _("Taken back")
    REINSTATE = "REINSTATE", _("Reinstated")
    ADJUST = "ADJUST", _("Adjusted")
    EXPIRE = "EXPIRE", _("Expired")
    FORFEIT = "FORFEIT", _("Forfeited")
    TRANSFER_OUT = "TRANSFER_OUT", _("Transferred away")
    TRANSFER_IN = "TRANSFER_IN", _("Received")
    POOL_OUT = "POOL_OUT", _("Spent by the family or company")
    POOL_IN = "POOL_IN", _("From the family or company")
    POOL_BACK = "POOL_BACK", _("Returned within the family or company")
    MERGE_OUT = "MERGE_OUT", _("Moved to another account")
    MERGE_IN = "MERGE_IN", _("Moved from another account")
    EXTEND = "EXTEND", _("Validity changed")


class PointType(models.TextChoices):
    """P1: where points come from."""

    INITIAL = "INITIAL", _("Initial points")
    CONSUMPTION = "CONSUMPTION", _("Consumption points")
    ACTIVITY = "ACTIVITY", _("Activity points")
    OTHER = "OTHER", _("Other points")


class AdjustmentReason(models.TextChoices):
    MISSED = "MISSED", _("Points were missed")
    DUPLICATE = "DUPLICATE", _("Points were given twice")
    COMPLAINT = "COMPLAINT", _("Settlement of a complaint")
    GOODWILL = "GOODWILL", _("Goodwill")
    SYSTEM_ERROR = "SYSTEM_ERROR", _("System error")
    FRAUD = "FRAUD", _("Fraud")


class ActivityKind(models.TextChoices):
    PURCHASE = "PURCHASE", _("Purchase")
    RETURN = "RETURN", _("Return")
    ACTIVITY = "ACTIVITY", _("Engagement")


def _kept(to: Any, **options: Any) -> Any:
    """
    A reference to a row that is never deleted: the application's role may not.

    So it needs no constraint, which would cost each posting a look-up. Indexes are those below.
    """
    return models.ForeignKey(
        to,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        **{"related_name": "+"} | options,
    )


class Account(models.Model):
    """The one row an operation locks. No index on a column that postings change: they stay HOT."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.PROTECT)
    balance = models.BigIntegerField(
        db_default=0, help_text="What can be spent or has lapsed unswept; below zero, a debt."
    )
    pending = models.BigIntegerField(db_default=0, help_text="What has not vested yet.")
    held = models.BigIntegerField(db_default=0, help_text="What is set aside by holds.")
    qualifying = models.BigIntegerField(
        db_default=0,
        help_text="All qualifying points; neither spending nor expiry touch them (T3).",
    )
    # No constraint: it would be checked at each posting, and a merge writes both.
    merged_into = models.ForeignKey(
        Member, null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False,
        related_name="+", help_text="Nothing can be posted to a merged account.",
    )  # fmt: skip
    seq = models.IntegerField(db_default=0, help_text="Number of the latest entry.")
    lapses_on = models.DateField(
        db_default=NEVER,
        help_text="The last day of everything, where validity is a cycle or ends by inactivity.",
    )

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        permissions = [
            ("adjust_points", "Can correct a balance by hand"),
            ("approve_points", "Can approve what others want to do with points"),
            ("merge_accounts", "Can merge the accounts of two members and take that apart"),
            ("transfer_points", "Can transfer points between members"),
        ]
        indexes = [
            # The night finds accounts that lapse as a whole; most never do.
            models.Index(
                fields=["lapses_on"], condition=Q(lapses_on__lt=NEVER), name="points_account_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id}: {self.balance}"


class LotQuerySet(models.QuerySet["Lot"]):
    def with_credit(self) -> "LotQuerySet":
        """Each with `credit`: how many points its entry brought."""
        brought = Entry.objects.filter(member_id=OuterRef("member_id"), seq=OuterRef("seq"))
        return self.annotate(credit=Subquery(brought.values(total=F("points") + F("pending"))))


class Lot(models.Model):
    """What is left of a credit, with its last day; an empty lot has no row."""

    # The primary key is the order of spending: earliest expiry first.
    pk = models.CompositePrimaryKey("member_id", "expires_on", "seq")
    member = _kept(Member, related_name="lots")
    remaining = models.BigIntegerField()
    expires_on = models.DateField(help_text="The last day the points can be spent, inclusive.")
    seq = models.IntegerField(help_text="The entry that made the lot.")

    # By `with_credit`.
    credit: int

    objects = LotQuerySet.as_manager()

    class Meta:
        verbose_name = _("lot")
        verbose_name_plural = _("lots")
        indexes = [
            # The night finds the lots that are due.
            models.Index(fields=["expires_on"], name="points_lot_due"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq}: {self.remaining} until {self.expires_on}"


class Pending(models.Model):
    """Points of one line of an earn that have not vested yet; gone when they have."""

    pk = models.CompositePrimaryKey("member_id", "seq", "line")
    member = _kept(Member)
    points = models.BigIntegerField()
    seq = models.IntegerField(help_text="The entry that earned them.")
    expires_on = models.DateField(help_text="The last day they can be spent once they have vested.")
    vests_on = models.DateField(null=True, help_text="Null: when somebody says so.")
    line = models.CharField(max_length=64, help_text="The document's line; empty for all of it.")

    class Meta:
        verbose_name = _("pending points")
        verbose_name_plural = _("pending points")
        indexes = [
            # The night finds what is due.
            models.Index(
                fields=["vests_on"], condition=Q(vests_on__isnull=False), name="points_pending_due"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq}/{self.line}: {self.points}"


class Hold(models.Model):
    """Points a till has set aside; gone when the hold has ended. Its entry tells of which lots."""

    pk = models.CompositePrimaryKey("member_id", "seq")
    member = _kept(Member)
    points = models.BigIntegerField()
    until = models.DateTimeField(help_text="After that the points are given back.")
    seq = models.IntegerField(help_text="The entry that set them aside.")

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        indexes = [
            # The sweep finds those that are over.
            models.Index(fields=["until"], name="points_hold_until"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq}: {self.points}"


class Merge(models.Model):
    """Two accounts made one, so that it can be taken apart again."""

    member = _kept(Member, help_text="Whose account was given up.")
    into = _kept(Member)
    merged_at = models.DateTimeField(_("merged at"))
    unmerged_at = models.DateTimeField(_("taken apart at"), null=True)
    actor = _kept(settings.AUTH_USER_MODEL, null=True)
    unmerged_by = _kept(settings.AUTH_USER_MODEL, null=True)
    out_seq = models.IntegerField(help_text="The entry that left the one account …")
    first_seq = models.IntegerField(help_text="… and the first …")
    last_seq = models.IntegerField(help_text="… to the last that came into the other.")
    lapses_on = models.DateField(help_text="What the account given up had said.")
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        constraints = [
            models.UniqueConstraint(
                fields=["member"], condition=Q(unmerged_at=None), name="points_merge_once_at_a_time"
            ),
            models.CheckConstraint(
                name="points_merge_of_two", condition=~Q(member_id=F("into_id"))
            ),
        ]
        indexes = [
            # Where an account's points went, and whose came to it.
            models.Index(fields=["member"], name="points_merge_from"),
            models.Index(fields=["into"], name="points_merge_into"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} → {self.into_id}"


class Funding(models.Model):
    """
    Who pays for points, in shares of ten thousand. Rows are shared and never change (P13).

    `organizations`, `shares` and `budgets` belong together by place; a budget is a campaign's or a
    department's own name for the purse, and may be empty.
    """

    organizations = ArrayField(models.BigIntegerField())
    shares = ArrayField(models.IntegerField(), help_text="Of 10,000; together 10,000.")
    budgets = ArrayField(models.CharField(max_length=64))

    class Meta:
        verbose_name = _("funding")
        verbose_name_plural = _("fundings")
        # That the shares add up stands in points/sql/funding_rules.sql.
        constraints = [
            models.UniqueConstraint(
                fields=["organizations", "shares", "budgets"], name="points_funding_once"
            )
        ]

    def __str__(self) -> str:
        return ", ".join(
            f"{organization}: {share / 100:g} %"
            for organization, share in zip(self.organizations, self.shares, strict=True)
        )


# In the explanation of what budgets paid, or a return gave them back, and of what campaigns gave.
PURSE_KEYS = ["budgets", "campaigns", "freed"]
# The same as SQL, in the words of the index, so that it is used.
WITH_PURSE = "explanation ?| ARRAY['budgets', 'campaigns', 'freed']"


class Activity(models.Model):
    """
    The journal: what a member did, as reported, how it was judged and what came of it.

    `reference` is the issuer's own name for it, such as a document number.
    """

    member = _kept(Member)
    issuer = _kept(Organization)
    store = _kept(Store, verbose_name=_("store"))
    client = _kept(ApiClient, null=True)
    version = _kept(Version)
    original = _kept(
        "self", null=True, related_name="returns", help_text="The purchase a return gives back."
    )
    occurred_at = models.DateTimeField(_("occurred at"))
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())
    points = models.BigIntegerField(
        help_text="Signed: what it was judged to be worth. The entry tells what moved."
    )
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=2)
    kind = models.CharField(max_length=8, choices=ActivityKind.choices)
    reference = models.CharField(_("reference"), max_length=64)
    code = models.CharField(
        max_length=50,
        null=True,
        help_text="What was done, by the rulebook; null where it was paid.",
    )
    fingerprint = models.BinaryField(
        max_length=16, help_text="Hash of what was asked; see repeats."
    )
    lines = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    explanation = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        constraints = [
            # One document, one member: unique across the programme, not per account. The reference
            # comes first: it tells most, so that it alone is compared on the way down.
            models.UniqueConstraint(
                fields=["reference", "issuer", "kind"], name="points_activity_reference_once"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="points_activity_amount"),
            models.CheckConstraint(
                condition=Q(kind="PURCHASE", original=None)
                | Q(kind="RETURN", original__isnull=False)
                | Q(kind="ACTIVITY", original=None, code__isnull=False),
                name="points_activity_return_names_purchase",
            ),
        ]
        indexes = [
            # What one member did, newest first.
            models.Index(fields=["member", "-occurred_at"], name="points_activity_of_member"),
            # The returns of one purchase.
            models.Index(
                fields=["original"],
                condition=Q(original__isnull=False),
                name="points_activity_returns",
            ),
            # How often one member did something within a time, and what it gave: caps ask this of
            # the index alone.
            models.Index(
                fields=["member", "code", "occurred_at"],
                include=["points"],
                condition=Q(code__isnull=False),
                name="points_activity_of_code",
            ),
            # What budgets paid for, or got back, and what campaigns gave: few rows of all.
            models.Index(
                fields=["occurred_at"],
                condition=Q(explanation__has_any_keys=PURSE_KEYS),
                name="points_activity_of_purse",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code or self.kind} {self.reference}"


class Notice(models.Model):
    """
    A member was told that points lapse: which, when, how many. Never changed.

    Whether and how it arrived stands with its message (P6).
    """

    member = _kept(Member, verbose_name=_("member"))
    message = _kept(Message)
    points = models.BigIntegerField(_("points"))
    sent_at = models.DateTimeField(_("sent at"))
    last_day = models.DateField(_("last day"), help_text="The last day these points can be spent.")
    lead = models.CharField(max_length=8, help_text="How long before, by the rulebook: 2m, 30d.")
    lot_seq = ArrayField(models.IntegerField(), help_text="The lots that were announced.")

    class Meta:
        verbose_name = _("notice of expiry")
        verbose_name_plural = _("notices of expiry")
        indexes = [
            # What was announced of one member's lots.
            models.Index(fields=["member", "last_day"], name="points_notice_of_member"),
        ]

    def __str__(self) -> str:
        return f"{self.points}, {self.last_day}, {self.lead}"


class EntryQuerySet(models.QuerySet["Entry"]):
    def newest_first(self) -> "EntryQuerySet":
        """In the order of posting, which is the order in which `balance_after` reads."""
        return self.order_by("-seq")


class Entry(models.Model):
    """One line of the ledger, signed. INSERT only."""

    pk = models.CompositePrimaryKey("member_id", "seq")
    member = _kept(Member, related_name="entries")
    points = models.BigIntegerField(help_text="What it changed of the balance, signed.")
    pending = models.BigIntegerField(db_default=0, help_text="What it changed of what waits.")
    held = models.BigIntegerField(db_default=0, help_text="What it changed of what is held.")
    qualifying = models.BigIntegerField(
        db_default=0, help_text="What it changed of the qualifying points (T3)."
    )
    balance_after = models.BigIntegerField()
    effective_at = models.DateTimeField(help_text="When it happened for the member.")
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    activity = _kept(Activity, null=True)
    issuer = _kept(Organization, null=True)
    store = _kept(Store, null=True)
    client = _kept(ApiClient, null=True)
    version = _kept(Version, null=True)
    actor = _kept(settings.AUTH_USER_MODEL, null=True)
    funding = _kept(Funding, null=True)
    counterpart = _kept(Member, null=True, help_text="The other side of a transfer or merge.")
    group = _kept(Group, null=True, help_text="Whose shared points were spent.")
    seq = models.IntegerField()
    reverses = models.IntegerField(
        null=True,
        help_text="The entry of this member that this one takes back or brings to its end.",
    )
    counterpart_seq = models.IntegerField(null=True, help_text="Its entry there.")
    until = models.DateTimeField(null=True, help_text="A hold's end, unless it was ended sooner.")
    expires_on = models.DateField(null=True, help_text="A credit's last good day.")
    kind = models.CharField(max_length=12, choices=EntryKind.choices)
    type = models.CharField(max_length=11, choices=PointType.choices, null=True)
    reference = models.CharField(max_length=64, null=True)
    reason = models.CharField(max_length=16, choices=AdjustmentReason.choices, null=True)
    note = models.CharField(max_length=200, null=True)
    line = models.CharField(
        max_length=64, null=True, help_text="The line of the document it is about."
    )
    # What it did to which lots; a new credit's own lot is not named.
    lot_seq = ArrayField(models.IntegerField(), null=True, help_text="Lots by their entries …")
    lot_points = ArrayField(
        models.BigIntegerField(), null=True, help_text="… what each lost or got …"
    )
    lot_expires_on = ArrayField(
        models.DateField(), null=True, help_text="… and the last day each had then."
    )

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        # What else a line must be stands in points/sql/entry_rules.sql.
        constraints = [
            models.UniqueConstraint(
                fields=["reference", "issuer", "kind"],
                condition=Q(reference__isnull=False),
                name="points_entry_reference_once",
            ),
        ]
        indexes = [
            # What became of one entry: taken back, vested, given back, ended.
            models.Index(
                fields=["member", "reverses"],
                condition=Q(reverses__isnull=False),
                name="points_entry_reversals",
            ),
            # Members are told in the order of recording (points.changes). Rows come in that order
            # and never change, so that a few bytes for a megabyte of them are enough.
            BrinIndex(
                fields=["recorded_at"],
                autosummarize=True,
                pages_per_range=64,
                name="points_entry_recorded",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.kind} {self.worth:+}"

    @property
    def worth(self) -> int:
        """How many points the line is about: also those that wait, or that a hold spent."""
        if self.kind in (EntryKind.HOLD, EntryKind.RELEASE, EntryKind.VEST):
            return self.points
        return self.points + self.pending + self.held


class GrantBatchState(models.TextChoices):
    READ = "READ", _("To be looked through")
    ASKED = "ASKED", _("Sent for approval")
    RUNNING = "RUNNING", _("At work")
    DONE = "DONE", _("Done")
    DISCARDED = "DISCARDED", _("Discarded")


class GrantBatch(models.Model):
    """Points for many members, from a file that staff hand in. What it says is never changed."""

    name = models.CharField(_("file"), max_length=200)
    state = models.CharField(
        _("state"), max_length=9, choices=GrantBatchState.choices, default=GrantBatchState.READ
    )
    rows = models.IntegerField(_("rows"))
    points = models.BigIntegerField(
        _("points"), help_text=_("Of the rows that made sense when the file was read.")
    )
    granted = models.IntegerField(_("granted"), default=0)
    refused = models.IntegerField(_("refused"), default=0)
    created_at = models.DateTimeField(_("handed in at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("handed in by"),
    )  # fmt: skip
    approval = models.ForeignKey(
        Approval, null=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("approval"),
    )  # fmt: skip
    started_at = models.DateTimeField(
        _("begun at"), null=True, help_text=_("The moment all its points count from.")
    )
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("points for many")
        verbose_name_plural = _("points for many")
        constraints = [
            models.CheckConstraint(
                name="points_grantbatch_has_begun",
                condition=Q(state__in=["RUNNING", "DONE"], started_at__isnull=False)
                | Q(state__in=["READ", "ASKED", "DISCARDED"], started_at=None),
            ),
            models.CheckConstraint(
                name="points_grantbatch_done_has_a_time",
                condition=Q(state="DONE", finished_at__isnull=False)
                | (~Q(state="DONE") & Q(finished_at=None)),
            ),
            models.CheckConstraint(
                name="points_grantbatch_asked_for_has_an_approval",
                condition=~Q(state="ASKED") | Q(approval__isnull=False),
            ),
        ]
        indexes = [
            # A worker takes the oldest that is at work.
            models.Index(
                fields=["id"], condition=Q(state="RUNNING"), name="points_grantbatch_running"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}"


class GrantRow(models.Model):
    """One row of such a file, and what came of it."""

    GRANTED = "granted"

    batch = models.ForeignKey(
        GrantBatch, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    number = models.IntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    cells = ArrayField(models.TextField(), help_text="Member, points, reference and reason.")
    member = _kept(Member, null=True)
    points = models.BigIntegerField(null=True)
    outcome = models.CharField(
        max_length=64, blank=True, help_text="Empty: to be done; else granted, or a refusal's code."
    )
    details = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    entry_seq = models.IntegerField(null=True)

    class Meta:
        verbose_name = _("row of a file")
        verbose_name_plural = _("rows of a file")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="points_grantrow_once"),
            models.CheckConstraint(
                name="points_grantrow_to_be_done_is_complete",
                condition=~Q(outcome__in=["", "granted"])
                | Q(member__isnull=False, points__isnull=False),
            ),
            models.CheckConstraint(
                name="points_grantrow_granted_names_its_entry",
                condition=Q(outcome="granted", entry_seq__isnull=False)
                | (~Q(outcome="granted") & Q(entry_seq=None)),
            ),
        ]
        indexes = [
            # What is left to do.
            models.Index(
                fields=["batch", "number"], condition=Q(outcome=""), name="points_grantrow_left"
            ),
            # What an erasure takes.
            models.Index(
                fields=["member"],
                condition=Q(member__isnull=False),
                name="points_grantrow_of_member",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.number}"
