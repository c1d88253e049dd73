from celery import shared_task
from django.utils import timezone

from messaging import operations


@shared_task(name="messaging.send_code")
def send_code(
    *,
    challenge: str,
    language: str = "",
    to_strangers: bool = False,
    **_later_arguments: object,
) -> None:
    operations.send_code(
        challenge=challenge,
        language=language,
        to_strangers=to_strangers,
        sent_at=timezone.now(),
    )


@shared_task(name="messaging.deliver_waiting")
def deliver_waiting(**_later_arguments: object) -> None:
    operations.deliver_everywhere(clock=timezone.now)


@shared_task(name="messaging.tell_changes")
def tell_changes(**_later_arguments: object) -> None:
    operations.tell_changes(clock=timezone.now)
