from collections.abc import Iterator
from datetime import date

from django.db import transaction

from benchmarks.yardsticks.plain.models import Account, Allocation, Entry, Lot


class NotEnough(Exception):
    """The balance is smaller than what was to be redeemed."""


@transaction.atomic
def earn(*, member_id: int, points: int, expires_on: date, reference: str, store_id: int) -> Entry:
    account = Account.objects.select_for_update().get(member_id=member_id)
    if earlier := Entry.objects.filter(reference=reference).first():
        return earlier
    account.balance += points
    account.save()
    entry = Entry.objects.create(
        account=account,
        store_id=store_id,
        kind="EARN",
        points=points,
        balance_after=account.balance,
        reference=reference,
    )
    Lot.objects.create(
        account=account, entry=entry, points=points, remaining=points, expires_on=expires_on
    )
    return entry


@transaction.atomic
def redeem(*, member_id: int, points: int, on: date, reference: str, store_id: int) -> Entry:
    account = Account.objects.select_for_update().get(member_id=member_id)
    if earlier := Entry.objects.filter(reference=reference).first():
        return earlier
    if account.balance < points:
        raise NotEnough
    account.balance -= points
    account.save()
    entry = Entry.objects.create(
        account=account,
        store_id=store_id,
        kind="REDEEM",
        points=-points,
        balance_after=account.balance,
        reference=reference,
    )
    missing = points
    for lot in account.lots.filter(remaining__gt=0, expires_on__gte=on).order_by(
        "expires_on", "pk"
    ):
        taken = min(lot.remaining, missing)
        lot.remaining -= taken
        lot.save()
        Allocation.objects.create(entry=entry, lot=lot, points=taken)
        missing -= taken
        if not missing:
            break
    return entry


@transaction.atomic
def expire(*, lot_id: int) -> Entry | None:
    """Write off what is left of one lot."""
    account = Account.objects.select_for_update().get(lots=lot_id)
    lot = Lot.objects.get(pk=lot_id)
    if not lot.remaining:
        return None
    account.balance -= lot.remaining
    account.save()
    entry = Entry.objects.create(
        account=account,
        kind="EXPIRE",
        points=-lot.remaining,
        balance_after=account.balance,
        reference=f"expiry-{lot.pk}",
    )
    Allocation.objects.create(entry=entry, lot=lot, points=lot.remaining)
    lot.remaining = 0
    lot.save()
    return entry


def due_lots(*, on: date, at_once: int = 1000) -> Iterator[int]:
    """The lots whose last day is before a day."""
    last = 0
    while True:
        lots = Lot.objects.filter(remaining__gt=0, expires_on__lt=on, pk__gt=last).order_by("pk")
        found = list(lots.values_list("pk", flat=True)[:at_once])
        if not found:
            return
        yield from found
        last = found[-1]
