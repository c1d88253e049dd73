"""
Processes that call Python, as views, importers and tasks do: one connection each, in autocommit.

A project's settings and models can be loaded once in a process, and the yardsticks have others than
the platform. So each project gets a process that loads it and then forks its clients.
"""

import importlib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import django

from benchmarks.measuring import Run
from benchmarks.options import Options

# A member's number, a new reference, and where chance comes from.
Call = Callable[[int, str, random.Random], object]


@dataclass(frozen=True)
class Project:
    settings: str
    # A module with a function `calls() -> dict[str, Call]`.
    calls: str
    # Where packages are that only this project needs.
    packages: str = ""

    def load(self) -> None:
        os.environ["DJANGO_SETTINGS_MODULE"] = self.settings
        if self.packages:
            sys.path.insert(0, self.packages)
        django.setup()


PLATFORM = Project("membership.settings", "benchmarks.calls")
PLAIN = Project("benchmarks.yardsticks.plain.settings", "benchmarks.yardsticks.plain.calls")


def hordak(packages: str) -> Project:
    return Project(
        "benchmarks.yardsticks.hordak.settings", "benchmarks.yardsticks.hordak.calls", packages
    )


def references(client: int) -> Iterator[str]:
    """Yield new references, ordered by time across all clients (as UUIDv7 are)."""
    base = int(time.time() * 10) * 10**7 + client
    while True:
        base += 64
        yield str(base)


class Callers:
    """The clients of a project. They live from `with` to its end: no turn pays for their start."""

    def __init__(self, project: Project, options: Options, *, clients: int | None = None) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._clients = clients or options.clients
        self._process = spawn.Process(
            target=_lead, args=(theirs, project, self._clients, options.members)
        )

    def __enter__(self) -> "Callers":
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def load(self, name: str, operation: str, *, units: int = 1) -> "CalledLoad":
        """:param units: how much work one call does"""
        return CalledLoad(name, operation, self._pipe, units)


class CalledLoad:
    def __init__(self, name: str, operation: str, pipe: Connection, units: int) -> None:
        self.name = name
        self._operation = operation
        self._pipe = pipe
        self._units = units

    def run(self, seconds: float) -> Run:
        self._pipe.send((self._operation, seconds))
        start, answers = self._pipe.recv()
        if failed := [answer for answer in answers if isinstance(answer, str)]:
            raise SystemExit(f"{self.name} failed: {failed[0]}")
        return Run(
            done=sum(done for done, _, _ in answers) * self._units,
            seconds=max(ended for _, ended, _ in answers) - start,
            client_cpu_seconds=sum(cpu for _, _, cpu in answers),
        )


def _lead(pipe: Connection, project: Project, clients: int, members: int) -> None:
    project.load()
    # Before they fork: what is imported once is shared.
    importlib.import_module(project.calls)
    fork = multiprocessing.get_context("fork")
    pipes = []
    for client in range(clients):
        ours, theirs = fork.Pipe()
        fork.Process(
            target=_serve, args=(theirs, project.calls, client, members), daemon=True
        ).start()
        pipes.append(ours)
    for each in pipes:
        each.recv()
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        operation, seconds = order
        start = time.monotonic() + 0.05
        for each in pipes:
            each.send((operation, start, seconds))
        pipe.send((start, [each.recv() for each in pipes]))
    for each in pipes:
        each.send(None)


def _serve(pipe: Connection, module: str, client: int, members: int) -> None:
    chance = random.Random(client)
    calls = importlib.import_module(module).calls()
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        operation, start, seconds = order
        try:
            pipe.send(_repeat(calls[operation], client, start, seconds, members, chance))
        except Exception as error:  # noqa: BLE001 - told to the parent, which ends
            pipe.send(repr(error))


def _repeat(
    call: Call, client: int, start: float, seconds: float, members: int, chance: random.Random
) -> tuple[int, float, float]:
    reference = references(client)
    done = 0
    time.sleep(max(0.0, start - time.monotonic()))
    worked = time.process_time()
    now = start
    while now < start + seconds:
        call(chance.randint(1, members), next(reference), chance)
        done += 1
        now = time.monotonic()
    return done, now, time.process_time() - worked
