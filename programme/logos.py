"""
The pictures that stand for a programme: its logo, and the icon on a phone's first screen.

A logo is decoded and drawn anew, so nothing of the file that was handed in is ever served: no
script, no place where a photo was taken, no second file behind the first.
"""

import io
from functools import lru_cache

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageDraw, ImageOps

from common.errors import Invalid

FILE_MAX = 2_000_000
# Of the picture handed in: as many as memory bears.
PIXELS_MAX = 25_000_000
SIDE_MIN = 64
# What is kept: three times as fine as any page shows it, and soon loaded.
SIDES = (512, 256, 128)
BYTES_MAX = 150_000
FORMATS = ("PNG", "JPEG", "WEBP")

ICON_SIDES = (48, 180, 192, 512)
# Phones cut icons into circles: what counts stands within this part of the side.
SAFE = 0.62
STAR = (
    (16, 7), (18.7, 12.6), (24.8, 13.4), (20.3, 17.6), (21.4, 23.7),
    (16, 20.8), (10.6, 23.7), (11.7, 17.6), (7.2, 13.4), (13.3, 12.6),
)  # fmt: skip
STAR_SIDE = 32


class NoPicture(Invalid):
    code = "no_picture"
    message = _("This is no PNG, JPEG or WebP picture that can be read.")


class PictureTooLarge(Invalid):
    code = "picture_too_large"
    message = _("The picture is too large: at most 2 MB and 25 million pixels.")


class PictureTooSmall(Invalid):
    code = "picture_too_small"
    message = _("The picture is too small: at least %(side)s pixels wide and high.")


def drawn(file: bytes) -> tuple[bytes, int, int]:
    """
    Return a picture as a PNG of our own making, its width and its height.

    :raises NoPicture, PictureTooLarge, PictureTooSmall: if it cannot be
    """
    picture = opened(file)
    for side in SIDES:
        copy = picture.copy()
        copy.thumbnail((side, side))
        made = _png(copy)
        if len(made) <= BYTES_MAX:
            break
    return made, copy.width, copy.height


def opened(file: bytes) -> Image.Image:
    """
    A picture's own points and nothing else of its file, the right way up.

    :raises NoPicture, PictureTooLarge, PictureTooSmall: if it cannot be
    """
    if len(file) > FILE_MAX:
        raise PictureTooLarge
    try:
        picture = Image.open(io.BytesIO(file), formats=FORMATS)
        width, height = picture.size
        if width * height > PIXELS_MAX:
            raise PictureTooLarge
        if min(width, height) < SIDE_MIN:
            raise PictureTooSmall(side=SIDE_MIN)
        # Phones write beside the picture how it was held; that goes, so the picture is turned.
        return ImageOps.exif_transpose(picture).convert("RGBA")
    # What Pillow raises of a file that is broken somewhere is of all these kinds.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise NoPicture from error


@lru_cache(maxsize=16)
def icon(side: int, *, color: str, on_color: str, logo: bytes | None) -> bytes:
    """
    A square PNG: the logo on white, or a star on the brand's colour.

    :param on_color: what is seen well on the brand's colour
    """
    if logo is None:
        return _png(_star(side, color, on_color))
    ground = Image.new("RGB", (side, side), "white")
    kept = Image.open(io.BytesIO(logo), formats=("PNG",))
    scale = round(side * SAFE) / max(kept.size)
    picture = kept.resize((max(1, round(kept.width * scale)), max(1, round(kept.height * scale))))
    place = ((side - picture.width) // 2, (side - picture.height) // 2)
    ground.paste(picture, place, picture)
    return _png(ground)


def _star(side: int, color: str, on_color: str) -> Image.Image:
    """Drawn four times as large and made small: edges are smooth then."""
    large = side * 4
    ground = Image.new("RGB", (large, large), color)
    points = [(x * large / STAR_SIDE, y * large / STAR_SIDE) for x, y in STAR]
    ImageDraw.Draw(ground).polygon(points, fill=on_color)
    return ground.resize((side, side))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
