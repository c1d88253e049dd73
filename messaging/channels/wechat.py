"""
Template messages of a WeChat official account (公众号模板消息), and whose openid it is.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html
The token is the stable one (…/Basic_Information/getStableAccessToken.html): many processes can ask
for it without ending each other's, and the app's secret stays out of addresses. Codes:
…/Getting_Started/Global_Return_Code.html.

Who opens our page in WeChat is asked for by 网页授权 with scope snsapi_base, which tells the openid
and nothing else (…/OA_Web_Apps/Wechat_webpage_authorization.html).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import redis
from django.conf import settings

from common import limits, outside
from common.fields import seal, unseal
from messaging.channels.port import Away, NotNow, Outgoing, Refused

ENDPOINT = "https://api.weixin.qq.com"
OPEN_ENDPOINT = "https://open.weixin.qq.com"
# A token is good for two hours; it is forgotten a little before.
TOKEN_MARGIN_SECONDS = 300
_SEALED_AS = "messaging.wechat.token"

TOKEN_OVER = {40001, 40014, 42001}
DAY_IS_FULL = {45009}
MINUTE_IS_FULL = {45011}
NOT_NOW = {-1}
# Our account, its secret, its list of addresses.
OURS = {40002, 40013, 40125, 40164, 41002, 41004, 48001, 48004, 50002, 61024}


class WeChat:
    """`send` may be called by many threads at once."""

    at_once = 16

    def open(self) -> None:
        if not settings.WECHAT_APP_ID:
            raise Away("no WeChat account")

    def close(self) -> None: ...

    def send(self, outgoing: Outgoing) -> str:
        """
        The msgid of a template message.

        WeChat takes one `client_msg_id` for a reader once in ten minutes: our lease is shorter.
        """
        wanted = {
            "touser": outgoing.address,
            "template_id": outgoing.provider_template,
            "client_msg_id": outgoing.name[:32],
            "data": {name: {"value": value} for name, value in outgoing.parameters.items()},
        }
        if outgoing.headers.get("url"):
            wanted["url"] = outgoing.headers["url"]
        token = _token()
        answer = _send(wanted, token)
        if answer.get("errcode") in TOKEN_OVER:
            answer = _send(wanted, _token(instead_of=token))
        _look_at(answer)
        return str(answer["msgid"])


def authorization_url(*, back: str, state: str) -> str:
    """
    Where WeChat's browser is sent, to come back with a code that tells its openid.

    :param back: the address it comes back to
    :param state: what it brings along; letters and digits, at most 128
    """
    asked = {
        "appid": settings.WECHAT_APP_ID,
        "redirect_uri": back,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": state,
    }
    endpoint = settings.WECHAT_OPEN_ENDPOINT or OPEN_ENDPOINT
    # In this order, and with this end: WeChat compares addresses as texts.
    return f"{endpoint}/connect/oauth2/authorize?{urlencode(asked)}#wechat_redirect"


def openid_of(code: str) -> str:
    """
    Whose code it is. A code is good once, for five minutes.

    :raises Refused: if it is not, or not any more
    :raises Away: :raises NotNow: if WeChat does not say
    """
    asked = {
        "appid": settings.WECHAT_APP_ID,
        "secret": settings.WECHAT_APP_SECRET,
        "code": code,
        "grant_type": "authorization_code",
    }
    url = f"{settings.WECHAT_ENDPOINT or ENDPOINT}/sns/oauth2/access_token?{urlencode(asked)}"
    answer = outside.get(url).json()
    _look_at(answer)
    return str(answer["openid"])


def _send(wanted: Mapping[str, Any], token: str) -> dict[str, Any]:
    return _post(f"/cgi-bin/message/template/send?access_token={token}", wanted)


def _token(*, instead_of: str = "") -> str:
    """
    A token for all processes, from Redis or from WeChat.

    :param instead_of: one that WeChat does not take any more
    """
    key = f"wechat:token:{settings.WECHAT_APP_ID}"
    with suppress(redis.RedisError):
        sealed = limits.client().get(key)
        kept = unseal(str(sealed), column=_SEALED_AS) if sealed else ""
        if kept and kept != instead_of:
            return kept
    answer = _post(
        "/cgi-bin/stable_token",
        {
            "grant_type": "client_credential",
            "appid": settings.WECHAT_APP_ID,
            "secret": settings.WECHAT_APP_SECRET,
            "force_refresh": bool(instead_of),
        },
    )
    _look_at(answer)
    token = str(answer["access_token"])
    seconds = max(60, int(answer["expires_in"]) - TOKEN_MARGIN_SECONDS)
    # Without Redis each process asks for itself.
    with suppress(redis.RedisError):
        limits.client().set(key, seal(token, column=_SEALED_AS), ex=seconds)
    return token


def _post(path: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    body = json.dumps(wanted, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    url = (settings.WECHAT_ENDPOINT or ENDPOINT) + path
    return outside.post(url, body=body, headers=headers).json()


def _look_at(answer: Mapping[str, Any]) -> None:
    code = answer.get("errcode", 0)
    if not code:
        return
    reason = f"{code} {answer.get('errmsg', '')}".strip()
    if code in MINUTE_IS_FULL:
        raise Away(reason, wait=timedelta(minutes=1))
    if code in DAY_IS_FULL:
        raise Away(reason, wait=timedelta(hours=1))
    if code in OURS or code in TOKEN_OVER:
        raise Away(reason, wait=timedelta(minutes=5))
    if code in NOT_NOW:
        raise NotNow(reason)
    raise Refused(reason)
