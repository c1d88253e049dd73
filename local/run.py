"""`dev.py run`: the whole platform on this machine, until Ctrl-C."""

import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from local import commands, ports, services, venv
from local.console import complain, last_lines, say, step
from local.locks import FileLock
from local.paths import Data, write_private
from local.problem import Problem
from local.servers import Servers, stop_keeper
from local.supervisor import Supervisor, stop_stale

READY_SECONDS = 90
PAUSE = 0.3


def run(data: Data, *, port: int, programme: str | None) -> int:
    with only_one(data), stopping_on_signals():
        stop_stale(data)
        refuse_taken_port(port)
        servers = Servers(data, venv.ensure("run"))
        say(f"Starting 会员平台 · the membership platform (data in {data.root})")
        with servers.in_use():
            for line in servers.versions():
                say(f"  {line}")
            set_up(servers, programme=programme)
            serve(servers, port=port)
    say("Stopped. 已停止。")
    return 0


def refuse_taken_port(port: int) -> None:
    if not ports.is_free(port):
        raise Problem(
            f"Port {port} is in use by another program. "
            f"Type: python3 dev.py run --port {ports.next_free(port)}"
        )


@contextlib.contextmanager
def only_one(data: Data) -> Iterator[None]:
    """Refuse a second `run` on the same data. The lock ends with the process, however it ends."""
    lock = FileLock(data.file("run.lock"))
    if not lock.try_exclusive():
        pid = data.file("run.pid").read_text() if data.file("run.pid").exists() else "unknown"
        raise Problem(
            f"Another dev.py run (process {pid}) uses {data.root} already. Stop it with Ctrl-C or "
            "`python3 dev.py stop`, or choose another folder with --data."
        )
    write_private(data.file("run.pid"), str(os.getpid()))
    try:
        yield
    finally:
        data.file("run.pid").unlink(missing_ok=True)
        lock.close()


class Stopped(BaseException):
    """Somebody asked us to stop. Not an Exception, so that no handler takes it for an error."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or closed terminal into an orderly end, and swallow others."""

    def stop(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    before = {
        each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    except Stopped:
        pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def set_up(servers: Servers, *, programme: str | None) -> None:
    """:param programme: whose rules alone are loaded; None: the demo, with its members"""
    with step("Database tables · 数据库表"):
        commands.manage(servers, "migrate", "--noinput")
    with step("Translations · 翻译"):
        commands.manage(servers, "compilemessages")
    with step("Style sheets and scripts · 静态文件"):
        commands.manage(servers, "collectstatic", "--noinput")
    if programme is None:
        with step("Demo programme: members and two years of data, the first time · 演示数据"):
            commands.manage(servers, "demo")
    else:
        with step("Programme rules · 会员规则"):
            commands.manage(servers, "load_programme", programme)


def serve(servers: Servers, *, port: int) -> None:
    site = f"http://{ports.HOST}:{port}"
    environment = servers.environment() | {
        "SITE_URL": site,
        # One of the worker's two processes: a login's code must not wait for the night.
        "NIGHT_WORKERS": "1",
    }
    supervisor = Supervisor(servers.data, environment)
    try:
        supervisor.add("web", services.web(servers.venv, port))
        supervisor.add("worker", services.worker(servers.venv, servers.data))
        supervisor.add("beat", services.beat(servers.venv, servers.data))
        wait_until_ready(site, supervisor)
        welcome(servers, site)
        while True:
            supervisor.watch()
            servers.ensure()
            time.sleep(PAUSE)
    except Stopped:
        say("\nStopping … 正在停止 …")
        raise
    finally:
        supervisor.stop()


def wait_until_ready(site: str, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    answer = "nothing"
    while time.monotonic() < deadline:
        supervisor.watch()
        try:
            with urllib.request.urlopen(f"{site}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            answer = f"{error.code} {error.reason}"
        except OSError as error:
            answer = str(error)
        time.sleep(PAUSE)
    log = supervisor.data.logs / "web.log"
    raise Problem(
        f"The site does not get ready; {site}/readyz answers {answer}. "
        f"{log} ends with\n{last_lines(log)}"
    )


def welcome(servers: Servers, site: str) -> None:
    say(
        f"""
  会员网站   Member site          {site}/
  管理后台   Staff console        {site}/console/
  接口文档   API documentation    {site}/api/docs/
  短信验证码 One-time codes       {site}/sandbox/codes/    (sandbox only: 仅限沙箱)
  日志       Logs                 {servers.data.logs}
"""
    )
    try:
        logins = commands.manage_json(servers, "demo", "--logins")
    except Problem as problem:
        complain(f"  No logins to show: {problem}")
        logins = {}
    if staff := logins.get("staff"):
        say("  员工登录 · Staff logins")
        for each in staff:
            say(f"    {each['username']:<20} {each['password']:<24} {each['role']}")
    if members := logins.get("members"):
        say(
            "  会员登录（手机号＋验证码）· Member logins (phone, then the code from the page above)"
        )
        for each in members:
            say(f"    {each['phone']:<20} {each['name']}")
    if clients := logins.get("clients"):
        say("  接口客户端 · API clients")
        for each in clients:
            say(f"    {each['name']}: {each['client_id']} / {each['client_secret']}")
    say("\n  按 Ctrl-C 停止，数据会保留。 Ctrl-C stops everything and keeps the data.\n")


def stop(data: Data) -> None:
    """Stop what a `run` started on this data, and what killed ones left behind."""
    lock = FileLock(data.file("run.lock"))
    if not lock.try_exclusive():
        pid = int(data.file("run.pid").read_text())
        say(f"Stopping dev.py run (process {pid}) …")
        os.kill(pid, signal.SIGTERM)
        lock.exclusive()  # ours as soon as it has ended
    stop_stale(data)
    in_use = FileLock(data.file("in-use.lock"))
    if in_use.try_exclusive():
        stop_keeper(data)
    else:
        say("Another command, such as `manage`, still uses the servers; they stop when it ends.")
    lock.close()
    in_use.close()
    say("Stopped. 已停止。")
