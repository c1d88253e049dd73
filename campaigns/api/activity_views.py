from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import localdate

from campaigns import activities, usage
from campaigns.api.activity_documents import (
    ActivityAnswer,
    ActivityInput,
    TaskList,
    activity_answer,
    task_list,
)
from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example, link
from common.api.views import ApiView
from members import queries as members
from members.queries import MemberClosed, MemberFrozen, UnknownMember
from partners.api.authentication import caller
from partners.models import Scope
from partners.queries import UnknownStore
from points import operations as points
from points.operations import Source
from programme.queries import NoRulebook


class ActivityList(ApiView):
    scopes = {"POST": Scope.PURCHASES_WRITE}
    links = {
        "account": link("get_members_number_account", number="member"),
        "tasks": link("get_members_number_tasks", number="member"),
    }

    @describe(
        summary="Post an activity",
        description=(
            "Credits what a check-in, a share, an event or whatever else the rulebook rewards is "
            "worth, as far as caps and budgets let it; `cut` says what they kept back and why. "
            "Repeating a reference answers 200 with the first activity and credits nothing."
        ),
        body=ActivityInput,
        answers={201: ActivityAnswer, 200: (ActivityAnswer, "Posted before.")},
        refusals=[
            UnknownStore,
            UnknownMember,
            MemberFrozen,
            MemberClosed,
            NoRulebook,
            activities.UnknownActivity,
            points.DatedInFuture,
            points.AccountMerged,
            points.AccountMoved,
            points.ReferenceReused,
        ],
        examples=[
            example(
                "A check-in",
                {
                    "reference": "C-2026-0615-18",
                    "member": "M0000000018",
                    "store": "SH-PD",
                    "activity": "check-in",
                },
            )
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body = ActivityInput.read(request.data)
        by = caller(request)
        now = timezone.now()
        store_id = by.store_id(body["store"])
        member = members.identify(body["member"])
        granted = activities.post_activity(
            done=activities.Done(
                member=member,
                code=body["activity"],
                reference=body["reference"],
                at=body.get("at", now),
                at_was_given="at" in body,
                source=Source(
                    issuer_id=by.organization_id, store_id=store_id, client_id=by.client_id
                ),
            ),
            now=now,
        )
        recorded = activities.recorded(granted, member=member)
        return respond(
            activity_answer(recorded, member=member.number),
            status=200 if granted.posted.replayed else 201,
        )


class MemberTasks(ApiView):
    scopes = {"GET": Scope.POINTS_READ}

    @describe(
        summary="Read a member's tasks",
        description="The tasks of today's rulebook: which are open, and what was given for others.",
        answers={200: TaskList},
        refusals=[UnknownMember, NoRulebook],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        told = usage.tasks(member_id=member.id, on=localdate(timezone.now()))
        return respond(task_list(member.number, told))
