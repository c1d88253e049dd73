"""Orders that cost money, and WeChat Pay as the installation has it."""

from contextlib import contextmanager
from datetime import timedelta

from benefits.models.payments import Payment
from benefits.operations import payments
from benefits.operations.items import Price
from tests.benefits.buying import AT, order, rich
from tests.benefits.shop import listed
from tests.providers import WeChatPay, serving

PRICE = (Price(400, 60),)
LATER = AT + timedelta(minutes=31)


@contextmanager
def wechat_pay(settings):
    """The provider on a port of this machine, and our account with it."""
    settings.MESSAGING_TIMEOUT = 5
    for name, value in WeChatPay.settings().items():
        setattr(settings, name, value)
    with serving(WeChatPay()) as server:
        settings.WECHAT_PAY_ENDPOINT = server.url
        yield server


def placed(member=None, item=None, *, at=AT):
    """An order that waits for 60 yuan; 400 points are set aside."""
    return order(member or rich(), item or listed(pieces=5, prices=PRICE), at=at)


def begun(one, *, at=AT):
    return payments.begin(order_id=one.pk, at=at)


def payment_of(one):
    return Payment.objects.get(order=one)


def follow(at):
    return payments.follow(clock=lambda: at)
