"""
The ledger's tables. They are written by the functions in `points/sql`, and only by them.

What must always hold: a member's entries add up to the balance; the open lots add up to it too,
or there is none of them while the balance is below zero (a debt); `seq` has no gaps; entries and
activities are never changed nor deleted, which the database enforces.
"""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from members.models import Member
from partners.models import ApiClient, Organization, Store
from programme.models import Version


class EntryKind(models.TextChoices):
    EARN = "EARN", _("Earned")
    REDEEM = "REDEEM", _("Redeemed")
    REVERSE = "REVERSE", _("Taken back")
    ADJUST = "ADJUST", _("Adjusted")
    EXPIRE = "EXPIRE", _("Expired")
    FORFEIT = "FORFEIT", _("Forfeited")


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
    """The one row an operation locks. No index on a column that changes: updates stay HOT."""

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.PROTECT)
    balance = models.BigIntegerField(
        default=0, help_text="All points on the books; below zero, a debt."
    )
    seq = models.IntegerField(default=0, help_text="Number of the latest entry.")

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        permissions = [("adjust_points", "Can correct a balance by hand")]

    def __str__(self) -> str:
        return f"{self.member_id}: {self.balance}"


class Lot(models.Model):
    """The points of one credit and how many of them are left; an empty lot has no row."""

    # The primary key is the order of spending: earliest expiry first.
    pk = models.CompositePrimaryKey("member_id", "expires_on", "seq")
    member = _kept(Member, related_name="lots")
    points = models.BigIntegerField(help_text="What the credit brought.")
    remaining = models.BigIntegerField()
    expires_on = models.DateField(help_text="The last day the points can be spent, inclusive.")
    seq = models.IntegerField(help_text="The entry that made the lot.")

    class Meta:
        verbose_name = _("lot")
        verbose_name_plural = _("lots")
        constraints = [
            models.CheckConstraint(
                name="points_lot_remaining_within_points",
                condition=Q(remaining__gt=0, remaining__lte=F("points")),
            )
        ]
        indexes = [
            # The night finds the lots that are due.
            models.Index(fields=["expires_on"], name="points_lot_due"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq}: {self.remaining}/{self.points}"


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
    fingerprint = models.BinaryField(
        max_length=16, help_text="Hash of what was asked; see repeats."
    )
    lines = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    explanation = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        constraints = [
            # One document, one member: unique across the programme, not per account.
            models.UniqueConstraint(
                fields=["issuer", "kind", "reference"], name="points_activity_reference_once"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="points_activity_amount"),
            models.CheckConstraint(
                condition=Q(kind="PURCHASE", original=None)
                | Q(kind="RETURN", original__isnull=False),
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
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class EntryQuerySet(models.QuerySet["Entry"]):
    def newest_first(self) -> "EntryQuerySet":
        """In the order of posting, which is the order in which `balance_after` reads."""
        return self.order_by("-seq")


class Entry(models.Model):
    """One line of the ledger, signed. INSERT only."""

    pk = models.CompositePrimaryKey("member_id", "seq")
    member = _kept(Member, related_name="entries")
    points = models.BigIntegerField(help_text="Credits are positive, debits negative.")
    balance_after = models.BigIntegerField()
    effective_at = models.DateTimeField(help_text="When it happened for the member.")
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    activity = _kept(Activity, null=True)
    issuer = _kept(Organization, null=True)
    store = _kept(Store, null=True)
    client = _kept(ApiClient, null=True)
    version = _kept(Version, null=True)
    actor = _kept(settings.AUTH_USER_MODEL, null=True)
    seq = models.IntegerField()
    reverses = models.IntegerField(null=True, help_text="The seq of the entry this takes back.")
    expires_on = models.DateField(null=True, help_text="A credit's last good day.")
    kind = models.CharField(max_length=8, choices=EntryKind.choices)
    type = models.CharField(max_length=11, choices=PointType.choices, null=True)
    reference = models.CharField(max_length=64, null=True)
    reason = models.CharField(max_length=16, choices=AdjustmentReason.choices, null=True)
    note = models.CharField(max_length=200, null=True)
    lot_seq = ArrayField(models.IntegerField(), null=True, help_text="Lots a debit took from …")
    lot_points = ArrayField(
        models.BigIntegerField(), null=True, help_text="… and how much of each."
    )

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        # What else a line must be stands in points/sql/entry_rules.sql.
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "kind", "reference"],
                condition=Q(reference__isnull=False),
                name="points_entry_reference_once",
            ),
        ]
        indexes = [
            # What was taken back of one earn.
            models.Index(
                fields=["member", "reverses"],
                condition=Q(reverses__isnull=False),
                name="points_entry_reversals",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.kind} {self.points:+}"
