from celery import shared_task

from membership import letters


@shared_task(name="membership.send_confirmation")
def send_confirmation(
    *, member_id: int, email: str, language: str, **_later_arguments: object
) -> None:
    letters.send_confirmation(member_id=member_id, sealed=email, language=language)


@shared_task(name="membership.send_reset")
def send_reset(*, email: str, language: str, **_later_arguments: object) -> None:
    letters.send_reset(sealed=email, language=language)
