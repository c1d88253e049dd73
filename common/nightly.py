"""The plumbing's own part of the night: forgetting what nobody asks for any more."""

from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import jobs
from common.models import IdempotencyRecord, JobChunk

# Callers may repeat a key for a day; a week leaves room for a till that was switched off.
ANSWERS_KEPT = timedelta(days=7)
# What a run came to stays in its report; its single pieces interest nobody for long.
CHUNKS_KEPT = timedelta(days=30)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def old_answers(day: date) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(created_at__lt=_midnight(day) - ANSWERS_KEPT)


@jobs.nightly(
    name="common.forget_old_answers",
    order=80,
    title=_("Forget old answers"),
    plan=jobs.ids_in(old_answers, size=10_000),
    figures={"answers": _("Answers")},
    upkeep=True,
)
def forget_old_answers(*, day: date, low: int, high: int) -> dict[str, int]:
    """Delete the answers kept for idempotency keys that nobody may repeat any more."""
    count, _by_model = old_answers(day).filter(pk__range=(low, high)).delete()
    return {"answers": count}


def old_chunks(day: date) -> QuerySet[JobChunk]:
    return JobChunk.objects.filter(run__finished_at__lt=_midnight(day) - CHUNKS_KEPT)


@jobs.nightly(
    name="common.forget_old_chunks",
    order=90,
    title=_("Forget old job chunks"),
    plan=jobs.ids_in(old_chunks, size=10_000),
    figures={"chunks": _("Chunks")},
    upkeep=True,
)
def forget_old_chunks(*, day: date, low: int, high: int) -> dict[str, int]:
    """Delete the chunks of runs that were finished long ago."""
    count, _by_model = old_chunks(day).filter(pk__range=(low, high)).delete()
    return {"chunks": count}
