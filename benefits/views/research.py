"""What members are asked, and where they answer."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timezone import localdate

from benefits.forms.research import SurveyForm
from benefits.models.research import Answer, Survey
from benefits.operations import surveys as operations
from benefits.queries import research as queries
from common.errors import DomainError
from members.views import MemberPage


class SurveysPage(MemberPage):
    """What can be answered today, and what was."""

    template_name = "benefits/surveys.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            asked=queries.asked(self.member.pk, localdate()),
            is_thanked="thanks" in self.request.GET,
            **kwargs,
        )


class SurveyPage(MemberPage):
    """One survey. What was answered before can be changed as long as it is open."""

    template_name = "benefits/survey.html"
    form: SurveyForm

    @cached_property
    def mine(self) -> tuple[Survey, Answer | None]:
        found = queries.asked(self.member.pk, localdate())
        for survey, answer in found:
            if survey.pk == self.kwargs["pk"]:
                return survey, answer
        raise Http404

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.form = self._form()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.form = self._form(request.POST)
        if self.form.is_valid():
            try:
                operations.answer(
                    survey_id=self.mine[0].pk,
                    member_id=self.member.pk,
                    said=self.form.said(),
                    at=timezone.now(),
                )
            except DomainError as refusal:
                self.form.add_error(None, refusal.sentence)
            else:
                answer = redirect("benefits:surveys")
                answer["Location"] += "?thanks"
                return answer
        return self.render_to_response(self.get_context_data(), status=422)

    def _form(self, data: Any = None) -> SurveyForm:
        survey, answer = self.mine
        replies = queries.replies_of(answer) if answer else {}
        return SurveyForm(data, asked=queries.questions(survey.pk), replies=replies)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        survey, answer = self.mine
        return super().get_context_data(
            survey=survey, is_answered=answer is not None, form=self.form, **kwargs
        )
