"""Messaging's part of the night."""

from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import jobs
from messaging import operations
from messaging.models import SandboxCode

CODES_KEPT = timedelta(days=1)


@jobs.nightly(
    name="messaging.deliver_in_app",
    order=20,
    title=_("Messages for members who can log in by now"),
    plan=jobs.members_in(operations.WAITING_IN_THE_INBOX),
    figures={"messages": _("Messages")},
    upkeep=True,
)
def deliver_in_app(*, day: date, low: int, high: int) -> dict[str, int]:  # noqa: ARG001
    """Note that members who had no phone, or were not activated, can see what was said to them."""
    # As of now, whatever day is done again: nobody could read it at that time.
    return {"messages": operations.deliver_in_app(low=low, high=high, at=timezone.now())}


def old_codes(day: date) -> QuerySet[SandboxCode]:
    midnight = timezone.make_aware(datetime.combine(day, time()))
    return SandboxCode.objects.filter(sent_at__lt=midnight - CODES_KEPT)


@jobs.nightly(
    name="messaging.forget_old_codes",
    order=85,
    title=_("Forget old one-time codes"),
    plan=jobs.ids_in(old_codes, size=10_000),
    figures={"codes": _("Codes")},
    upkeep=True,
)
def forget_old_codes(*, day: date, low: int, high: int) -> dict[str, int]:
    """Delete the codes the sandbox's page has shown long enough."""
    count, _by_model = old_codes(day).filter(pk__range=(low, high)).delete()
    return {"codes": count}
