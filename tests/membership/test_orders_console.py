"""Staff follow an order from the shelf to the member."""

import pytest
from django.urls import reverse

from benefits.models.orders import Order
from common.models import AuditRecord
from partners.models import Placement
from tests.benefits.buying import HOME, at_store, collectable, order, points_of, rich
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.factories import store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tiers():
    publish()


def page(name, *args):
    return reverse(f"admin:benefits_order_{name}", args=args)


def test_the_warehouse_works_an_order_off(at_work):
    one = rich()
    made = order(one, listed(pieces=2))
    boss = at_work("administrator")
    for name, said, state in (
        ("pick", {"note": ""}, "PICKED"),
        ("ship", {"carrier": "SF", "shipment": "SF1"}, "SHIPPED"),
        ("receive", {"note": ""}, "RECEIVED"),
        ("take_back", {"to_stock": "on", "note": "已验收"}, "RETURNED"),
    ):
        shown = boss.get(page("change", made.pk)).content.decode()
        assert page(name, made.pk) in shown
        assert HOME.recipient not in shown
        assert boss.get(page(name, made.pk)).status_code == 200
        boss.post(page(name, made.pk), said)
        assert Order.objects.get(pk=made.pk).state == state
    assert points_of(one) == 5000
    assert AuditRecord.objects.filter(action__startswith="order.").count() == 4


def test_the_warehouses_file_is_harmless_and_recorded(at_work):
    made = order(rich(), listed(pieces=2, names={"zh-hans": "=1+1", "en": "=1+1"}))
    boss = at_work("administrator")
    assert boss.post(page("export"), {"note": ""}).status_code == 200
    text = b"".join(boss.post(page("export"), {"note": "发货"}).streaming_content).decode()

    assert made.number in text
    assert HOME.address in text
    assert "'=1+1" in text
    assert AuditRecord.objects.get(action="orders.exported").reason == "发货"
    assert at_work("customer care").get(page("export")).status_code == 403


def test_a_dealer_sees_what_is_collected_at_its_own_stores(at_work):
    mine, other = store(), store()
    here, there, sent = (
        order(rich(), collectable(), delivery=at_store(mine)),
        order(rich(), collectable(), delivery=at_store(other)),
        order(rich(), listed(pieces=1)),
    )
    dealer = at_work("dealer manager")
    Placement.objects.create(user=dealer.user, organization=mine.organization)

    assert dealer.get(page("change", here.pk)).status_code == 200
    for hidden in (there, sent):
        assert dealer.get(page("change", hidden.pk)).status_code == 404
        assert dealer.post(page("pick", hidden.pk), {"note": ""}).status_code == 404
    assert dealer.get(page("cancel", here.pk)).status_code == 403
    told = dealer.get(page("changelist")).content.decode()
    assert (here.number in told, there.number in told) == (True, False)
