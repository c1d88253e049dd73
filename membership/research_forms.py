"""What staff fill in about candidate benefits, surveys and evaluations."""

from typing import Any

from django import forms
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import queries as benefits
from benefits.models import NOTE_MAX, Source
from benefits.models.research import (
    SCORES,
    WEIGHT_MAX,
    Candidate,
    Dimension,
    QuestionKind,
    Stage,
    Survey,
    SurveyState,
)
from benefits.operations.research import CandidateFacts
from benefits.operations.surveys import OPTIONS_MAX, SurveyFacts
from common.forms import LongNamesWidget, NamesField, keep_out
from members.models import Tag
from partners.models import Organization
from tiers import queries as tiers

TEXT_MAX = 500
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def _candidates(**only: Any) -> Any:
    return Candidate.objects.filter(**only).order_by("pk")


class CandidateForm(forms.Form):
    names = NamesField(label=_("Name of the benefit"))
    description = NamesField(
        label=_("Description"), max_length=TEXT_MAX, required=False, widget=LongNamesWidget
    )
    source = forms.ChoiceField(label=_("Where it comes from"), choices=Source.choices)
    partner = forms.ModelChoiceField(
        label=_("Partner"),
        queryset=Organization.objects.filter(is_active=True).order_by("name"),
        required=False,
    )
    expected_cost = forms.DecimalField(
        label=_("Expected cost of a use"), min_value=0, max_digits=12, decimal_places=2, initial=0
    )
    expected_uses = forms.IntegerField(
        label=_("Expected uses a quarter"), min_value=0, max_value=1_000_000_000, required=False
    )
    expected_stars = forms.DecimalField(
        label=_("Expected rating"),
        min_value=SCORES[0],
        max_value=SCORES[1],
        max_digits=2,
        decimal_places=1,
        required=False,
        help_text=_("One to five stars. It stands beside what members say later."),
    )
    notes = forms.CharField(
        label=_("Notes"),
        max_length=4 * NOTE_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        validators=[keep_out],
    )

    def facts(self) -> CandidateFacts:
        given = self.cleaned_data
        return CandidateFacts(
            names=given["names"],
            description=given["description"] or {},
            source=Source(given["source"]),
            partner_id=given["partner"] and given["partner"].pk,
            expected_cost=given["expected_cost"],
            expected_uses=given["expected_uses"],
            expected_stars=given["expected_stars"],
            notes=given["notes"],
        )


class DecideForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=NOTE_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        validators=[keep_out],
    )


class BecomeForm(forms.Form):
    benefit = forms.ChoiceField(label=_("Benefit of the matrix"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = benefits.matrix_on(localdate()).benefits
        self.fields["benefit"].choices = [  # type: ignore[attr-defined]  # a choice field
            ("", _("None yet")),
            *((each.code, each.name) for each in found),
        ]


class SurveyForm(forms.Form):
    titles = NamesField(label=_("Title"))
    intros = NamesField(
        label=_("Introduction"), max_length=TEXT_MAX, required=False, widget=LongNamesWidget
    )
    opens_on = forms.DateField(label=_("First day to answer"), widget=DAY)
    closes_on = forms.DateField(label=_("Last day to answer"), widget=DAY)
    levels = forms.MultipleChoiceField(
        label=_("Only of these tiers"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None: members of every tier are asked."),
    )
    tag = forms.ModelChoiceField(
        label=_("Only who has this tag"),
        queryset=Tag.objects.filter(is_active=True).order_by("name"),
        required=False,
        help_text=_("A segment can put a tag on its members."),
    )
    activity = forms.SlugField(
        label=_("Activity done by who answers"),
        max_length=50,
        required=False,
        help_text=_("Its code in the rulebook; empty: no points for it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = tiers.ladder_on(localdate()).levels
        self.fields["levels"].choices = [  # type: ignore[attr-defined]  # a choice field
            (each.code, each.name) for each in found
        ]

    def facts(self) -> SurveyFacts:
        given = self.cleaned_data
        return SurveyFacts(
            titles=given["titles"],
            intros=given["intros"] or {},
            opens_on=given["opens_on"],
            closes_on=given["closes_on"],
            levels=given["levels"],
            tag_id=given["tag"] and given["tag"].pk,
            activity=given["activity"],
        )


class QuestionForm(forms.Form):
    texts = NamesField(label=_("Question"), max_length=200)
    kind = forms.ChoiceField(label=_("Kind"), choices=QuestionKind.choices)
    most = forms.IntegerField(
        label=_("At most so many"),
        min_value=1,
        max_value=OPTIONS_MAX,
        required=False,
        help_text=_("Only where some are chosen."),
    )
    candidates = forms.ModelMultipleChoiceField(
        label=_("Candidates"),
        queryset=_candidates(stage=Stage.IDEA),
        widget=forms.CheckboxSelectMultiple,
    )


class EvaluationForm(forms.Form):
    name = forms.CharField(label=_("Name of the evaluation"), max_length=100)
    survey = forms.ModelChoiceField(
        label=_("Survey that says what members want"),
        queryset=Survey.objects.exclude(state=SurveyState.DRAFT).order_by("-pk"),
        required=False,
    )
    attractiveness = forms.IntegerField(
        label=_("Weight of attractiveness"), min_value=0, max_value=WEIGHT_MAX, initial=40
    )
    feasibility = forms.IntegerField(
        label=_("Weight of feasibility"), min_value=0, max_value=WEIGHT_MAX, initial=30
    )
    cost = forms.IntegerField(
        label=_("Weight of partner cost"),
        min_value=0,
        max_value=WEIGHT_MAX,
        initial=30,
        help_text=_("Their shares count: 2, 1, 1 is the same as 50, 25, 25."),
    )
    candidates = forms.ModelMultipleChoiceField(
        label=_("Candidates"), queryset=_candidates(), widget=forms.CheckboxSelectMultiple
    )


class AssessForm(forms.Form):
    """How somebody judges a candidate; 5 is the best, of cost too."""

    feasibility = forms.TypedChoiceField(label=_("Feasibility"), coerce=int)
    feasibility_reason = forms.CharField(
        label=_("Why"), max_length=NOTE_MAX, widget=forms.Textarea(attrs={"rows": 2}),
        validators=[keep_out],
    )  # fmt: skip
    cost = forms.TypedChoiceField(label=_("Partner cost"), coerce=int)
    cost_reason = forms.CharField(
        label=_("Why"), max_length=NOTE_MAX, widget=forms.Textarea(attrs={"rows": 2}),
        validators=[keep_out],
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = {
            "feasibility": {1: _("hardly possible"), 5: _("at once")},
            "cost": {1: _("very dear"), 5: _("costs hardly anything")},
        }
        for name, ends in told.items():
            self.fields[name].choices = [  # type: ignore[attr-defined]  # a choice field
                (each, f"{each} – {ends[each]}" if each in ends else str(each))
                for each in range(SCORES[0], SCORES[1] + 1)
            ]

    def scores(self) -> dict[Dimension, tuple[int, str]]:
        given = self.cleaned_data
        return {
            Dimension.FEASIBILITY: (given["feasibility"], given["feasibility_reason"]),
            Dimension.COST: (given["cost"], given["cost_reason"]),
        }
