"""
Whole HTTP requests, from the socket to the answer, against gunicorn as we deploy it.

The client is our own: one process that keeps one connection per client busy, sends each request
with a reference of its own and reads each answer to its end. It shares the machine with the web
server and PostgreSQL, as everything here does.
"""

import base64
import contextlib
import json
import os
import random
import selectors
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.callers import references
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.options import REDEMPTION_POINTS
from benchmarks.seeding import PLAIN_TOKEN
from benchmarks.server import cpu_seconds_of
from members.numbers import member_number
from partners.models import ApiClient, Scope, Store

HOST = "127.0.0.1"
SECRET = "a secret of this benchmark"
PURCHASES = "/api/v1/purchases/"
REDEMPTIONS = "/api/v1/redemptions/"

Body = Callable[[str], dict]


class WebServer:
    """One application under gunicorn, with the workers and threads of our Dockerfile."""

    def __init__(self, application: str, **environment: str) -> None:
        self._application = application
        self._environment = environment

    def __enter__(self) -> "WebServer":
        with socket.create_server((HOST, 0)) as probe:
            self.port = probe.getsockname()[1]
        if folder := os.environ.get("STATIC_ROOT"):
            Path(folder).mkdir(exist_ok=True)  # or it warns that there are no static files
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", self._application),
                *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
                *("--no-control-socket", "--log-level", "warning"),
                *("--bind", f"{HOST}:{self.port}"),
            ],
            # No till may be refused for asking too often: this is not what is measured.
            env=os.environ
            | {"API_RATE": "1000000000/min", "ALLOWED_HOSTS": HOST, "SANDBOX": "1"}
            | self._environment,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port)):
                return self
            time.sleep(0.1)
        raise SystemExit(f"{self._application} does not answer")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


class HttpLoad:
    """POST a body made anew for each reference, over connections that stay open."""

    def __init__(
        self,
        name: str,
        server: WebServer,
        body: Body,
        *,
        clients: int,
        path: str = PURCHASES,
        authorization: str = "",
    ) -> None:
        self.name = name
        self._server = server
        self._body = body
        self._clients = clients
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {authorization}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    def run(self, seconds: float) -> Run:
        reference = references(0)
        selector = selectors.DefaultSelector()
        for _ in range(self._clients):
            connection = socket.create_connection((HOST, self._server.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ)
            connection.sendall(self._request(next(reference)))
        worked = cpu_seconds_of(self._server.process.pid)
        start = time.monotonic()
        done = refused = 0
        waiting = self._clients
        while waiting:
            for key, _events in selector.select():
                answer = _read_answer(key.fileobj)
                done += 1
                refused += not answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 200"))
                # A member drawn often may have spent everything; more would be another measure.
                if refused > 10 + done / 100:
                    raise SystemExit(f"{self.name} was answered\n{answer.decode()}")
                if time.monotonic() < start + seconds:
                    key.fileobj.sendall(self._request(next(reference)))
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    waiting -= 1
        ended = time.monotonic()
        worked = cpu_seconds_of(self._server.process.pid) - worked
        return Run(done=done, seconds=ended - start, client_cpu_seconds=worked)

    def _request(self, reference: str) -> bytes:
        body = json.dumps(self._body(reference))
        return f"{self._head}{len(body)}\r\n\r\n{body}".encode()


def measure(bench: Bench, store: Store) -> list[Row]:
    chance = random.Random(1)

    def member() -> str:
        return member_number(chance.randint(1, bench.options.members))

    def purchase(reference: str) -> dict:
        return {
            "reference": reference,
            "member": member(),
            "store": store.code,
            "amount": "268.00",
            "lines": [
                {"line": "1", "category": "labour", "amount": "120.00"},
                {"line": "2", "category": "parts", "amount": "148.00"},
            ],
        }

    def redemption(reference: str) -> dict:
        points = chance.randint(*REDEMPTION_POINTS)
        return {"reference": reference, "member": member(), "store": store.code, "points": points}

    yardsticks = "benchmarks.yardsticks"
    plain = f"{yardsticks}.plain.wsgi:application"
    with (
        WebServer(f"{yardsticks}.bare_wsgi:application") as bare,
        WebServer(f"{yardsticks}.bare_drf:application") as framework,
        WebServer(plain) as default,
        WebServer(plain, PERSISTENT_CONNECTIONS="1") as persistent,
        WebServer("membership.wsgi:application") as platform,
    ):
        till = f"Bearer {token(platform, store)}"
        plain_till = f"Token {PLAIN_TOKEN}"

        def load(name: str, server: WebServer, body: Body = purchase, **how: str) -> HttpLoad:
            return HttpLoad(name, server, body, clients=bench.options.clients, **how)

        results = bench.take_turns(
            yardstick=load("bare WSGI", bare),
            loads=[
                (load("POST purchase", platform, authorization=till), Aim(0.30)),
                (
                    load(
                        "POST redemption",
                        platform,
                        redemption,
                        path=REDEMPTIONS,
                        authorization=till,
                    ),
                    None,
                ),
                (load("bare DRF view", framework), None),
                (
                    load(
                        "POST purchase, DRF and ORM with persistent connections",
                        persistent,
                        authorization=plain_till,
                    ),
                    None,
                ),
                (
                    load("POST purchase, default DRF and ORM", default, authorization=plain_till),
                    None,
                ),
            ],
        )
    purchases, _redemptions, framework_only, persistently, by_default = results
    return [
        *(result.row() for result in results),
        purchases.over(by_default, Aim(10)),
        purchases.over(persistently),
        purchases.over(framework_only),
    ]


def token(platform: WebServer, store: Store) -> str:
    """A real one: the client-credentials grant over HTTP."""
    client = ApiClient(
        name="benchmark",
        organization=store.organization,
        scopes=[scope.value for scope in Scope],
        client_type="confidential",
        authorization_grant_type="client-credentials",
        client_secret=SECRET,
    )
    client.save()
    request = urllib.request.Request(
        f"http://{HOST}:{platform.port}/oauth/token/", b"grant_type=client_credentials"
    )
    credentials = base64.b64encode(f"{client.client_id}:{SECRET}".encode()).decode()
    request.add_header("Authorization", f"Basic {credentials}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def _read_answer(connection: socket.socket) -> bytes:
    """Read one answer to its end, as its Content-Length says."""
    answer = connection.recv(65536)
    head_end = answer.find(b"\r\n\r\n")
    while head_end < 0:
        if not (more := connection.recv(65536)):
            raise SystemExit(f"The web server closed a connection after {answer!r}")
        answer += more
        head_end = answer.find(b"\r\n\r\n")
    head = answer[:head_end].lower()
    at = head.index(b"content-length:") + len(b"content-length:")
    end = head_end + 4 + int(head[at:].split(b"\r\n", 1)[0])
    while len(answer) < end:
        answer += connection.recv(65536)
    return answer
