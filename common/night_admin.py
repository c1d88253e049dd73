"""The console's pages of the nights: what ran, how far it is, what it did, and doing it again."""

from datetime import timedelta
from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from common import jobs, nights
from common.errors import DomainError
from common.models import JobRun
from common.night_queries import (
    SeenRun,
    State,
    has_a_later_run,
    progress,
    see,
    see_one,
    told,
)
from common.staff import ReadOnlyAdmin, UncountedList, acting

MEANINGS = {
    State.ALARMING: _("It did all there was to do, and what it found should not be."),
    State.FAILED: _(
        "What could be done is done. Run again does only what failed; the next night tries it too."
    ),
    State.STOPPED: _(
        "Whoever worked on it was stopped. The next start, which is minutes away, goes on from"
        " there; nothing is done twice."
    ),
    State.WAITING: _("Its turn comes after the jobs before it."),
}
# Pieces that failed, as many as a page shows.
FAILURES_SHOWN = 20


class JobFilter(admin.SimpleListFilter):
    title = _("job")
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(job.name, job.title) for job in jobs.nightly_jobs()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        return queryset.filter(name=self.value()) if self.value() else queryset


class Nights(UncountedList):
    """The runs of a page, night by night, each in the order of its jobs."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        seen = see(self.result_list, now=timezone.now())
        self.is_live = any(each.state == State.WORKING for each in seen)
        self.nights = [
            (day, [in_words(each, each.run.report) for each in runs])
            for day, runs in groupby(seen, key=lambda each: each.run.day)
        ]


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """The nights, latest first: which job, which day, how far, how long and what it did."""

    list_display = ["name"]
    list_filter = [JobFilter]
    ordering = ["-day", "pk"]
    actions_detail = ["run_again"]
    change_list_template = "console/night_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Nights]:
        return Nights

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        seen = see_one(run, progress([run])[run.pk], now=timezone.now())
        may_run_again = (
            self.has_rerun_permission(request)
            and seen.job is not None
            and seen.state != State.WORKING
            and not has_a_later_run(run)
        )
        frame = self.admin_site.each_context(request)
        context = {**frame, **page(seen), "may_run_again": may_run_again}
        return TemplateResponse(request, "console/night.html", context)

    @action(
        description=_("Run this day again"),
        url_path="run-again",
        permissions=["rerun"],
        icon="restart_alt",
    )
    def run_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            return HttpResponseRedirect(reverse("admin:common_jobrun_changelist"))
        if request.method != "POST":
            return self._confirm(request, run)
        try:
            run = nights.run_again(run_id=run.pk, now=timezone.now(), by=acting(request))
        except DomainError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, gettext("A worker will do this job again."))
        return HttpResponseRedirect(reverse("admin:common_jobrun_change", args=[run.pk]))

    def has_rerun_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("common.rerun_jobrun")

    def _confirm(self, request: HttpRequest, run: JobRun) -> HttpResponse:
        [seen] = see([run], now=timezone.now())
        return TemplateResponse(
            request,
            "console/confirm.html",
            {
                **self.admin_site.each_context(request),
                "title": gettext("Run this day again"),
                "facts": [
                    (gettext("Job"), seen.title),
                    (gettext("Day"), date_format(run.day)),
                    (gettext("State"), seen.state.label),
                ],
                "explanation": gettext(
                    "Each job finds only what is left to do, so nothing happens twice."
                ),
                "button": gettext("Run again"),
                "back": reverse("admin:common_jobrun_change", args=[run.pk]),
            },
        )


def page(seen: SeenRun) -> dict[str, Any]:
    """What the page of one run shows."""
    run = seen.run
    report = run.report
    if not run.is_over and run.planned_at is not None and seen.job is not None:
        report = told(run, seen.job).report()
    failures = run.chunks.filter(done_at=None, attempts__gt=0).order_by("low")
    others = JobRun.objects.filter(name=run.name, day=run.day).exclude(pk=run.pk)
    return {
        "title": seen.title,
        "meaning": MEANINGS.get(seen.state, ""),
        "is_live": seen.state == State.WORKING,
        **in_words(seen, report),
        "worked": seconds(worked(seen)),
        "slowest": f"{number_format(round(seen.far.slowest * 1000))} ms",
        "findings": report.get("findings", []),
        "failures": failures[:FAILURES_SHOWN],
        "others": others.order_by("number"),
    }


# --- In words -------------------------------------------------------------------------------------


def in_words(seen: SeenRun, report: dict[str, Any]) -> dict[str, Any]:
    """A run as the list and its own page tell it."""
    return {
        "run": seen.run,
        "seen": seen,
        "figures": seen.figures(report),
        "duration": duration(seen),
        "rate": rate(seen, report),
    }


def duration(seen: SeenRun) -> str:
    """From its beginning to its end, or to this moment while somebody works on it."""
    run = seen.run
    over = run.finished_at or run.failed_at
    if over is None and seen.state == State.WORKING:
        over = timezone.now()
    if over is None or run.started_at is None:
        return ""
    return seconds((over - run.started_at).total_seconds())


def rate(seen: SeenRun, report: dict[str, Any]) -> str:
    """What one worker does in a second, of what the job counts first."""
    figures = seen.figures(report)
    if not figures or not figures[0][1] or not worked(seen):
        return ""
    name, figure = figures[0]
    told = {"figure": number_format(round(figure / worked(seen))), "name": name}
    return gettext("%(name)s: %(figure)s per second") % told


def worked(seen: SeenRun) -> float:
    """Seconds of work of all workers together. Chunks of a finished run may be forgotten."""
    return seen.run.seconds or seen.far.seconds


def seconds(figure: float) -> str:
    if figure < 60:
        return f"{number_format(figure, 1)} s"
    return str(timedelta(seconds=round(figure)))
