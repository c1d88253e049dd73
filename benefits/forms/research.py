"""Forms of members about what they would like."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from benefits.models.research import Option, Question, QuestionKind
from benefits.operations.surveys import STARS

Asked = Sequence[tuple[Question, Sequence[Option]]]


@dataclass(frozen=True, slots=True)
class Part:
    """A question as it is shown: how to answer it, and its fields."""

    question: Question
    hint: str
    fields: list[Any]
    errors: list[str]


class SurveyForm(forms.Form):
    """What is asked, as fields: one for a choice, else one for each option."""

    def __init__(
        self, data: Any = None, *, asked: Asked, replies: Mapping[int, int], **kwargs: Any
    ) -> None:
        """:param replies: what was answered before, by option"""
        super().__init__(data, **kwargs)
        self.asked = asked
        # By question: what is wrong with it as a whole.
        self.wrong: dict[int, str] = {}
        for question, options in asked:
            if question.kind == QuestionKind.CHOOSE:
                self.fields[f"q{question.pk}"] = _choice(question, options, replies)
                continue
            for option in options:
                make = _stars if question.kind == QuestionKind.RATE else _place
                self.fields[f"o{option.pk}"] = make(option, options, replies.get(option.pk))

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        for question, options in self.asked:
            if question.kind == QuestionKind.CHOOSE:
                if len(given.get(f"q{question.pk}", [])) > (question.most or 0):
                    self.wrong[question.pk] = hint(question)
            elif question.kind == QuestionKind.RANK:
                places = [given.get(f"o{each.pk}") for each in options]
                if None not in places and len(set(places)) < len(places):
                    self.wrong[question.pk] = gettext("Give each a place of its own.")
        if self.wrong:
            self.add_error(None, gettext("Please look at the questions again."))
        return given

    def said(self) -> dict[int, int]:
        """By option, as `benefits.operations.surveys.answer` takes it."""
        found: dict[int, int] = {}
        for question, options in self.asked:
            if question.kind == QuestionKind.CHOOSE:
                found |= {int(each): 1 for each in self.cleaned_data[f"q{question.pk}"]}
            else:
                found |= {each.pk: self.cleaned_data[f"o{each.pk}"] for each in options}
        return found

    def parts(self) -> Iterator[Part]:
        for question, options in self.asked:
            is_choice = question.kind == QuestionKind.CHOOSE
            names = [f"q{question.pk}"] if is_choice else [f"o{each.pk}" for each in options]
            wrong = self.wrong.get(question.pk)
            fields = [self[name] for name in names]
            yield Part(question, hint(question), fields, [wrong] if wrong else [])


def hint(question: Question) -> str:
    if question.kind == QuestionKind.RATE:
        return gettext("1: not for me, 5: I would love it")
    if question.kind == QuestionKind.RANK:
        return gettext("1 is what you would like most.")
    most = question.most or 0
    return ngettext("Choose %(count)s.", "Choose up to %(count)s.", most) % {"count": most}


def _choice(
    question: Question, options: Sequence[Option], replies: Mapping[int, int]
) -> forms.Field:
    return forms.MultipleChoiceField(
        label=question.text,
        choices=[(str(each.pk), each.candidate.name) for each in options],
        initial=[str(each.pk) for each in options if each.pk in replies],
        widget=forms.CheckboxSelectMultiple,
    )


def _stars(option: Option, _options: Sequence[Option], value: int | None) -> forms.Field:
    return forms.TypedChoiceField(
        label=option.candidate.name,
        coerce=int,
        choices=[(each, str(each)) for each in STARS],
        initial=value,
        widget=forms.RadioSelect,
    )


def _place(option: Option, options: Sequence[Option], value: int | None) -> forms.Field:
    places = [(each, str(each)) for each in range(1, len(options) + 1)]
    return forms.TypedChoiceField(
        label=option.candidate.name,
        coerce=int,
        choices=[("", _("Choose a place")), *places],
        initial=value,
    )
