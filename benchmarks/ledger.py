"""The ledger's operations: by SQL, from Python, and just after a checkpoint."""

from collections.abc import Callable
from contextlib import ExitStack

from benchmarks import callers, seeding, server
from benchmarks.callers import Callers, Project
from benchmarks.measuring import Aim, Bench, Row
from benchmarks.pgbench import Pgbench
from benchmarks.scripts import GRANTS, scripts
from partners.models import Store

OVER_PLAIN_ORM = Aim(10)


def warm_up(bench: Bench, store: Store) -> None:
    """Go through the pages that the loads write to, so that each has been logged whole."""
    load = _loads(bench, store)
    for script in ("raw", "earn", "redeem", "purchase"):
        bench.warm_up(load(script, script))


def measure_sql(bench: Bench, store: Store) -> list[Row]:
    load = _loads(bench, store)
    results = [
        *bench.take_turns(
            yardstick=load("raw", "raw"),
            loads=[
                (load("earn, SQL", "earn"), Aim(0.60)),
                (load("redeem over 2–3 lots, SQL", "redeem"), Aim(0.40)),
                (load("purchase, SQL", "purchase"), None),
                (load(f"lots by {GRANTS} in a call, SQL", "grant", units=GRANTS), Aim(2.0)),
            ],
        ),
        *bench.take_turns(
            yardstick=load("raw on one row", "raw", members=1),
            loads=[(load("earn on one member, SQL", "earn", members=1), Aim(0.70))],
        ),
        *bench.take_turns(
            yardstick=load("SELECT 1", "nothing"),
            loads=[
                (load("balance", "balance"), Aim(0.65)),
                (load("spendable points", "spendable"), None),
            ],
        ),
    ]
    return [result.row() for result in results]


def measure_after_checkpoint(bench: Bench, store: Store) -> list[Row]:
    """Each turn begins just after a checkpoint: then a page is logged whole when first changed."""
    if not server.is_ours():
        bench.say("  left out: this server writes its checkpoints when it likes")
        return []
    load = _loads(bench, store)
    results = bench.take_turns(
        yardstick=load("raw", "raw"),
        loads=[
            (load("earn, SQL, just after a checkpoint", "earn"), Aim(0.55)),
            (load("redeem, SQL, just after a checkpoint", "redeem"), None),
            (load("earn, SQL, random keys, just after a checkpoint", "earn by random keys"), None),
        ],
        before_turn=server.checkpoint,
        warm=False,
    )
    return [result.row() for result in results]


def measure_python(bench: Bench, store: Store) -> list[Row]:
    with ExitStack() as stack:

        def called_from(project: Project) -> Callers:
            return stack.enter_context(Callers(project, bench.options))

        platform = called_from(callers.PLATFORM)
        plain = called_from(callers.PLAIN)
        loads = [
            (platform.load("earn, Python", "earn"), Aim(0.35)),
            (platform.load("redeem, Python", "redeem"), Aim(0.35)),
            (platform.load("hold and confirm, Python", "hold and confirm"), Aim(0.20)),
            (platform.load("purchase, Python", "purchase"), None),
            (platform.load(f"lots by {GRANTS} in a call, Python", "grant", units=GRANTS), None),
            (plain.load("earn, plain ORM", "earn"), None),
            (plain.load("redeem, plain ORM", "redeem"), None),
        ]
        if packages := seeding.fill_hordak():
            hordak = called_from(callers.hordak(packages))
            loads.append((hordak.load("transfer, django-hordak", "transfer"), None))
        else:
            bench.say("  left out: django-hordak could not be installed")
        results = bench.take_turns(yardstick=_loads(bench, store)("raw", "raw"), loads=loads)
    named = {result.name: result for result in results}
    return [
        *(result.row() for result in results),
        *(
            named[f"{verb}, Python"].over(named[f"{verb}, plain ORM"], OVER_PLAIN_ORM)
            for verb in ("earn", "redeem")
        ),
    ]


def _loads(bench: Bench, store: Store) -> Callable[..., Pgbench]:
    script = scripts(store)
    options = bench.options

    def load(name: str, key: str, members: int = options.members, units: int = 1) -> Pgbench:
        return Pgbench(name, script[key], members=members, clients=options.clients, units=units)

    return load
