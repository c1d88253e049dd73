"""
Tables of orders: what a member took out of the catalogue, and every step on its way to them.

An order names its claim (item, listing, price, pieces) and the ledger's entry that paid for it:
while money is waited for, the one that set the points aside. What must always hold: no points
without their debit, which a foreign key sees to; a state is reached only from those before it,
which a trigger sees to; the steps say who led it where, when and why. Money: `models.payments`.
"""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from benefits.models.items import Claim, Handover
from benefits.models.rights import NOTE_MAX
from common.fields import EncryptedTextField
from members.models import Member
from partners.models import ApiClient, Store

REFERENCE_MAX = 40
CARRIER_MAX = 50
SHIPMENT_MAX = 50


class OrderState(models.TextChoices):
    PLACED = "PLACED", _("Placed")
    PAID = "PAID", _("Paid")
    PICKED = "PICKED", _("Picked")
    SHIPPED = "SHIPPED", _("Shipped")
    READY = "READY", _("Ready at the store")
    RECEIVED = "RECEIVED", pgettext_lazy("an order", "Received")
    CLOSED = "CLOSED", _("Completed")
    CANCELLED = "CANCELLED", _("Cancelled")
    RETURN_ASKED = "RETURN_ASKED", _("Return asked for")
    RETURNED = "RETURNED", _("Returned")


