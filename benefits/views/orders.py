from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timezone import localdate

from benefits import words
from benefits.forms.orders import OrderForm, WhyForm
from benefits.models.items import Handover, Item
from benefits.models.orders import Order, OrderState
from benefits.operations import orders as operations
from benefits.queries import items as catalogue
from benefits.queries import orders as queries
from benefits.queries import payments
from common.amounts import money
from common.errors import DomainError
from members import queries as members
from members.views import MemberPage
from points import queries as points

ORDERS_SHOWN = 50


class OrderItemPage(MemberPage):
    """What is ordered, what it costs and leaves, and how the member gets it; then it is ordered."""

    template_name = "shop/order_item.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self._is_hindered():
            # That page says why.
            return redirect("benefits:item", code=self.item.code)
        return self.render_to_response(self._told(self._form()))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self._form(request.POST)
        if form.is_valid():
            try:
                order = operations.place(
                    member=members.identity_of(self.member.pk),
                    item_id=self.item.pk,
                    price_id=form.cleaned_data["price"],
                    quantity=form.cleaned_data["quantity"],
                    delivery=form.delivery(),
                    at=timezone.now(),
                    reference=form.cleaned_data["reference"],
                )
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                is_paid = order.state != OrderState.PLACED
                return redirect("benefits:order" if is_paid else "benefits:order_pay", pk=order.pk)
        return self.render_to_response(self._told(form), status=422)

    @cached_property
    def item(self) -> Item:
        try:
            return catalogue.item(self.kwargs["code"])
        except catalogue.UnknownItem as error:
            raise Http404 from error

    @cached_property
    def shopper(self) -> catalogue.Shopper:
        return catalogue.shopper(self.member.pk, localdate())

    @cached_property
    def said(self) -> catalogue.Said:
        assert self.item.live is not None, "it was listed"
        return catalogue.said(self.item.live)

    def _is_hindered(self) -> bool:
        return any(
            True
            for _each in catalogue.obstacles(self.item, self.shopper, self.said, at=timezone.now())
        )

    def _form(self, said: Any = None) -> OrderForm:
        listing = self.item.live
        assert listing is not None, "it was listed"
        return OrderForm(
            said,
            initial={"reference": uuid4().hex},
            prices=self._prices(),
            handovers=listing.handovers,
            stores=queries.stores(listing),
        )

    def _prices(self) -> list[Any]:
        return payments.payable(self.said.paid(self.shopper.tier))

    def _told(self, form: OrderForm) -> dict[str, Any]:
        now = timezone.now()
        spendable = points.spendable_points(self.member.pk, on=localdate(now), at=now)
        paid = self._prices()
        return self.get_context_data(
            form=form,
            item=self.item,
            listing=self.item.live,
            spendable=spendable,
            after=spendable - paid[0].points if paid else None,
        )


class OrdersPage(MemberPage):
    template_name = "shop/orders.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = queries.of_member(self.member.pk)[:ORDERS_SHOWN]
        return super().get_context_data(orders=found, **kwargs)


class OrderPage(MemberPage):
    """An order with its steps, and what the member can do now."""

    template_name = "shop/order.html"

    @cached_property
    def order(self) -> Order:
        found = queries.of_member(self.member.pk).select_related("address", *queries.WITH_ITEM)
        order = found.filter(pk=self.kwargs["pk"]).first()
        if order is None:
            raise Http404
        return order

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        order = self.order
        # The page of the payment has it already.
        payment = kwargs.pop("payment", None) or payments.of_order(order.pk)
        cash = payment.amount if payment else Decimal(0)
        return super().get_context_data(
            order=order,
            price=words.price(order.points, cash),
            amount=money(payment.amount, payment.currency) if payment else "",
            can_pay=order.state == OrderState.PLACED and timezone.now() < payment.until
            if payment
            else False,
            listing=order.claim.listing,
            handover=words.handover(order.handover),
            address=getattr(order, "address", None),
            steps=queries.steps(order.pk),
            coupons=queries.coupons_given(order),
            outcomes=queries.draws_given(order),
            payment=payment,
            can_cancel=order.state in (OrderState.PLACED, OrderState.PAID),
            can_receive=order.state == OrderState.SHIPPED,
            can_return=order.state == OrderState.RECEIVED and order.handover != Handover.ONLINE,
            **kwargs,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """It has come."""
        try:
            operations.receive(order_id=self.order.pk, at=timezone.now())
        except DomainError as refusal:
            context = self.get_context_data(refusal=refusal.sentence)
            return self.render_to_response(context, status=refusal.status)
        return redirect("benefits:order", pk=self.order.pk)


class _WhyPage(OrderPage):
    """Asks why, says what comes of it, and does it."""

    template_name = "shop/order_why.html"
    is_return = False

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", WhyForm())
        return super().get_context_data(is_return=self.is_return, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = WhyForm(request.POST)
        if form.is_valid():
            try:
                self.do(form.cleaned_data["why"])
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                return redirect("benefits:order", pk=self.order.pk)
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def do(self, why: str) -> None:
        raise NotImplementedError


class CancelPage(_WhyPage):
    def do(self, why: str) -> None:
        operations.cancel(order_id=self.order.pk, why=why, at=timezone.now())


class ReturnPage(_WhyPage):
    is_return = True

    def do(self, why: str) -> None:
        operations.ask_return(order_id=self.order.pk, why=why, at=timezone.now())
