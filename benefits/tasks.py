from celery import shared_task
from django.utils import timezone

from benefits.operations import coupons, payments


@shared_task(name="benefits.work_on_coupons")
def work_on_coupons(**_later_arguments: object) -> None:
    coupons.work(clock=timezone.now)


@shared_task(name="benefits.follow_payments")
def follow_payments(**_later_arguments: object) -> None:
    payments.follow(clock=timezone.now)
