"""
`dev.py run --once`: one worked example, played over real HTTP against real servers in a throw-away
folder. It does what a store's till does, and compares every figure with what the programme
`plain` says: 1 point for every 10 yuan, rounded down per document, good for 12 months.
"""

import base64
import calendar
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from local import commands, ports, services, venv
from local.console import say, step
from local.paths import Data
from local.run import stopping_on_signals, wait_until_ready
from local.servers import Servers
from local.supervisor import Supervisor

SCOPES = "members:read members:write points:read points:redeem purchases:read purchases:write"
DEALER, STORE = "SUNRISE", "SH01"
SHANGHAI = timezone(timedelta(hours=8))


def run_once() -> int:
    """Play the example. Return 0 only if every figure is right."""
    passed = False
    with stopping_on_signals():
        environment = venv.ensure("run")
        # Never on a database somebody gave us: the example leaves a member in it.
        servers = Servers(Data.temporary("once"), environment, given=False)
        with servers.in_use():
            for line in servers.versions():
                say(f"  {line}")
            client = _set_up(servers)
            passed = _serve_and_play(servers, client)
    return 0 if passed else 1


def _set_up(servers: Servers) -> dict[str, str]:
    with step("Database tables · 数据库表"):
        commands.manage(servers, "migrate", "--noinput")
    with step("Translations, style sheets · 翻译、静态文件"):
        commands.manage(servers, "compilemessages")
        commands.manage(servers, "collectstatic", "--noinput")
    with step("Programme `plain`, a dealer's store and its API client · 规则、门店、接口客户端"):
        commands.manage(servers, "load_programme", "plain")
        commands.manage(
            servers, "add_organization", DEALER, "--kind", "DEALER", "--name", "晨光汽车"
        )
        commands.manage(
            servers, "add_store", STORE, "--organization", DEALER, "--name", "晨光上海一店"
        )
        client: dict[str, str] = commands.manage_json(
            servers,
            *("create_api_client", "--organization", DEALER),
            *("--name", "Till", "--scopes", SCOPES),
        )
    return client


def _serve_and_play(servers: Servers, client: dict[str, str]) -> bool:
    port = ports.free_port()
    site = f"http://{ports.HOST}:{port}"
    supervisor = Supervisor(servers.data, servers.environment() | {"SITE_URL": site})
    try:
        supervisor.add("web", services.web(servers.venv, port))
        supervisor.add("worker", services.worker(servers.venv, servers.data))
        with step("Web and worker · 网站与后台任务"):
            wait_until_ready(site, supervisor)
        return play(site, client)
    finally:
        supervisor.stop()


# --- The example ----------------------------------------------------------------------------------


