"""Earning rules as staff read them, and the imports of purchases."""

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.models import EarningRule, ImportRun
from campaigns.words import rate
from common.staff import ReadOnlyAdmin


@admin.register(EarningRule)
class EarningRuleAdmin(ReadOnlyAdmin):
    list_display = ["told", "code", "version", "position", "rate_told", "applies_to"]
    list_select_related = ["version"]
    list_filter = [("version", admin.RelatedOnlyFieldListFilter)]
    ordering = ["-version__number", "position"]
    fields = ["told", "code", "version", "position", "rate_told", "applies_to"]
    readonly_fields = ["told", "rate_told", "applies_to"]

    @display(description=_("Rule"))
    def told(self, rule: EarningRule) -> str:
        return str(rule)

    @display(description=_("Rate"))
    def rate_told(self, rule: EarningRule) -> str:
        return rate(rule.points, rule.per_amount)

    @display(description=_("Line categories"))
    def applies_to(self, rule: EarningRule) -> str:
        return ", ".join(rule.categories) or gettext("All")


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = [
        "started_at",
        "store",
        "rows_done",
        "posted",
        "repeated",
        "refused",
        "finished_at",
    ]
    list_select_related = ["store"]
