"""
Real HTTP servers on ports of this machine that speak the protocols of providers: of messages, of
payments.

Each looks at what it is sent as the provider's documents say – the signature is worked out anew,
not with our code – and then answers as a test wants it to.
"""

import base64
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

SECRET = "a secret nobody may read"
HANG_UP = "hang up"


class Provider:
    """`requests` holds what was asked, `sent` what was taken; `answers` are given first."""

    def __init__(self):
        self.requests, self.sent, self.answers = [], [], []
        # Cleared, it takes a message and says nothing until it is set again.
        self.speaks = threading.Event()
        self.speaks.set()
        self.lock = threading.Lock()
        self.taken = threading.Condition(self.lock)
        # How long it thinks about each.
        self.seconds = 0.0

    def answer(self, request):
        """Status, headers and body for a request, after its signature was looked at."""
        if trouble := self.wrong(request):
            return trouble
        with self.lock:
            answer = self.answers.pop(0) if self.answers else None
        return answer if answer is not None else self.take(request)

    def remember(self, one):
        time.sleep(self.seconds)
        with self.taken:
            self.sent.append(one)
            self.taken.notify_all()
        self.speaks.wait()

    def has_taken(self, count, seconds):
        """Wait until so many were taken; False if they were not in so many seconds."""
        with self.taken:
            return self.taken.wait_for(lambda: len(self.sent) >= count, seconds)


class Request:
    def __init__(self, handler):
        self.path = urlsplit(handler.path).path
        self.query = urlsplit(handler.path).query
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(self.headers.get("content-length", 0)))
        self.method = handler.command


class Aliyun(Provider):
    """Dysmsapi 2017-05-25 with the signature ACS3-HMAC-SHA256."""

    def wrong(self, request):
        headers = request.headers
        scheme, _, rest = headers["authorization"].partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(","))
        must = {"host", *(name for name in headers if name.startswith("x-acs-"))}
        query = "&".join(
            f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
            for k, v in sorted(parse_qsl(request.query, keep_blank_values=True))
        )
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(must))
        canonical = (
            f"{request.method}\n{request.path}\n{query}\n{lines}\n{';'.join(sorted(must))}\n"
            f"{hashlib.sha256(request.body).hexdigest()}"
        )
        wanted = hmac.new(
            SECRET.encode(),
            b"ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest().encode(),
            hashlib.sha256,
        ).hexdigest()
        if (scheme, parts["Credential"]) != ("ACS3-HMAC-SHA256", "our-id"):
            return self.error("InvalidAccessKeyId.NotFound", 404)
        if parts["Signature"] != wanted or set(parts["SignedHeaders"].split(";")) != must:
            return self.error("SignatureDoesNotMatch", 400)
        nonce = headers["x-acs-signature-nonce"]
        if nonce in [one.headers["x-acs-signature-nonce"] for one in self.requests]:
            return self.error("SignatureNonceUsed", 400)
        self.requests.append(request)
        return None

    def take(self, request):
        wanted = dict(parse_qsl(request.query))
        if request.headers["x-acs-action"] == "QuerySendDetails":
            found = [
                {"OutId": one["OutId"], "SendStatus": 3, "PhoneNum": one["PhoneNumbers"]}
                for one in self.sent
                if one["PhoneNumbers"] == wanted["PhoneNumber"]
            ]
            return 200, {}, {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}}
        self.remember(wanted)
        return 200, {}, {"Code": "OK", "Message": "OK", "BizId": f"9006{len(self.sent)}^0"}

    @staticmethod
    def error(code, status=200, message="no"):
        return status, {}, {"Code": code, "Message": message, "RequestId": "R"}


