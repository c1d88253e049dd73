"""The benefits' part of the programme file: `benefits`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from benefits.matrix import ALWAYS, COUNTED, DEFAULT_UNDO_MINUTES, PAYS, UPGRADE
from benefits.models import Benefit, BenefitTerms, Kind, OnDowngrade, Source
from common.localized import NAMES_SCHEMA, TEXT_PATTERN
from common.schemas import where
from partners.models import Organization
from programme.documents import InvalidProgramme
from programme.models import Version
from programme.policies import FUNDING_SCHEMA, FundingShare, of_funding
from programme.sections import Contradiction, Section

BENEFITS_MAX = 100
TIMES_MAX = 999
DEFAULT: dict[str, Any] = {"of_tiers": []}

_CODE = {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,49}\Z"}
_CATEGORY = {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{0,31}\Z", "choices": "categories"}
_DESCRIPTION = {
    "type": "object",
    "properties": {
        code: {"type": "string", "minLength": 1, "maxLength": 500, "pattern": TEXT_PATTERN}
        for code, _name in settings.LANGUAGES
    },
    "required": [settings.LANGUAGE_CODE],
    "additionalProperties": False,
}
_TIMES = {"type": "integer", "minimum": 1, "maximum": TIMES_MAX}
# What one tier gets of it. Text where it is a percentage: YAML's numbers are binary.
CELL = {
    "type": "object",
    "properties": {
        **dict.fromkeys(COUNTED, _TIMES),
        ALWAYS: {"const": True},
        PAYS: {"type": "string", "pattern": r"^(?!0+(\.0+)?\Z)[0-9]{1,2}(\.[0-9]{1,2})?\Z"},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "told": "entitled",
}

BENEFIT = {
    "type": "object",
    "properties": {
        "code": _CODE,
        "names": NAMES_SCHEMA,
        "description": _DESCRIPTION,
        "source": {"enum": Source.values},
        "kind": {"enum": Kind.values},
        "tiers": {
            "type": "object",
            "propertyNames": {"pattern": _CODE["pattern"], "choices": "tiers"},
            "additionalProperties": CELL,
            "maxProperties": 50,
        },
        "cost": {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?\Z"},
        "funding": FUNDING_SCHEMA,
        "categories": {
            "type": "array", "items": _CATEGORY, "minItems": 1, "maxItems": 50, "uniqueItems": True
        },
        "days_of_month": {
            "type": "array",
            "items": {
                "type": "integer", "minimum": 1, "maximum": 31, "choices": "days_of_month"
            },
            "minItems": 1,
            "maxItems": 31,
            "uniqueItems": True,
        },
        "lapse_days": {"type": "integer", "minimum": 1, "maximum": 3660},
        "on_downgrade": {"enum": OnDowngrade.values},
    },
    "required": ["code", "names", "source", "kind", "tiers"],
    "additionalProperties": False,
}  # fmt: skip

SCHEMA = {
    "type": "object",
    "properties": {
        "of_tiers": {"type": "array", "maxItems": BENEFITS_MAX, "items": BENEFIT},
        "undo_minutes": {"type": "integer", "minimum": 1, "maximum": 1440},
    },
    "required": ["of_tiers"],
    "additionalProperties": False,
}


# --- There and back -------------------------------------------------------------------------------


def load(version: Version, section: Any) -> None:
    """:raises InvalidProgramme: if somebody bears the cost whom nobody knows"""
    if not section["of_tiers"]:
        return
    _require_known_payers(section["of_tiers"])
    BenefitTerms.objects.create(
        version=version, undo_minutes=section.get("undo_minutes", DEFAULT_UNDO_MINUTES)
    )
    Benefit.objects.bulk_create(
        Benefit(
            version=version,
            position=position,
            code=each["code"],
            names=each["names"],
            description=each.get("description", {}),
            source=each["source"],
            kind=each["kind"],
            cost=Decimal(each.get("cost", "0")),
            funding=each.get("funding", []),
            categories=each.get("categories", []),
            days=sorted(each.get("days_of_month", ())),
            lapse_days=each.get("lapse_days"),
            on_downgrade=each.get("on_downgrade", OnDowngrade.KEEP),
            tiers={level: _plain(cell) for level, cell in each["tiers"].items()},
        )
        for position, each in enumerate(section["of_tiers"])
    )


def _require_known_payers(benefits: Sequence[Mapping[str, Any]]) -> None:
    named = {
        share["payer"]: ("benefits", "of_tiers", nth, "funding", place, "payer")
        for nth, each in enumerate(benefits)
        for place, share in enumerate(each.get("funding", ()))
        if share["payer"] not in (FundingShare.BRAND, FundingShare.STORE)
    }
    found = Organization.objects.filter(code__in=named).values_list("code", flat=True)
    for payer in sorted(named.keys() - set(found)):
        why = _("There is no organization “%(code)s”.") % {"code": payer}
        raise InvalidProgramme(where=where(named[payer]), why=why)


def dump(version: Version) -> Any:
    """As `load` reads it; what has its default is left out."""
    terms = BenefitTerms.objects.filter(version=version).first()
    if terms is None:
        return DEFAULT
    benefits = Benefit.objects.filter(version=version).order_by("position")
    section: dict[str, Any] = {"of_tiers": [_dumped(each) for each in benefits]}
    if terms.undo_minutes != DEFAULT_UNDO_MINUTES:
        section["undo_minutes"] = terms.undo_minutes
    return section


def _dumped(benefit: Benefit) -> dict[str, Any]:
    optional = {
        "cost": _number(benefit.cost) if benefit.cost else None,
        "funding": benefit.funding,
        "categories": benefit.categories,
        "days_of_month": benefit.days,
        "lapse_days": benefit.lapse_days,
        "on_downgrade": (
            benefit.on_downgrade if benefit.on_downgrade != OnDowngrade.KEEP else None
        ),
    }
    return {
        "code": benefit.code,
        "names": benefit.names,
        **({"description": benefit.description} if benefit.description else {}),
        "source": benefit.source,
        "kind": benefit.kind,
        "tiers": benefit.tiers,
        **{name: value for name, value in optional.items() if value},
    }


def _plain(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {PAYS: _number(Decimal(cell[PAYS]))} if PAYS in cell else dict(cell)


def _number(exact: Decimal) -> str:
    """In the one spelling the database keeps: 85, 8.5, 60."""
    return f"{exact.normalize():f}"


# --- What makes no sense --------------------------------------------------------------------------


def contradictions(document: dict[str, Any]) -> Iterator[Contradiction]:
    """What the schema cannot say: where inside the section, and why, in the active language."""
    section: Mapping[str, Any] = document.get("benefits", DEFAULT)
    benefits: Sequence[Mapping[str, Any]] = section["of_tiers"]
    levels = {level["code"] for level in document.get("tiers", {}).get("levels", ())}
    times = Counter(each["code"] for each in benefits)
    for nth, each in enumerate(benefits):
        at = f"of_tiers[{nth}]"
        if times[each["code"]] > 1:
            why = _("“%(value)s” is there %(times)s times.")
            told = {"value": each["code"], "times": times[each["code"]]}
            yield f"{at}.code", why % told
        for level in each["tiers"]:
            if level not in levels:
                yield f"{at}.tiers.{level}", _("There is no tier “%(code)s”.") % {"code": level}
        yield from _of_cells(at, each)
        yield from _of_kind(at, each)
        if "funding" in each:
            for place, why in of_funding([FundingShare.parse(share) for share in each["funding"]]):
                yield f"{at}.{place}", why
    if not benefits and "undo_minutes" in section:
        yield "undo_minutes", _("Without benefits this decides nothing.")


def _of_cells(at: str, benefit: Mapping[str, Any]) -> Iterator[Contradiction]:
    allowed = {Kind.DISCOUNT: {PAYS}, Kind.STANDING: {ALWAYS}}.get(
        benefit["kind"], {ALWAYS, *COUNTED}
    )
    counted: set[str] = set()
    for level, cell in benefit["tiers"].items():
        (per,) = cell
        where = f"{at}.tiers.{level}"
        if per not in allowed:
            yield where, _("This is not for a benefit of this kind.")
        elif per in COUNTED and counted - {per}:
            # Or who rises within a period would get two quotas of one benefit.
            yield where, _("Another tier counts this benefit in other periods.")
        counted |= {per} & set(COUNTED)


def _of_kind(at: str, benefit: Mapping[str, Any]) -> Iterator[Contradiction]:
    is_service = benefit["kind"] == Kind.SERVICE
    if not is_service:
        for name in ("lapse_days", "on_downgrade"):
            if name in benefit:
                yield f"{at}.{name}", _("Only what is counted is granted, lapses and ends.")
    if benefit["kind"] != Kind.DISCOUNT:
        for name in ("categories", "days_of_month"):
            if name in benefit:
                yield f"{at}.{name}", _("Only a discount has this.")
    if is_service and "lapse_days" not in benefit:
        for level, cell in benefit["tiers"].items():
            if UPGRADE in cell:
                why = _("What is granted once for a tier has no period: say after how many days.")
                yield f"{at}.tiers.{level}", why


BENEFITS = Section(
    name="benefits",
    schema=SCHEMA,
    load=load,
    dump=dump,
    default=DEFAULT,
    contradictions=contradictions,
)
