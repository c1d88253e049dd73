from typing import Any

from django.conf import settings
from django.core import checks

from benefits.payments.wechat import der

API_V3_KEY_LENGTH = 32
NEEDED = (
    "WECHAT_PAY_PRIVATE_KEY",
    "WECHAT_PAY_CERTIFICATE_SERIAL",
    "WECHAT_PAY_PUBLIC_KEY_ID",
    "WECHAT_PAY_PUBLIC_KEY",
    "WECHAT_PAY_API_V3_KEY",
)


@checks.register(checks.Tags.security, deploy=True)
def wechat_pay_is_complete(**_: Any) -> list[checks.CheckMessage]:
    """Say before the first member pays that no payment could be asked for, or heard of."""
    if not settings.WECHAT_PAY_MERCHANT_ID:
        return []
    wrong = [name for name in NEEDED if not getattr(settings, name)]
    if not settings.WECHAT_PAY_APP_ID and not settings.WECHAT_APP_ID:
        wrong.append("WECHAT_PAY_APP_ID")
    if len(settings.WECHAT_PAY_API_V3_KEY) != API_V3_KEY_LENGTH:
        wrong.append("WECHAT_PAY_API_V3_KEY")
    wrong += [
        name
        for name in ("WECHAT_PAY_PRIVATE_KEY", "WECHAT_PAY_PUBLIC_KEY")
        if not _is_der(getattr(settings, name))
    ]
    if not wrong:
        return []
    return [
        checks.Error(
            f"WeChat Pay cannot be used: {', '.join(sorted(set(wrong)))} missing or malformed.",
            hint="channels.env.example says how each is written.",
            id="benefits.E001",
        )
    ]


def _is_der(text: str) -> bool:
    try:
        return bool(der(text))
    except ValueError:
        return False
