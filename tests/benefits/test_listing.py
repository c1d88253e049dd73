"""How items come into the catalogue: drafted, approved by somebody else, delisted (B4)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from benefits.models.items import Item, ItemPrice, Listing
from benefits.operations import items as operations
from benefits.operations.items import Limit, Price
from common import approvals
from common.models import AuditRecord
from common.moments import YearOutOfRange
from tests.benefits.shop import AT, approved, changed, drafted, listed, submitted, terms
from tests.factories import staff

pytestmark = pytest.mark.django_db


def points(item):
    return [each.points for each in item.live.prices.all()]


def save(draft, *, by=None, **more):
    return operations.save_draft(
        listing_id=draft.pk, terms=terms(**more), revision=draft.revision, by=by or staff(), at=AT
    )


def test_a_draft_is_listed_once_somebody_else_approved_it():
    writer, approver = staff(), staff()
    draft = drafted("cup", by=writer)
    assert Item.objects.get().state == "DRAFT"

    asked = submitted(draft, by=writer)
    assert Item.objects.get().state == "DRAFT"
    approvals.approve(approval_id=asked.pk, by=approver, at=AT)

    item = Item.objects.get()
    assert (item.state, item.live, item.listed_at) == ("LISTED", draft, AT)
    assert AuditRecord.objects.filter(action="item.listed", target="cup", actor=approver).exists()


def test_who_wrote_on_it_does_not_approve_it_whoever_asked():
    first, second, asking = staff(), staff(), staff()
    draft = save(drafted(by=first), by=second, prices=(Price(5),))
    asked = submitted(draft, by=asking)

    for writer in (first, second):
        with pytest.raises(operations.OwnListing):
            approvals.approve(approval_id=asked.pk, by=writer, at=AT)
    with pytest.raises(approvals.OwnRequest):
        approvals.approve(approval_id=asked.pk, by=asking, at=AT)
    assert Item.objects.get().state == "DRAFT"


def test_the_database_lets_no_author_approve():
    writer = staff()
    draft = drafted(by=writer)
    asked = submitted(draft)
    approvals.reject(approval_id=asked.pk, by=staff(), at=AT, note="价格")

    with pytest.raises(IntegrityError, match="approved_by_another"), transaction.atomic():
        Listing.objects.filter(pk=draft.pk).update(
            state="LIVE", approval=asked, approved_by=writer, approved_at=AT
        )
    with pytest.raises(DatabaseError, match="cannot be changed so"), transaction.atomic():
        Listing.objects.filter(pk=draft.pk).update(authors=[staff().pk])


def test_a_changed_price_is_asked_for_and_the_old_one_holds_until_then():
    item = listed(prices=(Price(1000),))
    writer = staff()
    draft = operations.start_draft(item_id=item.pk, by=writer, at=AT)
    draft = save(draft, by=writer, prices=(Price(10),))
    asked = submitted(draft, by=writer)
    assert points(Item.objects.get()) == [1000]

    approvals.approve(approval_id=asked.pk, by=staff(), at=AT)

    now = Item.objects.get()
    assert points(now) == [10]
    assert [each.state for each in now.listings.order_by("number")] == ["REPLACED", "LIVE"]


@pytest.mark.parametrize("state", ["waits", "live"])
def test_what_waits_or_was_live_does_not_change(state):
    draft = drafted()
    submitted(draft) if state == "waits" else approved(draft)

    refusal = operations.DraftWaits if state == "waits" else operations.DraftNotOpen
    with pytest.raises(refusal):
        save(draft, prices=(Price(1),))
    for change in (
        lambda: Listing.objects.filter(pk=draft.pk).update(cost=5),
        lambda: ItemPrice.objects.filter(listing=draft).update(points=1),
        lambda: ItemPrice.objects.filter(listing=draft).delete(),
        lambda: ItemPrice.objects.create(listing=draft, points=1),
        lambda: Listing.objects.filter(pk=draft.pk)._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_what_was_rejected_is_changed_and_asked_for_again():
    draft = drafted()
    asked = submitted(draft)
    approvals.reject(approval_id=asked.pk, by=staff(), at=AT, note="太贵")

    draft = save(Listing.objects.get(), prices=(Price(900),))
    assert points(approved(draft)) == [900]


def test_of_two_who_edit_the_second_is_told():
    draft = drafted()
    save(draft, prices=(Price(1),))

    with pytest.raises(operations.DraftChanged):
        operations.save_draft(
            listing_id=draft.pk, terms=terms(prices=(Price(2),)), revision=draft.revision,
            by=staff(), at=AT,
        )  # fmt: skip


def test_saving_nothing_new_changes_nothing():
    limits = (Limit(2, "YEAR"), Limit(1, "DAY"))
    draft = drafted(prices=(Price(9), Price(5, Decimal("1.50"))), limits=limits)

    assert save(draft, prices=(Price(5, Decimal("1.5")), Price(9)), limits=limits).revision == 1


def test_an_item_has_one_open_draft():
    item = listed()
    first = operations.start_draft(item_id=item.pk, by=staff(), at=AT)

    assert operations.start_draft(item_id=item.pk, by=staff(), at=AT) == first
    assert operations.terms_of(first) == operations.terms_of(item.live)


def test_what_is_delisted_comes_back_by_an_approval_only():
    item = listed()
    with pytest.raises(operations.ReasonMissing):
        operations.delist(item_id=item.pk, reason="", by=staff(), at=AT)
    operations.delist(item_id=item.pk, reason="召回", by=staff(), at=AT)
    assert Item.objects.get().state == "DELISTED"
    with pytest.raises(operations.NothingListed):
        operations.delist(item_id=item.pk, reason="召回", by=staff(), at=AT)

    assert changed(item, prices=(Price(7),)).state == "LISTED"


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"names": {"en": "Cup"}}, operations.NameMissing),
        ({"handovers": ()}, operations.HandoverMissing),
        ({"source": "PARTNER"}, operations.PartnerMissing),
        ({"on_sale_from": AT, "on_sale_until": AT}, operations.SaleTurned),
        ({"on_sale_from": datetime(1, 1, 1, tzinfo=UTC)}, YearOutOfRange),
        ({"on_sale_until": datetime(9999, 12, 31, tzinfo=UTC)}, YearOutOfRange),
        ({"prices": (Price(0),)}, operations.PriceOfNothing),
        ({"prices": (Price(1), Price(1))}, operations.PriceTwice),
        ({"limits": (Limit(1, "DAY"), Limit(2, "DAY"))}, operations.LimitTwice),
    ],
)
def test_terms_that_make_no_sense_are_not_kept(wrong, refusal):
    with pytest.raises(refusal):
        drafted(**wrong)
    assert not Item.objects.exists()


def test_without_a_price_nothing_is_asked_for():
    with pytest.raises(operations.PriceMissing):
        submitted(drafted(prices=()))


def test_a_code_is_taken_once():
    drafted("cup")
    with pytest.raises(operations.CodeTaken):
        drafted("cup")
