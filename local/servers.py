"""Using the servers of a data folder, beside other commands that use them as well."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from local import keys, ports, processes, redis
from local.console import last_lines, say
from local.locks import FileLock
from local.paths import PROJECT, Data, read_json
from local.postgres import APP, DATABASE, OWNER
from local.problem import Problem
from local.venv import Venv

START_SECONDS = 300
STOP_SECONDS = 40


class Servers:
    """
    PostgreSQL and Redis: our own, except where DATABASE_URL or REDIS_URL names another.

    :param durable: whether a commit waits for the disk
    :param given: whether to heed those two variables
    """

    def __init__(self, data: Data, venv: Venv, *, durable: bool = True, given: bool = True) -> None:
        self.data = data
        self.venv = venv
        self.durable = durable
        self.keys = keys.of(data)
        addresses = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
        self.own = [
            server
            for server, variable in addresses.items()
            if not (given and os.environ.get(variable))
        ]
        self._in_use = FileLock(data.file("in-use.lock"))

    # --- Coming and going -------------------------------------------------------------------------

    def join(self) -> None:
        """Use the servers, starting them if nobody has. They stay until we leave."""
        # Waits while a keeper that found itself alone is still stopping its servers.
        self._in_use.shared()
        self.ensure()

    def ensure(self) -> None:
        """Start the keeper, if there is none or it was killed."""
        if not self.own:
            return
        with FileLock(self.data.file("start.lock")):
            state = running(self.data)
            if state is None:
                self._start_keeper()
            elif any(not state[server] for server in self.own):
                raise Problem(
                    "A dev.py that uses a DATABASE_URL or REDIS_URL of its own runs on "
                    f"{self.data.root}. Stop it first: python3 dev.py stop"
                )

    def _start_keeper(self) -> None:
        command = [sys.executable, "-m", "local.keeper", str(self.data.root), str(self.venv.root)]
        command += self.own
        command += ["--throwaway"] if self.data.throwaway else []
        command += ["--durable"] if self.durable else []
        log = self.data.logs / "keeper.log"
        with log.open("ab") as errors:
            keeper = subprocess.Popen(
                command,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert keeper.stdout is not None
        for line in keeper.stdout:
            kind, text = json.loads(line)
            if kind == "ready":
                keeper.stdout.close()
                return
            if kind == "problem":
                keeper.wait()
                raise Problem(text)
            say(f"  {text}")
        raise Problem(f"The servers did not start; {log} ends with\n{last_lines(log)}")

    def leave(self) -> None:
        """Stop using the servers. If we were the last, wait until they are down."""
        self._in_use.release()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if self._in_use.try_exclusive():
                # We were the last. Whoever comes now waits for this lock, and starts anew.
                stop_keeper(self.data)
                break
            if self._in_use.try_shared():
                break  # others use them still
            time.sleep(0.1)  # somebody is stopping them just now
        self._in_use.release()
        if self.data.throwaway and not self.own:
            self.data.remove()  # otherwise its keeper does

    @contextlib.contextmanager
    def in_use(self) -> Iterator["Servers"]:
        try:
            self.join()
            yield self
        finally:
            self.leave()

    # --- What they are ----------------------------------------------------------------------------

    def state(self) -> dict:
        return running(self.data) or {}

    def database_url(self, role: str = APP) -> str:
        """Return the address of the database, for the application or the owner of the tables."""
        if "postgres" not in self.own:
            external = os.environ["DATABASE_URL"]
            return external if role == APP else os.environ.get("DATABASE_OWNER_URL", external)
        password = {
            APP: self.keys.app_password,
            OWNER: self.keys.owner_password,
            "postgres": self.keys.postgres_password,
        }[role]
        port = self.state()["postgres"]["port"]
        return f"postgresql://{role}:{password}@{ports.HOST}:{port}/{DATABASE}"

    def redis_url(self) -> str:
        if "redis" not in self.own:
            return os.environ["REDIS_URL"]
        port = self.state()["redis"]["port"]
        return f"redis://:{self.keys.redis_password}@{ports.HOST}:{port}/0"

    def environment(self) -> dict[str, str]:
        """Return what the platform's settings read, and nothing of this machine's own setup."""
        inherited = {
            name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
        }
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "membership.settings",
            "DATABASE_URL": self.database_url(),
            "DATABASE_OWNER_URL": self.database_url(OWNER),
            "REDIS_URL": self.redis_url(),
            "SECRET_KEY": self.keys.secret_key,
            "FIELD_KEYS": self.keys.field_keys,
            "FIELD_INDEX_KEY": self.keys.field_index_key,
            # Only a plain 1: other tools use variables of this name for their own ends.
            "DEBUG": "1" if os.environ.get("DEBUG") == "1" else "0",
            "SANDBOX": "1",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "SITE_URL": os.environ.get("SITE_URL", "http://127.0.0.1:8000"),
            "PROGRAMME_TIME_ZONE": os.environ.get("PROGRAMME_TIME_ZONE", "Asia/Shanghai"),
            "STATIC_ROOT": str(self.data.file("static")),
            "PYTHONUNBUFFERED": "1",
        }

    def psql(self, *arguments: str, role: str = OWNER) -> tuple[list[str], dict[str, str]]:
        """Return the command that talks to the database, and the environment it needs."""
        if "postgres" not in self.own:
            return ["psql", self.database_url(role), *arguments], dict(os.environ)
        postgres = self.state()["postgres"]
        command = [
            f"{postgres['bin']}/psql",
            *("--host", ports.HOST, "--port", str(postgres["port"])),
            *("--username", role, "--dbname", DATABASE),
            *arguments,
        ]
        password = self.keys.owner_password if role == OWNER else self.keys.postgres_password
        environment = {"PGPASSWORD": password, "LD_LIBRARY_PATH": postgres["libraries"]}
        return command, dict(os.environ) | environment

    def database_is_new(self) -> bool:
        if "postgres" not in self.own:
            return False
        command, environment = self.psql("-XAtc", "SELECT to_regclass('django_migrations')")
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        return answer.returncode == 0 and not answer.stdout.strip()

    def versions(self) -> list[str]:
        """Return what the running servers say of themselves: proof that they are real."""
        said = []
        if "postgres" in self.own:
            command, environment = self.psql("-XAtc", "SELECT version()")
            answer = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            said.append(answer.stdout.strip())
        if "redis" in self.own:
            said.append(redis.version(self.state()["redis"]["port"], self.keys.redis_password))
        return said


def running(data: Data) -> dict | None:
    """Return what the keeper of this folder wrote down, if it is alive."""
    state: dict | None = read_json(data.file("servers.json"))
    if state is None or not processes.is_alive(state["keeper"]):
        return None
    # Process numbers are reused: it must also look like a keeper.
    return state if "local.keeper" in processes.command_of(state["keeper"]) else None


def stop_keeper(data: Data) -> None:
    state = running(data)
    if state is None:
        return
    keeper: int = state["keeper"]
    os.kill(keeper, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(keeper, os.WNOHANG)  # a child of ours counts as alive until asked after
        if not processes.is_alive(keeper):
            return
        time.sleep(0.05)
