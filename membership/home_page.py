"""The member's home: what there is, what lapses, how far it is, what can be earned today."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.timezone import localdate

from campaigns import offers, usage
from campaigns.models import TaskStep
from common.amounts import money
from members.views import MemberPage
from points import queries as points
from points import statements
from points.models import ActivityKind, Entry
from programme import queries as programme
from tiers import pictures
from tiers import queries as tiers

LATEST_ENTRIES = 5
EXPIRIES = 5
OFFERS = 6

# Where a step is taken, by the name of the page; the others take themselves.
WHERE = {
    TaskStep.PROFILE_COMPLETE: "profile_edit",
    TaskStep.PRODUCT_BOUND: "profile_products",
    TaskStep.FIRST_PURCHASE: "card",
    TaskStep.UPGRADED: "tiers:tier",
}


@dataclass(frozen=True, slots=True)
class ExpiryRow:
    """Points that lapse next, and how long the bar beside them is."""

    last_day: date
    points: int
    days_left: int
    percent: int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task. `page`: the name of the page where it is done, if there is one."""

    name: str
    points: int
    done_on: date | None
    page: str


class HomePage(MemberPage):
    """The card, what lapses next, the tier, tasks and offers of the day, the latest entries."""

    template_name = "home.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not hasattr(request.user, "member"):
            return render(request, "no_member.html")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = localdate()
        member = self.member
        joined_on = localdate(member.joined_at)
        progress = tiers.progress(member.pk, today, joined_on=joined_on, member=member)
        account = statements.on_account(member.pk)
        spendable, expiries = points.spendable_and_expiries(member.pk, on=today, limit=EXPIRIES)
        entries = list(points.statement(member.pk)[:LATEST_ENTRIES])
        tasks = self._tasks(today)
        return super().get_context_data(
            member=member,
            # Points that lapsed and the night has not swept are no longer the member's.
            points=spendable if account.balance >= 0 else account.balance,
            debt=max(0, -account.balance),
            aside=statements.aside(account),
            worth=self._worth(spendable),
            expiries=self._expiry_rows(expiries, today),
            tier=pictures.Picture(progress) if progress else None,
            tasks=tasks,
            tasks_done=sum(task.done_on is not None for task in tasks),
            offers=offers.offers(
                on=today,
                tier=progress.stand.level.code if progress else None,
                birthday=member.birthday,
                has_bought=_has_bought(entries),
            )[:OFFERS],
            lines=statements.lines(entries, member=member, account=account),
            **kwargs,
        )

    def _worth(self, spendable: int) -> str:
        installed = programme.programme()
        if installed is None or spendable <= 0:
            return ""
        return money(Decimal(spendable) / installed.points_per_currency_unit, installed.currency)

    def _expiry_rows(self, expiries: list[points.Expiry], today: date) -> list[ExpiryRow]:
        most = max((expiry.points for expiry in expiries), default=1)
        return [
            ExpiryRow(
                last_day=expiry.last_day,
                points=expiry.points,
                days_left=(expiry.last_day - today).days,
                percent=max(2, expiry.points * 100 // most),
            )
            for expiry in expiries
        ]

    def _tasks(self, today: date) -> list[TaskRow]:
        """Those that can be done first, then those that are."""
        try:
            told = usage.tasks(member_id=self.member.pk, on=today)
        except programme.NoRulebook:
            return []
        rows = [
            TaskRow(
                name=task.name,
                points=task.given if task.done_at else task.points,
                done_on=localdate(task.done_at) if task.done_at else None,
                page=WHERE.get(TaskStep(task.step), ""),
            )
            for task in told
            if task.is_open or task.done_at
        ]
        return sorted(rows, key=lambda row: row.done_on is not None)


def _has_bought(latest: list[Entry]) -> bool:
    """Of who has more entries than are shown it is taken for granted: no query for a greeting."""
    return len(latest) == LATEST_ENTRIES or any(
        entry.activity is not None and entry.activity.kind == ActivityKind.PURCHASE
        for entry in latest
    )
