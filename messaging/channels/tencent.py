"""
Text messages through Tencent Cloud: SMS 2021-01-11.

Signed by “Signature method v3” (TC3-HMAC-SHA256), https://cloud.tencent.com/document/api/382/52071;
the operations are https://cloud.tencent.com/document/product/382/55981 (SendSms) and 55976
(PullSmsSendStatusByPhoneNumber), the codes those of https://cloud.tencent.com/document/product/382/59177.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from common import outside
from messaging.channels.port import Away, NotNow, Outgoing, Refused

ENDPOINT = "https://sms.tencentcloudapi.com"
SERVICE, VERSION = "sms", "2021-01-11"
ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
SIGNED = "content-type;host;x-tc-action"
# How long after an attempt its repeat may come.
LOOKED_BACK = timedelta(days=2)

PHONE_HAS_ENOUGH = (
    "LimitExceeded.PhoneNumberThirtySecondLimit",
    "LimitExceeded.PhoneNumberOneHourLimit",
    "LimitExceeded.PhoneNumberDailyLimit",
    "LimitExceeded.PhoneNumberSameContentDailyLimit",
)
OURS = (
    "AuthFailure",
    "UnauthorizedOperation",
    "FailedOperation.InsufficientBalanceInSmsPackage",
    "FailedOperation.FailResolvePacket",
    "LimitExceeded.AppMainlandChinaDailyLimit",
    "LimitExceeded.AppCountryOrRegionDailyLimit",
    "LimitExceeded.DailyLimit",
    "UnsupportedOperation.UnsupportedRegion",
)
THROTTLED = ("RequestLimitExceeded", "LimitExceeded.DeliveryFrequencyLimit")
NOT_NOW = ("InternalError", "FailedOperation.MissingSignature")


class Tencent:
    name = "tencent"

    def send(self, outgoing: Outgoing) -> str:
        """The SerialNo of a text message; `outgoing.name` is kept with it as its context."""
        if not outgoing.first_attempt and (known := self._sent_before(outgoing)):
            return known
        answer = self._call(
            "SendSms",
            {
                "PhoneNumberSet": [outgoing.address],
                "SmsSdkAppId": settings.SMS_APP_ID,
                "SignName": settings.SMS_SIGN_NAME,
                "TemplateId": outgoing.provider_template,
                "TemplateParamSet": [str(value) for value in outgoing.parameters.values()],
                "SessionContext": outgoing.name,
            },
        )
        [status] = answer["SendStatusSet"]
        if status["Code"] != "Ok":
            raise _trouble(status["Code"], status.get("Message", ""))
        return str(status["SerialNo"])

    def _sent_before(self, outgoing: Outgoing) -> str:
        """The SerialNo of an attempt of which we never heard, if one arrived."""
        begin = timezone.now() - LOOKED_BACK
        answer = self._call(
            "PullSmsSendStatusByPhoneNumber",
            {
                "BeginTime": int(begin.timestamp()),
                "Offset": 0,
                "Limit": 100,
                "PhoneNumber": outgoing.address,
                "SmsSdkAppId": settings.SMS_APP_ID,
            },
        )
        for status in answer.get("PullSmsSendStatusSet") or []:
            if status.get("SessionContext") == outgoing.name:
                return str(status["SerialNo"])
        return ""

    def _call(self, action: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        endpoint = settings.SMS_ENDPOINT or ENDPOINT
        body = json.dumps(wanted).encode()
        headers = sign(
            service=SERVICE,
            host=urlsplit(endpoint).netloc,
            action=action,
            body=body,
            at=timezone.now(),
            key_id=settings.SMS_ACCESS_KEY_ID,
            secret=settings.SMS_ACCESS_KEY_SECRET,
        )
        headers |= {"X-TC-Version": VERSION, "X-TC-Region": settings.SMS_REGION}
        answer = outside.post(f"{endpoint}/", body=body, headers=headers).json()
        response = answer.get("Response")
        if not isinstance(response, dict):
            raise NotNow("an answer without a response")
        if error := response.get("Error"):
            raise _trouble(error["Code"], error.get("Message", ""))
        return response


def sign(
    *,
    service: str,
    host: str,
    action: str,
    body: bytes,
    at: datetime,
    key_id: str,
    secret: str,
) -> dict[str, str]:
    """The headers of a POST of JSON to /."""
    moment = at.astimezone(UTC)
    lines = f"content-type:{CONTENT_TYPE}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    request = "\n".join(["POST", "/", "", lines, SIGNED, hashlib.sha256(body).hexdigest()])
    scope = f"{moment:%Y-%m-%d}/{service}/tc3_request"
    timestamp = str(int(moment.timestamp()))
    hashed = hashlib.sha256(request.encode()).hexdigest()
    to_sign = "\n".join([ALGORITHM, timestamp, scope, hashed])
    key = f"TC3{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": CONTENT_TYPE,
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Timestamp": timestamp,
        "Authorization": (
            f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={SIGNED}, "
            f"Signature={signature}"
        ),
    }


def _trouble(code: str, said: str) -> Exception:
    reason = f"{code} {said}".strip()
    if code in PHONE_HAS_ENOUGH:
        return NotNow(reason, wait=timedelta(hours=1))
    if code.startswith(THROTTLED):
        return Away(reason, wait=timedelta(seconds=10))
    if code.startswith(OURS):
        return Away(reason, wait=timedelta(minutes=5))
    if code.startswith(NOT_NOW):
        return NotNow(reason)
    return Refused(reason)
