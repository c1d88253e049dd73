"""Where clients get their tokens."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views import TokenView

from common import context, limits

# A till asks once an hour. Each try costs a deliberately slow hash, so they are counted by address.
TRIES_MAX = 60
TRIES_SECONDS = 60


# No browser calls this, and no cookie counts: there is nothing to forge.
@method_decorator(csrf_exempt, name="dispatch")
class LimitedTokenView(TokenView):
    """Refuses an address that tries too often; without Redis tills matter more and it goes on."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        address = context.current.get().ip
        try:
            limits.consume(f"token:{address}", limit=TRIES_MAX, seconds=TRIES_SECONDS)
        except limits.TooMany as refusal:
            return _too_many(refusal)
        except limits.Unavailable:
            pass
        return super().dispatch(request, *args, **kwargs)


def _too_many(refusal: limits.TooMany) -> HttpResponse:
    # The shape of RFC 6749, which OAuth libraries expect here.
    return JsonResponse(
        {"error": refusal.code, "error_description": refusal.sentence},
        status=refusal.status,
        headers={"Retry-After": str(refusal.details["retry_after"]), "Cache-Control": "no-store"},
    )
