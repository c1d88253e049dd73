"""
Shades of the brand's colour that people can read.

Contrast is WCAG 2's ratio of relative luminances; text needs 4.5. A brand chooses any colour, so
each use gets the nearest shade that passes on its own ground.
"""

import re
from dataclasses import dataclass

HEX = re.compile(r"#[0-9a-f]{6}\Z", re.ASCII | re.IGNORECASE)
FALLBACK = "#1f5eff"
READABLE = 4.5

# The grounds of static/css/site.css on which coloured text stands.
LIGHT_GROUND = (0xF3, 0xF4, 0xF7)
DARK_GROUND = (0x1B, 0x1E, 0x25)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shades:
    # The colour as the brand gave it, and the text that is readable on it.
    brand: str
    on_brand: str
    # For text and buttons on the light and on the dark ground.
    on_light: str
    on_dark: str


def shades(color: str) -> Shades:
    """Anything but #rrggbb counts as the default blue: it goes into a style sheet."""
    brand = _rgb(color if HEX.match(color) else FALLBACK)
    # White as long as it is readable: it looks like a card, black looks like a label.
    on_brand = WHITE if contrast(WHITE, brand) >= READABLE else BLACK
    return Shades(
        brand=_hex(brand),
        on_brand=_hex(on_brand),
        on_light=_hex(_toward(brand, BLACK, ground=LIGHT_GROUND)),
        on_dark=_hex(_toward(brand, WHITE, ground=DARK_GROUND)),
    )


def contrast(one: Rgb, other: Rgb) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _toward(color: Rgb, end: Rgb, *, ground: Rgb) -> Rgb:
    """Mix as little of `end` into a colour as makes it readable on the ground."""
    for percent in range(0, 101, 2):
        mixed = _mix(color, end, percent)
        if contrast(mixed, ground) >= READABLE:
            return mixed
    return end


def _mix(color: Rgb, end: Rgb, percent: int) -> Rgb:
    red, green, blue = (round(a + (b - a) * percent / 100) for a, b in zip(color, end, strict=True))
    return red, green, blue


def _luminance(color: Rgb) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
