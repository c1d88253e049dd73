from datetime import date

from celery import shared_task
from django.utils import timezone

from common import jobs
from points import nightly


@shared_task(name="points.nightly.expire_due_lots")
def expire_due_lots(*, day: str | None = None, **_later_arguments: object) -> None:
    now = timezone.now()
    on = date.fromisoformat(day) if day else timezone.localdate(now)
    jobs.run_for_day(
        name="points.expire_due_lots",
        day=on,
        now=now,
        job=lambda: nightly.expire_due_lots(day=on),
    )


@shared_task(name="points.nightly.verify_ledger")
def verify_ledger(*, day: str | None = None, **_later_arguments: object) -> None:
    now = timezone.now()
    on = date.fromisoformat(day) if day else timezone.localdate(now)
    jobs.run_for_day(
        name="points.verify_ledger", day=on, now=now, job=lambda: nightly.verify_ledger(day=on)
    )
