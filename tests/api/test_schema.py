"""
The API's description is true: schemathesis calls every operation by it, with all checks on.

It sends what fits the description and what does not, one request at a time and in chains in which
an answer feeds the next request, to the real WSGI application over a database that commits.
"""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
import schemathesis
from django.db import connections
from django.test import Client
from django.utils import timezone
from schemathesis.engine import events, from_schema

from benefits.models.orders import OrderState
from benefits.operations import Who, consume_coupon, orders
from benefits.operations.items import Price
from benefits.operations.orders import StoreSystem
from common.errors import Invalid
from members import cards, operations
from members.models import Application, ConsentPurpose, GroupKind
from points import operations as points
from tests import factories
from tests.benefits.buying import at_store, order
from tests.benefits.coupon_plan import bill, issued, running
from tests.benefits.draw_plan import approved, certain
from tests.benefits.plan import always, deliver
from tests.benefits.shop import listed, price
from tests.factories.activities import cap, kind, named, rewarding
from tests.tiers.ladder import BASE

SEED = 20260615
# What the description cannot say of a form that is as described: a date in the year 150.
OF_ITS_CONTENT = {"date_out_of_range"}


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx, value):
    """One JSON document a line."""
    lines = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@schemathesis.serializer("text/csv")
def as_text(ctx, value):
    return str(value).encode()


@schemathesis.check
def form_is_as_described(ctx, response, case) -> None:
    """
    What fits the description is never refused for its form.

    `positive_data_acceptance` may see a 422, because no description can know which stores there
    are or whether lines add up; but those refusals have codes of their own. This check holds the
    rest of it: `invalid`, the code of a wrong form, is an answer to wrong forms only.
    """
    if case.meta and case.meta.generation.mode.is_positive and response.status_code == 422:
        problem = response.json()
        codes = {error["code"] for error in problem.get("errors", [])}
        assert problem["code"] != Invalid.code or codes == OF_ITS_CONTENT, problem


@schemathesis.check
def wrong_lines_are_refused(ctx, response, case) -> None:
    """A batch with a wrong line is no wrong batch: the same two checks, line by line."""
    if case.operation.path != "/api/v1/batches/" or response.status_code != 200:
        return
    wrong = [line for line in response.json()["results"] if line.get("code") == Invalid.code]
    codes = {error["code"] for line in wrong for error in line["errors"]}
    if case.meta and case.meta.generation.mode.is_positive:
        assert codes <= OF_ITS_CONTENT, wrong
    else:
        assert wrong or response.json()["counts"]["refused"]


def token_of(client) -> str:
    """Log in as a dealer's system does."""
    answer = Client().post(
        "/oauth/token/",
        {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": "secret",
        },
    )
    return answer.json()["access_token"]


@pytest.fixture
def application(transactional_db):
    """The application on the test's own connection: schemathesis calls it from another thread."""
    from membership.wsgi import application as serve  # loads the static files: not while collecting

    ours = connections["default"]

    def on_our_connection(environ, start_response):
        connections["default"] = ours
        return serve(environ, start_response)

    ours.inc_thread_sharing()
    yield on_our_connection
    ours.dec_thread_sharing()


# Before any time a call names.
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
DOCUMENTS = [f"K-{n}" for n in range(10)]
# Their own for each way to end them: what one call has ended is of no use to the other.
TO_CONFIRM = [f"H-{n}" for n in range(20)]
TO_RELEASE = [f"R-{n}" for n in range(20)]
HELD = 10_000
RECEIPT, PHONE = "T-1", "13900139000"


