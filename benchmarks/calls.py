"""
The operations from Python, as views, importers and tasks call them.

One process per client with one connection, in autocommit: the platform's own way to the hot path.
"""

import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from django import db
from django.utils import timezone

from benchmarks import plain_orm
from benchmarks.measuring import Run
from benchmarks.options import Options
from benchmarks.seeding import REDEMPTION_POINTS
from benchmarks.statements import judged_purchase
from members.numbers import member_number
from members.queries import Identity
from partners.models import Store
from points import operations as points

Call = Callable[[Identity, str, random.Random], object]


def references(client: int):
    """Yield new references, ordered by time across all clients (as UUIDv7 are)."""
    base = int(time.time() * 10) * 10**7 + client
    while True:
        base += 64
        yield str(base)


def operations(store: Store) -> dict[str, Call]:
    """What is measured, by name. Each takes a member and a new reference."""
    sample = judged_purchase(store)
    expires_on = sample.expires_on
    source = sample.source
    today = timezone.localdate()

    def earn(member: Identity, reference: str, chance: random.Random) -> object:
        return points.earn(
            member=member,
            points=chance.randint(1, 100),
            at=timezone.now(),
            expires_on=expires_on,
            reference=reference,
            source=source,
        )

    def redeem(member: Identity, reference: str, chance: random.Random) -> object:
        try:
            return points.redeem(
                member=member,
                points=chance.randint(*REDEMPTION_POINTS),
                at=timezone.now(),
                reference=reference,
                source=source,
            )
        except points.InsufficientPoints:
            return None

    def post_purchase(member: Identity, reference: str, _chance: random.Random) -> object:
        return points.post_purchase(
            purchase=replace(sample, member=member, reference=reference, at=timezone.now())
        )

    def plain_earn(member: Identity, reference: str, chance: random.Random) -> object:
        return plain_orm.earn(
            member_id=member.id,
            points=chance.randint(1, 100),
            expires_on=expires_on,
            reference=reference,
            store_id=store.pk,
        )

    def plain_redeem(member: Identity, reference: str, chance: random.Random) -> object:
        try:
            return plain_orm.redeem(
                member_id=member.id,
                points=chance.randint(*REDEMPTION_POINTS),
                on=today,
                reference=reference,
                store_id=store.pk,
            )
        except plain_orm.NotEnough:
            return None

    return {
        "earn": earn,
        "redeem": redeem,
        "purchase": post_purchase,
        "plain_earn": plain_earn,
        "plain_redeem": plain_redeem,
    }


class Callers:
    """The client processes. They live from `with` to its end, so no turn pays for their start."""

    def __init__(self, options: Options, store: Store) -> None:
        self._options = options
        self._store = store

    def __enter__(self) -> "Callers":
        # Children must not share the parent's connection.
        db.connections.close_all()
        fork = multiprocessing.get_context("fork")
        self._pipes = []
        for client in range(self._options.clients):
            ours, theirs = fork.Pipe()
            fork.Process(
                target=_serve, args=(theirs, client, self._options, self._store), daemon=True
            ).start()
            self._pipes.append(ours)
        for pipe in self._pipes:
            pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.send(None)

    def load(self, name: str, operation: str) -> "CalledLoad":
        return CalledLoad(name, operation, self._pipes)


class CalledLoad:
    def __init__(self, name: str, operation: str, pipes: list[Connection]) -> None:
        self.name = name
        self._operation = operation
        self._pipes = pipes

    def run(self, seconds: float) -> Run:
        start = time.monotonic() + 0.05
        for pipe in self._pipes:
            pipe.send((self._operation, start, seconds))
        answers = [pipe.recv() for pipe in self._pipes]
        if failed := [answer for answer in answers if isinstance(answer, str)]:
            raise SystemExit(f"{self.name} failed: {failed[0]}")
        return Run(
            done=sum(done for done, _, _ in answers),
            seconds=max(ended for _, ended, _ in answers) - start,
            client_cpu_seconds=sum(cpu for _, _, cpu in answers),
        )


def _serve(pipe: Connection, client: int, options: Options, store: Store) -> None:
    chance = random.Random(client)
    calls = operations(store)
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        operation, start, seconds = order
        try:
            pipe.send(_repeat(calls[operation], client, start, seconds, options, chance))
        except Exception as error:  # noqa: BLE001 - told to the parent, which ends
            pipe.send(repr(error))


def _repeat(
    call: Call, client: int, start: float, seconds: float, options: Options, chance: random.Random
) -> tuple[int, float, float]:
    db.connection.ensure_connection()
    reference = references(client)
    done = 0
    time.sleep(max(0.0, start - time.monotonic()))
    worked = time.process_time()
    now = start
    while now < start + seconds:
        number = chance.randint(1, options.members)
        call(Identity(number, member_number(number), "ACTIVE"), next(reference), chance)
        done += 1
        now = time.monotonic()
    return done, now, time.process_time() - worked
