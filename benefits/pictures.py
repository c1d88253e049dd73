"""Pictures that prove a delivery: drawn anew, so that nothing of them but the picture is kept."""

import io
import warnings

from PIL import Image, ImageOps

from benefits.models import PROOF_BYTES_MAX
from benefits.operations import NotAPicture

# What a phone sends before it is made smaller; and how large a picture is kept.
GIVEN_MAX = 12_000_000
SIDE_MAX = 1600
PIXELS_MAX = 50_000_000
QUALITY = 80


def clean(given: bytes) -> bytes:
    """
    A JPEG of at most SIDE_MAX each way, without place, time and camera, as it was held.

    :raises NotAPicture: if it is none, or too large to be opened
    """
    if len(given) > GIVEN_MAX:
        raise NotAPicture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(given), formats=["JPEG", "PNG"]) as opened:
                if opened.width * opened.height > PIXELS_MAX:
                    raise NotAPicture
                small = _flat(ImageOps.exif_transpose(opened))
                small.thumbnail((SIDE_MAX, SIDE_MAX))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise NotAPicture from error
    kept = io.BytesIO()
    small.save(kept, "JPEG", quality=QUALITY)
    if kept.tell() > PROOF_BYTES_MAX:
        raise NotAPicture
    return kept.getvalue()


def _flat(picture: Image.Image) -> Image.Image:
    """On white, where it lets something through: a signature is often drawn on nothing."""
    if "A" not in picture.getbands():
        return picture.convert("RGB")
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground
