"""Pictures of the demo's items, drawn from a few shapes: the same ones every time."""

import io
from colorsys import hls_to_rgb
from functools import cache
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw

SIDE = 640
MOTIFS = Path(__file__).with_name("motifs.yaml")
FIELD = 24
STROKE = 1.3
Color = tuple[int, int, int]


@cache
def _motifs() -> dict[str, list[dict[str, Any]]]:
    return dict(yaml.safe_load(MOTIFS.read_text()))


def png(motif: str, hue: int) -> bytes:
    """A motif in the shades of a hue, in degrees, on a ground of the same."""
    # Drawn twice as large and made small: edges are smooth then.
    side = SIDE * 2
    circle = _color(hue, 0.84)
    # What is cut out shows the circle again.
    shades = {-1: circle, 0: _color(hue, 0.97), 1: _color(hue, 0.66), 2: _color(hue, 0.42)}
    picture = Image.new("RGB", (side, side), _color(hue, 0.90))
    draw = ImageDraw.Draw(picture)
    scale = side / FIELD
    _disc(draw, side / 2, side / 2, 10 * scale, fill=circle)
    for shape in _motifs()[motif]:
        _shape(draw, shape["what"], shape["at"], shades[shape["shade"]], scale)
    out = io.BytesIO()
    picture.resize((SIDE, SIDE)).save(out, "PNG")
    return out.getvalue()


def _shape(
    draw: ImageDraw.ImageDraw, what: str, told: list[float], color: Color, scale: float
) -> None:
    at, width = [each * scale for each in told], round(STROKE * scale)
    match what:
        case "disc":
            _disc(draw, *at, fill=color)
        case "ring":
            _disc(draw, *at, outline=color, width=width)
        case "half":
            x, y, r = at[0], at[1], abs(at[2])
            start = 180 if at[2] > 0 else 0
            draw.pieslice([x - r, y - r, x + r, y + r], start, start + 180, fill=color)
        case "round":
            draw.rounded_rectangle(at[:4], radius=at[4], fill=color)
        case "line":
            draw.line(at, fill=color, width=width)
            _disc(draw, at[0], at[1], width / 2, fill=color)
            _disc(draw, at[2], at[3], width / 2, fill=color)
        case "poly":
            draw.polygon(at, fill=color)
        case "star":
            draw.polygon(_star(at[0], at[1], at[2], int(told[3])), fill=color)


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, **how: Any) -> None:
    draw.ellipse([x - r, y - r, x + r, y + r], **how)


def _star(x: float, y: float, r: float, points: int) -> list[tuple[float, float]]:
    corners = []
    for nth in range(points * 2):
        reach = r if nth % 2 == 0 else r * 0.42
        angle = pi * nth / points - pi / 2
        corners.append((x + reach * cos(angle), y + reach * sin(angle)))
    return corners


def _color(hue: int, lightness: float) -> Color:
    red, green, blue = hls_to_rgb(hue / 360, lightness, 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)
