"""
The yardstick for writing SQL: a loyalty ledger as one writes it with Django and DRF at first.

Careful and correct (row locks, one transaction, a look for the repeat), but object by object, and
with the defaults of `django-admin startproject` and of the framework's tutorial.
"""
