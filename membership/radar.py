"""Three scores as a picture: a triangle on three axes, drawn by the server."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benefits.scoring import BEST

# In the picture's own units; the labels stand around it.
RADIUS = 70
CENTRE = (120, 104)
# The first axis goes up, the others right and left of it.
ANGLES = (-90, 30, 150)


@dataclass(frozen=True, slots=True)
class Axis:
    label: Any
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Radar:
    """`shape`: the points of the polygon; what is not known lies in the middle."""

    summary: str
    rings: list[str]
    axes: list[Axis]
    shape: str
    dots: list[tuple[float, float]]


def radar(name: str, scores: Sequence[tuple[Any, Decimal | None]]) -> Radar:
    """:param scores: three, each with what it is called"""
    dots = [
        _at(angle, float(score or 0) / BEST)
        for angle, (_label, score) in zip(ANGLES, scores, strict=True)
    ]
    told = ", ".join(f"{label} {'–' if score is None else score}" for label, score in scores)
    return Radar(
        summary=f"{name}: {told}",
        rings=[_points([_at(a, ring / BEST) for a in ANGLES]) for ring in range(1, BEST + 1)],
        axes=[_axis(angle, label) for angle, (label, _s) in zip(ANGLES, scores, strict=True)],
        shape=_points(dots),
        dots=dots,
    )


def _at(angle: int, share: float) -> tuple[float, float]:
    x = CENTRE[0] + RADIUS * share * math.cos(math.radians(angle))
    y = CENTRE[1] + RADIUS * share * math.sin(math.radians(angle))
    return round(x, 1), round(y, 1)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)


def _axis(angle: int, label: Any) -> Axis:
    x, y = _at(angle, 1)
    return Axis(label, x, y, x, y - 10 if angle < 0 else y + 20, "middle")
