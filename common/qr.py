"""QR codes, drawn on the server: the path of an inline SVG, so that no script is needed for one."""

from dataclasses import dataclass
from itertools import groupby

import segno

# Modules of white around it, without which scanners do not find it.
QUIET_ZONE = 4


@dataclass(frozen=True, slots=True)
class Drawing:
    """A square of so many units, quiet zone and all, and what in it is black."""

    size: int
    path: str


def drawn(text: str) -> Drawing:
    """Draw a text, so that it is read with some 15 % of it hidden or dirty."""
    code = segno.make_qr(text, error="m")
    parts = []
    for y, row in enumerate(code.matrix_iter(border=QUIET_ZONE)):
        x = 0
        for is_black, run in groupby(row):
            width = len(list(run))
            if is_black:
                parts.append(f"M{x} {y}h{width}v1h-{width}z")
            x += width
    return Drawing(len(code.matrix) + 2 * QUIET_ZONE, "".join(parts))
