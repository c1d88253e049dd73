"""Tiers in words, in the active language: what is missing, and why somebody stands there."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common import schemas
from common.amounts import money
from programme import queries as programme
from tiers import queries
from tiers.criteria import Measure
from tiers.models import Decision, DecisionKind

Tree = Mapping[str, Any]


def amount(measure: str, number: str | Decimal) -> str:
    """“5,000 qualifying points”."""
    exact = Decimal(number)
    if measure == Measure.SPEND:
        installed = programme.programme()
        spent = money(exact, installed.currency if installed else "CNY")
        return _("a spend of %(amount)s") % {"amount": spent}
    whole = int(exact)
    counted = {"count": number_format(whole, use_l10n=True, force_grouping=True)}
    match measure:
        case Measure.POINTS:
            text = ngettext("%(count)s qualifying point", "%(count)s qualifying points", whole)
        case Measure.PURCHASES:
            text = ngettext("%(count)s purchase", "%(count)s purchases", whole)
        case Measure.INTERACTIONS:
            text = ngettext("%(count)s interaction", "%(count)s interactions", whole)
        case Measure.EVENTS:
            text = ngettext("%(count)s event", "%(count)s events", whole)
        case Measure.REFERRALS:
            text = ngettext("%(count)s referral", "%(count)s referrals", whole)
        case _other:
            text = ngettext("%(count)s product", "%(count)s products", whole)
    return text % counted


def wanted(tree: Tree) -> str:
    """“10,000 qualifying points, or a spend of 5,000.00”: what evidence was judged by."""
    return _joined(tree, lambda leaf: amount(leaf["measure"], leaf["at_least"]))


def criterion(document: Mapping[str, Any]) -> str:
    """As it stands in a rulebook: “10,000 qualifying points or a spend of ¥5,000 (12 months)”."""
    return _joined(_tree(document), _asked)


def _tree(document: Mapping[str, Any]) -> Tree:
    if "measure" in document:
        return document
    word = next(word for word in ("some", "all", "any") if word in document)
    of = document["of"] if word == "some" else document[word]
    return {**document, "word": word, "of": [_tree(each) for each in of]}


def _asked(leaf: Tree) -> str:
    wanted = amount(leaf["measure"], leaf["at_least"])
    window = leaf.get("window")
    if window is None:
        return wanted
    if isinstance(window, dict):
        months = ngettext("%(count)s month", "%(count)s months", window["months"])
        told = months % {"count": window["months"]}
        return _("%(amount)s within %(time)s") % {"amount": wanted, "time": told}
    named = {"amount": wanted, "window": schemas.choice(("window",), window)}
    return _("%(amount)s (%(window)s)") % named


def missing(tree: Tree) -> str:
    """What is still needed of what is not met; empty where nothing is."""
    if not tree or tree["met"]:
        return ""
    return _joined(_unmet(tree), lambda leaf: amount(leaf["measure"], _short(leaf)))


def gathered(tree: Tree) -> list[str]:
    """Each threshold with what was gathered and when: the evidence line by line."""
    return [_line(leaf) for leaf in leaves(tree)]


def leaves(tree: Tree) -> list[Tree]:
    if not tree:
        return []
    if "measure" in tree:
        return [tree]
    return [leaf for each in tree["of"] for leaf in leaves(each)]


def _line(leaf: Tree) -> str:
    words = {
        "total": amount(leaf["measure"], leaf["total"]),
        "at_least": amount(leaf["measure"], leaf["at_least"]),
    }
    if "until" not in leaf:
        return _("%(total)s of %(at_least)s") % words
    words["until"] = _day(leaf["until"])
    if leaf["from"] is None:
        return _("%(total)s of %(at_least)s until %(until)s") % words
    words["from"] = _day(leaf["from"])
    if leaf["from"] > leaf["until"]:
        # A change of tier begins a period with the next day: nothing can be counted yet.
        return _("%(total)s of %(at_least)s, counting from %(from)s") % words
    return _("%(total)s of %(at_least)s from %(from)s to %(until)s") % words


def _short(leaf: Tree) -> Decimal:
    return Decimal(leaf["at_least"]) - Decimal(leaf["total"])


def _unmet(tree: Tree) -> Tree:
    """The tree without what is met already."""
    if "measure" in tree:
        return tree
    of = [_unmet(each) for each in tree["of"] if not each["met"]]
    if tree["word"] != "some":
        return {**tree, "of": of}
    left = tree["some"] - (len(tree["of"]) - len(of))
    return {**tree, "of": of, "some": left}


def _joined(tree: Tree, tell: Any) -> str:
    if "measure" in tree:
        return str(tell(tree))
    parts = [
        _("(%(criteria)s)") % {"criteria": _joined(each, tell)}
        if len(each.get("of", ())) > 1
        else _joined(each, tell)
        for each in tree["of"]
    ]
    if tree["word"] == "some" and len(parts) > 1:
        listed = _listed(parts, _("%(left)s; %(right)s"))
        return _("%(some)s of: %(criteria)s") % {"some": tree["some"], "criteria": listed}
    both, either = _("%(left)s and %(right)s"), _("%(left)s or %(right)s")
    return _listed(parts, both if tree["word"] == "all" else either)


def _listed(parts: list[str], pair: str) -> str:
    return reduce(lambda left, right: pair % {"left": left, "right": right}, parts)


def why(decision: Decision) -> list[str]:
    """A decision in sentences, for the member and the clerk: what, by which rule, from what."""
    merged = decision.evidence.get("merged")
    said = {
        "from": _name(decision, decision.from_level),
        "to": _name(decision, decision.to_level),
        "day": _day(decision.effective_on),
        "number": merged["number"] if merged else "",
        "product": decision.reason,
    }
    sentences = [_what(decision) % said]
    if decision.kind == DecisionKind.MERGE:
        sentences.append(_("What was gathered there counts here from that day on."))
    if decision.valid_until is not None and decision.kind != DecisionKind.MANUAL_END:
        sentences.append(
            _("It is valid until %(day)s, that day included.") % {"day": _day(decision.valid_until)}
        )
    if decision.evidence and not merged:
        sentences.append(
            _("The rule asks for: %(criteria)s.") % {"criteria": wanted(decision.evidence)}
        )
        sentences += [
            _("Gathered: %(total)s.") % {"total": line} for line in gathered(decision.evidence)
        ]
    if decision.version is not None:
        sentences.append(
            _("Judged by the rulebook's version %(number)s.") % {"number": decision.version.number}
        )
    if decision.reason and decision.kind != DecisionKind.START:
        sentences.append(_("Reason: %(reason)s") % {"reason": decision.reason})
    return sentences


_APPROVED = gettext_lazy("Staff approved the upgrade from %(from)s to %(to)s on %(day)s.")
_MERGED = gettext_lazy(
    "The membership %(number)s was merged with this one on %(day)s; %(to)s stays."
)
_WHAT = {
    DecisionKind.UPGRADE: gettext_lazy("Upgraded from %(from)s to %(to)s on %(day)s."),
    DecisionKind.KEEP: gettext_lazy("%(to)s was kept for another period from %(day)s on."),
    DecisionKind.DOWNGRADE: gettext_lazy(
        "Moved from %(from)s to %(to)s on %(day)s: what keeps the tier was not met."
    ),
    DecisionKind.REVOKE: gettext_lazy(
        "Moved from %(from)s to %(to)s on %(day)s: a purchase that counted was returned."
    ),
    DecisionKind.RESTORE: gettext_lazy(
        "Moved from %(from)s to %(to)s from %(day)s on: a purchase became known later."
    ),
    DecisionKind.REJUDGE: gettext_lazy("%(to)s was judged anew; it counts from %(day)s on."),
    DecisionKind.START: gettext_lazy("%(to)s came with %(product)s on %(day)s."),
    DecisionKind.MANUAL: gettext_lazy("%(to)s was given by hand on %(day)s."),
    DecisionKind.MANUAL_END: gettext_lazy(
        "The tier given by hand ended; %(to)s counts from %(day)s on."
    ),
    DecisionKind.EXTEND: gettext_lazy("The validity of %(to)s was extended on %(day)s."),
    DecisionKind.MERGE: gettext_lazy(
        "The membership %(number)s was merged with this one on %(day)s; its tier %(to)s came along."
    ),
    DecisionKind.UNMERGE: gettext_lazy(
        "The merge with the membership %(number)s was taken apart on %(day)s: %(to)s counts."
    ),
}


def _what(decision: Decision) -> str:
    if decision.kind == DecisionKind.UPGRADE and decision.actor_id is not None:
        return str(_APPROVED)
    if decision.kind == DecisionKind.MERGE and decision.from_level == decision.to_level:
        return str(_MERGED)
    return str(_WHAT[DecisionKind(decision.kind)])


def _name(decision: Decision, code: str) -> str:
    """As the version that decided calls it."""
    if decision.version_id is None:
        return code
    level = queries.ladder(decision.version_id).find(code)
    return level.name if level else code


def _day(day: date | str) -> str:
    return date_format(date.fromisoformat(day) if isinstance(day, str) else day, "DATE_FORMAT")
