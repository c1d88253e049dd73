from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.localized import localized


class Programme(models.Model):
    """The programme of this installation. There is one row."""

    code = models.SlugField(unique=True)
    names = models.JSONField(help_text="The name in each language.")
    currency = models.CharField(max_length=3, default="CNY")
    points_per_currency_unit = models.PositiveIntegerField(
        default=10, help_text="What a point is worth: 10 points are 1 yuan."
    )
    color = models.CharField(
        max_length=7, default="#1f5eff", help_text="The brand's colour, #rrggbb."
    )
    only_one = models.BooleanField(default=True, editable=False)

    class Meta:
        verbose_name = _("programme")
        verbose_name_plural = _("programmes")
        constraints = [
            models.CheckConstraint(condition=Q(only_one=True), name="programme_programme_flag"),
            models.UniqueConstraint(fields=["only_one"], name="programme_programme_only_one"),
            models.CheckConstraint(
                condition=Q(points_per_currency_unit__gt=0), name="programme_programme_worth"
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class Version(models.Model):
    """
    A version of the rulebook. Once published nothing of it changes, nor of what hangs on it.

    It is valid from its first day until the next published version's first day.
    """

    number = models.PositiveIntegerField(_("number"), unique=True)
    valid_from = models.DateField(_("valid from"))
    policies = models.JSONField(help_text="See programme.policies.")
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(_("published at"), null=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("published by"),
    )

    class Meta:
        verbose_name = _("rulebook version")
        verbose_name_plural = _("rulebook versions")
        constraints = [
            models.UniqueConstraint(
                fields=["valid_from"],
                condition=Q(published_at__isnull=False),
                name="programme_version_one_a_day",
            ),
            models.CheckConstraint(
                condition=Q(published_by=None) | ~Q(published_at=None),
                name="programme_version_publisher_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"
