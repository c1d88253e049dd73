"""
What SMS providers tell afterwards: whether a text message arrived.

Aliyun pushes SmsReport (https://help.aliyun.com/zh/sms/developer-reference/smsreport-2),
Tencent its status callback (https://cloud.tencent.com/document/product/382/59178). Neither signs:
what authenticates them is the token in the address we gave them, and Aliyun's is bound to a
message by our own name, which cannot be guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

# More than a provider ever sends at once.
RECEIPTS_MAX = 5000


class NotReceipts(Invalid):
    code = "not_receipts"
    message = _("This is no list of receipts.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    :param name: ours, if the provider tells it
    :param provider_id: the provider's own
    :param problem: why it did not arrive; empty if it did
    """

    name: str
    provider_id: str
    problem: str


def read(provider: str, told: Any) -> list[Receipt]:
    """:raises NotReceipts: if it is not what the provider's documents say"""
    if not isinstance(told, list) or len(told) > RECEIPTS_MAX:
        raise NotReceipts
    reader = {"aliyun": _of_aliyun, "tencent": _of_tencent}[provider]
    try:
        return [reader(one) for one in told]
    except (KeyError, TypeError, AttributeError) as error:
        raise NotReceipts from error


def answer(provider: str) -> dict[str, Any]:
    """What tells the provider that it need not say it again."""
    return {"aliyun": {"code": 0, "msg": "OK"}, "tencent": {"result": 0, "errmsg": "OK"}}[provider]


def _of_aliyun(told: Mapping[str, Any]) -> Receipt:
    problem = "" if told["success"] is True else f"{told['err_code']} {told.get('err_msg', '')}"
    return Receipt(str(told.get("out_id") or ""), str(told["biz_id"]), problem.strip())


def _of_tencent(told: Mapping[str, Any]) -> Receipt:
    arrived = told["report_status"] == "SUCCESS"
    problem = "" if arrived else f"{told['errmsg']} {told.get('description', '')}"
    return Receipt("", str(told["sid"]), problem.strip() or ("" if arrived else "FAIL"))
