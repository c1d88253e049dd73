"""The catalogue in the console: written by one, approved by another, counted."""

import io

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from benefits.models.items import Category, Item, Listing, StockMove
from benefits.operations import items as operations
from benefits.operations.items import Limit, Price
from common import approvals
from common.models import Approval
from tests.benefits import coupon_plan
from tests.benefits.plan import publish
from tests.benefits.shop import AT, drafted, listed, submitted
from tests.factories import staff, store
from tests.membership.conftest import console
from tests.membership.test_console import text_of

pytestmark = pytest.mark.django_db
REFERENCE = "console-" + "0" * 32


@pytest.fixture(autouse=True)
def _rules():
    publish()


def someone(role):
    user = staff(is_superuser=False)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def writer():
    return console(someone("campaign manager"))


@pytest.fixture
def approver():
    return console(someone("programme manager"))


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def form(**given):
    """What the form of a new item sends."""
    told = {
        "names_zh-hans": "保温杯",
        "names_en": "Thermos",
        "source": "GOODS",
        "handovers": ["SHIP"],
        "price0-points": "1500",
        "price1-points": "1200",
        "price1-cash": "9.50",
        "price1-tier": "t1",
        "limit0-count": "2",
        "limit0-period": "MONTH",
        "on_sale_from": "2026-07-01T10:00",
        "cost": "58",
    }
    return told | given


def png():
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "red").save(out, "PNG")
    return SimpleUploadedFile("cup.png", out.getvalue(), "image/png")


def test_an_item_is_written_sent_approved_and_seen(writer, approver):
    answer = writer.post(
        page("item-new"), form(code="cup", is_counted="on", file=png(), summary_en="Warm")
    )
    draft = Listing.objects.get()
    assert answer.url == page("listing", draft.pk)
    terms = operations.terms_of(draft)
    assert set(terms.prices) == {Price(1500), Price(1200, operations.Decimal("9.50"), "t1")}
    assert terms.limits == (Limit(2, "MONTH"),)
    assert draft.on_sale_from.isoformat() == "2026-07-01T02:00:00+00:00"
    assert len(terms.pictures) == 1

    writer.post(
        page("listing", draft.pk),
        {"revision": draft.revision, "reason": "新品", "reference": REFERENCE},
    )
    asked = Approval.objects.get()
    assert "Waits for approval" in text_of(approver.get(page("listing", draft.pk)))
    approvals.approve(approval_id=asked.pk, by=someone("programme manager"), at=AT)

    assert Item.objects.get().state == "LISTED"
    assert "Thermos" in text_of(writer.get(page("items")))


def test_an_item_gives_a_coupon_by_itself(writer):
    batch = coupon_plan.drafted()
    given = form(code="voucher", source="COUPON", handovers=["ONLINE"], batch=str(batch.pk))
    writer.post(page("item-new"), given)

    draft = Listing.objects.get()
    assert (draft.batch_id, draft.draw_id) == (batch.pk, None)
    told = text_of(writer.get(page("listing", draft.pk)))
    assert str(batch) in told
    assert "Its coupons do not run: nobody can order it." in told
    edited = writer.get(page("listing-edit", draft.pk)).content.decode()
    assert f'value="{batch.pk}" selected' in edited
    refused = writer.post(page("item-new"), given | {"code": "other", "batch": ""})
    assert "Say which coupon it is." in text_of(refused)


def test_a_draft_that_makes_no_sense_says_what_is_wrong(writer):
    wrong = form(code="cup", **{"names_zh-hans": "", "price0-points": "-1", "source": "PARTNER"})
    answer = writer.post(page("item-new"), wrong)
    assert answer.status_code == 422
    answer = writer.post(page("item-new"), form(code="cup", source="PARTNER"))

    assert "Say which partner it is from." in text_of(answer)
    answer = writer.post(page("item-new"), form(code="cup", on_sale_from="0001-01-01T00:00"))
    assert "The year must lie between 1900 and 2200." in text_of(answer)
    assert not Item.objects.exists()


def test_the_review_shows_what_changes(writer):
    item = listed(prices=(Price(1000),))
    answer = writer.post(page("listing", item.live.pk), {"draft": "1"})
    draft = Listing.objects.get(state="DRAFT")
    assert answer.url == page("listing-edit", draft.pk)

    shown = writer.get(answer.url)
    assert 'value="1000"' in shown.content.decode()
    data = form(
        **{"names_zh-hant": "保溫杯", "price0-points": "800", "price1-points": "", "cost": ""},
        revision=draft.revision,
    )
    data |= {"price1-cash": "", "on_sale_from": "", "limit0-count": ""}
    assert writer.post(answer.url, data).status_code == 302
    text = text_of(writer.get(page("listing", draft.pk)))

    assert "What changes against what members see now" in text
    assert "Price 1,000 points 800 points" in text
    assert "Name of the item ·" not in text


