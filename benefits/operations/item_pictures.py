"""Pictures of items: drawn anew, kept under what they show."""

import hashlib
import io
from datetime import datetime

from django.db import transaction
from PIL import Image

from benefits.models.items import ItemPicture
from common.models import User
from programme import logos

# As wide and high as a page shows it, twice for fine screens; the small one stands in lists.
LARGE, SMALL = 1080, 400
QUALITY = 82


@transaction.atomic
def keep_picture(*, file: bytes, by: User, at: datetime) -> ItemPicture:
    """
    Keep a PNG, JPEG or WebP picture as WebP in two sizes. Of what the file said besides (where it
    was taken, when, with which phone) nothing is kept. The same picture is kept once.

    :raises logos.NoPicture, logos.PictureTooLarge, logos.PictureTooSmall: if it cannot be
    """
    picture = _on_white(logos.opened(file))
    large, small = _fitting(picture, LARGE), _fitting(picture, SMALL)
    content = _webp(large)
    kept, _is_new = ItemPicture.objects.get_or_create(
        digest=hashlib.sha256(content).hexdigest(),
        defaults={
            "large": content,
            "small": _webp(small),
            "width": large.width,
            "height": large.height,
            "created_at": at,
            "created_by": by,
        },
    )
    return kept


def _on_white(picture: Image.Image) -> Image.Image:
    """Dark pages show the same picture as light ones: none shines through."""
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _fitting(picture: Image.Image, side: int) -> Image.Image:
    copy = picture.copy()
    copy.thumbnail((side, side))
    return copy


def _webp(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY)
    return out.getvalue()
