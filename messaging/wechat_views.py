"""Binding the WeChat account of whoever opens our page in WeChat, and ending that."""

import hmac
import secrets
import time

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from common.errors import DomainError
from members.views import MemberPage
from messaging import operations
from messaging.channels import wechat

# What a browser that was sent to WeChat must bring back, and since when it is away.
STATE = "wechat_state"
BACK_WITHIN_SECONDS = 600


class WeChatPart(MemberPage):
    """Where there is an official account."""

    def setup(self, request: HttpRequest, *args: object, **kwargs: object) -> None:
        super().setup(request, *args, **kwargs)
        if not settings.WECHAT_APP_ID:
            raise Http404

    def back_to_the_choices(self, outcome: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(f"{reverse('messaging:settings')}?wechat={outcome}#wechat")


@method_decorator(never_cache, name="dispatch")
class BindPage(WeChatPart):
    """Sends the browser to WeChat. Nothing changes before it comes back with the state."""

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        state = secrets.token_hex(16)
        request.session[STATE] = [state, int(time.time())]
        back = settings.SITE_URL + reverse("messaging:wechat_back")
        return HttpResponseRedirect(wechat.authorization_url(back=back, state=state))


@method_decorator(never_cache, name="dispatch")
class BackPage(WeChatPart):
    """Where WeChat sends the browser to, with a code. A state is good once, in its own session."""

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        state, since = request.session.pop(STATE, ["", 0])
        given, code = request.GET.get("state", ""), request.GET.get("code", "")
        is_ours = bool(state) and hmac.compare_digest(state.encode(), given.encode())
        if not is_ours or not code or time.time() - since > BACK_WITHIN_SECONDS:
            return self.back_to_the_choices("refused")
        try:
            operations.bind_by_code(member_id=self.member.pk, code=code, at=timezone.now())
        except DomainError:
            return self.back_to_the_choices("refused")
        return self.back_to_the_choices("bound")


@method_decorator(require_POST, name="dispatch")
class UnbindPage(WeChatPart):
    def post(self, request: HttpRequest) -> HttpResponse:
        operations.unbind_follower(member_id=self.member.pk)
        return self.back_to_the_choices("unbound")
