from celery import shared_task
from django.utils import timezone

from common import events, nights


@shared_task(name="common.deliver_waiting_events")
def deliver_waiting_events(**_later_arguments: object) -> None:
    events.deliver_waiting(now=timezone.now())


@shared_task(name="common.nightly.work")
def work(*, called: bool = False, **_later_arguments: object) -> None:
    nights.work(now=timezone.now(), called=called)