def documents_to_go_on_from(store, member, other):
    """What no made-up reference would hit: purchases that wait, redemptions, transfers, holds."""
    source = factories.source(store)
    for _ in range(3):
        factories.lot(member, points.POINTS_MAX, at=LONG_AGO, expires_on=date.max)
    for reference in DOCUMENTS:
        lines = (("1", "vehicle", "1000"),)
        factories.buy(member, "1000", reference=reference, lines=lines, store=store, at=LONG_AGO)
        points.redeem(member=member, points=9, at=LONG_AGO, reference=reference, source=source)
        points.transfer(
            giver=member, receiver=other, points=9, at=LONG_AGO, reference=reference,
            source=source, limits=[],
        )  # fmt: skip
    for reference in [*TO_CONFIRM, *TO_RELEASE]:
        points.hold(
            member=member,
            points=HELD,
            at=LONG_AGO,
            until=datetime(2100, 1, 1, tzinfo=UTC),
            reference=reference,
            source=source,
        )


def orders_at(store, member):
    """Numbers of orders to be picked, to be made ready and to be handed over at a store."""
    item = listed("cup", handovers=("STORE",), pieces=100)
    system = StoreSystem(client_id=factories.api_client(store.organization).pk, store_ids=None)
    steps = [[], [OrderState.PICKED], [OrderState.PICKED, OrderState.READY]]
    numbers = []
    for taken in steps:
        made = [order(member, item, delivery=at_store(store), at=timezone.now()) for _ in range(5)]
        for each in made:
            for state in taken:
                orders.prepare(order_id=each.pk, state=state, at=timezone.now(), by=system)
        numbers.append([each.number for each in made])
    return numbers


def orders_for(member, store, item, count=20):
    """Numbers of orders that wait at a store, and of such that the member has."""
    system = StoreSystem(client_id=factories.api_client(store.organization).pk, store_ids=None)
    waiting, had = (
        [order(member, item, delivery=at_store(store), at=timezone.now()) for _ in range(count)]
        for _ in range(2)
    )
    for each in had:
        for state in (OrderState.PICKED, OrderState.READY):
            orders.prepare(order_id=each.pk, state=state, at=timezone.now(), by=system)
        orders.hand_over_to(
            order_id=each.pk, member_id=member.id, store_id=store.pk, at=timezone.now(),
            by=factories.staff(),
        )  # fmt: skip
    return [each.number for each in waiting], [each.number for each in had]


