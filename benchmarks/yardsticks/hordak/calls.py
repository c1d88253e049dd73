"""A transfer as `benchmarks.callers` calls it."""

import random

from hordak.models import Account
from moneyed import Money

from benchmarks.callers import Call


def calls() -> dict[str, Call]:
    accounts = list(Account.objects.all())

    def transfer(_member: int, reference: str, chance: random.Random) -> object:
        giver, taker = chance.sample(accounts, 2)
        return giver.transfer_to(taker, Money(chance.randint(1, 100), "CNY"), description=reference)

    return {"transfer": transfer}
