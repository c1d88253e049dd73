"""The plain ledger's operations as `benchmarks.callers` calls them."""

import random
from datetime import date, timedelta

from django.utils import timezone

from benchmarks.callers import Call
from benchmarks.options import REDEMPTION_POINTS
from benchmarks.yardsticks.plain import operations
from benchmarks.yardsticks.plain.models import Store


def calls() -> dict[str, Call]:
    today = timezone.localdate()
    expires_on = today + timedelta(days=365)
    store_id = Store.objects.get().pk
    due = operations.due_lots(on=date.max)

    def earn(member: int, reference: str, chance: random.Random) -> object:
        return operations.earn(
            member_id=member,
            points=chance.randint(1, 100),
            expires_on=expires_on,
            reference=reference,
            store_id=store_id,
        )

    def redeem(member: int, reference: str, chance: random.Random) -> object:
        try:
            return operations.redeem(
                member_id=member,
                points=chance.randint(*REDEMPTION_POINTS),
                on=today,
                reference=reference,
                store_id=store_id,
            )
        except operations.NotEnough:
            return None

    def expire(_member: int, _reference: str, _chance: random.Random) -> object:
        return operations.expire(lot_id=next(due))

    return {"earn": earn, "redeem": redeem, "expire": expire}
