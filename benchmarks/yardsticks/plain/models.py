from django.db import models


class Member(models.Model):
    number = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=64)


class Store(models.Model):
    code = models.CharField(max_length=16, unique=True)


class Account(models.Model):
    member = models.OneToOneField(Member, on_delete=models.PROTECT)
    balance = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)


class Purchase(models.Model):
    member = models.ForeignKey(Member, on_delete=models.PROTECT)
    store = models.ForeignKey(Store, on_delete=models.PROTECT)
    reference = models.CharField(max_length=64, unique=True)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    lines = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)


class Entry(models.Model):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT)
    kind = models.CharField(max_length=8)
    points = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    reference = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)


class Lot(models.Model):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="lots")
    entry = models.ForeignKey(Entry, null=True, on_delete=models.PROTECT)
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    expires_on = models.DateField(db_index=True)


class Allocation(models.Model):
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="allocations")
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT)
    points = models.BigIntegerField()