class Order(models.Model):
    """Pieces of one item for one member. Never deleted; its address may go."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    reference = models.CharField(
        max_length=REFERENCE_MAX, help_text="The orderer's own name for it: what tells a repeat."
    )
    placed_store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("placed at the store"),
        help_text="The store whose system placed it for the member; none: the member.",
    )  # fmt: skip
    claim = models.OneToOneField(
        Claim, on_delete=models.PROTECT, related_name="order", verbose_name=_("claim")
    )
    points = models.PositiveBigIntegerField(_("points"), help_text="Of all pieces together.")
    debit_seq = models.BigIntegerField(
        null=True,
        help_text="The member's entry in the ledger that paid, or holds; none if only money pays.",
    )
    points_back = models.PositiveBigIntegerField(
        _("points given back"), null=True, help_text="After a cancellation or return."
    )
    handover = models.CharField(_("handed over"), max_length=6, choices=Handover.choices)
    store = models.ForeignKey(
        Store, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    carrier = models.CharField(_("carrier"), max_length=CARRIER_MAX, blank=True, default="")
    shipment = models.CharField(
        _("shipment number"), max_length=SHIPMENT_MAX, blank=True, default=""
    )
    state = models.CharField(_("state"), max_length=12, choices=OrderState.choices)
    steps = models.PositiveSmallIntegerField(default=0)
    placed_at = models.DateTimeField(_("placed at"))
    due_at = models.DateTimeField(
        _("due"), null=True, help_text="When what comes next should have been done, or is done."
    )
    is_late = models.BooleanField(_("late"), default=False, help_text="The night found it so.")

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [
            ("work_order", "Can pick, send and hand over orders"),
            ("refund_order", "Can cancel orders and take them back"),
            ("export_order", "Can export orders for the warehouse, with addresses"),
        ]
        constraints = [
            # It also leads to a member's orders.
            models.UniqueConstraint(
                fields=["member", "reference"], name="benefits_order_reference_once"
            ),
            # Of a store's system: of whichever member, and whoever asks at the same moment.
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(placed_store__isnull=False),
                name="benefits_order_systems_reference_once",
            ),
            models.CheckConstraint(
                name="benefits_order_at_a_store",
                condition=Q(handover="STORE", store__isnull=False)
                | ~Q(handover="STORE") & Q(store=None),
            ),
            models.CheckConstraint(
                name="benefits_order_shipment_is_named",
                condition=Q(carrier="", shipment="")
                | Q(handover="SHIP") & ~Q(carrier="") & ~Q(shipment=""),
            ),
            models.CheckConstraint(
                name="benefits_order_shipped_by_somebody",
                condition=~Q(state="SHIPPED") | ~Q(shipment=""),
            ),
            models.CheckConstraint(
                name="benefits_order_points_come_back_at_the_end",
                condition=Q(state__in=["CANCELLED", "RETURNED"], points_back__isnull=False)
                | ~Q(state__in=["CANCELLED", "RETURNED"]) & Q(points_back=None),
            ),
            models.CheckConstraint(
                name="benefits_order_points_are_debited",
                condition=Q(points=0, debit_seq=None) | Q(points__gt=0, debit_seq__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_order_not_more_back_than_paid",
                condition=Q(points_back=None) | Q(points_back__lte=models.F("points")),
            ),
        ]
        indexes = [
            # The console's list, the latest first.
            models.Index(fields=["state", "-id"], name="benefits_order_by_state"),
            # The night's work: what is due.
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="benefits_order_due"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """As people say it: D0000000012."""
        return f"D{self.pk:010}"


class OrderAddress(models.Model):
    """Where an order is sent. Personal data: unlike the order it may go."""

    order = models.OneToOneField(
        Order, primary_key=True, on_delete=models.PROTECT, related_name="address"
    )
    recipient = EncryptedTextField(_("recipient"))
    phone = EncryptedTextField(_("phone"))
    address = EncryptedTextField(_("address"))

    class Meta:
        verbose_name = _("address of an order")
        verbose_name_plural = _("addresses of orders")

    def __str__(self) -> str:
        return str(self.order_id)


class OrderStepKind(models.TextChoices):
    PLACED = "PLACED", _("Placed")
    PAID = "PAID", _("Paid")
    PICKED = "PICKED", _("Picked")
    SHIPPED = "SHIPPED", _("Shipped")
    READY = "READY", _("Ready at the store")
    RECEIVED = "RECEIVED", pgettext_lazy("an order", "Received")
    CLOSED = "CLOSED", _("Completed")
    CANCELLED = "CANCELLED", _("Cancelled")
    RETURN_ASKED = "RETURN_ASKED", _("Return asked for")
    RETURN_REFUSED = "RETURN_REFUSED", _("Return refused")
    RETURNED = "RETURNED", _("Returned")


class Taker(models.TextChoices):
    """Who takes a step."""

    MEMBER = "MEMBER", _("The member")
    STAFF = "STAFF", _("Staff")
    CLIENT = "CLIENT", _("The store's system")
    NIGHT = "NIGHT", _("Automatic")


class Why(models.TextChoices):
    """
    What members choose from: their own words would stay for ever. The last is nobody's choice.
    """

    CHANGED_MIND = "CHANGED_MIND", _("I changed my mind")
    MISTAKE = "MISTAKE", _("I ordered the wrong thing")
    DAMAGED = "DAMAGED", _("It is damaged")
    WRONG_ITEM = "WRONG_ITEM", _("It is not what I ordered")
    NEVER_CAME = "NEVER_CAME", _("It never came")
    OTHER = "OTHER", _("Another reason")
    NOT_PAID = "NOT_PAID", _("It was not paid in time")


CHOSEN = [each for each in Why if each != Why.NOT_PAID]


class OrderStep(models.Model):
    """What happened to an order: who, when and why. INSERT only."""

    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, db_index=False, related_name="taken",
        verbose_name=_("order"),
    )  # fmt: skip
    nth = models.PositiveSmallIntegerField()
    kind = models.CharField(_("kind"), max_length=14, choices=OrderStepKind.choices)
    at = models.DateTimeField(_("at"))
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When we wrote it down.")
    taker = models.CharField(_("by whom"), max_length=6, choices=Taker.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, db_index=False,
        related_name="+", verbose_name=_("by"),
    )  # fmt: skip
    client = models.ForeignKey(
        ApiClient, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("API client"),
    )  # fmt: skip
    why = models.CharField(_("why"), max_length=12, choices=Why.choices, blank=True, default="")
    note = models.CharField(_("note"), max_length=NOTE_MAX, blank=True, default="")

    class Meta:
        verbose_name = _("step of an order")
        verbose_name_plural = _("steps of orders")
        constraints = [
            models.UniqueConstraint(
                fields=["order", "nth"], name="benefits_orderstep_one_after_another"
            ),
            models.CheckConstraint(
                name="benefits_orderstep_taken_by_somebody",
                condition=Q(taker="STAFF", actor__isnull=False, client=None)
                | Q(taker="CLIENT", actor=None, client__isnull=False)
                | Q(taker__in=["MEMBER", "NIGHT"], actor=None, client=None),
            ),
            models.CheckConstraint(
                name="benefits_orderstep_refusal_has_a_reason",
                condition=~Q(kind__in=["CANCELLED", "RETURN_ASKED", "RETURN_REFUSED", "RETURNED"])
                | ~Q(note="")
                | ~Q(why=""),
            ),
        ]
        indexes = [
            # Members are told in the order of recording (benefits.order_changes).
            BrinIndex(
                fields=["recorded_at"],
                autosummarize=True,
                pages_per_range=64,
                name="benefits_orderstep_recorded",
            )
        ]

    def __str__(self) -> str:
        return f"{self.order_id}-{self.nth} {self.kind}"
