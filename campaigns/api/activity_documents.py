"""What systems send and get about what members do besides buying."""

from datetime import datetime
from typing import Any

import msgspec
from django.utils.timezone import localtime

from campaigns.activities import Recorded
from campaigns.api.documents import EntryMade
from campaigns.usage import TaskTold
from common.api.fields import Document, Moment, Text, member_number, reference, store_code
from common.api.rendering import Answer
from points.api.documents import entry_name, good_until

CODE = "^[a-z][a-z0-9-]{0,49}$"


class ActivityInput(Document):
    reference = reference(help_text="Your name for it; unique in your organization.")
    member = member_number()
    store = store_code()
    activity = Text(limit=50, pattern=CODE, help_text="Its code, as in the rulebook.")
    at = Moment(required=False, help_text="When it happened, with its offset; now by default.")


class CutOff(Answer):
    """
    What was not given: how many points, by which cap or budget, and why.

    `reason`: `once` (it was done in this period before), `times`, `points`, `share` (of the points
    for purchases, which are `consumption`) or `budget`. `limit` and `used` are in times where the
    reason is `times`, else in points; null where there is no such number.
    """

    by: str
    reason: str
    points: int
    limit: int | None = None
    used: int | None = None
    per: str | None = None
    consumption: int | None = None


class ActivityAnswer(Answer):
    """`worth`: what the rulebook gives for it; `points`: what caps and budgets left of that."""

    reference: str
    member: str
    store: str
    at: datetime
    activity: str
    name: str
    version: int
    worth: int
    points: int
    cut: list[CutOff]
    # Null when no points moved.
    entry: EntryMade | None


class TaskAnswer(Answer):
    """A task; `done_at` is null while it is open. `given` may be less than `points`: caps."""

    code: str
    name: str
    step: str
    points: int
    done_at: datetime | None
    given: int


class TaskList(Answer):
    member: str
    tasks: list[TaskAnswer]


def activity_answer(recorded: Recorded, *, member: str) -> ActivityAnswer:
    activity, entry = recorded.activity, recorded.entry
    explanation: dict[str, Any] = activity.explanation
    return ActivityAnswer(
        reference=activity.reference,
        member=member,
        store=activity.store.code,
        at=localtime(activity.occurred_at),
        activity=activity.code or "",
        name=recorded.name,
        version=explanation["version"],
        worth=explanation["worth"],
        points=activity.points,
        cut=msgspec.convert(explanation["cut"], list[CutOff]),
        entry=None
        if entry is None
        else EntryMade(
            entry=entry_name(member, entry.seq),
            points=entry.points,
            pending=entry.pending,
            balance_after=entry.balance_after,
            expires_on=good_until(entry.expires_on),
        ),
    )


def task_list(member: str, tasks: list[TaskTold]) -> TaskList:
    return TaskList(
        member=member,
        tasks=[
            TaskAnswer(
                code=task.code,
                name=task.name,
                step=task.step,
                points=task.points,
                done_at=localtime(task.done_at) if task.done_at else None,
                given=task.given,
            )
            for task in tasks
        ],
    )
