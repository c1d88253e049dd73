"""
Text messages through Alibaba Cloud: Dysmsapi 2017-05-25.

Signed by “V3 request syntax and signature method” (ACS3-HMAC-SHA256),
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; the operations:
https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms and
…-querysenddetails; the codes: …/error-codes there.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.utils import timezone

from common import outside
from messaging.channels.port import Away, NotNow, Outgoing, Refused

ENDPOINT = "https://dysmsapi.aliyuncs.com"
VERSION = "2017-05-25"
ALGORITHM = "ACS3-HMAC-SHA256"
MAINLAND = "+86"
# The provider's days are those of Peking, wherever the programme is.
PEKING = timedelta(hours=8)

# A phone gets one a minute, five an hour, ten a day, unless agreed otherwise.
PHONE_HAS_ENOUGH = {"isv.BUSINESS_LIMIT_CONTROL"}
# What is wrong with our account or its settings, and passes when somebody mends it.
OURS = {
    "isv.AMOUNT_NOT_ENOUGH",
    "isv.OUT_OF_SERVICE",
    "isv.ACCOUNT_NOT_EXISTS",
    "isv.ACCOUNT_ABNORMAL",
    "isv.PRODUCT_UN_SUBSCRIPT",
    "isv.PRODUCT_UNSUBSCRIBE",
    "isv.DAY_LIMIT_CONTROL",
    "isv.MONTH_LIMIT_CONTROL",
    "isv.SMS_SIGNATURE_ILLEGAL",
    "isp.RAM_PERMISSION_DENY",
    "SignatureDoesNotMatch",
    "SignatureNonceUsed",
    "InvalidTimeStamp.Expired",
    "Forbidden.RAM",
}
NOT_NOW = {"isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "InternalError", "ServiceUnavailable"}


class Aliyun:
    """The provider; its clock and ours may be 15 minutes apart."""

    name = "aliyun"

    def send(self, outgoing: Outgoing) -> str:
        """The BizId of a text message; `outgoing.name` comes back with its receipt."""
        if not outgoing.first_attempt and (known := self._sent_before(outgoing)):
            return known
        answer = self._call(
            "SendSms",
            {
                "PhoneNumbers": _phone(outgoing.address),
                "SignName": settings.SMS_SIGN_NAME,
                "TemplateCode": outgoing.provider_template,
                "TemplateParam": json.dumps(dict(outgoing.parameters), ensure_ascii=False),
                "OutId": outgoing.name,
            },
        )
        return str(answer["BizId"])

    def _sent_before(self, outgoing: Outgoing) -> str:
        """What an attempt became of which we never heard: today or yesterday, under our name."""
        today = (timezone.now().astimezone(UTC) + PEKING).date()
        for day in (today, today - timedelta(days=1)):
            answer = self._call(
                "QuerySendDetails",
                {
                    "PhoneNumber": _phone(outgoing.address),
                    "SendDate": f"{day:%Y%m%d}",
                    "PageSize": "50",
                    "CurrentPage": "1",
                },
            )
            details = answer.get("SmsSendDetailDTOs", {}).get("SmsSendDetailDTO", [])
            for detail in details:
                # 2: the network says that it did not arrive.
                if detail.get("OutId") == outgoing.name and detail.get("SendStatus") != 2:
                    # The question is answered without the BizId; receipts name ours too.
                    return f"out:{outgoing.name}"
        return ""

    def _call(self, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        endpoint = settings.SMS_ENDPOINT or ENDPOINT
        query = canonical_query(parameters)
        headers = sign(
            action=action,
            version=VERSION,
            host=urlsplit(endpoint).netloc,
            query=query,
            nonce=secrets.token_hex(16),
            at=timezone.now(),
            key_id=settings.SMS_ACCESS_KEY_ID,
            secret=settings.SMS_ACCESS_KEY_SECRET,
        )
        answer = outside.post(f"{endpoint}/?{query}", body=b"", headers=headers).json()
        code = str(answer.get("Code", ""))
        if code != "OK":
            raise _trouble(code, str(answer.get("Message", "")))
        return answer


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Sorted by name, encoded by RFC 3986: the same in the address and in what is signed."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )


def sign(
    *,
    action: str,
    version: str,
    host: str,
    query: str,
    nonce: str,
    at: datetime,
    key_id: str,
    secret: str,
) -> dict[str, str]:
    """The headers of a POST to / without a body."""
    digest = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": digest,
        "x-acs-date": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    signed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join(["POST", "/", query, lines, signed, digest])
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={key_id},SignedHeaders={signed},Signature={signature}"
    return headers | {"Authorization": f"{ALGORITHM} {credential}"}


def _phone(e164: str) -> str:
    """Without the country within the mainland, with it and without its sign outside."""
    return e164.removeprefix(MAINLAND) if e164.startswith(MAINLAND) else e164.removeprefix("+")


def _trouble(code: str, said: str) -> Exception:
    reason = f"{code} {said}".strip()
    if code in PHONE_HAS_ENOUGH:
        return NotNow(reason, wait=timedelta(hours=1))
    if code.startswith("Throttling"):
        return Away(reason, wait=timedelta(seconds=10))
    if code in OURS or code.startswith("InvalidAccessKeyId"):
        return Away(reason, wait=timedelta(minutes=5))
    if code in NOT_NOW or not code:
        return NotNow(reason or "an answer without a code")
    return Refused(reason)
