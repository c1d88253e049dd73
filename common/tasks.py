from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from common import events
from common.models import IdempotencyRecord

# Callers may repeat a key for a day; a week leaves room for a till that was switched off.
ANSWERS_KEPT = timedelta(days=7)


@shared_task(name="common.deliver_waiting_events")
def deliver_waiting_events(**_later_arguments: object) -> None:
    events.deliver_waiting(now=timezone.now())


@shared_task(name="common.nightly.forget_old_answers")
def forget_old_answers(**_later_arguments: object) -> None:
    IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - ANSWERS_KEPT).delete()
