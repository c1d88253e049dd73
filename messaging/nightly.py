"""Messaging's part of the night."""

from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import jobs
from messaging.models import SandboxCode

CODES_KEPT = timedelta(days=1)


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
