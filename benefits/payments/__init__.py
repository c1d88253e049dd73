"""
Who takes money for us: WeChat Pay, or in a sandbox a page that only says so.

Each is a `Provider` (`port`). Secrets stand in settings and go nowhere else.
"""

from django.conf import settings

from benefits.payments.port import (
    H5,
    JSAPI,
    NATIVE,
    Asked,
    Back,
    BackState,
    NotGenuine,
    Provider,
    Standing,
    Told,
)
from benefits.payments.sandbox import Sandbox
from benefits.payments.wechat import WeChatPay


def provider() -> Provider | None:
    """Whom new payments go to; None: nothing that costs money is sold online."""
    if settings.WECHAT_PAY_MERCHANT_ID:
        return WeChatPay()
    return Sandbox() if settings.SANDBOX else None


def named(name: str) -> Provider | None:
    """Whom an old payment went to, if the installation still has an account there."""
    found = provider()
    return found if found is not None and found.name == name else None


__all__ = [
    "H5",
    "JSAPI",
    "NATIVE",
    "Asked",
    "Back",
    "BackState",
    "NotGenuine",
    "Provider",
    "Sandbox",
    "Standing",
    "Told",
    "WeChatPay",
    "named",
    "provider",
]
