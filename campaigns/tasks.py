from celery import shared_task
from django.utils import timezone

from campaigns import invitations
from campaigns.member_files import keeping


@shared_task(name="campaigns.work_on_member_imports")
def work_on_member_imports(**_later_arguments: object) -> None:
    keeping.work(clock=timezone.now)


@shared_task(name="campaigns.invite_members")
def invite_members(**_later_arguments: object) -> None:
    invitations.work(clock=timezone.now)
