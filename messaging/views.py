from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from common.htmx import HtmxRequest
from messaging import queries

SHOWN = 50


@method_decorator(never_cache, name="dispatch")
class SandboxCodesPage(TemplateView):
    """The one-time codes that would have gone out by SMS. Routed only in a sandbox."""

    request: HtmxRequest

    def get_template_names(self) -> list[str]:
        return ["messaging/codes.html" if self.request.htmx else "messaging/sandbox_codes.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(codes=list(queries.latest_sandbox_codes(SHOWN)), **kwargs)
