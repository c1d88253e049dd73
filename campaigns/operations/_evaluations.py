"""What staff write about a campaign when it is over."""

from datetime import datetime

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns import campaign_queries
from campaigns.campaign_queries import State
from campaigns.models import Evaluation
from common import audit, personal
from common.errors import DomainError, Invalid, NotFound
from common.models import User

EVALUATION_MAX = 4000


class UnknownCampaign(NotFound):
    code = "unknown_campaign"
    message = _("There is no such campaign.")


class CampaignNotOver(DomainError):
    code = "campaign_not_over"
    message = _("The campaign can be evaluated once it is over, after %(last_day)s.")


class EvaluationMissing(Invalid):
    code = "evaluation_missing"
    message = _("An evaluation says something, in at most 4,000 characters.")


@transaction.atomic
def evaluate(*, code: str, text: str, at: datetime, by: User) -> Evaluation:
    """
    Write down what came of a campaign. What was written before stays; the latest counts.

    :raises UnknownCampaign: if no published version has it
    :raises CampaignNotOver: if it still runs or has not begun
    :raises EvaluationMissing: if it says nothing, or too much
    :raises NamesSomebody: if it holds a phone, an e-mail address or an ID number
    """
    text = text.strip()
    if not 0 < len(text) <= EVALUATION_MAX:
        raise EvaluationMissing
    personal.keep_out(text)
    found = campaign_queries.published(on=localdate(at), code=code)
    if not found:
        raise UnknownCampaign
    (run,) = found
    if run.state not in (State.ENDED, State.EVALUATED):
        raise CampaignNotOver(last_day=run.last_day)
    written = Evaluation.objects.create(campaign=code, text=text, written_at=at, written_by=by)
    audit.record(
        action="campaign.evaluated", target=code, by=by, details={"evaluation": written.pk}
    )
    return written