# It asks every call a hundred odd things: minutes, on a busy machine.
@pytest.mark.timeout(1200)
def test_schemathesis_finds_no_fault(application, monkeypatch):
    rewarding(
        kinds=[kind("check-in", 1, once_per="day"), kind("event", 50)],
        caps=[cap("events", "event", points=120)],
        tasks=[named("hello", when="joined", points="20")],
        policies={
            "vesting": {"days": 0, "categories": {"vehicle": {"event": True}}},
            "transfers": {"limits": [{"days": 1, "count": 1000}]},
            "holds": {"minutes": 7 * 24 * 60},
            "groups": {"company": {"members": 10}},
        },
        tiers={"levels": [BASE]},
        benefits={"of_tiers": [always("tow", BASE["code"])]},
    )
    listed("thermos", pieces=5)
    approved(
        certain(1_000), code="fair", opens_at=LONG_AGO,
        closes_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    store = factories.store(code="S-1")
    member, other = (
        factories.member(name=name, store=store, phone=phone)
        for name, phone in (("王小明", PHONE), ("王大明", "13900139001"))
    )
    for purpose in ConsentPurpose:
        factories.consent_text(purpose)
    documents_to_go_on_from(store, factories.identity(member), factories.identity(other))
    company = operations.found_group(
        kind=GroupKind.COMPANY, name="远程物流", owner_id=other.pk, at=LONG_AGO
    )
    delivered = [
        deliver(
            factories.identity(member),
            "tow",
            at=timezone.now(),
            who=Who(store_id=store.pk),
        ).pk
        for _ in range(10)
    ]
    batch = running(first_on=LONG_AGO.date(), last_on=timezone.localdate() + timedelta(days=9))
    coupons = [issued(batch, factories.identity(member), at=timezone.now()).code for _ in range(20)]
    # Their own for each call that leaves them: what another has used up is of no use to it.
    to_verify = [issued(batch, factories.identity(member), at=timezone.now()).code]
    used = [issued(batch, factories.identity(member), at=timezone.now()).code for _ in range(20)]
    for code in used:
        consume_coupon(
            code=code,
            at=timezone.now(),
            who=Who(store_id=store.pk),
            receipt=RECEIPT,
            lines=bill("1000.00"),
        )
    # A picture of a card is of no use for long, and this takes minutes.
    monkeypatch.setattr(cards, "GOOD_FOR", timedelta(hours=1))
    card = cards.code(member.pk, at=timezone.now())
    to_pick, to_ready, to_hand_over = orders_at(store, factories.identity(member))
    book = listed("book", handovers=("STORE", "SHIP", "ONLINE"), prices=(Price(1),))
    to_cancel, to_return = orders_for(factories.identity(member), store, book)
    dear = listed("dear", handovers=("STORE",), pieces=5, prices=(Price(1, 60),))
    to_pay = order(
        factories.identity(member), dear, delivery=at_store(store), at=timezone.now()
    ).number
    waiting = Application.objects.create(
        state="APPLIED", applied_at=LONG_AGO, channel="API", store=store, phone_index=b"x"
    )
    token = token_of(factories.api_client(store.organization))
    config = schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "generation": {"max-examples": 25, "deterministic": True, "database": "none"},
            # By schemathesis' own means, so that it can take the token away (`ignored_auth`).
            "auth": {"openapi": {"oauth2": {"bearer": token}}},
            # Words that exist, so that more than the door is tried.
            "dictionaries": {
                "stores": {"values": [store.code]},
                "members": {"values": [member.number]},
                "others": {"values": [other.number]},
                "applications": {"values": [waiting.number]},
                "documents": {"values": [*DOCUMENTS, *TO_CONFIRM]},
                "to_confirm": {"values": TO_CONFIRM},
                "to_release": {"values": TO_RELEASE},
                "benefits": {"values": ["tow"]},
                "items": {"values": ["thermos"]},
                "ordered": {"values": [book.code]},
                "prices": {"values": [price(book).pk]},
                "to_pay": {"values": [to_pay]},
                "to_cancel": {"values": to_cancel},
                "to_return": {"values": to_return},
                "draws": {"values": ["fair"]},
                "deliveries": {"values": delivered},
                "coupons": {"values": coupons},
                "to_verify": {"values": to_verify},
                "used": {"values": used},
                "receipts": {"values": [RECEIPT]},
                "to_pick": {"values": to_pick},
                "to_ready": {"values": to_ready},
                "to_hand_over": {"values": to_hand_over},
                "cards": {"values": [card]},
                "companies": {"values": [company.pk]},
                "activities": {"values": ["check-in", "event"]},
                "known_phones": {"values": [PHONE]},
                "phones": {"values": [f"138001380{n:02}" for n in range(100)]},
                "moments": {"values": ["2026-06-15T12:00:00+08:00", "2024-02-29T23:59:59Z"]},
            },
            "parameters": {
                "body.store": {"dictionary": "stores", "probability": 0.9},
                "body.member": {"dictionary": "members", "probability": 0.8},
                "body.giver": {"dictionary": "members", "probability": 0.8},
                "body.receiver": {"dictionary": "others", "probability": 0.8},
                "path.number": {"dictionary": "members", "probability": 0.8},
                "path.application": {"dictionary": "applications", "probability": 0.8},
                "path.reference": {"dictionary": "documents", "probability": 0.8},
                "body.benefit": {"dictionary": "benefits", "probability": 0.9},
                "path.code": {"dictionary": "items", "probability": 0.8},
                "path.draw": {"dictionary": "draws", "probability": 0.8},
                "path.order": {"dictionary": "to_pick", "probability": 0.8},
                "path.company": {"dictionary": "companies", "probability": 0.8},
                "body.code": {"dictionary": "coupons", "probability": 0.9},
                "path.right_id": {"dictionary": "deliveries", "probability": 0.8},
                "body.item": {"dictionary": "ordered", "probability": 0.9},
                "body.price": {"dictionary": "prices", "probability": 0.9},
                "body.activity": {"dictionary": "activities", "probability": 0.9},
                "body.phone": {"dictionary": "phones", "probability": 0.8},
                "body.uses[*].store": {"dictionary": "stores", "probability": 0.9},
                "body.uses[*].used_at": {"dictionary": "moments", "probability": 0.8},
                "body.at": {"dictionary": "moments", "probability": 0.8},
            },
            "checks": {
                "positive_data_acceptance": {
                    # See `form_is_as_described`.
                    "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
                },
            },
            # See `wrong_lines_are_refused`.
            "operations": [
                {
                    "include-path": "/api/v1/batches/",
                    "checks": {"negative_data_rejection": {"enabled": False}},
                },
                {
                    "include-path": "/api/v1/coupons/verify/",
                    "parameters": {"body.code": {"dictionary": "to_verify", "probability": 0.9}},
                },
                {
                    "include-path": "/api/v1/coupons/undo/",
                    "parameters": {
                        "body.code": {"dictionary": "used", "probability": 0.9},
                        "body.receipt": {"dictionary": "receipts", "probability": 0.9},
                    },
                },
                {
                    "include-path": "/api/v1/holds/{reference}/confirmation/",
                    "parameters": {
                        "path.reference": {"dictionary": "to_confirm", "probability": 0.8}
                    },
                },
                {
                    "include-path": "/api/v1/members/lookup/",
                    "parameters": {
                        "body.phone": {"dictionary": "known_phones", "probability": 0.9}
                    },
                },
                {
                    "include-path": "/api/v1/orders/{order}/payment/",
                    "parameters": {"path.order": {"dictionary": "to_pay", "probability": 0.9}},
                },
                {
                    "include-path": "/api/v1/orders/{order}/cancellation/",
                    "parameters": {"path.order": {"dictionary": "to_cancel", "probability": 0.9}},
                },
                {
                    "include-path": "/api/v1/orders/{order}/return/",
                    "parameters": {"path.order": {"dictionary": "to_return", "probability": 0.9}},
                },
                {
                    "include-path": "/api/v1/orders/{order}/ready/",
                    "parameters": {"path.order": {"dictionary": "to_ready", "probability": 0.9}},
                },
                {
                    "include-path": "/api/v1/orders/{order}/handover/",
                    "parameters": {
                        "path.order": {"dictionary": "to_hand_over", "probability": 0.9},
                        "body.card": {"dictionary": "cards", "probability": 0.9},
                    },
                },
                {
                    "include-path": "/api/v1/holds/{reference}/release/",
                    "parameters": {
                        "path.reference": {"dictionary": "to_release", "probability": 0.8}
                    },
                },
            ],
        }
    )
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application, config=config)

    faults, answers, phases = run(schema)

    assert faults == []
    assert phases >= {"examples", "coverage", "fuzzing", "stateful"}
    # Nothing is proved by an operation that only ever refused.
    assert [label for label, statuses in answers.items() if not statuses & {200, 201}] == []
    assert len(answers) == len(list(schema.get_all_operations()))


def run(schema):
    """Return what was found wrong, the statuses each operation gave, and the phases that ran."""
    faults, answers, phases = [], defaultdict(set), set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            faults.append(repr(event))
        if not isinstance(event, events.ScenarioFinished):
            continue
        phases.add(event.phase.value)
        recorder = event.recorder
        for case_id, interaction in recorder.interactions.items():
            if interaction.response is not None:
                label = recorder.cases[case_id].value.operation.label
                answers[label].add(interaction.response.status_code)
        faults += [
            f"{recorder.label}: {check.name}\n{check.failure_info.failure}\n"
            f"{check.failure_info.code_sample}"
            for checks in recorder.checks.values()
            for check in checks
            if check.failure_info is not None
        ]
    return faults, answers, phases
