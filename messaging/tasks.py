from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from messaging import operations
from messaging.models import SandboxCode

CODES_KEPT = timedelta(days=1)


@shared_task(name="messaging.send_code")
def send_code(*, challenge: str, **_later_arguments: object) -> None:
    operations.send_code(challenge=challenge, sent_at=timezone.now())


@shared_task(name="messaging.nightly.forget_old_codes")
def forget_old_codes(**_later_arguments: object) -> None:
    SandboxCode.objects.filter(sent_at__lt=timezone.now() - CODES_KEPT).delete()
