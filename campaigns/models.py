from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.localized import localized
from partners.models import Store
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
