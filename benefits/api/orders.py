"""Orders that members collect at stores, or stores' systems placed, for these systems."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timezone import localtime

from benefits.models.orders import Order, OrderState
from benefits.operations import orders as operations
from benefits.operations.orders import StoreSystem
from benefits.queries import orders as queries
from common.api.fields import Document, OneOf, Text, store_code
from common.api.pagination import InvalidCursor, PageParameters, cursor_at, page, position_of
from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from members import cards, masking
from members import queries as members
from members.queries import UnknownMember
from partners.api.authentication import Caller, caller
from partners.models import Scope
from partners.queries import UnknownStore

HANDED_OVER = (
    "It is handed over to the member whose code your scanner read. A repeat changes nothing; it "
    "cannot be undone: what comes back is a return."
)


class OrdersParameters(PageParameters):
    store = store_code(required=False, help_text="At this store only.")
    state = OneOf(
        OrderState.values, required=False, help_text="PAID is to be picked, READY waits for you."
    )


class StepInput(Document):
    store = store_code(help_text="Where it is collected.")


class HandOverInput(Document):
    store = store_code(help_text="Where it is collected.")
    card = Text(limit=80, help_text="What a scanner read from the member's card.")


class OrderAnswer(Answer):
    """
    `name`: of the member, masked. `points`, `cash`: what all `quantity` pieces cost. `store`: where
    it is collected, if it is; `placed_store`: whose system placed it; null: the member did.
    `due_at`: when what comes next should be done, or the member should have come.
    """

    number: str
    member: str
    name: str
    item: str
    names: dict[str, str]
    quantity: int
    points: int
    cash: Decimal
    handover: str
    store: str | None
    placed_store: str | None
    state: str
    placed_at: datetime
    due_at: datetime | None
    late: bool


class OrdersAnswer(Answer):
    results: list[OrderAnswer]
    next_cursor: str | None


class OrderList(ApiView):
    scopes = {"GET": Scope.ORDERS_READ}
    parameters = {"GET": OrdersParameters}

    @describe(
        summary="Read the orders of your stores",
        description=(
            "Those that members collect there, and those your systems placed there, the first "
            "ordered first."
        ),
        answers={200: OrdersAnswer},
        parameters=[OrdersParameters],
        refusals=[UnknownStore, InvalidCursor],
    )
    def get(self, request: Request) -> HttpResponse:
        by = caller(request)
        found = _own(by)
        if "store" in self.query:
            found = queries.at_any_of(found, [by.store_id(self.query["store"])])
        if "state" in self.query:
            found = found.filter(state=self.query["state"])
        return respond(_page(found, self.query))


class OrdersOfMember(ApiView):
    scopes = {"GET": Scope.ORDERS_READ}
    parameters = {"GET": PageParameters}

    @describe(
        summary="Read a member's orders",
        description=(
            "Those that the member collects at your stores, and those your systems placed there, "
            "the first ordered first."
        ),
        answers={200: OrdersAnswer},
        parameters=[PageParameters],
        refusals=[UnknownMember, InvalidCursor],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        found = _own(caller(request)).filter(member_id__in=members.with_guests([member.id]))
        return respond(_page(found, self.query))


class OrderDetail(ApiView):
    scopes = {"GET": Scope.ORDERS_READ}

    @describe(
        summary="Read an order",
        description="By its number, as the member says it.",
        answers={200: OrderAnswer},
        refusals=[operations.UnknownOrder],
    )
    def get(self, request: Request, order: str) -> HttpResponse:
        return respond(answer(found_order(caller(request), order)))


class _Step(ApiView):
    """A step of an order that a store's system takes."""

    scopes = {"POST": Scope.ORDERS_WORK}
    links = {"order": link("get_orders_order", order="number")}


