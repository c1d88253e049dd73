"""
The process that keeps the servers of one data folder: starts them, starts them again should one
die, and stops them when nobody uses them any more.

Several commands may use the same servers (`run` in one terminal, `manage` in another) and each may
end in any order and in any way, `kill -9` included. So none of them is the servers' parent: each
holds a shared lock on a file while it needs them, and the keeper, whom the first one starts, sees
by that lock whether anybody is left.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from local import keys
from local.locks import FileLock
from local.paths import Data, write_private
from local.postgres import Postgres
from local.problem import Problem
from local.redis import Redis
from local.venv import Venv

PAUSE = 0.2
# A server that dies again within this many seconds has to wait as long.
STEADY_AFTER = 10


class Keeper:
    def __init__(self, data: Data, venv: Venv, servers: set[str], *, durable: bool) -> None:
        self.data = data
        own = keys.of(data)
        postgres = "postgres" in servers
        self.postgres = Postgres(data, own, venv, durable_commits=durable) if postgres else None
        self.redis = Redis(data, own, venv) if "redis" in servers else None
        self.stopping = False

    def start(self) -> None:
        if self.redis:
            self.redis.start()
        if self.postgres:
            self.postgres.prepare()
            self.postgres.start()
            self.postgres.provision()
        for server in (self.postgres, self.redis):
            for note in server.notes if server else []:
                tell("note", note)
        self._publish()

    def _publish(self) -> None:
        """Write down what runs where, for the commands that use it."""
        state = {
            "keeper": os.getpid(),
            "postgres": self.postgres
            and {
                "port": self.postgres.port,
                "bin": str(Path(self.postgres.programs.path("psql")).parent),
                "libraries": self.postgres.programs.environment()["LD_LIBRARY_PATH"],
                "home": str(self.postgres.home),
            },
            "redis": self.redis and {"port": self.redis.port, "program": self.redis.program},
        }
        write_private(self.data.file("servers.json"), json.dumps(state, indent=2))

    def keep(self) -> None:
        """Stay until nobody holds the lock, or somebody asks us to stop."""
        in_use = FileLock(self.data.file("in-use.lock"))
        started_again = -float("inf")
        while not self.stopping and not in_use.try_exclusive():
            for server in (self.postgres, self.redis):
                if server and server.process and server.process.poll() is not None:
                    if time.monotonic() - started_again < STEADY_AFTER:
                        time.sleep(STEADY_AFTER)
                    print(f"{type(server).__name__} ended; starting it again", flush=True)
                    started_again = time.monotonic()
                    # At the same port: the others know it by its address.
                    server.start()
                    self._publish()
            time.sleep(PAUSE)

    def stop(self) -> None:
        if self.redis:
            self.redis.stop()
        if self.postgres:
            self.postgres.stop()
        self.data.file("servers.json").unlink(missing_ok=True)
        if self.data.throwaway:
            self.data.remove()


def tell(kind: str, text: str) -> None:
    """Say something to the command that started us; it listens until we are ready."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.__stdout__.fileno(), json.dumps([kind, text]).encode() + b"\n")  # type: ignore[union-attr]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("venv", type=Path)
    parser.add_argument("servers", nargs="+", choices=["postgres", "redis"])
    parser.add_argument("--throwaway", action="store_true")
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    data = Data.at(options.data, throwaway=options.throwaway)

    keeper: Keeper | None = None

    def stop(*_: object) -> None:
        if keeper:
            keeper.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        keeper = Keeper(data, Venv(options.venv), set(options.servers), durable=options.durable)
        keeper.start()
        tell("ready", "")
        with data.file("logs/keeper.log").open("a") as log:
            # The command that started us may end, and its pipe with it.
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        keeper.keep()
    except Problem as problem:
        tell("problem", str(problem))
        raise SystemExit(1) from None
    finally:
        if keeper:
            keeper.stop()


if __name__ == "__main__":
    main()
