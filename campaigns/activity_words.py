"""What caps and budgets kept back of an activity, in words, in the active language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import campaign_words, timetable
from campaigns.activity_rules import compiled
from campaigns.models import Period
from common.localized import localized


@dataclass(frozen=True, slots=True)
class CutTold:
    name: str
    points: int
    why: str


_PLAIN = {
    timetable.NOT_BEGUN: gettext_lazy("The campaign had not begun."),
    timetable.OVER: gettext_lazy("The campaign was over."),
}


def cuts(explanation: Mapping[str, Any], *, version_id: int) -> list[CutTold]:
    """What each cap and budget cut off of an activity, in their order."""
    rules = compiled(version_id)
    named = [
        *((kind.code, kind.names) for kind in rules.kinds.values()),
        *((cap.code, cap.names) for cap in rules.caps),
        *((budget.code, budget.names) for budget in rules.budgets),
    ]
    if any(cut["reason"] in _PLAIN for cut in explanation["cut"]):
        named += campaign_words.names_of(version_id).items()
    names = {code: localized(texts) for code, texts in named}
    return [
        CutTold(names.get(cut["by"], cut["by"]), cut["points"], why(cut))
        for cut in explanation["cut"]
    ]


def why(cut: Mapping[str, Any]) -> str:
    told = {
        name: f"{cut[name]:,}"
        for name in ("limit", "used", "consumption")
        if cut.get(name) is not None
    }
    if per := cut.get("per"):
        told["per"] = str(Period(per).label)
    if sentence := _PLAIN.get(cut["reason"]):
        return str(sentence)
    match cut["reason"]:
        case "once":
            return _("It counts once %(per)s.") % told
        case "times":
            return _("At most %(limit)s times %(per)s.") % told
        case "points":
            return _("At most %(limit)s points %(per)s; %(used)s were given.") % told
        case "share":
            return (
                _(
                    "At most %(limit)s points %(per)s, because purchases gave %(consumption)s; "
                    "%(used)s were given."
                )
                % told
            )
    return _("The budget is spent.")
