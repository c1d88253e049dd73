"""The points shop as members see it."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db.models import OuterRef
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from benefits.models.items import Category, Item, ItemPicture, ItemPrice, Listing
from benefits.operations import items as operations
from benefits.operations.item_pictures import keep_picture
from benefits.operations.items import Limit, Price, Shown
from benefits.views.items import PAGE_SIZE
from members import operations as members
from members.models import Tag
from points import operations as points
from programme import logos
from tests.benefits.plan import noon, on, publish
from tests.benefits.shop import AT, listed, take
from tests.factories import source, staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    with time_machine.travel(noon("2026-07-05"), tick=False):
        yield


@pytest.fixture
def of():
    publish()
    return on("t1")


@pytest.fixture
def client(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    return client


def named(name):
    return {"zh-hans": name, "en": name}


def shop(client, **query):
    answer = client.get(reverse("benefits:shop"), query)
    assert answer.status_code == 200
    return [each.card.name for each in answer.context["shelves"]], answer.content.decode()


def item_page(client, item):
    return client.get(reverse("benefits:item", args=[item.code]))


def give(of, count):
    points.earn(
        member=of, points=count, at=AT, reference=f"g{count}", source=source(),
        expires_on=timezone.localdate() + timedelta(days=300),
    )  # fmt: skip


def png(color="red", size=(900, 600)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def pictured(**options):
    kept = keep_picture(file=png(**options), by=staff(), at=AT)
    return (Shown(kept.pk, {"en": "A red cup", "zh-hans": "红色杯子"}),), kept


def test_tells_what_there_is_and_what_it_costs_this_member(client):
    listed(names=named("Cup"), prices=(Price(1500), Price(1000, tier="t1"), Price(400, 60, "t1")))
    _names, html = shop(client)

    assert "400 points + 60.00 yuan" in html
    assert "or otherwise" in html
    assert "1,500 points" not in html


def test_without_items_it_says_so(client):
    assert "There is nothing in the shop at the moment" in shop(client)[1]
    assert "No items fit this choice" in shop(client, affordable="on")[1]


def test_can_be_sorted_and_narrowed(client, of):
    care = Category.objects.create(code="care", names=named("Care"))
    for name, count, category in (("A", 300, care), ("B", 100, None), ("C", 200, care)):
        listed(
            names=named(name),
            prices=(Price(count),),
            category_id=category.pk if category else None,
        )
    give(of, 200)

    assert shop(client)[0] == ["C", "B", "A"]
    assert shop(client, sort="few")[0] == ["B", "C", "A"]
    assert shop(client, sort="many")[0] == ["A", "C", "B"]
    assert shop(client, category="care")[0] == ["C", "A"]
    assert shop(client, affordable="on", sort="few")[0] == ["B", "C"]
    # What an old link asks for and is no more, is left out.
    assert len(shop(client, sort="red", start="-1")[0]) == 3


def test_what_this_member_cannot_have_is_told_or_not_shown(client):
    tag = Tag.objects.create(name="车友会")
    tomorrow, yesterday = (timezone.now() + timedelta(days=days) for days in (1, -1))
    listed(names=named("Gold"), tiers=("t2",))
    gone = listed(names=named("Gone"), pieces=1)
    take(gone)
    listed(names=named("Few"), pieces=3)
    listed(names=named("Soon"), on_sale_from=tomorrow)
    listed(names=named("Over"), on_sale_until=yesterday)
    listed(names=named("Chosen"), tags=(tag.pk,))
    names, html = shop(client)

    assert names == ["Soon", "Few", "Gone", "Gold"]
    for note in ("For other tiers", "Sold out", "Only 3 left", "From 07/06/2026"):
        assert note in html, note
    assert shop(client, affordable="on")[0] == []


def test_shows_a_page_at_a_time_without_counting(client, monkeypatch):
    monkeypatch.setattr("benefits.views.items.PAGE_SIZE", 2)
    for name in "ABCDE":
        listed(names=named(name))

    assert shop(client)[0] == ["E", "D"]
    names, html = shop(client, start=2)
    assert names == ["C", "B"]
    assert "start=4" in html
    assert "Back to the first" in html
    names, html = shop(client, start=4)
    assert names == ["A"]
    assert "More items" not in html


def test_asks_the_database_as_often_for_many_items_as_for_one(client, django_assert_num_queries):
    pictures, _kept = pictured()
    listed(pictures=pictures, pieces=1)
    shop(client)
    with django_assert_num_queries(8) as one:
        shop(client)
    for _ in range(5):
        listed(pictures=pictures, pieces=1)
    with django_assert_num_queries(len(one)):
        shop(client, sort="few", affordable="on", category="x")


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({}, "You are 1,000 points short."),
        ({"tiers": ("t2",)}, "is for other tiers"),
        ({"on_sale_from": noon("2026-07-06")}, "is on sale from"),
        ({"on_sale_until": noon("2026-07-04")}, "is over"),
        ({"pieces": 0, "is_counted": True}, "is sold out"),
    ],
)
def test_an_item_tells_why_it_cannot_be_had(client, terms, told):
    assert told in item_page(client, listed(**terms)).content.decode()


def test_an_item_tells_its_terms_and_what_other_tiers_pay(client, of):
    give(of, 5000)
    item = listed(
        prices=(Price(1000), Price(700, tier="t2")),
        limits=(Limit(2, "MONTH"),),
        value=139,
        cost=58,
        description={"zh-hans": "好杯", "en": "A good cup"},
    )
    html = item_page(client, item).content.decode()

    for text in ("1,000 points", "700 points", "At most 2 a month", "139.00 yuan", "A good cup"):
        assert text in html, text
    assert "58.00" not in html
    assert "short" not in html


def test_an_item_that_is_for_chosen_members_or_never_was_listed_is_not_found(client):
    tag = Tag.objects.create(name="车友会")

    assert item_page(client, listed(tags=(tag.pk,))).status_code == 404
    assert client.get("/shop/nothing/").status_code == 404


def test_what_was_delisted_says_so(client):
    item = listed()
    operations.delist(item_id=item.pk, reason="召回", by=staff(), at=AT)

    assert "is not offered any more" in item_page(client, item).content.decode()
    assert shop(client)[0] == []


def test_pages_are_for_members_who_are_logged_in():
    item = listed()
    for path in (reverse("benefits:shop"), reverse("benefits:item", args=[item.code])):
        assert Client().get(path).status_code == 302


class TestPictures:
    def test_a_picture_is_drawn_anew_without_what_the_phone_wrote_in_it(self):
        out = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6  # held upright
        exif[0x010F] = "SecretPhone"
        Image.new("RGB", (900, 600), "red").save(out, "JPEG", exif=exif)
        kept = keep_picture(file=out.getvalue(), by=staff(), at=AT)

        assert (kept.width, kept.height) == (600, 900)
        for content in (bytes(kept.large), bytes(kept.small)):
            drawn = Image.open(io.BytesIO(content))
            assert drawn.format == "WEBP"
            assert not drawn.getexif()
            assert b"SecretPhone" not in content
        assert max(drawn.size) == 400

    def test_the_same_picture_is_kept_once(self):
        for _ in range(2):
            keep_picture(file=png(), by=staff(), at=AT)

        assert ItemPicture.objects.count() == 1

    @pytest.mark.parametrize(
        ("file", "refusal"),
        [
            (b"<svg></svg>", logos.NoPicture),
            (b"x" * (logos.FILE_MAX + 1), logos.PictureTooLarge),
            (png(size=(20, 20)), logos.PictureTooSmall),
        ],
    )
    def test_what_is_no_picture_is_refused(self, file, refusal):
        with pytest.raises(refusal):
            keep_picture(file=file, by=staff(), at=AT)

    def test_is_served_for_good_under_its_own_address(self):
        _shown, kept = pictured()
        for name in ("item_picture", "item_picture_small"):
            answer = Client().get(reverse(f"benefits:{name}", args=[kept.digest]))

            assert answer["Content-Type"] == "image/webp"
            assert "immutable" in answer["Cache-Control"]
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in answer
        assert Client().get(reverse("benefits:item_picture", args=["0" * 64])).status_code == 404

    def test_says_what_it_shows_and_comes_late_where_it_is_not_seen_at_once(self, client):
        shown, kept = pictured()
        for _ in range(6):
            item = listed(pictures=shown)
        html = shop(client)[1]

        assert html.count(f'src="/shop/pictures/{kept.digest}-small.webp"') == 6
        assert html.count('alt="A red cup"') == 6
        assert html.count('loading="lazy"') == 2
        assert 'width="900"' in item_page(client, item).content.decode()


def test_five_thousand_items_cost_no_more_queries(client, django_assert_num_queries):
    pictures, _kept = pictured()
    item = listed(pictures=pictures, pieces=1)
    shop(client)
    many(item, 5_000)
    # What the process remembers for some seconds only, it asks for again.
    shop(client)

    with django_assert_num_queries(8):
        names, _html = shop(client)
    assert len(names) == PAGE_SIZE
    with django_assert_num_queries(8):
        shop(client, sort="few", affordable="on")
    with django_assert_num_queries(8):
        shop(client, sort="many", start=4_000)


def many(item, count):
    """Copies of an item that is listed, without drafting each of them."""
    Item.objects.bulk_create(
        Item(code=f"many-{n}", created_at=AT, created_by=item.created_by) for n in range(count)
    )
    draft = item.live
    drafts = Listing.objects.bulk_create(
        Listing(
            item=each, number=1, names=draft.names, source=draft.source,
            handovers=draft.handovers, authors=draft.authors, created_at=AT, changed_at=AT,
            changed_by=draft.changed_by,
        )
        for each in Item.objects.filter(state="DRAFT")
    )  # fmt: skip
    ItemPrice.objects.bulk_create(ItemPrice(listing=each, points=each.pk) for each in drafts)
    Listing.objects.filter(state="DRAFT").update(
        state="LIVE", approval=draft.approval, approved_at=AT, approved_by=draft.approved_by
    )
    Item.objects.filter(state="DRAFT").update(
        state="LISTED", listed_at=AT, live=Listing.objects.filter(item=OuterRef("pk")).values("pk")
    )


def test_an_item_and_its_order_take_fewer_than_ten_questions(client, django_assert_max_num_queries):
    item = listed(
        pieces=3,
        handovers=("SHIP",),
        prices=(Price(1000), Price(800, tier="t1")),
        limits=(Limit(1, "MONTH"), Limit(5, "YEAR"), Limit(3, "MONTH", "t1")),
        value=Decimal(120),
    )
    # What the process remembers for some seconds, it asks for once.
    shop(client)
    for page in ("benefits:item", "benefits:order_item"):
        with django_assert_max_num_queries(9):
            assert client.get(reverse(page, args=[item.code])).status_code == 200
