"""
Tables of money for orders: what is to be paid, how it was put to a provider, what providers said of
it, and what goes back.

An order whose price asks for money has one payment. What must always hold: what is to be paid does
not change; it is put to the provider in one way at a time; it is paid once, by one transaction of
the provider; what was paid and is not wanted any more has a refund. Triggers and constraints see
to the first three, the night's proof to the last.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from benefits.models.orders import Order
from benefits.payments import port

# As long as WeChat Pay lets a merchant's number be.
NUMBER_MAX = 32
TRANSACTION_MAX = 64
ADDRESS_MAX = 512
TROUBLE_MAX = 200


class PaymentState(models.TextChoices):
    WAITING = "WAITING", _("Not paid yet")
    PAID = "PAID", _("Paid")
    # Not wanted any more: what is paid all the same goes back.
    CLOSED = "CLOSED", _("Not asked for any more")


class Payment(models.Model):
    """The money that an order costs, asked for once."""

    order = models.OneToOneField(
        Order, on_delete=models.PROTECT, related_name="payment", verbose_name=_("order")
    )
    provider = models.CharField(_("payment provider"), max_length=10)
    number = models.CharField(
        _("number of the payment"), max_length=NUMBER_MAX, help_text="Ours, at the provider."
    )
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    until = models.DateTimeField(_("to be paid until"))
    state = models.CharField(_("state"), max_length=7, choices=PaymentState.choices)
    transaction = models.CharField(
        _("number at the provider"), max_length=TRANSACTION_MAX, blank=True, default=""
    )
    paid_at = models.DateTimeField(_("paid at"), null=True, help_text="By the provider's clock.")
    due_at = models.DateTimeField(null=True, help_text="When the provider is asked again.")
    trouble = models.CharField(
        _("what the provider said"), max_length=TROUBLE_MAX, blank=True, default=""
    )

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.UniqueConstraint(fields=["number"], name="benefits_payment_number_once"),
            models.UniqueConstraint(
                fields=["provider", "transaction"], condition=~Q(transaction=""),
                name="benefits_payment_transaction_once",
            ),
            models.CheckConstraint(
                name="benefits_payment_asks_something", condition=Q(amount__gt=0)
            ),
            models.CheckConstraint(
                name="benefits_payment_paid_by_a_transaction",
                condition=Q(state="PAID", paid_at__isnull=False) & ~Q(transaction="")
                | ~Q(state="PAID") & Q(paid_at=None, transaction=""),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="benefits_payment_due"
            )
        ]

    def __str__(self) -> str:
        return self.number


class PaymentWay(models.TextChoices):
    NATIVE = port.NATIVE, _("A code for another phone")
    H5 = port.H5, _("On this phone, in WeChat")
    JSAPI = port.JSAPI, _("Inside WeChat")


class PaymentTry(models.Model):
    """
    A payment as it was put to its provider in one way. Each has a number of its own: one that was
    closed, or asked for in another way, is of no more use there.
    """

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, db_index=False, related_name="tries"
    )
    nth = models.PositiveSmallIntegerField()
    way = models.CharField(max_length=6, choices=PaymentWay.choices)
    number = models.CharField(max_length=NUMBER_MAX, help_text="Ours, at the provider.")
    address = models.CharField(
        max_length=ADDRESS_MAX, blank=True, default="",
        help_text="What the payer's phone opens; empty: the provider has not said yet.",
    )  # fmt: skip
    begun_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, help_text="Since when nobody can pay it so.")

    class Meta:
        verbose_name = _("payment put to a provider")
        verbose_name_plural = _("payments put to providers")
        constraints = [
            models.UniqueConstraint(fields=["number"], name="benefits_paymenttry_number_once"),
            # It also leads to a payment's tries.
            models.UniqueConstraint(
                fields=["payment", "nth"], name="benefits_paymenttry_numbered"
            ),
            models.UniqueConstraint(
                fields=["payment"], condition=Q(closed_at=None),
                name="benefits_paymenttry_one_at_a_time",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.number


class Verdict(models.TextChoices):
    """What was made of a provider's word that a payment is paid."""

    TAKEN = "TAKEN", _("The order is paid")
    LATE = "LATE", _("Too late: it goes back")
    OTHER_AMOUNT = "OTHER_AMOUNT", _("Refused: another amount or currency")
    SECOND = "SECOND", _("Refused: it was paid by another transaction")


class PaymentNews(models.Model):
    """A provider's word that a payment is paid, and what came of it. Repeats leave none. INSERT
    only."""

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, db_index=False, related_name="news"
    )
    transaction = models.CharField(max_length=TRANSACTION_MAX)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    was_asked = models.BooleanField(help_text="We asked; else the provider told us.")
    at = models.DateTimeField(_("at"))
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("news of a payment")
        verbose_name_plural = _("news of payments")
        constraints = [
            # It also leads to a payment's news.
            models.UniqueConstraint(
                fields=["payment", "transaction", "verdict"], name="benefits_paymentnews_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} {self.verdict}"


class RefundState(models.TextChoices):
    WAITING = "WAITING", _("To be asked for")
    RUNNING = "RUNNING", _("On its way")
    DONE = "DONE", pgettext_lazy("money", "Given back")
    FAILED = "FAILED", _("Failed: see to it at the provider")


class Refund(models.Model):
    """All of a payment, given back: the order was cancelled or taken back, or it came too late."""

    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="refund", verbose_name=_("payment")
    )
    number = models.CharField(
        _("number of the refund"), max_length=NUMBER_MAX, help_text="Ours, at the provider."
    )
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    state = models.CharField(_("state"), max_length=7, choices=RefundState.choices)
    name = models.CharField(
        _("number at the provider"), max_length=TRANSACTION_MAX, blank=True, default=""
    )
    made_at = models.DateTimeField(_("wanted since"))
    done_at = models.DateTimeField(_("given back at"), null=True)
    due_at = models.DateTimeField(null=True, help_text="When the provider is asked again.")
    tries = models.PositiveIntegerField(default=0)
    trouble = models.CharField(
        _("what the provider said"), max_length=TROUBLE_MAX, blank=True, default=""
    )

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(fields=["number"], name="benefits_refund_number_once"),
            models.CheckConstraint(name="benefits_refund_gives", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="benefits_refund_done_at_a_moment",
                condition=Q(state="DONE", done_at__isnull=False)
                | ~Q(state="DONE") & Q(done_at=None),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="benefits_refund_due"
            )
        ]

    def __str__(self) -> str:
        return self.number
