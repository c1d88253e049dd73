"""What is said to members of their rights."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from benefits import queries
from messaging import templates
from messaging.models import Purpose
from messaging.templates import Kind

GRANTED = "benefits.granted"
LAPSING = "benefits.lapsing"


def _keep(value: Any) -> list[list[Any]]:
    if not all(isinstance(count, int) for _version, _code, count in value):
        raise TypeError(value)
    return [list(each) for each in value]


def _show(kept: list[list[Any]]) -> str:
    """“Car wash × 2, Health check”, as the versions that granted them name them."""
    told = (_named(version, code, count) for version, code, count in kept)
    return pgettext("between the parts of a list", ", ").join(told)


def _named(version_id: int, code: str, count: int) -> str:
    benefit = queries.matrix(version_id).find(code)
    name = benefit.name if benefit else code
    return f"{name} × {count}" if count > 1 else name


# Of each benefit: the version that granted it, its code, and how many.
RIGHTS = Kind(keep=_keep, show=_show, sample=[[0, "car-wash", 2]])
WHICH: Mapping[str, Kind] = {"rights": RIGHTS}


def register() -> None:
    templates.register(
        GRANTED,
        subject=_("New benefits for you"),
        body=_("You can use: %(rights)s. Until when, and where, your page of benefits says."),
        variables=WHICH,
        purpose=Purpose.CREDIT,
    )
    templates.register(
        LAPSING,
        subject=_("Benefits to use by %(last_day)s"),
        body=_("Still yours until %(last_day)s, that day included: %(rights)s."),
        variables={**WHICH, "last_day": templates.DAY},
    )
