"""Members pay for an order on its page; staff see the payment."""

import html
import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
import urllib3
from django.urls import reverse
from django.utils import timezone

from benefits.models.orders import Order
from benefits.models.payments import Refund
from benefits.operations import orders
from tests.benefits.buying import AT, points_of, rich
from tests.benefits.paying import PRICE, follow, payment_of, placed, wechat_pay
from tests.benefits.plan import publish
from tests.benefits.shop import listed
from tests.benefits.test_orders_web import HOME, ask, client_of
from tests.factories import staff
from tests.membership.conftest import at_work  # noqa: F401 - for the console's page
from tests.providers import SECRET, WeChat, serving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def of():
    return rich()


@pytest.fixture
def client(of):
    return client_of(of)


def page(name, *args):
    return reverse(f"benefits:{name}", args=args)


def test_a_member_orders_and_plays_paying_in_a_sandbox(client, of):
    item = listed(pieces=3, prices=PRICE)
    assert page("order_item", item.code) in client.get(page("item", item.code)).content.decode()
    answer = client.post(*ask(client, item, **HOME))
    made = Order.objects.get()
    pay = page("order_pay", made.pk)
    assert answer.url == pay
    before = client.get(pay).content.decode()
    assert "No money moves" in before
    assert "60.00 yuan" in before
    assert client.post(pay).url == pay
    shown = client.get(pay).content.decode()
    assert 'class="qr"' in shown
    door = page("sandbox_payment", payment_of(made).number)
    assert door in shown
    assert client.get(pay, headers={"HX-Request": "true"}).status_code == 200
    assert "No money moves" in client.get(door).content.decode()
    assert client.post(door).url == page("order", made.pk)

    assert Order.objects.get().state == "PAID"
    assert client.get(pay).url == page("order", made.pk)
    on = client.get(pay, headers={"HX-Request": "true"})
    assert on.headers["HX-Redirect"] == page("order", made.pk)
    told = client.get(page("order", made.pk)).content.decode()
    assert "400 points + 60.00 yuan" in told
    assert points_of(of) == 4600


def test_an_order_that_waits_says_so_and_can_be_cancelled(client, of):
    made = placed(of)
    told = client.get(page("order", made.pk)).content.decode()
    assert page("order_pay", made.pk) in told
    assert "It waits for your payment of 60.00 yuan" in told
    client.post(page("order_cancel", made.pk), {"why": "CHANGED_MIND"})

    assert points_of(of) == 5000
    assert client.get(page("order_pay", made.pk)).url == page("order", made.pk)
    # What nobody chooses is not offered.
    assert client.post(page("order_cancel", placed(of).pk), {"why": "NOT_PAID"}).status_code == 422


def test_what_a_paid_order_gives_back_is_told(client, of):
    made = placed(of)
    client.post(page("sandbox_payment", payment_of(made).number))
    asked = client.get(page("order_cancel", made.pk)).content.decode()
    assert "60.00 yuan" in asked
    client.post(page("order_cancel", made.pk), {"why": "CHANGED_MIND"})
    assert "On its way back" in client.get(page("order", made.pk)).content.decode()
    follow(timezone.now())

    assert "On its way back" not in client.get(page("order", made.pk)).content.decode()


def test_when_the_time_is_over_nothing_is_asked_for(client, of):
    made = placed(of)
    with time_machine.travel(AT + timedelta(minutes=30), tick=False):
        told = client.get(page("order_pay", made.pk)).content.decode()
        assert "The time for paying is over" in told
        assert client.post(page("order_pay", made.pk)).status_code == 409


def test_a_provider_that_is_away_is_told_and_tried_again(client, of, settings):
    with wechat_pay(settings) as server:
        made = placed(of)
        server.answers.append((503, {}, b"busy"))
        answer = client.post(page("order_pay", made.pk))
        assert answer.status_code == 503
        assert "Try again in a moment" in answer.content.decode()
        assert client.post(page("order_pay", made.pk)).status_code == 302
        shown = client.get(page("order_pay", made.pk)).content.decode()

    assert 'class="qr"' in shown
    assert "No money moves" not in shown


def test_an_order_is_paid_by_its_own_member_only(client, of):
    made, paid_in_points = placed(), listed(pieces=1)
    assert client.get(page("order_pay", made.pk)).status_code == 404
    assert client.post(page("order_pay", made.pk)).status_code == 404
    assert client.get(page("sandbox_payment", "D1P1")).status_code == 404
    client.post(*ask(client, paid_in_points, **HOME))
    own = Order.objects.get(member=of.id)
    assert client.get(page("order_pay", own.pk)).status_code == 404


def test_real_payments_are_not_played(client, of, settings):
    with wechat_pay(settings):
        made = placed(of)
    number = payment_of(made).number

    assert client.post(page("sandbox_payment", number)).status_code == 404
    assert Order.objects.get().state == "PLACED"


def test_staff_see_the_payment_and_ask_again_for_a_refund_that_failed(of, client, at_work):  # noqa: F811
    made = placed(of)
    number = payment_of(made).number
    client.post(page("sandbox_payment", number))
    boss = at_work("administrator")
    console = reverse("admin:benefits_order_change", args=[made.pk])
    again = reverse("admin:benefits_order_refund_again", args=[made.pk])
    told = boss.get(console).content.decode()
    assert number in told
    assert f"sandbox-{number}" in told
    orders.cancel(order_id=made.pk, note="缺货", at=AT, who=orders.staff(staff()))
    assert again not in boss.get(console).content.decode()
    Refund.objects.update(state="FAILED", due_at=None, trouble="NOT_ENOUGH")
    shown = boss.get(console).content.decode()
    assert "NOT_ENOUGH" in shown
    assert again in shown
    boss.post(again, {"note": "已充值"})

    assert Refund.objects.get().state == "WAITING"


PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36"
COMPUTER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36"


class TestWithWhich:
    @pytest.fixture(autouse=True)
    def _with_h5(self, settings):
        settings.WECHAT_PAY_H5 = True
        with wechat_pay(settings) as self.server:
            yield

    def shown(self, client, made, browser):
        answer = client.get(page("order_pay", made.pk), headers={"User-Agent": browser})
        return answer.content.decode()

    def test_a_phone_opens_wechat_by_a_link(self, client, of):
        made = placed(of)
        before = self.shown(client, made, PHONE)
        assert 'value="H5"' in before
        assert "Pay with another phone" in before
        client.post(page("order_pay", made.pk), {"way": "H5"})

        after = self.shown(client, made, PHONE)
        # WeChat wants to know from which domain the payer comes.
        assert 'href="https://wx.tenpay.com/' in after
        assert 'referrerpolicy="origin"' in after
        assert 'class="qr"' not in after
        client.post(page("order_pay", made.pk), {"way": "NATIVE"})
        assert 'class="qr"' in self.shown(client, made, PHONE)

    def test_a_link_that_is_over_is_not_offered_any_more(self, client, of):
        made = placed(of)
        client.post(page("order_pay", made.pk), {"way": "H5"})
        with time_machine.travel(AT + timedelta(minutes=5), tick=False):
            over = self.shown(client, made, PHONE)
            assert "wx.tenpay.com" not in over
            assert 'value="H5"' in over
            client.post(page("order_pay", made.pk), {"way": "H5"})

            assert f"prepay_id=wx{payment_of(made).number}-2" in self.shown(client, made, PHONE)

    def test_a_computer_shows_a_code(self, client, of):
        made = placed(of)
        assert 'value="H5"' not in self.shown(client, made, COMPUTER)
        client.post(page("order_pay", made.pk), {"way": "NATIVE"})

        assert 'class="qr"' in self.shown(client, made, COMPUTER)

    def test_wechats_own_browser_is_told_to_use_the_phones(self, client, of):
        told = self.shown(client, placed(of), f"{PHONE} MicroMessenger/8.0")

        assert "Open this page in the browser of your phone" in told
        assert 'value="H5"' not in told

    @pytest.fixture
    def weixin(self, settings):
        """An official account with WeChat, which tells who opens a page inside it."""
        with serving(WeChat()) as server:
            settings.WECHAT_APP_ID, settings.WECHAT_APP_SECRET = "wx1", SECRET
            settings.WECHAT_ENDPOINT = settings.WECHAT_OPEN_ENDPOINT = server.url
            settings.WECHAT_PAY_JSAPI = True
            yield server

    def away(self, client, made):
        """Where WeChat sends its browser back to."""
        answer = client.get(page("order_pay_wechat", made.pk))
        assert answer.status_code == 302
        told = urllib3.request("GET", answer["Location"], redirect=False)
        back = urlsplit(told.headers["Location"])
        return f"{back.path}?{back.query}"

    def test_inside_wechat_a_sheet_asks_for_the_money(self, client, of, weixin):
        made, browser = placed(of), f"{PHONE} MicroMessenger/8.0"
        assert page("order_pay_wechat", made.pk) in self.shown(client, made, browser)
        back = self.away(client, made)
        assert client.get(back).url == page("order_pay", made.pk)

        after = self.shown(client, made, browser)
        sheet = json.loads(html.unescape(re.search(r'data-sheet="([^"]+)"', after)[1]))
        assert self.server.shows(sheet)
        assert self.server.sent[0]["payer"] == {"openid": weixin.openid}
        # What is asked for inside WeChat is no link for other browsers.
        assert "data-sheet" not in self.shown(client, made, COMPUTER)
        # What came back is good once.
        assert client.get(back).url == f"{page('order_pay', made.pk)}?refused"

    @pytest.mark.parametrize("back", ["", "?state=x&code=y", "?code=code0", "?state=%00&code=%00"])
    def test_who_does_not_come_from_wechat_is_told_to_try_again(self, client, of, weixin, back):
        made = placed(of)
        client.get(page("order_pay_wechat", made.pk))
        answer = client.get(page("order_pay_back", made.pk) + back, follow=True)

        assert "WeChat did not tell us who you are" in answer.content.decode()
        assert self.server.sent == []

    def test_somebody_elses_order_is_not_there(self, client, weixin):
        made = placed()
        for name in ("order_pay_wechat", "order_pay_back"):
            assert client.get(page(name, made.pk)).status_code == 404

    def test_without_jsapi_there_is_no_such_page(self, client, of):
        assert client.get(page("order_pay_wechat", placed(of).pk)).status_code == 404

    def test_a_way_that_is_none_is_refused(self, client, of):
        made = placed(of)
        answer = client.post(page("order_pay", made.pk), {"way": "CASH"})

        assert answer.status_code == 409
        assert "cannot be paid in this way" in answer.content.decode()
        assert self.server.sent == []
