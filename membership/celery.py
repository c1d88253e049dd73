"""The Celery application. Start it only under a supervisor (docs/operations.md says why)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "membership.settings")

app = Celery("membership")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