def play(site: str, client: dict[str, str]) -> bool:
    till = Till(site)
    check = Checks()
    now = datetime.now(tz=SHANGHAI).replace(microsecond=0)

    check.heading("The till logs in · 收银系统登录")
    token = till.log_in(client)
    check.equal("answer", 200, token.status)

    check.heading("小明 joins at the store · 小明在门店入会")
    joined = till.post(
        "members/",
        {"phone": "+8613800138000", "name": "王小明", "store": STORE, "activate": True},
    )
    check.equal("answer", 201, joined.status)
    number = str(joined.body.get("number"))
    say(f"      member number {number}")

    check.heading("He pays 268.00 yuan for a repair · 维修消费 268.00 元")
    purchase = {
        "reference": "R-1001",
        "member": number,
        "store": STORE,
        "at": now.isoformat(),
        "amount": "268.00",
        "lines": [
            {"line": "1", "category": "labour", "amount": "120.00"},
            {"line": "2", "category": "parts", "amount": "148.00"},
        ],
    }
    bought = till.post("purchases/", purchase)
    check.equal("answer", 201, bought.status)
    check.equal("points (268.00 ÷ 10, rounded down)", 26, bought.body.get("points"))

    check.heading("The till sends the same purchase again · 重复上传同一笔消费")
    repeated = till.post("purchases/", purchase)
    check.equal("answer", 200, repeated.status)
    check.equal("the same body", bought.body, repeated.body)

    check.heading("… and once more with another amount · 同一单号、不同金额")
    changed = till.post("purchases/", purchase | {"amount": "300.00", "lines": []})
    check.equal("answer", 409, changed.status)
    check.equal("code", "reference_reused", changed.body.get("code"))

    check.heading("His account · 账户")
    account = till.get(f"members/{number}/account/")
    check.equal("answer", 200, account.status)
    check.equal("balance", 26, account.body.get("balance"))

    check.heading("He spends 20 points · 兑换 20 积分")
    redeemed = till.post(
        "redemptions/", {"reference": "X-1", "member": number, "store": STORE, "points": 20}
    )
    check.equal("answer", 201, redeemed.status)

    check.heading("He wants to spend 20 more · 余额不足")
    refused = till.post(
        "redemptions/", {"reference": "X-2", "member": number, "store": STORE, "points": 20}
    )
    check.equal("answer", 409, refused.status)
    check.equal("code", "insufficient_points", refused.body.get("code"))

    check.heading("His statement · 积分明细")
    statement = till.get(f"members/{number}/entries/")
    check.equal("answer", 200, statement.status)
    entries = statement.body.get("results") or []
    check.equal("points, latest first", [-20, 26], [each.get("points") for each in entries])
    check.equal("balance after each", [6, 26], [each.get("balance_after") for each in entries])
    last_day = last_day_of_points(now.date())
    check.equal(
        "the 26 points are good until",
        last_day.isoformat(),
        entries[-1:] and entries[-1]["expires_on"],
    )
    return check.done()


def last_day_of_points(earned_on: date) -> date:
    """Twelve months later, to the end of that month."""
    last = calendar.monthrange(earned_on.year + 1, earned_on.month)[1]
    return date(earned_on.year + 1, earned_on.month, last)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


class Till:
    """A store's till, with nothing but HTTP."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.token = ""

    def log_in(self, client: dict[str, str]) -> Answer:
        pair = f"{client['client_id']}:{client['client_secret']}".encode()
        form = {"grant_type": "client_credentials", "scope": SCOPES}
        answer = self._send(
            "POST",
            "/oauth/token/",
            urllib.parse.urlencode(form).encode(),
            {
                "Authorization": f"Basic {base64.b64encode(pair).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        self.token = answer.body.get("access_token", "")
        return answer

    def get(self, path: str) -> Answer:
        return self._send("GET", f"/api/v1/{path}", None, self._authorization())

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        headers = self._authorization() | {"Content-Type": "application/json"}
        return self._send("POST", f"/api/v1/{path}", json.dumps(body).encode(), headers)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        say(f"      {method} {path}")
        request = urllib.request.Request(
            self.site + path, data, headers | {"Accept": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, _json(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _json(error.read()))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"not json": text[:300].decode(errors="replace")}


class Checks:
    """Compares what was expected with what was seen, and keeps count."""

    def __init__(self) -> None:
        self.right = 0
        self.wrong = 0
        self.number = 0

    def heading(self, text: str) -> None:
        self.number += 1
        say(f"\n  {self.number}. {text}")

    def equal(self, what: str, expected: Any, seen: Any) -> None:
        if expected == seen:
            self.right += 1
            shown = json.dumps(seen, ensure_ascii=False)
            say(f"    ✓ {what}: {shown if len(shown) < 60 else 'as expected'}")
        else:
            self.wrong += 1
            say(f"    ✗ {what}: expected {json.dumps(expected, ensure_ascii=False)}")
            say(f"      {' ' * len(what)}   but saw {json.dumps(seen, ensure_ascii=False)}")

    def done(self) -> bool:
        say(f"\n{self.right} figures right, {self.wrong} wrong.")
        return self.wrong == 0