def test_what_strikes_one_is_said_before_it_is_sent(writer):
    text = text_of(writer.get(page("listing", drafted(cost=150, names={"zh-hans": "杯"}).pk)))

    for warning in (
        "It has no picture.",
        "It stands in no category.",
        "It has no name in English.",
        "is worth 100.00 yuan, and a piece costs 150.00 yuan.",
        "Nothing is in stock.",
    ):
        assert warning in text, warning


def test_an_old_form_changes_nothing(writer):
    draft = drafted()
    url = page("listing-edit", draft.pk)
    assert writer.post(url, form(revision=draft.revision)).status_code == 302

    answer = writer.post(url, form(revision=draft.revision, cost="1"))

    assert answer.status_code == 422
    assert "Somebody saved this draft meanwhile" in text_of(answer)


def test_what_waits_is_not_edited(writer):
    draft = drafted()
    submitted(draft)

    assert writer.get(page("listing-edit", draft.pk)).url == page("listing", draft.pk)


def test_an_item_is_delisted_for_a_reason(writer):
    item = listed()
    url = page("listing", item.live.pk)
    writer.post(url, {"delist": "1", "reason": ""})
    assert Item.objects.get().state == "LISTED"
    writer.post(url, {"delist": "1", "reason": "召回"})

    assert Item.objects.get().state == "DELISTED"


def test_items_are_searched_and_filtered(writer):
    shelf = Category.objects.create(code="life", names={"zh-hans": "生活"})
    listed("cup", category_id=shelf.pk)
    listed("bag", names={"zh-hans": "双肩包", "en": "Backpack"}, source="CUSTOM")
    submitted(drafted("pen", names={"zh-hans": "钢笔"}))

    def found(**query):
        answer = writer.get(page("items"), query)
        return {row["item"].code for row in answer.context["rows"]}

    assert found() == {"cup", "bag", "pen"}
    assert found(q="双肩") == found(q="backp") == found(source="CUSTOM") == {"bag"}
    assert found(q="PEN") == found(state="WAITS") == found(state="DRAFT") == {"pen"}
    assert found(shelf="life") == {"cup"}
    assert found(q="100%") == set()
    assert found(q="\0") == found(shelf="\0") == found()


def test_stock_is_received_and_corrected_with_a_reason(writer):
    item, place = listed(is_counted=True), store()
    url = page("item-stock", item.pk)
    writer.post(url, {"kind": "receive", "quantity": "10", "store": place.pk})
    refused = writer.post(url, {"kind": "correct", "quantity": "-2"})
    writer.post(url, {"kind": "correct", "quantity": "-2", "reason": "盘点", "store": place.pk})
    text = text_of(writer.get(url))

    assert "Say why." in text_of(refused)
    assert [each.remaining_after for each in StockMove.objects.order_by("pk")] == [10, 8]
    assert "-2" in text
    assert "盘点" in text


def test_a_preview_is_what_members_of_a_tier_see(writer):
    draft = drafted(prices=(Price(1000), Price(700, tier="t1")), tiers=("t1",))
    url = page("listing-preview", draft.pk)

    assert "1,000 points" in text_of(writer.get(url))
    assert "700 points" in text_of(writer.get(url, {"tier": "t1"}))


def test_who_may_not_write_cannot(approver):
    reader = console(someone("auditor"))
    item = listed(is_counted=True)

    assert reader.get(page("items")).status_code == 200
    assert reader.get(page("item-new")).status_code == 403
    for url, data in (
        (page("listing", item.live.pk), {"delist": "1", "reason": "x"}),
        (page("listing", item.live.pk), {"draft": "1"}),
        (page("item-stock", item.pk), {"kind": "receive", "quantity": "1"}),
    ):
        assert reader.post(url, data).status_code == 403
    assert Item.objects.get().state == "LISTED"


def test_the_list_asks_as_often_for_many_as_for_one(writer, django_assert_max_num_queries):
    for _ in range(6):
        listed(pieces=1)
    with django_assert_max_num_queries(10):
        writer.get(page("items"))
