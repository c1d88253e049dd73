"""One version of the rulebook: its policies in words and its rules."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.views.generic import TemplateView

from campaigns import words as earning_words
from membership.console import ConsolePage
from programme import words
from programme.models import Version
from programme.policies import Policies


class RulebookPage(ConsolePage, TemplateView):
    template_name = "console/rulebook.html"
    permission_required = "programme.view_version"

    @cached_property
    def version(self) -> Version:
        versions = Version.objects.select_related("published_by")
        return get_object_or_404(versions, number=self.kwargs["number"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        version = self.version
        after = (
            Version.objects.filter(valid_from__gt=version.valid_from, published_at__isnull=False)
            .order_by("valid_from")
            .first()
        )
        return super().get_context_data(
            version=version,
            title=gettext("Rulebook %(version)s") % {"version": version},
            valid_until=after.valid_from if after else None,
            policies=words.policies(Policies.parse(version.policies)),
            rules=earning_words.rules(version.pk),
            **context,
        )


URLS: dict[str, tuple[str, Any]] = {"rulebook": ("rulebook/<int:number>/", RulebookPage)}
