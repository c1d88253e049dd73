"""Prize draws in the console: from the draft to the revealed seed."""

from decimal import Decimal

import pytest
from django.urls import reverse

from benefits.models.draws import Draw, PrizeHandover
from benefits.operations import draws
from benefits.queries import draws as queries
from common import approvals
from common.models import Approval
from tests.benefits.coupon_plan import running
from tests.benefits.draw_plan import certain, drafted, prize, published
from tests.factories import identity, plain, staff
from tests.factories.points import NOON
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return staff(username="boss")


@pytest.fixture
def client(boss):
    plain()
    return console(boss)


def page(draw):
    return reverse("admin:draw", args=[draw.pk])


def said(*prizes, **more):
    form = {
        "code": "summer", "name_zh_hans": "夏日抽奖", "budget": "1000",
        "opens_at_0": "2026-06-15", "opens_at_1": "10:00",
        "closes_at_0": "2026-07-15", "closes_at_1": "10:00",
        "form-TOTAL_FORMS": str(len(prizes)), "form-INITIAL_FORMS": "0",
    }  # fmt: skip
    rows = {f"form-{n}-{key}": value for n, row in enumerate(prizes) for key, value in row.items()}
    return form | rows | more


CUP = {"name_zh_hans": "茶杯", "percent": "12.5", "pieces": "8", "cost": "20.00"}
POINTS = {"name_zh_hans": "积分", "points": "5", "percent": "50", "pieces": "100", "cost": "0.50"}


def test_from_the_draft_to_the_seed_revealed(client):
    client.post(reverse("admin:draw-draft"), said(CUP, POINTS, {}))
    draw = Draw.objects.get()
    client.post(page(draw), {"do": "ask", "reason": "夏天"})
    approvals.approve(approval_id=Approval.objects.get().pk, by=staff(), at=NOON)
    draw.refresh_from_db()

    running = client.get(page(draw)).content.decode()
    client.post(page(draw), {"do": "close", "code": "summer"})
    draw.refresh_from_db()
    closed = client.get(page(draw)).content.decode()

    assert [(each.parts, each.points) for each in draw.prizes.order_by("position")] == [
        (125_000, 0),
        (500_000, 5),
    ]
    assert draw.seed_hash in running
    assert draw.seed not in running
    assert draw.state == "CLOSED"
    assert draw.seed in closed


def test_a_draft_is_changed_and_a_row_struck_out(client, boss):
    draw = drafted(prize("茶杯", 500_000, 5), prize("积分", 1, 1, points=9), by=boss)
    where = reverse("admin:draw-edit", args=[draw.pk])
    assert "50.0000" in client.get(where).content.decode()

    client.post(
        where,
        said(
            CUP,
            POINTS | {"DELETE": "on"},
            **{"form-INITIAL_FORMS": "2", "revision": "1", "code": "another"},
        ),
    )

    draw.refresh_from_db()
    assert (draw.revision, [each.parts for each in draw.prizes.all()]) == (2, [125_000])
    assert draw.code != "another", "the recipe names it"


def test_who_saves_over_another_is_told(client):
    draw = drafted()

    answer = client.post(reverse("admin:draw-edit", args=[draw.pk]), said(CUP, revision="7"))

    assert "Somebody saved this draw meanwhile" in answer.content.decode()
    assert Draw.objects.get().revision == 1


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (said(CUP | {"percent": "60"}, POINTS), "odds of all prizes together"),
        (said(CUP | {"percent": "12.50001"}), "no more than 4 decimal places"),
        (said(CUP | {"percent": "NaN"}), "Enter a number"),
        (said(CUP | {"pieces": "-1"}), "greater than or equal to 1"),
        (said({}), "It has no prize"),
        (said(CUP, closes_at_0="2026-06-14"), "closes before it opens"),
        (said(CUP, opens_at_0="0001-01-01"), "The year must lie between 1900 and 2200."),
        (said(CUP, closes_at_0="9999-12-31"), "The year must lie between 1900 and 2200."),
        (said(CUP, limit_count="3"), "A limit says how often"),
    ],
)
def test_nonsense_is_told_in_the_form(client, form, told):
    answer = client.post(reverse("admin:draw-draft"), form)

    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not Draw.objects.exists()


