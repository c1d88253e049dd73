"""What asking costs beside buying, over HTTP: a quote judges the same and writes nothing."""

import random

from benchmarks.measuring import Aim, Bench, Row
from benchmarks.web import HttpLoad, WebServer, token
from members.numbers import member_number
from partners.models import Store

# Less than twice the time.
OVER_PURCHASE = Aim(0.5)
QUOTES = "/api/v1/quotes/"


def measure(bench: Bench, store: Store) -> list[Row]:
    chance = random.Random(2)

    def quote(_reference: str) -> dict:
        return {
            "member": member_number(chance.randint(1, bench.options.members)),
            "store": store.code,
            "amount": "268.00",
            "lines": [
                {"line": "1", "category": "labour", "amount": "120.00"},
                {"line": "2", "category": "parts", "amount": "148.00"},
            ],
        }

    def purchase(reference: str) -> dict:
        return quote(reference) | {"reference": reference}

    with WebServer("membership.wsgi:application") as platform:
        till = f"Bearer {token(platform, store)}"
        clients = bench.options.clients
        results = bench.take_turns(
            yardstick=HttpLoad(
                "POST purchase", platform, purchase, clients=clients, authorization=till
            ),
            loads=[
                (
                    HttpLoad(
                        "POST quote", platform, quote, clients=clients, path=QUOTES,
                        authorization=till,
                    ),
                    OVER_PURCHASE,
                )
            ],
        )  # fmt: skip
    return [result.row() for result in results]
