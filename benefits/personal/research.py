"""What members answered in surveys: theirs to be handed; after an erasure nobody's, and counted."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from benefits.models.research import Reply
from common import personal

personal.table("benefits_answer", blank={"member_id": "NULL"}, keeps=["level"])
personal.stays(
    "benefits_reply",
    why="An answer of nobody any more: its member is taken out of benefits_answer.",
)
personal.stays(
    "benefits_candidate", "benefits_survey", "benefits_question", "benefits_option",
    "benefits_evaluation", "benefits_evaluation_candidates", "benefits_assessment",
    why="What staff ask, expect and judge: of no member.",
)  # fmt: skip


@personal.section(
    "benefits.surveys",
    order=57,
    title=_("Answers to surveys"),
    labels={
        "survey": _("survey"),
        "at": _("at"),
        "question": _("question"),
        "option": _("option"),
        "value": _("answer"),
    },
    tables=["benefits_answer", "benefits_reply"],
)
def surveys(member_id: int) -> list[dict[str, Any]]:
    found = Reply.objects.filter(answer__member=member_id).select_related(
        "answer__survey", "option__question", "option__candidate"
    )
    return [
        {
            "survey": each.answer.survey.title,
            "at": each.answer.at,
            "question": each.option.question.text,
            "option": each.option.candidate.name,
            "value": each.value,
        }
        for each in found.order_by("answer", "option__question__position", "option__position")
    ]
