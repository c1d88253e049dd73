"""
One page of a statement: for short and long histories, in the order of time and clustered.

The page is the platform's own query, once its lines alone and once with what explains them. Each
history length is a ledger of its own, all with as many entries.
"""

from benchmarks import seeding, server
from benchmarks.measuring import Aim, Bench, Row
from benchmarks.pgbench import Pgbench
from benchmarks.scripts import judged_purchase, scripts
from partners.models import Store
from points import queries

PAGE = 25
HISTORIES = (25, 1_000, 20_000)
CLOSED_MONTHS = Aim(0.25)
# “Independent of the length of the history”, with what two measurements of the same may differ.
INDEPENDENT = Aim(0.9)
# Stands in the SQL until pgbench's variable takes its place.
SOME_MEMBER = 987_654_321


def measure(bench: Bench, store: Store) -> list[Row]:
    options = bench.options
    # A twentieth of the ledger for each length.
    entries = options.members * options.lots // 20
    pages = {}
    for length in HISTORIES:
        members = max(1, entries // length)
        with seeding.ledger_of_its_own(_schema(length)) as cursor:
            seeding.fill_history(
                cursor, members=members, entries=length, purchase=judged_purchase(store)
            )
        pages[length] = Pgbench(
            f"statement page of {PAGE} out of {length:,}, clustered",
            _page(explained=False),
            members=members,
            clients=options.clients,
            schema=_schema(length),
        )
    nothing = Pgbench("SELECT 1", scripts(store)["nothing"], members=1, clients=options.clients)
    shortest = pages[HISTORIES[0]]

    before = bench.take_turns(
        yardstick=nothing,
        loads=[(shortest.named(f"statement page of {PAGE}, in the order of time"), None)],
    )
    for length in HISTORIES:
        _cluster(_schema(length))
    explained = shortest.named(
        f"statement page of {PAGE} with what explains its lines", _page(explained=True)
    )
    clustered = bench.take_turns(
        yardstick=nothing,
        loads=[
            (shortest, CLOSED_MONTHS),
            (explained, None),
            *((pages[length], CLOSED_MONTHS) for length in HISTORIES[1:]),
        ],
    )
    short, _explained, *longer = clustered
    return [
        *(result.row() for result in (*before, *clustered)),
        *(result.over(short, INDEPENDENT) for result in longer),
    ]


def _page(*, explained: bool) -> str:
    page = queries.statement(SOME_MEMBER)
    if not explained:
        page = page.select_related(None)
    sql, parameters = page[:PAGE].query.sql_with_params()
    assert parameters == (SOME_MEMBER,)
    return f"\\set member random(1, :members)\n{sql % ':member'};\n"


def _schema(length: int) -> str:
    return f"history_{length}"


def _cluster(schema: str) -> None:
    """Lay the entries in the order of member and number, as one does with a month that is over."""
    with server.cursor() as cursor:
        cursor.execute(f"CLUSTER {schema}.points_entry USING points_entry_pkey")
        cursor.execute(f"VACUUM ANALYZE {schema}.points_entry")
