"""
Growth: what an earn costs the server at a tenth, at all and at ten times the members.

One lot and one entry each, in ledgers of their own; each turn begins just after a checkpoint.
"""

from dataclasses import replace

from benchmarks import seeding, server
from benchmarks.measuring import Aim, Bench, Row
from benchmarks.pgbench import Pgbench
from benchmarks.scripts import scripts
from partners.models import Store

TIMES_MOST = Aim(2.0, at_most=True)


def sizes(bench: Bench) -> list[int]:
    members = bench.options.members
    return [members // 10, members, members * 10]


def measure(bench: Bench, store: Store) -> list[Row]:
    script = scripts(store)
    clients = bench.options.clients
    loads = []
    for members in sizes(bench):
        bench.say(f"  seeding {members:,} members with one lot each")
        schema = f"members_{members}"
        with seeding.ledger_of_its_own(schema) as cursor:
            seeding.fill_ledger(cursor, members=members, lots=1, purchases=False)
        name = f"earn among {members:,} members, just after a checkpoint"
        loads.append(Pgbench(name, script["earn"], members=members, clients=clients, schema=schema))
    results = bench.take_turns(
        yardstick=Pgbench("raw", script["raw"], members=bench.options.members, clients=clients),
        loads=[(load, None) for load in loads],
        before_turn=server.checkpoint,
        warm=False,
    )
    rows = [
        replace(result.row(), members=members)
        for result, members in zip(results, sizes(bench), strict=True)
    ]
    return rows + _growth(rows)


def _growth(rows: list[Row]) -> list[Row]:
    smallest, *_, largest = rows
    if smallest.server_cpu_us is None or largest.server_cpu_us is None:
        return []
    return [
        Row(
            name=f"CPU per earn among {largest.members:,} members, to {smallest.members:,}",
            to=smallest.name,
            ratio=largest.server_cpu_us / smallest.server_cpu_us,
            aim=TIMES_MOST,
        )
    ]
