from celery import shared_task
from django.utils import timezone

from messaging import operations


@shared_task(name="messaging.send_code")
def send_code(*, challenge: str, **_later_arguments: object) -> None:
    operations.send_code(challenge=challenge, sent_at=timezone.now())


@shared_task(name="messaging.deliver_waiting_emails")
def deliver_waiting_emails(**_later_arguments: object) -> None:
    operations.deliver_waiting_emails(clock=timezone.now)
