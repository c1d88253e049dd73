from celery import shared_task
from django.utils import timezone

from points import operations


@shared_task(name="points.work_on_grants")
def work_on_grants(**_later_arguments: object) -> None:
    operations.work_on_grants(clock=timezone.now)
