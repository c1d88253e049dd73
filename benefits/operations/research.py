"""Candidate benefits: written down, judged, adopted or rejected (B7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits import queries
from benefits.models import Source
from benefits.models.research import (
    SCORES,
    WEIGHT_MAX,
    Assessment,
    Candidate,
    Dimension,
    Evaluation,
    Stage,
)
from common import audit, personal
from common.errors import DomainError, Invalid, NotFound
from common.models import User

CANDIDATES_MAX = 30


class UnknownCandidate(NotFound):
    code = "unknown_candidate"
    message = _("There is no such candidate.")


class UnknownEvaluation(NotFound):
    code = "unknown_evaluation"
    message = _("There is no such evaluation.")


class CandidateDecided(DomainError):
    code = "candidate_decided"
    message = _("This candidate is decided already: %(stage)s.")


class NotAdopted(DomainError):
    code = "not_adopted"
    message = _("Only an adopted candidate becomes a benefit.")


class NoSuchBenefit(Invalid):
    code = "no_such_benefit"
    message = _("The matrix of today's rulebook has no benefit “%(benefit)s”.")


class ReasonMissing(Invalid):
    code = "reason_missing"
    message = _("Say why.")


class WrongWeights(Invalid):
    code = "wrong_weights"
    message = _("Weights are from 0 to %(most)s, and one of them is more than 0.")


class WrongCandidates(Invalid):
    code = "wrong_candidates"
    message = _("An evaluation is about one to %(count)s candidates.")


class WrongScore(Invalid):
    code = "wrong_score"
    message = _("Give one to five.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFacts:
    """What a candidate is, and what is expected of it. See `Candidate`."""

    names: Mapping[str, str]
    description: Mapping[str, str] = field(default_factory=dict)
    source: Source
    partner_id: int | None = None
    expected_cost: Decimal = Decimal(0)
    expected_uses: int | None = None
    expected_stars: Decimal | None = None
    notes: str = ""


@transaction.atomic
def write_candidate(
    *, facts: CandidateFacts, by: User, candidate_id: int | None = None
) -> Candidate:
    """
    Write a candidate down, a new one or what is known of it now.

    :raises UnknownCandidate:
    :raises CandidateDecided: the forecast of a decided one does not change with hindsight
    """
    candidate = _undecided(candidate_id) if candidate_id else Candidate()
    for name in CandidateFacts.__slots__:
        setattr(candidate, name, getattr(facts, name))
    candidate.save()
    audit.record(
        action="candidate.changed" if candidate_id else "candidate.created",
        target=f"candidate {candidate.pk}",
        by=by,
    )
    return candidate


@transaction.atomic
def decide_candidate(
    *, candidate_id: int, adopt: bool, reason: str, at: datetime, by: User
) -> Candidate:
    """
    Adopt or reject a candidate, once and with a reason.

    :raises UnknownCandidate: :raises CandidateDecided: :raises ReasonMissing:
    """
    candidate = _undecided(candidate_id)
    if not reason.strip():
        raise ReasonMissing
    candidate.stage = Stage.ADOPTED if adopt else Stage.REJECTED
    candidate.decided_at, candidate.decided_by, candidate.reason = at, by, reason
    candidate.save(update_fields=["stage", "decided_at", "decided_by", "reason"])
    audit.record(
        action="candidate.adopted" if adopt else "candidate.rejected",
        target=f"candidate {candidate.pk}",
        by=by,
        reason=reason,
    )
    return candidate


@transaction.atomic
def become(*, candidate_id: int, benefit: str, at: datetime, by: User) -> Candidate:
    """
    Say which benefit of the matrix an adopted candidate became; empty: none (yet).

    :raises UnknownCandidate: :raises NotAdopted:
    :raises NoSuchBenefit: if the rulebook of the day has none of this code
    """
    candidate = _held(candidate_id)
    if candidate.stage != Stage.ADOPTED:
        raise NotAdopted
    if benefit and queries.matrix_on(localdate(at)).find(benefit) is None:
        raise NoSuchBenefit(benefit=benefit)
    candidate.benefit = benefit
    candidate.save(update_fields=["benefit"])
    audit.record(
        action="candidate.linked",
        target=f"candidate {candidate.pk}",
        by=by,
        details={"benefit": benefit},
    )
    return candidate


def _held(candidate_id: int) -> Candidate:
    found = Candidate.objects.select_for_update(no_key=True).filter(pk=candidate_id).first()
    if found is None:
        raise UnknownCandidate
    return found


def _undecided(candidate_id: int) -> Candidate:
    candidate = _held(candidate_id)
    if candidate.stage != Stage.IDEA:
        raise CandidateDecided(stage=candidate.get_stage_display())
    return candidate


# --- Evaluations ----------------------------------------------------------------------------------


@transaction.atomic
def write_evaluation(
    *,
    name: str,
    survey_id: int | None,
    weights: tuple[int, int, int],
    candidates: Sequence[int],
    by: User,
    evaluation_id: int | None = None,
) -> Evaluation:
    """
    Put candidates beside each other, anew or otherwise than before.

    :param survey_id: whose answers say how attractive they are
    :param weights: of attractiveness, feasibility and partner cost; their shares count
    :raises UnknownEvaluation: :raises WrongWeights: :raises WrongCandidates:
    """
    if not all(0 <= each <= WEIGHT_MAX for each in weights) or not any(weights):
        raise WrongWeights(most=WEIGHT_MAX)
    if not 1 <= len(candidates) <= CANDIDATES_MAX:
        raise WrongCandidates(count=CANDIDATES_MAX)
    evaluation = _evaluation(evaluation_id) if evaluation_id else Evaluation()
    before = {} if evaluation_id is None else _weights(evaluation)
    evaluation.name, evaluation.survey_id = name, survey_id
    evaluation.attractiveness, evaluation.feasibility, evaluation.cost = weights
    evaluation.save()
    evaluation.candidates.set(candidates)
    audit.record(
        action="evaluation.changed" if evaluation_id else "evaluation.created",
        target=f"evaluation {evaluation.pk}",
        by=by,
        details={"before": before, "after": _weights(evaluation)},
    )
    return evaluation


def _weights(evaluation: Evaluation) -> dict[str, int]:
    return {each: getattr(evaluation, each) for each in ("attractiveness", "feasibility", "cost")}


def _evaluation(evaluation_id: int) -> Evaluation:
    found = Evaluation.objects.select_for_update(no_key=True).filter(pk=evaluation_id).first()
    if found is None:
        raise UnknownEvaluation
    return found


@transaction.atomic
def assess(
    *,
    evaluation_id: int,
    candidate_id: int,
    scores: Mapping[Dimension, tuple[int, str]],
    at: datetime,
    by: User,
) -> None:
    """
    Judge a candidate, or judge it otherwise than before. Several judge; the mean counts.

    :param scores: by dimension, one to five and why; what is left out stays as it was
    :raises UnknownEvaluation: :raises UnknownCandidate: if the evaluation is not about it
    :raises WrongScore: :raises ReasonMissing:
    """
    evaluation = _evaluation(evaluation_id)
    candidate = evaluation.candidates.filter(pk=candidate_id).first()
    if candidate is None:
        raise UnknownCandidate
    if candidate.stage != Stage.IDEA:
        raise CandidateDecided(stage=candidate.get_stage_display())
    for dimension, (score, reason) in scores.items():
        if not SCORES[0] <= score <= SCORES[1]:
            raise WrongScore
        if not reason.strip():
            raise ReasonMissing
        personal.keep_out(reason)
        Assessment.objects.update_or_create(
            evaluation=evaluation,
            candidate=candidate,
            dimension=dimension,
            assessor=by,
            defaults={"score": score, "reason": reason, "at": at},
        )
    audit.record(
        action="candidate.assessed",
        target=f"candidate {candidate.pk}",
        by=by,
        details={each.value: score for each, (score, _reason) in scores.items()},
    )
