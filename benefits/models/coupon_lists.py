"""
Tables of lists: files of members who get a coupon of a batch each, and what came of each row.

What must always hold: a row's outcome is final, a member gets one coupon of a list, and of a row
that is nobody's only its number is known: what was typed into it is kept nowhere.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import Coupon, CouponBatch, CouponRun
from members.models import Member


class CouponList(models.Model):
    """A file that staff handed in. Whether its coupons are being issued, its run tells."""

    batch = models.ForeignKey(
        CouponBatch, on_delete=models.PROTECT, related_name="lists", verbose_name=_("batch")
    )
    name = models.CharField(_("file"), max_length=200)
    fingerprint = models.BinaryField(
        max_length=32, help_text="Keyed hash of the file, by which it is known again."
    )
    rows = models.PositiveIntegerField(_("rows"))
    refused = models.PositiveIntegerField(
        _("refused"), help_text="When the file was read; more may be as coupons are issued."
    )
    created_at = models.DateTimeField(_("handed in at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False,
        verbose_name=_("handed in by"),
    )  # fmt: skip
    run = models.OneToOneField(
        CouponRun, null=True, on_delete=models.PROTECT, related_name="list", verbose_name=_("work")
    )

    class Meta:
        verbose_name = _("list of members for coupons")
        verbose_name_plural = _("lists of members for coupons")
        constraints = [
            models.CheckConstraint(
                name="benefits_couponlist_refused_are_rows_of_it",
                condition=Q(rows__gte=1, refused__lte=F("rows")),
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}"

    @property
    def good(self) -> int:
        """How many rows made sense when the file was read."""
        return self.rows - self.refused


class CouponRow(models.Model):
    """One row of such a file, and what came of it."""

    ISSUED = "issued"

    list = models.ForeignKey(
        CouponList, on_delete=models.PROTECT, db_index=False, related_name="lines"
    )
    number = models.PositiveIntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    member = models.ForeignKey(
        Member, null=True, on_delete=models.PROTECT, db_index=False, related_name="+",
        verbose_name=_("member"),
    )  # fmt: skip
    outcome = models.CharField(
        max_length=64, blank=True, default="",
        help_text="Empty: to be done; else issued, or a refusal's code.",
    )  # fmt: skip
    details = models.JSONField(default=dict, help_text="Numbers its sentence needs.")
    coupon = models.OneToOneField(Coupon, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("row of a list")
        verbose_name_plural = _("rows of a list")
        constraints = [
            models.UniqueConstraint(fields=["list", "number"], name="benefits_couponrow_once"),
            models.UniqueConstraint(
                fields=["list", "member"],
                condition=Q(outcome__in=["", "issued"]),
                name="benefits_couponrow_member_once",
            ),
            models.CheckConstraint(
                name="benefits_couponrow_to_be_done_names_a_member",
                condition=~Q(outcome__in=["", "issued"]) | Q(member__isnull=False),
            ),
            models.CheckConstraint(
                name="benefits_couponrow_issued_names_its_coupon",
                condition=Q(outcome="issued", coupon__isnull=False)
                | ~Q(outcome="issued") & Q(coupon=None),
            ),
        ]
        indexes = [
            # What is left to do.
            models.Index(
                fields=["list", "number"], condition=Q(outcome=""), name="benefits_couponrow_left"
            )
        ]

    def __str__(self) -> str:
        return f"{self.list_id}/{self.number}"
