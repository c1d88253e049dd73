"""The platform's operations as `benchmarks.callers` calls them."""

import random
from dataclasses import replace

from django.utils import timezone

from benchmarks.callers import Call
from benchmarks.options import REDEMPTION_POINTS
from benchmarks.scripts import judged_purchase
from members.numbers import member_number
from members.queries import Identity
from partners.queries import main_store
from points import operations as points


def calls() -> dict[str, Call]:
    store = main_store()
    assert store is not None, "a migration makes it"
    sample = judged_purchase(store)

    def earn(member: int, reference: str, chance: random.Random) -> object:
        return points.earn(
            member=_identity(member),
            points=chance.randint(1, 100),
            at=timezone.now(),
            expires_on=sample.expires_on,
            reference=reference,
            source=sample.source,
        )

    def redeem(member: int, reference: str, chance: random.Random) -> object:
        try:
            return points.redeem(
                member=_identity(member),
                points=chance.randint(*REDEMPTION_POINTS),
                at=timezone.now(),
                reference=reference,
                source=sample.source,
            )
        except points.InsufficientPoints:
            return None

    def post_purchase(member: int, reference: str, _chance: random.Random) -> object:
        return points.post_purchase(
            purchase=replace(
                sample, member=_identity(member), reference=reference, at=timezone.now()
            )
        )

    return {"earn": earn, "redeem": redeem, "purchase": post_purchase}


def _identity(member: int) -> Identity:
    return Identity(member, member_number(member), "ACTIVE")