class Pick(_Step):
    @describe(
        summary="Pick an order",
        description="From now on the member cannot cancel it. A repeat changes nothing.",
        body=StepInput,
        answers={200: OrderAnswer},
        refusals=[UnknownStore, operations.UnknownOrder, operations.WrongOrderState],
    )
    def post(self, request: Request, order: str) -> HttpResponse:
        return _prepared(request, order, OrderState.PICKED)


class Ready(_Step):
    @describe(
        summary="Say that an order is ready",
        description="The member is told where it waits, and until when. A repeat changes nothing.",
        body=StepInput,
        answers={200: OrderAnswer},
        refusals=[UnknownStore, operations.UnknownOrder, operations.WrongOrderState],
    )
    def post(self, request: Request, order: str) -> HttpResponse:
        return _prepared(request, order, OrderState.READY)


class HandOver(_Step):
    @describe(
        summary="Hand an order over",
        description=HANDED_OVER,
        body=HandOverInput,
        answers={200: OrderAnswer},
        refusals=[
            UnknownStore,
            operations.UnknownOrder,
            operations.WrongOrderState,
            operations.CardOfAnother,
            cards.InvalidCard,
            cards.CardExpired,
        ],
        examples=[
            example(
                "What the scanner read", {"store": "SH-PD", "card": "MC1AAAAAAAAC2LFYQ5XK7QZ5M"}
            )
        ],
    )
    def post(self, request: Request, order: str) -> HttpResponse:
        body = HandOverInput.read(request.data)
        by = caller(request)
        operations.hand_over(
            order_id=key(order), card=body["card"], at=timezone.now(), by=system(by, body)
        )
        return respond(answer(found_order(by, order)))


def _prepared(request: Request, number: str, state: OrderState) -> HttpResponse:
    body, by = StepInput.read(request.data), caller(request)
    operations.prepare(order_id=key(number), state=state, at=timezone.now(), by=system(by, body))
    return respond(answer(found_order(by, number)))


def _own(by: Caller) -> QuerySet[Order]:
    return queries.at_stores(
        organization_id=None if by.is_brand else by.organization_id, only_stores=by.only_stores
    )


def found_order(by: Caller, number: str) -> Order:
    """:raises UnknownOrder: if there is none at its stores"""
    order = _own(by).filter(pk=key(number)).first()
    if order is None:
        raise operations.UnknownOrder
    return order


def key(number: str) -> int:
    """Of none, what no order has."""
    return queries.key_of(number) or 0


def system(by: Caller, body: dict[str, Any]) -> StoreSystem:
    """:raises UnknownStore: if the store is not the caller's"""
    return StoreSystem(client_id=by.client_id, store_ids=[by.store_id(body["store"])])


def _page(found: QuerySet[Order], asked: dict[str, Any]) -> OrdersAnswer:
    if "cursor" in asked:
        found = found.filter(pk__gt=position_of(asked["cursor"]))
    rows, more = page(found, limit=asked["limit"])
    return OrdersAnswer(
        results=[answer(each) for each in rows],
        next_cursor=cursor_at(rows[-1].pk) if more else None,
    )


def answer(order: Order) -> OrderAnswer:
    claim = order.claim
    return OrderAnswer(
        number=order.number,
        member=order.member.number,
        name=masking.name(order.member.name),
        item=claim.item.code,
        names=claim.listing.names,
        quantity=claim.quantity,
        points=order.points,
        cash=claim.price.cash * claim.quantity,
        handover=order.handover,
        store=order.store.code if order.store else None,
        placed_store=order.placed_store.code if order.placed_store else None,
        state=order.state,
        placed_at=localtime(order.placed_at),
        due_at=order.due_at and localtime(order.due_at),
        late=order.is_late,
    )


urlpatterns: list[URLPattern] = [
    path("orders/<str:order>/", OrderDetail.as_view()),
    path("orders/<str:order>/pick/", Pick.as_view()),
    path("orders/<str:order>/ready/", Ready.as_view()),
    path("orders/<str:order>/handover/", HandOver.as_view()),
    path("members/<str:number>/orders/", OrdersOfMember.as_view()),
]
