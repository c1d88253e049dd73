"""Part (a): the SQL operations, from pgbench and from Python."""

from benchmarks.calls import Callers
from benchmarks.measuring import Result, take_turns
from benchmarks.options import Options
from benchmarks.server import Meter
from benchmarks.statements import Pgbench, scripts
from partners.models import Store


def measure(options: Options, store: Store, meter: Meter) -> list[Result]:
    script = scripts(store)
    turns = {"meter": meter, "seconds": options.seconds, "rounds": options.rounds}

    def load(name: str, key: str, members: int | None = None) -> Pgbench:
        return Pgbench(name, script[key], options, members=members)

    return [
        *take_turns(
            yardstick=load("raw", "raw"),
            loads=[
                (load("earn, SQL", "earn"), 0.60),
                (load("redeem over 2–3 lots, SQL", "redeem"), 0.40),
                (load("purchase, SQL", "purchase"), None),
            ],
            **turns,
        ),
        *take_turns(
            yardstick=load("raw on one row", "raw", 1),
            loads=[(load("earn on one member, SQL", "earn", 1), 0.70)],
            **turns,
        ),
        *take_turns(
            yardstick=load("SELECT 1", "nothing"),
            loads=[
                (load("balance", "balance"), 0.65),
                (load("spendable points", "spendable"), None),
            ],
            **turns,
        ),
    ]


def measure_python(options: Options, store: Store, meter: Meter) -> list[Result]:
    raw = Pgbench("raw", scripts(store)["raw"], options)
    with Callers(options, store) as callers:
        return take_turns(
            yardstick=raw,
            loads=[
                (callers.load("earn, Python", "earn"), 0.35),
                (callers.load("redeem, Python", "redeem"), 0.35),
                (callers.load("purchase, Python", "purchase"), None),
                (callers.load("earn, plain ORM", "plain_earn"), None),
                (callers.load("redeem, plain ORM", "plain_redeem"), None),
            ],
            meter=meter,
            seconds=options.seconds,
            rounds=options.rounds,
        )
