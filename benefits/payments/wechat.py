"""
WeChat Pay, API v3: a QR code that another phone's WeChat scans (Native支付), on a phone a link that
leads from its browser into WeChat and back (H5支付), in WeChat's own browser a sheet (JSAPI支付).

https://pay.weixin.qq.com/doc/v3/merchant/4012791874: orders, query, close, refunds, notices;
https://pay.weixin.qq.com/doc/v3/merchant/4012791832: H5;
https://pay.weixin.qq.com/doc/v3/merchant/4012791856: JSAPI, and how its sheet is signed.
Requests are signed with the merchant's key (WECHATPAY2-SHA256-RSA2048); answers and notices by
WeChat's, of which we hold the public key (微信支付公钥, not platform certificates). What a notice
is about is sealed with AES-256-GCM under the APIv3 key.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from django.conf import settings
from django.utils import timezone

from benefits.payments.port import (
    H5,
    JSAPI,
    NATIVE,
    Asked,
    Back,
    BackState,
    NotGenuine,
    Standing,
    Told,
)
from common import outside
from common.outside import Away, NotNow, Refused

ENDPOINT = "https://api.mch.weixin.qq.com"
SCHEME = "WECHATPAY2-SHA256-RSA2048"
# So old a signature may be: a notice that somebody kept is good for no longer.
FRESH = timedelta(minutes=5)
FEN = 100
TITLE_BYTES_MAX = 127
PAID_NOTICE = "TRANSACTION.SUCCESS"

STANDINGS: Mapping[str, Standing] = {
    "SUCCESS": Standing.PAID,
    # Given back by people at the provider, before we knew that it was paid.
    "REFUND": Standing.CLOSED,
    "NOTPAY": Standing.OPEN,
    "USERPAYING": Standing.OPEN,
    "CLOSED": Standing.CLOSED,
    "REVOKED": Standing.CLOSED,
    "PAYERROR": Standing.CLOSED,
}
BACK_STATES: Mapping[str, BackState] = {
    "SUCCESS": BackState.DONE,
    "PROCESSING": BackState.RUNNING,
    "ABNORMAL": BackState.FAILED,
    "CLOSED": BackState.FAILED,
}
ABSENT = {"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS", "ORDERNOTEXIST"}
CLOSED_BEFORE = {"ORDER_CLOSED", "ORDERCLOSED"}
THROTTLED = {"FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED"}
# Our keys, our account, what lies on it.
OURS = {"SIGN_ERROR", "NO_AUTH", "MCH_NOT_EXISTS", "APPID_MCHID_NOT_MATCH", "ACCOUNT_ERROR"}
TOO_LITTLE_MONEY = {"NOT_ENOUGH"}
NOT_NOW = {"SYSTEM_ERROR", "BANK_ERROR"}


class _Code(Refused):
    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"{code} {said}".strip())
        self.code = code


class WeChatPay:
    name = "wechat"
    currencies = frozenset({"CNY"})

    @property
    def ways(self) -> frozenset[str]:
        # WeChat opens H5 to a merchant on request only, for the domains that were named to it; and
        # JSAPI for pages named to it, to whom the official account of the same application knows.
        found = {NATIVE, *([H5] if settings.WECHAT_PAY_H5 else [])}
        if settings.WECHAT_PAY_JSAPI and _app_id() == settings.WECHAT_APP_ID:
            found.add(JSAPI)
        return frozenset(found)

    def begin(self, asked: Asked) -> str:
        wanted = {
            "appid": _app_id(),
            "mchid": settings.WECHAT_PAY_MERCHANT_ID,
            "description": _shortened(asked.title),
            "out_trade_no": asked.number,
            "time_expire": timezone.localtime(asked.until).isoformat(timespec="seconds"),
            "notify_url": asked.notify_url,
            "amount": {"total": _fen(asked.amount), "currency": asked.currency},
        }
        if asked.way == NATIVE:
            return str(self._call("POST", "/v3/pay/transactions/native", wanted)["code_url"])
        if asked.way == JSAPI:
            wanted["payer"] = {"openid": asked.openid}
            return str(self._call("POST", "/v3/pay/transactions/jsapi", wanted)["prepay_id"])
        scene = {"payer_client_ip": asked.payer_ip, "h5_info": {"type": "Wap"}}
        answer = self._call("POST", "/v3/pay/transactions/h5", wanted | {"scene_info": scene})
        # Without it WeChat leads back to whatever page was open before.
        return f"{answer['h5_url']}&redirect_url={quote(asked.return_url, safe='')}"

    def sheet(self, address: str) -> Mapping[str, str]:
        told = {
            "appId": _app_id(),
            "timeStamp": str(int(timezone.now().timestamp())),
            "nonceStr": os.urandom(16).hex(),
            "package": f"prepay_id={address}",
        }
        signed = "".join(f"{each}\n" for each in told.values()).encode()
        signature = base64.b64encode(_own_key().sign(signed, PKCS1v15(), SHA256())).decode()
        return told | {"signType": "RSA", "paySign": signature}

    def ask(self, number: str) -> Told:
        merchant = settings.WECHAT_PAY_MERCHANT_ID
        try:
            answer = self._call(
                "GET", f"/v3/pay/transactions/out-trade-no/{quote(number)}?mchid={merchant}"
            )
        except _Code as refusal:
            if refusal.code not in ABSENT:
                raise
            return Told(number=number, standing=Standing.UNKNOWN)
        try:
            return _told(answer)
        except NotGenuine:
            raise NotNow("an answer about another payment") from None

    def close(self, number: str) -> None:
        try:
            self._call(
                "POST",
                f"/v3/pay/transactions/out-trade-no/{quote(number)}/close",
                {"mchid": settings.WECHAT_PAY_MERCHANT_ID},
            )
        except _Code as refusal:
            if refusal.code not in ABSENT | CLOSED_BEFORE:
                raise

    def give_back(self, back: Back) -> tuple[BackState, str]:
        amount = _fen(back.amount)
        # The same out_refund_no again is a question after the first.
        answer = self._call(
            "POST",
            "/v3/refund/domestic/refunds",
            {
                "transaction_id": back.transaction,
                "out_refund_no": back.number,
                "amount": {"refund": amount, "total": amount, "currency": back.currency},
            },
        )
        state = BACK_STATES.get(str(answer.get("status")))
        if state is None:
            raise NotNow("a refund in a state unknown")
        return state, str(answer["refund_id"])

    def read(self, headers: Mapping[str, str], body: bytes, *, at: datetime) -> Told | None:
        _verify(headers, body, at=at)
        try:
            notice = json.loads(body)
            if notice["event_type"] != PAID_NOTICE:
                return None
            told = _told(json.loads(_opened(notice["resource"])))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidTag) as error:
            raise NotGenuine("a notice that cannot be read") from error
        if told.standing != Standing.PAID:
            raise NotGenuine("a notice of nothing paid")
        return told

    def _call(
        self, method: str, path: str, wanted: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = b"" if wanted is None else json.dumps(wanted, ensure_ascii=False).encode()
        url = (settings.WECHAT_PAY_ENDPOINT or ENDPOINT) + path
        headers = {
            "Accept": "application/json",
            "Authorization": _authorization(method, url, body, at=timezone.now()),
            "Content-Type": "application/json",
            "User-Agent": "membership",
            # Which of WeChat's keys we verify the answer with.
            "Wechatpay-Serial": settings.WECHAT_PAY_PUBLIC_KEY_ID,
        }
        if method == "GET":
            answer = outside.get(url, headers=headers)
        else:
            answer = outside.post(url, body=body, headers=headers)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise _trouble(answer)
        try:
            _verify(answer.headers, answer.body, at=timezone.now())
        except NotGenuine as error:
            raise NotNow(f"HTTP {answer.status}: {error}") from None
        return answer.json() if answer.body else {}


# --- Signatures -----------------------------------------------------------------------------------


def _authorization(method: str, url: str, body: bytes, *, at: datetime) -> str:
    parts = urlsplit(url)
    address = f"{parts.path}?{parts.query}" if parts.query else parts.path
    seconds, nonce = int(at.timestamp()), os.urandom(16).hex()
    signed = f"{method}\n{address}\n{seconds}\n{nonce}\n".encode() + body + b"\n"
    signature = base64.b64encode(_own_key().sign(signed, PKCS1v15(), SHA256())).decode()
    return (
        f'{SCHEME} mchid="{settings.WECHAT_PAY_MERCHANT_ID}",nonce_str="{nonce}",'
        f'signature="{signature}",timestamp="{seconds}",'
        f'serial_no="{settings.WECHAT_PAY_CERTIFICATE_SERIAL}"'
    )


def _verify(headers: Mapping[str, str], body: bytes, *, at: datetime) -> None:
    """:raises NotGenuine: unless WeChat has signed it, just now"""
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        seconds, nonce = sent["wechatpay-timestamp"], sent["wechatpay-nonce"]
        signature = base64.b64decode(sent["wechatpay-signature"], validate=True)
        age = abs(at.timestamp() - int(seconds))
        serial = sent["wechatpay-serial"]
    except (KeyError, ValueError, binascii.Error) as error:
        raise NotGenuine("not signed") from error
    if serial != settings.WECHAT_PAY_PUBLIC_KEY_ID:
        raise NotGenuine("signed with another key")
    if age > FRESH.total_seconds():
        raise NotGenuine("signed too long ago")
    try:
        signed = f"{seconds}\n{nonce}\n".encode() + body + b"\n"
        _public_key().verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise NotGenuine("not signed by WeChat") from error


def _opened(resource: Mapping[str, str]) -> bytes:
    if resource["algorithm"] != "AEAD_AES_256_GCM":
        raise NotGenuine("sealed in a way unknown")
    cipher = AESGCM(settings.WECHAT_PAY_API_V3_KEY.encode())
    return cipher.decrypt(
        resource["nonce"].encode(),
        base64.b64decode(resource["ciphertext"], validate=True),
        resource.get("associated_data", "").encode(),
    )


def _own_key() -> RSAPrivateKey:
    key = load_der_private_key(der(settings.WECHAT_PAY_PRIVATE_KEY), password=None)
    assert isinstance(key, RSAPrivateKey), "WeChat Pay's keys are RSA keys"
    return key


def _public_key() -> RSAPublicKey:
    key = load_der_public_key(der(settings.WECHAT_PAY_PUBLIC_KEY))
    assert isinstance(key, RSAPublicKey), "WeChat Pay's keys are RSA keys"
    return key


def der(text: str) -> bytes:
    """
    A key as a setting has it: the lines of its .pem file, those of dashes left out, in one.

    :raises ValueError: if it is none
    """
    return base64.b64decode("".join(text.split()), validate=True)


# --- What it says ---------------------------------------------------------------------------------


def _told(answer: Mapping[str, Any]) -> Told:
    """:raises NotGenuine: if it is about another merchant or application"""
    ours = (settings.WECHAT_PAY_MERCHANT_ID, _app_id())
    if (answer.get("mchid"), answer.get("appid")) != ours:
        raise NotGenuine("about another account")
    amount = answer.get("amount") or {}
    paid_at = answer.get("success_time")
    return Told(
        number=str(answer["out_trade_no"]),
        standing=STANDINGS.get(str(answer["trade_state"]), Standing.OPEN),
        transaction=str(answer.get("transaction_id", "")),
        amount=Decimal(int(amount.get("total", 0))) / FEN,
        currency=str(amount.get("currency", "")),
        paid_at=datetime.fromisoformat(paid_at) if paid_at else None,
    )


def _trouble(answer: outside.Answer) -> Exception:
    told = answer.json()
    code, said = str(told.get("code", answer.status)), str(told.get("message", ""))
    reason = f"{code} {said}".strip()
    if code in THROTTLED or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Away(reason, wait=timedelta(seconds=10))
    if code in TOO_LITTLE_MONEY:
        return Away(reason, wait=timedelta(hours=1))
    if code in OURS or answer.status == HTTPStatus.UNAUTHORIZED:
        return Away(reason, wait=timedelta(minutes=5))
    if code in NOT_NOW or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotNow(reason)
    return _Code(code, said)


def _app_id() -> str:
    return str(settings.WECHAT_PAY_APP_ID or settings.WECHAT_APP_ID)


def _fen(amount: Decimal) -> int:
    return int(amount * FEN)


def _shortened(title: str) -> str:
    return title.encode()[:TITLE_BYTES_MAX].decode(errors="ignore")
