"""
The yardstick for writing SQL: earn and redeem as one writes them with Django models at first.

Careful and correct (row locks, one transaction, a look for the repeat), but object by object.
"""

from datetime import date

from django.db import connection, models, transaction

from members.models import Member
from partners.models import Store


class PlainAccount(models.Model):
    member = models.OneToOneField(Member, on_delete=models.PROTECT, related_name="+")
    balance = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmark_plain_account"


class PlainEntry(models.Model):
    account = models.ForeignKey(PlainAccount, on_delete=models.PROTECT, related_name="entries")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8)
    points = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    reference = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmark_plain_entry"


class PlainLot(models.Model):
    account = models.ForeignKey(PlainAccount, on_delete=models.PROTECT, related_name="lots")
    entry = models.ForeignKey(PlainEntry, null=True, on_delete=models.PROTECT, related_name="+")
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    expires_on = models.DateField(db_index=True)

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmark_plain_lot"


class PlainAllocation(models.Model):
    entry = models.ForeignKey(PlainEntry, on_delete=models.PROTECT, related_name="allocations")
    lot = models.ForeignKey(PlainLot, on_delete=models.PROTECT, related_name="+")
    points = models.BigIntegerField()

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmark_plain_allocation"


class NotEnough(Exception):
    """The balance is smaller than what was to be redeemed."""


@transaction.atomic
def earn(
    *, member_id: int, points: int, expires_on: date, reference: str, store_id: int
) -> PlainEntry:
    account = PlainAccount.objects.select_for_update().get(member_id=member_id)
    if earlier := PlainEntry.objects.filter(reference=reference).first():
        return earlier
    account.balance += points
    account.save()
    entry = PlainEntry.objects.create(
        account=account,
        store_id=store_id,
        kind="EARN",
        points=points,
        balance_after=account.balance,
        reference=reference,
    )
    PlainLot.objects.create(
        account=account, entry=entry, points=points, remaining=points, expires_on=expires_on
    )
    return entry


@transaction.atomic
def redeem(*, member_id: int, points: int, on: date, reference: str, store_id: int) -> PlainEntry:
    account = PlainAccount.objects.select_for_update().get(member_id=member_id)
    if earlier := PlainEntry.objects.filter(reference=reference).first():
        return earlier
    if account.balance < points:
        raise NotEnough
    account.balance -= points
    account.save()
    entry = PlainEntry.objects.create(
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
        PlainAllocation.objects.create(entry=entry, lot=lot, points=taken)
        missing -= taken
        if not missing:
            break
    return entry


def create_tables(cursor) -> None:
    """Make the tables as their migration would, and give each member the ledger's lots."""
    with connection.schema_editor(collect_sql=True) as editor:
        for model in (PlainAccount, PlainEntry, PlainLot, PlainAllocation):
            editor.create_model(model)
    for statement in editor.collected_sql:
        cursor.execute(str(statement))
    cursor.execute(
        "INSERT INTO benchmark_plain_account (member_id, balance, updated_at)"
        " SELECT member_id, balance, now() FROM points_account ORDER BY member_id"
    )
    cursor.execute(
        "INSERT INTO benchmark_plain_lot (account_id, points, remaining, expires_on)"
        " SELECT a.id, l.points, l.remaining, l.expires_on FROM points_lot AS l"
        " JOIN benchmark_plain_account AS a USING (member_id) ORDER BY l.seq, a.id"
    )
    for table in ("account", "entry", "lot", "allocation"):
        cursor.execute(f"VACUUM ANALYZE benchmark_plain_{table}")
