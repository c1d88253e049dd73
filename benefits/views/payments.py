"""Where orders are paid: the member's page, the sandbox's, and the provider's door."""

import json
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView, View

from benefits.models.payments import Payment, PaymentState, PaymentWay, Verdict
from benefits.operations import payments as operations
from benefits.payments import NotGenuine
from benefits.queries import payments as queries
from benefits.views.orders import OrderPage
from common import qr
from common.amounts import money
from common.errors import DomainError
from common.htmx import HtmxRequest
from messaging import openids
from messaging import operations as messaging

# What browsers of phones, and WeChat's own, call themselves.
PHONE, WECHAT = "Mobi", "MicroMessenger"
JSAPI = PaymentWay.JSAPI
# WeChat did not say who pays.
REFUSED = "refused"


@method_decorator(never_cache, name="dispatch")
class PayPage(OrderPage):
    """
    What is still to be paid, until when, and how: on a phone a link into WeChat, else a code for
    the payer's phone. It looks whether the money has come; then it leads to the order.
    """

    template_name = "shop/pay.html"
    request: HtmxRequest

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        payment = queries.of_order(self.order.pk)
        if payment is None:
            raise Http404
        if payment.state != PaymentState.WAITING:
            return self._away()
        return self.render_to_response(self.get_context_data(payment=payment))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask the provider for an address."""
        try:
            operations.begin(
                order_id=self.order.pk,
                at=timezone.now(),
                way=request.POST.get("way", PaymentWay.NATIVE),
                payer_ip=request.META.get("REMOTE_ADDR", ""),
            )
        except DomainError as refusal:
            payment = queries.of_order(self.order.pk)
            if payment is None or payment.state != PaymentState.WAITING:
                return self._away()
            context = self.get_context_data(payment=payment, refusal=refusal.sentence)
            return self.render_to_response(context, status=refusal.status)
        return redirect("benefits:order_pay", pk=self.order.pk)

    def _away(self) -> HttpResponse:
        response = redirect("benefits:order", pk=self.order.pk)
        if self.request.htmx:
            # htmx would put the order's page into this one.
            return HttpResponse(headers={"HX-Redirect": response.url})
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payment: Payment = kwargs["payment"]
        one = queries.open_try(payment)
        is_begun = one is not None and bool(one.address)
        browser = self.request.headers.get("User-Agent", "")
        in_wechat = WECHAT in browser
        ways = operations.ways(payment)
        has_h5 = PaymentWay.H5 in ways
        is_jsapi = in_wechat and PaymentWay.JSAPI in ways and one is not None and one.way == JSAPI
        if REFUSED in self.request.GET and "refusal" not in kwargs:
            kwargs["refusal"] = messaging.NotBound().sentence
        return super().get_context_data(
            qr=qr.drawn(one.address) if one and is_begun and one.way == PaymentWay.NATIVE else None,
            sheet=json.dumps(dict(operations.sheet(one))) if one and is_begun and is_jsapi else "",
            link=operations.link(one, at=timezone.now()) if one else "",
            # WeChat's own browser opens none of its links.
            on_this_phone=has_h5 and PHONE in browser and not in_wechat,
            in_wechat=in_wechat and PaymentWay.JSAPI in ways,
            out_of_wechat=in_wechat and has_h5 and PaymentWay.JSAPI not in ways,
            is_play=payment.provider == "sandbox",
            is_over=timezone.now() >= payment.until,
            **kwargs,
        )


@method_decorator(never_cache, name="dispatch")
class PayInWeChat(OrderPage):
    """In WeChat's own browser: WeChat is asked who pays, and the browser comes back with that."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        payment = queries.of_order(self.order.pk)
        if payment is None or PaymentWay.JSAPI not in operations.ways(payment):
            raise Http404
        back = reverse("benefits:order_pay_back", args=[self.order.pk])
        return openids.away(request, back=settings.SITE_URL + back)


@method_decorator(never_cache, name="dispatch")
class PayInWeChatBack(OrderPage):
    """Where WeChat's browser comes back to: the payment is put to WeChat for who it is."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        page, code = reverse("benefits:order_pay", args=[self.order.pk]), openids.came_back(request)
        try:
            if not code:
                raise messaging.NotBound
            openid = messaging.openid_by_code(code)
            operations.begin(
                order_id=self.order.pk, at=timezone.now(), way=PaymentWay.JSAPI, openid=openid
            )
        except DomainError:
            return redirect(f"{page}?{REFUSED}")
        return redirect(page)


@method_decorator(never_cache, name="dispatch")
class SandboxPaymentPage(TemplateView):
    """Pays with nobody's money. Routed only in a sandbox."""

    template_name = "shop/sandbox_payment.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payment = Payment.objects.filter(number=kwargs["number"], provider="sandbox").first()
        if payment is None:
            raise Http404
        return super().get_context_data(
            payment=payment, amount=money(payment.amount, payment.currency), **kwargs
        )

    def post(self, request: HttpRequest, number: str) -> HttpResponse:
        try:
            payment = operations.pay_in_sandbox(number=number, at=timezone.now())
        except operations.UnknownPayment as refusal:
            raise Http404 from refusal
        return redirect("benefits:order", pk=payment.order_id)


@method_decorator(csrf_exempt, name="dispatch")
class PaymentNotice(View):
    """
    Takes a provider's notices. What is not signed is refused and leaves no trace; what was taken
    before is answered alike, so that the provider stops.
    """

    def post(self, request: HttpRequest, provider: str) -> HttpResponse:
        try:
            verdict = operations.heard(
                provider=provider,
                headers=request.headers,
                body=request.body,
                at=timezone.now(),
            )
        except NotGenuine:
            return _refused(HTTPStatus.UNAUTHORIZED, "not genuine")
        except operations.UnknownPayment:
            return _refused(HTTPStatus.NOT_FOUND, "unknown")
        if verdict in (Verdict.OTHER_AMOUNT, Verdict.SECOND):
            return _refused(HTTPStatus.BAD_REQUEST, verdict)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _refused(status: HTTPStatus, why: str) -> JsonResponse:
    """As WeChat Pay wants it told; it then tells again, for a day."""
    return JsonResponse({"code": "FAIL", "message": why}, status=status)
