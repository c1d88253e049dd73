"""One version of the rulebook: its policies in words and its rules."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from campaigns import words
from membership.activity_page import ROUNDED
from membership.console import ConsolePage
from programme.models import Version
from programme.policies import Policies, Validity

UNTIL = {
    "day": _("%(months)s months after the day they were earned"),
    "month_end": _("%(months)s months, to the end of that month"),
    "quarter_end": _("%(months)s months, to the end of that quarter"),
    "year_end": _("%(months)s months, to the end of that year"),
}
AFTER_SPENDING = {
    "debt": _("the balance goes below zero; the next points make up for it"),
    "write_off": _("what is missing is written off"),
    "refuse": _("the return is refused"),
}


class RulebookPage(ConsolePage, TemplateView):
    template_name = "console/rulebook.html"
    permission_required = "programme.view_version"

    @cached_property
    def version(self) -> Version:
        versions = Version.objects.select_related("published_by")
        return get_object_or_404(versions, number=self.kwargs["number"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        version = self.version
        policies = Policies.parse(version.policies)
        after = (
            Version.objects.filter(valid_from__gt=version.valid_from, published_at__isnull=False)
            .order_by("valid_from")
            .first()
        )
        return super().get_context_data(
            version=version,
            title=gettext("Rulebook %(version)s") % {"version": version},
            valid_until=after.valid_from if after else None,
            policies=[
                (gettext("Points live"), _validity(policies.validity)),
                (gettext("Rounding"), ROUNDED[policies.rounding.mode, policies.rounding.per]),
                (
                    gettext("If points of a returned purchase are spent"),
                    AFTER_SPENDING[policies.return_after_spending],
                ),
            ],
            rules=words.rules(version.pk),
            **context,
        )


def _validity(validity: Validity) -> str:
    if validity.months is None:
        return gettext("for ever")
    return str(UNTIL[validity.until]) % {"months": validity.months}


URLS: dict[str, tuple[str, Any]] = {"rulebook": ("rulebook/<int:number>/", RulebookPage)}
