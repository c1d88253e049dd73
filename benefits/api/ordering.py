"""Orders that stores' systems place for members, are paid for, cancel and take back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timezone import localtime

from benefits.api.documents import CODE
from benefits.api.orders import OrderAnswer, OrderList, answer, found_order, key, system
from benefits.models.items import Handover
from benefits.models.orders import CHOSEN
from benefits.models.payments import Payment, PaymentState
from benefits.models.rights import NOTE_MAX
from benefits.operations import claims, coupons, draws, payments
from benefits.operations import orders as operations
from benefits.operations._paying import CostsMoney
from benefits.operations.orders import PIECES_MAX, Delivery
from benefits.queries import items as catalogue
from benefits.queries import payments as money
from common.api.fields import (
    Document,
    Flag,
    OneOf,
    Text,
    Whole,
    member_number,
    reference,
    store_code,
)
from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from common.personal import NamesSomebody
from members import queries as members
from members import reach
from members.phones import InvalidPhone
from members.queries import (
    MemberClosed,
    MemberFrozen,
    MemberNotActivated,
    SpendingStopped,
    UnknownMember,
)
from partners.api.authentication import caller
from partners.models import Scope
from partners.queries import UnknownStore
from points import operations as points
from programme.queries import NoRulebook

ID_MAX = 2**53 - 1
WITHIN = "Where it is placed: a store of yours."
NOTE = "Stays for ever: nothing personal."


class PlaceInput(Document):
    reference = reference(help_text="Your document number; unique in your organization.")
    member = member_number()
    store = store_code(help_text=f"{WITHIN} What is collected is collected there.")
    item = Text(limit=50, pattern=CODE, help_text="The item's code.")
    price = Whole(low=1, high=ID_MAX, help_text="One of the item's `prices`, by its `id`.")
    quantity = Whole(low=1, high=PIECES_MAX, required=False, help_text="1 by default.")
    handover = OneOf(Handover.values, help_text="One of the item's `handovers`.")
    recipient = Text(
        limit=operations.RECIPIENT_MAX, required=False, help_text="Who gets it, where it is sent."
    )
    phone = Text(limit=operations.PHONE_MAX, required=False, help_text="The recipient's.")
    address = Text(limit=operations.ADDRESS_MAX, required=False, help_text="Where to.")


class CancelOrderInput(Document):
    store = store_code(help_text="Where it was placed, or is collected.")
    why = OneOf([str(each) for each in CHOSEN])
    note = Text(limit=NOTE_MAX, required=False, help_text=NOTE)


class ReturnOrderInput(CancelOrderInput):
    to_stock = Flag(help_text="Whether the pieces can be sold again.")


class PaymentAnswer(Answer):
    """
    Money for an order. `code_url`: what a QR code shows to the member's phone; null once it is
    paid, while the member pays on the own phone, and when nobody can pay it any more.
    """

    order: str
    state: str
    amount: Decimal
    currency: str
    until: datetime
    code_url: str | None


class Orders(OrderList):
    scopes = {**OrderList.scopes, "POST": Scope.ORDERS_PLACE}
    links = {"order": link("get_orders_order", order="number")}

    @describe(
        summary="Place an order for a member",
        description=(
            "Points pay at once; where money is asked for too they are set aside, and the order "
            "waits for it: see its payment. Repeating a reference answers 200 with the first one."
        ),
        body=PlaceInput,
        answers={201: OrderAnswer, 200: (OrderAnswer, "Placed before.")},
        refusals=[
            UnknownStore,
            UnknownMember,
            reach.NotYourMember,
            MemberFrozen,
            MemberClosed,
            MemberNotActivated,
            SpendingStopped,
            catalogue.UnknownItem,
            catalogue.ItemNotListed,
            catalogue.ItemNotOnSaleYet,
            catalogue.ItemSaleOver,
            catalogue.ItemNotForTier,
            catalogue.ItemLimitReached,
            catalogue.ItemSoldOut,
            catalogue.TooFewInStock,
            claims.PriceChanged,
            CostsMoney,
            operations.HandoverNotOffered,
            operations.StoreNotOffered,
            operations.AddressMissing,
            InvalidPhone,
            operations.OrderReferenceReused,
            points.InsufficientPoints,
            points.AccountMerged,
            points.AccountMoved,
            NoRulebook,
            coupons.BatchNotRunning,
            coupons.BatchOver,
            coupons.BatchExhausted,
            coupons.MemberLimitReached,
            draws.DrawNotOpen,
            draws.BirthdayUnknown,
            draws.TooYoung,
            draws.DrawLimitReached,
        ],
        examples=[
            example(
                "One, collected here",
                {
                    "reference": "O-1", "member": "M0000000018", "store": "SH-PD",
                    "item": "thermos", "price": 12, "handover": "STORE",
                },
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> HttpResponse:
        body, by = PlaceInput.read(request.data), caller(request)
        here = system(by, body)
        member, item = members.identify(body["member"]), catalogue.item(body["item"])
        if item.live is not None and item.live.draw_id is not None:
            # As with goes for points: whoever's member it is.
            reach.of_organization(by.organization_id, is_brand=by.is_brand).require(member.id)
        store_id = by.store_id(body["store"])
        try:
            order, is_repeat = operations.place_at_store(
                member=member,
                item_id=item.pk,
                price_id=body["price"],
                quantity=body.get("quantity", 1),
                delivery=_delivery(body, store_id),
                at=timezone.now(),
                reference=by.own(body["reference"]),
                by=here,
                store_id=store_id,
            )
        except catalogue.ItemNotForMember as refusal:
            # What is for chosen members only, others do not even see.
            raise catalogue.UnknownItem from refusal
        return respond(answer(found_order(by, order.number)), status=200 if is_repeat else 201)


def _delivery(body: dict[str, Any], store_id: int) -> Delivery:
    is_collected = body["handover"] == Handover.STORE
    told = {name: body.get(name, "") for name in ("recipient", "phone", "address")}
    return Delivery(
        handover=body["handover"], store_id=store_id if is_collected else None, **told
    )  # fmt: skip


class OrderPayment(ApiView):
    scopes = {"GET": Scope.ORDERS_PLACE}
    links = {"order": link("get_orders_order", order="order")}

    @describe(
        summary="Read an order's payment",
        description=(
            "What is to be paid until when, and the code that the member's phone scans: the "
            "payment provider is asked for it. Ask again until it is `PAID`."
        ),
        answers={200: PaymentAnswer},
        refusals=[operations.UnknownOrder, payments.UnknownPayment, payments.ProviderAway],
    )
    def get(self, request: Request, order: str) -> HttpResponse:
        found = found_order(caller(request), order)
        payment = money.of_order(found.pk)
        if payment is None:
            raise payments.UnknownPayment
        code, now = None, timezone.now()
        is_waiting = payment.state == PaymentState.WAITING
        if is_waiting and not payments.is_on_own_phone(payment, at=now):
            try:
                code = payments.begin(order_id=found.pk, at=now).address
            except payments.NotPayableNow:
                # Paid, or over, since we looked.
                payment.refresh_from_db()
        return respond(_payment_answer(found.number, payment, code))


def _payment_answer(number: str, payment: Payment, code: str | None) -> PaymentAnswer:
    return PaymentAnswer(
        order=number,
        state=payment.state,
        amount=payment.amount,
        currency=payment.currency,
        until=localtime(payment.until),
        code_url=code,
    )


class CancelOrder(ApiView):
    scopes = {"POST": Scope.ORDERS_PLACE}
    links = {"order": link("get_orders_order", order="number")}

    @describe(
        summary="Cancel an order",
        description=(
            "Of what was placed at your store, or is collected there, as long as nobody has it: "
            "points, money and pieces go back. A repeat changes nothing."
        ),
        body=CancelOrderInput,
        answers={200: OrderAnswer},
        refusals=[
            UnknownStore, operations.UnknownOrder, operations.WrongOrderState, NamesSomebody,
        ],
        examples=[example("Changed their mind", {"store": "SH-PD", "why": "CHANGED_MIND"})],
    )  # fmt: skip
    def post(self, request: Request, order: str) -> HttpResponse:
        body, by = CancelOrderInput.read(request.data), caller(request)
        operations.cancel_sold(
            order_id=key(order),
            why=body["why"],
            note=body.get("note", ""),
            at=timezone.now(),
            by=system(by, body),
        )
        return respond(answer(found_order(by, order)))


class ReturnOrder(ApiView):
    scopes = {"POST": Scope.ORDERS_REFUND}
    links = {"order": link("get_orders_order", order="number")}

    @describe(
        summary="Take an order back",
        description=(
            "The member brings back what they have, within the days of the rulebook: points and "
            "money go back. A repeat changes nothing. What was given online, staff take back."
        ),
        body=ReturnOrderInput,
        answers={200: OrderAnswer},
        refusals=[
            UnknownStore, operations.UnknownOrder, operations.WrongOrderState, NamesSomebody,
        ],
        examples=[
            example("As new", {"store": "SH-PD", "why": "CHANGED_MIND", "to_stock": True})
        ],
    )  # fmt: skip
    def post(self, request: Request, order: str) -> HttpResponse:
        body, by = ReturnOrderInput.read(request.data), caller(request)
        operations.take_back_sold(
            order_id=key(order),
            why=body["why"],
            note=body.get("note", ""),
            to_stock=body["to_stock"],
            at=timezone.now(),
            by=system(by, body),
        )
        return respond(answer(found_order(by, order)))


urlpatterns: list[URLPattern] = [
    path("orders/", Orders.as_view()),
    path("orders/<str:order>/payment/", OrderPayment.as_view()),
    path("orders/<str:order>/cancellation/", CancelOrder.as_view()),
    path("orders/<str:order>/return/", ReturnOrder.as_view()),
]