class Tencent(Provider):
    """SMS 2021-01-11 with the signature TC3-HMAC-SHA256."""

    def wrong(self, request):
        headers = request.headers
        scheme, _, rest = headers["authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        day = time.strftime("%Y-%m-%d", time.gmtime(int(headers["x-tc-timestamp"])))
        signed = parts["SignedHeaders"].split(";")
        lines = "".join(
            f"{name}:{headers[name].lower() if name == 'x-tc-action' else headers[name]}\n"
            for name in signed
        )
        canonical = (
            f"{request.method}\n/\n\n{lines}\n{parts['SignedHeaders']}\n"
            f"{hashlib.sha256(request.body).hexdigest()}"
        )
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"TC3-HMAC-SHA256\n{headers['x-tc-timestamp']}\n{day}/sms/tc3_request\n{hashed}"
        date = hmac.new(b"TC3" + SECRET.encode(), day.encode(), hashlib.sha256).digest()
        service = hmac.new(date, b"sms", hashlib.sha256).digest()
        key = hmac.new(service, b"tc3_request", hashlib.sha256).digest()
        wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if parts["Credential"] != f"our-id/{day}/sms/tc3_request":
            return self.error("AuthFailure.SecretIdNotFound")
        if (scheme, parts["Signature"]) != ("TC3-HMAC-SHA256", wanted):
            return self.error("AuthFailure.SignatureFailure")
        if abs(time.time() - int(headers["x-tc-timestamp"])) > 300:
            return self.error("AuthFailure.SignatureExpire")
        if headers["x-tc-version"] != "2021-01-11":
            return self.error("NoSuchVersion")
        self.requests.append(request)
        return None

    def take(self, request):
        wanted = json.loads(request.body)
        if request.headers["x-tc-action"] == "PullSmsSendStatusByPhoneNumber":
            found = [
                {"SerialNo": f"S{n}", "SessionContext": one["SessionContext"]}
                for n, one in enumerate(self.sent, 1)
                if one["PhoneNumberSet"] == [wanted["PhoneNumber"]]
            ]
            return 200, {}, {"Response": {"PullSmsSendStatusSet": found, "RequestId": "R"}}
        self.remember(wanted)
        return self.status("Ok", serial=f"S{len(self.sent)}")

    @staticmethod
    def error(code, message="no"):
        return 200, {}, {"Response": {"Error": {"Code": code, "Message": message}}}

    @staticmethod
    def status(code, message="", serial=""):
        status = {"SerialNo": serial, "Code": code, "Message": message, "Fee": 1}
        return 200, {}, {"Response": {"SendStatusSet": [status], "RequestId": "R"}}


class WeChat(Provider):
    """
    /cgi-bin/stable_token, /cgi-bin/message/template/send, and 网页授权: /connect/oauth2/authorize
    and /sns/oauth2/access_token for the one who has `openid`.
    """

    openid = "oABC-123_reader"

    def __init__(self):
        super().__init__()
        self.tokens = []
        # Whether each code that was given was used.
        self.codes = {}

    def wrong(self, request):
        self.requests.append(request)
        if request.path == "/connect/oauth2/authorize":
            return self.authorize(dict(parse_qsl(request.query)))
        if request.path == "/sns/oauth2/access_token":
            return self.tell_openid(dict(parse_qsl(request.query)))
        if request.path == "/cgi-bin/stable_token":
            wanted = json.loads(request.body)
            if wanted["secret"] != SECRET:
                return self.error(40125, "invalid appsecret")
            if wanted["force_refresh"] or not self.tokens:
                self.tokens.append(f"token-{len(self.tokens) + 1}")
            return 200, {}, {"access_token": self.tokens[-1], "expires_in": 7200}
        if request.path != "/cgi-bin/message/template/send":
            return 404, {}, {}
        if dict(parse_qsl(request.query))["access_token"] != self.tokens[-1]:
            return self.error(40001, "invalid credential, access_token is invalid or not latest")
        return None

    def authorize(self, asked):
        names = ["appid", "redirect_uri", "response_type", "scope", "state"]
        is_right = (
            list(asked) == names
            and (asked["response_type"], asked["scope"]) == ("code", "snsapi_base")
            and asked["appid"] == "wx1"
            and re.fullmatch("[A-Za-z0-9]{1,128}", asked["state"])
        )
        if not is_right:
            return 400, {}, {}
        code = f"code{len(self.codes)}"
        self.codes[code] = False
        back = f"{asked['redirect_uri']}?code={code}&state={asked['state']}"
        return 302, {"Location": back}, None

    def tell_openid(self, asked):
        if (asked["appid"], asked["secret"]) != ("wx1", SECRET):
            return self.error(40125, "invalid appsecret")
        if asked["grant_type"] != "authorization_code":
            return self.error(40002, "invalid grant_type")
        if asked["code"] not in self.codes:
            return self.error(40029, "invalid code")
        if self.codes[asked["code"]]:
            return self.error(40163, "code been used")
        if self.answers:
            return self.answers.pop(0)
        self.codes[asked["code"]] = True
        return 200, {}, {
            "access_token": "user-token",
            "expires_in": 7200,
            "refresh_token": "refresh",
            "openid": self.openid,
            "scope": "snsapi_base",
        }  # fmt: skip

    def take(self, request):
        wanted = json.loads(request.body)
        names = [one["client_msg_id"] for one in self.sent]
        if wanted["client_msg_id"] not in names:
            self.remember(wanted)
            names.append(wanted["client_msg_id"])
        msgid = 1000 + names.index(wanted["client_msg_id"])
        return 200, {}, {"errcode": 0, "errmsg": "ok", "msgid": msgid}

    @staticmethod
    def error(code, message="no"):
        return 200, {}, {"errcode": code, "errmsg": message}


class WeChatPay(Provider):
    """
    WeChat Pay, API v3: Native, H5 and JSAPI orders, their query and close, refunds; its notices.
    It has keys of its own; of ours it knows the public one.
    """

    merchant, app, serial, key_id = "1900000001", "wx1", "5157F09EFDC096DE", "PUB_KEY_ID_0119"
    api_key = "0123456789abcdef0123456789abcdef"
    # Made once: they take a while.
    theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ours = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def __init__(self):
        super().__init__()
        self.orders, self.refunds = {}, {}
        # By number: in which way, and with which words it was asked for.
        self.asked = {}
        # How refunds end.
        self.refunded = "SUCCESS"

    @classmethod
    def settings(cls):
        def one_line(data):
            return base64.b64encode(data).decode()

        own = cls.ours.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = cls.theirs.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "WECHAT_PAY_MERCHANT_ID": cls.merchant,
            "WECHAT_PAY_APP_ID": cls.app,
            "WECHAT_PAY_PRIVATE_KEY": one_line(own),
            "WECHAT_PAY_CERTIFICATE_SERIAL": cls.serial,
            "WECHAT_PAY_PUBLIC_KEY_ID": cls.key_id,
            "WECHAT_PAY_PUBLIC_KEY": one_line(public),
            "WECHAT_PAY_API_V3_KEY": cls.api_key,
        }

    def wrong(self, request):
        scheme, _, rest = request.headers["authorization"].partition(" ")
        parts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        address = f"{request.path}?{request.query}" if request.query else request.path
        told = f"{request.method}\n{address}\n{parts['timestamp']}\n{parts['nonce_str']}\n"
        signed = told.encode() + request.body + b"\n"
        known = (self.merchant, self.serial, self.key_id)
        given = (parts["mchid"], parts["serial_no"], request.headers["wechatpay-serial"])
        try:
            self.ours.public_key().verify(
                base64.b64decode(parts["signature"]), signed, PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return self.error("SIGN_ERROR", 401)
        is_fresh = abs(time.time() - int(parts["timestamp"])) < 300
        if (scheme, given) != ("WECHATPAY2-SHA256-RSA2048", known) or not is_fresh:
            return self.error("SIGN_ERROR", 401)
        self.requests.append(request)
        return None

    def take(self, request):
        path, orders = request.path, "/v3/pay/transactions/out-trade-no/"
        if path in [f"/v3/pay/transactions/{way}" for way in ("native", "h5", "jsapi")]:
            return self.begin(json.loads(request.body), path.rpartition("/")[2])
        if path == "/v3/refund/domestic/refunds":
            return self.give_back(json.loads(request.body))
        number, _, what = path.removeprefix(orders).partition("/")
        if not path.startswith(orders) or number not in self.orders:
            return self.error("ORDER_NOT_EXIST", 404)
        order = self.orders[number]
        if what == "close" and json.loads(request.body) == {"mchid": self.merchant}:
            if order["trade_state"] == "SUCCESS":
                return self.error("ORDERPAID", 400)
            order["trade_state"] = "CLOSED"
            return self.signed(204, b"")
        assert request.query == f"mchid={self.merchant}"
        return self.signed(200, order)

    def begin(self, wanted, way):
        number, amount = wanted["out_trade_no"], wanted["amount"]
        is_right = (
            (wanted["mchid"], wanted["appid"]) == (self.merchant, self.app)
            and re.fullmatch(r"[0-9A-Za-z_\-|*]{6,32}", number)
            and len(wanted["description"].encode()) <= 127
            and isinstance(amount["total"], int)
            and amount["total"] > 0
            and amount["currency"] == "CNY"
            and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d", wanted["time_expire"])
            and "?" not in wanted["notify_url"]
            and (way != "h5" or self.knows_scene(wanted["scene_info"]))
            and (way != "jsapi" or wanted["payer"]["openid"].startswith("o"))
        )
        if not is_right:
            return self.error("PARAM_ERROR", 400)
        known = self.orders.get(number)
        if known and known["trade_state"] == "CLOSED":
            return self.error("ORDER_CLOSED", 400)
        if known and known["trade_state"] != "NOTPAY":
            return self.error("ORDERPAID", 400)
        if known and self.asked[number] != (way, wanted):
            return self.error("INVALID_REQUEST", 400, "201 商户订单号重复")
        self.asked[number] = way, wanted
        self.orders[number] = {
            "appid": self.app,
            "mchid": self.merchant,
            "out_trade_no": number,
            "trade_state": "NOTPAY",
            "trade_state_desc": "订单未支付",
            "amount": dict(amount),
        }
        self.remember(wanted)
        if way == "h5":
            door = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb"
            return self.signed(200, {"h5_url": f"{door}?prepay_id=wx{number}&package=1"})
        if way == "jsapi":
            return self.signed(200, {"prepay_id": f"wx{number}"})
        return self.signed(200, {"code_url": f"weixin://wxpay/bizpayurl?pr={number[-8:]}"})

    def shows(self, sheet):
        """What WeChat's browser does with a sheet: is it signed by us, for an order here?"""
        names = ["appId", "timeStamp", "nonceStr", "package", "signType", "paySign"]
        assert list(sheet) == names, "in the order in which they are signed"
        signed = "".join(f"{sheet[name]}\n" for name in names[:4]).encode()
        self.ours.public_key().verify(
            base64.b64decode(sheet["paySign"]), signed, PKCS1v15(), hashes.SHA256()
        )
        number = sheet["package"].removeprefix("prepay_id=wx")
        return sheet["appId"] == self.app and self.orders[number]["trade_state"] == "NOTPAY"

    @staticmethod
    def knows_scene(scene):
        is_address = re.fullmatch(r"[0-9a-f.:]{3,45}", scene["payer_client_ip"])
        return bool(is_address) and scene["h5_info"] == {"type": "Wap"}

    def give_back(self, wanted):
        named = wanted["transaction_id"]
        found = [each for each in self.orders.values() if each.get("transaction_id") == named]
        order = found[0] if found else None
        if order is None or order["trade_state"] not in ("SUCCESS", "REFUND"):
            return self.error("RESOURCE_NOT_EXISTS", 404)
        amount = {"refund": order["amount"]["total"], "total": order["amount"]["total"]}
        if wanted["amount"] != amount | {"currency": "CNY"}:
            return self.error("INVALID_REQUEST", 400)
        order["trade_state"] = "REFUND"
        first = {
            "refund_id": f"5030{len(self.refunds):04}",
            "out_refund_no": wanted["out_refund_no"],
        }
        told = self.refunds.setdefault(wanted["out_refund_no"], first)
        return self.signed(200, told | {"status": self.refunded})

    def pay(self, number, *, at="2026-07-05T12:10:00+08:00", **changes):
        """What the payer's phone does: the order is paid; the notice is another matter."""
        order = self.orders[number]
        order |= {
            "trade_state": "SUCCESS",
            "trade_type": "NATIVE",
            "transaction_id": f"42000{number}"[:32],
            "success_time": at,
        } | changes
        return order

    def notice(self, about, *, event="TRANSACTION.SUCCESS", at=None, signer=None, key=None):
        """Body and headers of a notice, as WeChat posts it."""
        nonce, data = "fdasflkja484", "transaction"
        cipher = AESGCM((key or self.api_key).encode())
        plain = json.dumps(about).encode()
        body = json.dumps(
            {
                "id": "EV-2018022511223320873",
                "create_time": "2026-07-05T12:10:00+08:00",
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": "支付成功",
                "resource": {
                    "original_type": "transaction",
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(
                        cipher.encrypt(nonce.encode(), plain, data.encode())
                    ).decode(),
                    "associated_data": data,
                    "nonce": nonce,
                },
            },
            ensure_ascii=False,
        ).encode()
        return body, self.signatures(body, at=at, signer=signer)

    def signed(self, status, content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return status, self.signatures(body), body

    def signatures(self, body, *, at=None, signer=None):
        seconds, nonce = str(int(at or time.time())), "593BEC0C930BF1AFEB40B4A08C8FB242"
        text = f"{seconds}\n{nonce}\n".encode() + body + b"\n"
        signature = (signer or self.theirs).sign(text, PKCS1v15(), hashes.SHA256())
        return {
            "Wechatpay-Serial": self.key_id,
            "Wechatpay-Timestamp": seconds,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
        }

    @staticmethod
    def error(code, status, message="no"):
        return status, {}, {"code": code, "message": message}


class Receiver(Provider):
    """Whoever takes webhooks by Standard Webhooks."""

    key = base64.b64encode(b"k" * 32).decode()

    def wrong(self, request):
        headers = request.headers
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
        digest = hmac.new(base64.b64decode(self.key), signed, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        if wanted not in headers["webhook-signature"].split(" "):
            return 401, {}, {}
        if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
            return 400, {}, {}
        self.requests.append(request)
        return None

    def take(self, request):
        # As a receiver should: what has a name that was taken is not taken again.
        names = [one["name"] for one in self.sent]
        if request.headers["webhook-id"] not in names:
            self.remember({"name": request.headers["webhook-id"], **json.loads(request.body)})
        return 204, {}, None


@contextmanager
def serving(provider):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            answer = provider.answer(Request(self))
            if answer == HANG_UP:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, headers, content = answer
            body = b"" if content is None else content
            if isinstance(body, dict):
                body = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *args):
            pass

        def handle(self):
            try:
                super().handle()
            except OSError:  # whoever asked has gone
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    provider.stop = lambda: (server.shutdown(), server.server_close())
    try:
        yield provider
    finally:
        provider.speaks.set()
        server.shutdown()
        server.server_close()
        thread.join()
