"""
Research into which benefits members want (B7): candidates, surveys with their answers, and
evaluations.

What must always hold: what is asked does not change once it is asked; a member has one answer to a
survey; a candidate is adopted or rejected with a reason: the database sees to it.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from benefits.models.rights import CODE_MAX, NOTE_MAX, Source
from common.localized import localized
from members.models import Member, Tag
from partners.models import Organization

SCORES = (1, 5)
WEIGHT_MAX = 100


class Stage(models.TextChoices):
    IDEA = "IDEA", _("Candidate")
    ADOPTED = "ADOPTED", _("Adopted")
    REJECTED = "REJECTED", _("Rejected")


class Candidate(models.Model):
    """A benefit that there might be, and what is expected of it."""

    names = models.JSONField(_("names"))
    description = models.JSONField(_("description"), default=dict)
    source = models.CharField(_("source"), max_length=7, choices=Source.choices)
    partner = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("partner"),
    )  # fmt: skip
    expected_cost = models.DecimalField(
        _("expected cost of a use"), max_digits=12, decimal_places=2, default=0,
        help_text="In the programme's currency.",
    )  # fmt: skip
    expected_uses = models.PositiveIntegerField(_("expected uses a quarter"), null=True)
    expected_stars = models.DecimalField(
        _("expected rating"), max_digits=2, decimal_places=1, null=True, help_text="1 to 5."
    )
    notes = models.CharField(_("notes"), max_length=4 * NOTE_MAX, blank=True)
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.IDEA)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("decided by"),
    )  # fmt: skip
    reason = models.CharField(_("reason"), max_length=NOTE_MAX, blank=True)
    benefit = models.SlugField(
        _("benefit"), max_length=CODE_MAX, blank=True, help_text="What it became, by its code."
    )

    class Meta:
        verbose_name = _("candidate benefit")
        verbose_name_plural = _("candidate benefits")
        permissions = [
            ("assess_candidate", "Can score candidate benefits"),
            ("decide_candidate", "Can adopt and reject candidate benefits"),
        ]
        constraints = [
            models.CheckConstraint(
                name="benefits_candidate_decided_with_a_reason",
                condition=Q(stage="IDEA", decided_at=None, decided_by=None, reason="")
                | ~Q(stage="IDEA") & Q(decided_at__isnull=False) & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="benefits_candidate_becomes_a_benefit_once_adopted",
                condition=Q(benefit="") | Q(stage="ADOPTED"),
            ),
            models.CheckConstraint(
                name="benefits_candidate_expected_not_negative", condition=Q(expected_cost__gte=0)
            ),
            models.CheckConstraint(
                name="benefits_candidate_expected_stars",
                condition=Q(expected_stars=None) | Q(expected_stars__range=SCORES),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return localized(self.names)

    @property
    def told(self) -> str:
        return localized(self.description)


class SurveyState(models.TextChoices):
    DRAFT = "DRAFT", _("Draft")
    PUBLISHED = "PUBLISHED", _("Published")
    CLOSED = "CLOSED", _("Closed to answers")


class Survey(models.Model):
    """
    What members are asked, who, and when: to the last day, which counts.

    `levels`: codes of tiers; none: all tiers. `tag`: only who has it, such as those of a segment
    that puts a tag on its members.
    """

    titles = models.JSONField(_("title"))
    intros = models.JSONField(_("introduction"), default=dict)
    opens_on = models.DateField(_("first day"))
    closes_on = models.DateField(pgettext_lazy("a survey", "last day"))
    levels = models.JSONField(_("tiers"), default=list)
    tag = models.ForeignKey(
        Tag, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("tag"),
    )  # fmt: skip
    activity = models.SlugField(
        _("activity"), max_length=CODE_MAX, blank=True,
        help_text="Of the rulebook: done by who answers, for points.",
    )  # fmt: skip
    state = models.CharField(
        _("state"), max_length=9, choices=SurveyState.choices, default=SurveyState.DRAFT
    )

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")
        constraints = [
            models.CheckConstraint(
                name="benefits_survey_closes_after_it_opens",
                condition=Q(closes_on__gte=F("opens_on")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["closes_on"],
                condition=Q(state="PUBLISHED"),
                name="benefits_survey_open",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return localized(self.titles)

    @property
    def intro(self) -> str:
        return localized(self.intros)


class QuestionKind(models.TextChoices):
    CHOOSE = "CHOOSE", _("Choose some")
    RATE = "RATE", _("Rate each with one to five")
    RANK = "RANK", _("Put in order")


class Question(models.Model):
    survey = models.ForeignKey(Survey, on_delete=models.PROTECT, related_name="questions")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(_("kind"), max_length=6, choices=QuestionKind.choices)
    texts = models.JSONField(_("question"))
    most = models.PositiveSmallIntegerField(
        _("at most so many"), null=True, blank=True, help_text="Of what is chosen."
    )

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        constraints = [
            models.UniqueConstraint(
                fields=["survey", "position"], name="benefits_question_position_once"
            ),
            models.CheckConstraint(
                name="benefits_question_chosen_at_most",
                condition=Q(kind="CHOOSE", most__gte=1) | ~Q(kind="CHOOSE") & Q(most=None),
            ),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        return localized(self.texts)


class Option(models.Model):
    """A candidate that a question is about."""

    question = models.ForeignKey(Question, on_delete=models.PROTECT, related_name="options")
    candidate = models.ForeignKey(Candidate, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = _("option")
        verbose_name_plural = _("options")
        constraints = [
            models.UniqueConstraint(fields=["question", "candidate"], name="benefits_option_once"),
        ]

    def __str__(self) -> str:
        return f"{self.question_id} {self.candidate_id}"


class Answer(models.Model):
    """
    What a member answered. Without a member: of one who was erased; it counts, and names nobody.

    `is_counted`: False where the same person, as it turned out, answered twice.
    """

    survey = models.ForeignKey(
        Survey, on_delete=models.PROTECT, related_name="answers", db_index=False
    )
    member = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    level = models.CharField(_("tier"), max_length=CODE_MAX, blank=True)
    at = models.DateTimeField(_("at"))
    is_counted = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("answer to a survey")
        verbose_name_plural = _("answers to surveys")
        constraints = [
            models.UniqueConstraint(fields=["survey", "member"], name="benefits_answer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.survey_id} {self.member_id}"


class Reply(models.Model):
    """
    What an answer says of an option: chosen (1), so many of five, or its place in the order.

    Of what was not chosen there is none.
    """

    answer = models.ForeignKey(
        Answer, on_delete=models.PROTECT, related_name="replies", db_index=False
    )
    option = models.ForeignKey(Option, on_delete=models.PROTECT, related_name="replies")
    value = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = _("reply")
        verbose_name_plural = _("replies")
        constraints = [
            models.UniqueConstraint(fields=["answer", "option"], name="benefits_reply_once"),
            models.CheckConstraint(name="benefits_reply_from_one", condition=Q(value__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.answer_id} {self.option_id}: {self.value}"


class Evaluation(models.Model):
    """Candidates beside each other. The weights are of any size: what counts is their share."""

    name = models.CharField(_("name"), max_length=100)
    survey = models.ForeignKey(
        Survey, null=True, blank=True, on_delete=models.PROTECT, related_name="evaluations",
        verbose_name=_("survey"),
    )  # fmt: skip
    attractiveness = models.PositiveSmallIntegerField(_("weight of attractiveness"), default=1)
    feasibility = models.PositiveSmallIntegerField(_("weight of feasibility"), default=1)
    cost = models.PositiveSmallIntegerField(_("weight of partner cost"), default=1)
    candidates = models.ManyToManyField(Candidate, related_name="evaluations")

    class Meta:
        verbose_name = _("evaluation of candidates")
        verbose_name_plural = _("evaluations of candidates")
        constraints = [
            models.CheckConstraint(
                name="benefits_evaluation_weighs_something",
                condition=Q(attractiveness__range=(0, WEIGHT_MAX))
                & Q(feasibility__range=(0, WEIGHT_MAX))
                & Q(cost__range=(0, WEIGHT_MAX))
                & (Q(attractiveness__gte=1) | Q(feasibility__gte=1) | Q(cost__gte=1)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Dimension(models.TextChoices):
    """What staff judge. The third, attractiveness, is what members say."""

    FEASIBILITY = "FEASIBILITY", _("Feasibility")
    COST = "COST", _("Partner cost")


class Assessment(models.Model):
    """How one of staff judges a candidate: 5 is the best, of cost too (it costs little)."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, related_name="assessments", db_index=False
    )
    candidate = models.ForeignKey(Candidate, on_delete=models.PROTECT, related_name="+")
    dimension = models.CharField(_("dimension"), max_length=11, choices=Dimension.choices)
    assessor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+",
        verbose_name=_("assessor"),
    )  # fmt: skip
    score = models.PositiveSmallIntegerField(_("score"))
    reason = models.CharField(_("reason"), max_length=NOTE_MAX)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("assessment of a candidate")
        verbose_name_plural = _("assessments of candidates")
        constraints = [
            models.UniqueConstraint(
                fields=["evaluation", "candidate", "dimension", "assessor"],
                name="benefits_assessment_once",
            ),
            models.CheckConstraint(
                name="benefits_assessment_of_five", condition=Q(score__range=SCORES)
            ),
            models.CheckConstraint(
                name="benefits_assessment_has_a_reason", condition=~Q(reason="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.candidate_id} {self.dimension}: {self.score}"