def test_what_it_may_cost_stands_before_it_is_asked_for(client):
    draw = drafted(prize("茶杯", 100_000, 50, cost="30.00"), budget=Decimal("1499.99"))

    told = client.get(page(draw)).content.decode()
    client.post(page(draw), {"do": "ask", "reason": "夏天"})

    assert "3,000" not in told.replace("1,500.00", "")
    assert "1,500.00" in told
    assert "so it cannot be published" in told
    assert not Approval.objects.exists()


def test_figures_are_of_what_was_given(client):
    draw = published(certain(cost="2.50"))
    for n in range(2):
        draws.enter(member=identity(), draw_id=draw.pk, reference=f"R{n}", at=NOON)

    told = client.get(page(draw)).content.decode()

    assert "5.00" in told


def test_closing_wants_the_code_of_the_draw(client):
    draw = published()

    client.post(page(draw), {"do": "close", "code": "another"})

    draw.refresh_from_db()
    assert draw.state == "RUNNING"


def test_what_was_won_stands_there_until_it_is_handed_over(client, at_work):
    draw = published(prize("茶杯", 1_000_000, 5))
    for n in range(2):
        draws.enter(member=identity(), draw_id=draw.pk, reference=f"r{n}", at=NOON)
    care = at_work("customer care")
    assert "owed_2_note" in care.get(page(draw)).content.decode()

    asked = {"do": "hand_over", "outcome": "1", "note": "顺丰 SF1001"}
    told = care.post(page(draw), asked, follow=True).content.decode()
    again = care.post(page(draw), asked | {"note": "另一个"}, follow=True).content.decode()
    care.post(page(draw), asked | {"outcome": "2", "note": ""})

    assert "顺丰 SF1001" in told
    assert "Noted: the winner has the prize." in told
    assert "This prize has been handed over meanwhile." in again
    assert [each.note for each in PrizeHandover.objects.all()] == ["顺丰 SF1001"]
    assert [each.number for each in queries.owed(draw)] == [2]


@pytest.mark.parametrize("outcome", ["", "-1", "x", "9" * 12, "七"])
def test_a_prize_that_is_none_is_not_handed_over(client, outcome):
    draw = published(prize("茶杯", 1_000_000, 5))

    answer = client.post(
        page(draw), {"do": "hand_over", "outcome": outcome, "note": "给了"}, follow=True
    )

    assert "This prize has been handed over meanwhile." in answer.content.decode()


def test_who_may_not_hand_over_does_not(at_work):
    draw = published(prize("茶杯", 1_000_000, 5))
    draws.enter(member=identity(), draw_id=draw.pk, reference="r", at=NOON)
    planner = at_work("campaign manager")

    assert 'value="hand_over"' not in planner.get(page(draw)).content.decode()
    asked = {"do": "hand_over", "outcome": "1", "note": "给了"}
    assert planner.post(page(draw), asked).status_code == 403
    assert queries.owed(draw).exists()


def test_a_prize_may_be_a_coupon(client):
    batch = running()
    client.post(
        reverse("admin:draw-draft"), said(CUP | {"batch": str(batch.pk)}, needs_ticket="on")
    )

    drawn = Draw.objects.get()
    assert drawn.needs_ticket
    assert [(each.kind, each.batch_id) for each in drawn.prizes.all()] == [("COUPON", batch.pk)]
    edit = client.get(reverse("admin:draw-edit", args=[drawn.pk])).content.decode()
    assert f'value="{batch.pk}" selected' in edit


def test_who_only_looks_changes_nothing(at_work):
    draw, clerk = drafted(), at_work("finance")

    told = clerk.get(page(draw)).content.decode()

    assert 'value="ask"' not in told
    assert clerk.post(page(draw), {"do": "ask", "reason": "x"}).status_code == 403
    assert not Approval.objects.exists()


def test_a_list_of_draws_costs_the_same_however_many(client, django_assert_max_num_queries):
    for _ in range(12):
        drafted()
    client.get(reverse("admin:draws"))

    with django_assert_max_num_queries(9):
        assert client.get(reverse("admin:draws")).status_code == 200
