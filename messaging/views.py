import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.vary import vary_on_headers
from django.views.generic import TemplateView, View

from common import languages
from common.htmx import HtmxRequest
from members import consents
from members.models import ConsentPurpose
from members.views import MemberPage
from messaging import models, operations, queries, receipts, stopping, templates, wordings
from messaging.forms import ReaderForm
from messaging.models import REFUSABLE, Channel, ChoiceSource, Purpose
from messaging.restraint import needs_consent

CODES_SHOWN = 50
PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Line:
    """What the inbox shows of a message."""

    subject: str
    body: str
    at: datetime
    is_new: bool
    # The path of the page it is about, or empty.
    page: str


@dataclass(frozen=True, slots=True)
class Offered:
    """A purpose and whether its messages are wanted on each channel."""

    purpose: Purpose
    channels: list[tuple[Channel, bool]]


@method_decorator(vary_on_headers("HX-Request"), name="dispatch")
class InboxPage(MemberPage):
    """What was said to the member, newest first; htmx gets the list alone. Seen here is read."""

    def get_template_names(self) -> list[str]:
        part = self.request.htmx and not self.request.htmx.history_restore_request
        return ["messaging/messages.html" if part else "messaging/inbox.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        before = self._before()
        found = list(queries.inbox(self.member.pk, before=before)[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        unread = [message.pk for message in shown if message.read_at is None]
        if unread:
            operations.read(member_id=self.member.pk, message_ids=unread, at=timezone.now())
        texts = wordings.in_the_inbox(shown)
        lines = []
        for message in shown:
            text = texts[message.pk]
            is_new = message.read_at is None
            page = templates.page_of(message.template, message.variables)
            lines.append(Line(text.subject, text.body, message.created_at, is_new, page))
        return super().get_context_data(
            lines=lines,
            is_first_page=before is None,
            # Lines put behind others: their first one takes the focus of the link they replace.
            added=bool(self.request.htmx and before),
            older=shown[-1].pk if len(found) > PAGE_SIZE else None,
            **kwargs,
        )

    def _before(self) -> int | None:
        """Where to go on; whatever else stands there means the newest."""
        given = self.request.GET.get("before", "")
        return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


class SettingsPage(MemberPage):
    """What the member wants to hear, where, in which language, and when it is night there."""

    template_name = "messaging/settings.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        choices = queries.choices(self.member.pk)
        hears_offers = consents.has(self.member.pk, ConsentPurpose.MARKETING)
        reader = queries.reader(self.member.pk)
        form = kwargs.pop("form", None) or ReaderForm(
            initial={"language": reader.language, "time_zone": reader.time_zone}
        )
        return super().get_context_data(
            purposes=[
                Offered(purpose, [(channel, choices[purpose, channel]) for channel in REFUSABLE])
                for purpose in models.CHOSEN
                if hears_offers or not needs_consent(purpose)
            ],
            hears_offers=hears_offers,
            form=form,
            is_saved="saved" in self.request.GET,
            has_wechat=bool(settings.WECHAT_APP_ID),
            follower=queries.follower(self.member.pk) if settings.WECHAT_APP_ID else None,
            wechat_outcome=self.request.GET.get("wechat", ""),
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ReaderForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        operations.choose(
            member_id=self.member.pk,
            wanted={
                (purpose, channel): f"{purpose}-{channel}" in request.POST
                for purpose, channel in queries.CHOSEN
                if purpose in request.POST.getlist("asked")
            },
            at=timezone.now(),
            source=ChoiceSource.PAGE,
        )
        operations.set_reader(member_id=self.member.pk, **form.cleaned_data)
        response = HttpResponseRedirect(f"{request.path}?saved")
        # The pages speak the language of the messages.
        language = form.cleaned_data["language"]
        return languages.remember(response, language) if language else response


@method_decorator(never_cache, name="dispatch")
# Mail programs send the POST of RFC 8058 without cookies; the link's signature says whose it is.
@method_decorator(csrf_exempt, name="dispatch")
class StopPage(TemplateView):
    """Stops e-mails of a kind: by one click here, or by the mail program's own button."""

    template_name = "messaging/stop.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        try:
            _number, purpose, channel = stopping.read(kwargs["token"])
        except stopping.UnknownLink as refusal:
            raise Http404 from refusal
        return super().get_context_data(purpose=purpose.label, channel=channel.label, **kwargs)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        context = self.get_context_data(token=token, is_done=True)
        operations.unsubscribe(token=token, at=timezone.now())
        return self.render_to_response(context)


@method_decorator(csrf_exempt, name="dispatch")
class SmsReceipts(View):
    """Takes the SMS provider's receipts; whoever does not know the address finds nothing here."""

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        wanted, provider = settings.SMS_RECEIPT_TOKEN, settings.SMS_PROVIDER
        if not wanted or not hmac.compare_digest(token.encode(), wanted.encode()):
            raise Http404
        try:
            told = receipts.read(provider, json.loads(request.body))
        except (ValueError, KeyError, receipts.NotReceipts):
            return JsonResponse({"code": "not_receipts"}, status=HTTPStatus.BAD_REQUEST)
        operations.note_receipts(receipts=told, channel=Channel.SMS, at=timezone.now())
        return JsonResponse(receipts.answer(provider))


@method_decorator(never_cache, name="dispatch")
class SandboxCodesPage(TemplateView):
    """The one-time codes that would have gone out by SMS. Routed only in a sandbox."""

    request: HtmxRequest

    def get_template_names(self) -> list[str]:
        return ["messaging/codes.html" if self.request.htmx else "messaging/sandbox_codes.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        codes = list(queries.latest_sandbox_codes(CODES_SHOWN))
        return super().get_context_data(codes=codes, **kwargs)
