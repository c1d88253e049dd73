"""Binding the WeChat account of whoever opens our page in WeChat, and ending that."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from common.errors import DomainError
from members.views import MemberPage
from messaging import openids, operations


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
        return openids.away(request, back=settings.SITE_URL + reverse("messaging:wechat_back"))


@method_decorator(never_cache, name="dispatch")
class BackPage(WeChatPart):
    """Where WeChat sends the browser to, with a code. A state is good once, in its own session."""

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        code = openids.came_back(request)
        if not code:
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
