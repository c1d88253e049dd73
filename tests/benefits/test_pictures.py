"""A picture that proves a delivery keeps the picture, and nothing else that came with it."""

import io

import pytest
from PIL import Image

from benefits import pictures
from benefits.operations import NotAPicture


def taken(size=(800, 600), kind="JPEG", mode="RGB", **more):
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **more)
    return file.getvalue()


def with_place():
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x0112] = 6  # held upright
    exif.get_ifd(0x8825)[1] = "N"
    return taken(exif=exif)


def test_place_and_camera_are_gone_and_it_stands_upright():
    given = with_place()
    assert b"SecretPhone" in given

    kept = pictures.clean(given)

    assert b"SecretPhone" not in kept
    opened = Image.open(io.BytesIO(kept))
    assert (opened.format, opened.size) == ("JPEG", (600, 800))
    assert not opened.getexif()


def test_a_large_one_is_made_smaller():
    assert Image.open(io.BytesIO(pictures.clean(taken((4000, 2000))))).size == (1600, 800)


def test_a_signature_drawn_on_nothing_is_black_on_white():
    drawn = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    drawn.putpixel((5, 5), (0, 0, 0, 255))
    file = io.BytesIO()
    drawn.save(file, "PNG")

    kept = Image.open(io.BytesIO(pictures.clean(file.getvalue()))).convert("L")

    assert kept.getpixel((0, 0)) > 200


@pytest.mark.parametrize(
    "given",
    [
        b"", b"GIF89a", b"\xff\xd8\xff nothing", taken(kind="GIF", mode="L"),
        taken()[:300], b"\x89PNG\r\n\x1a\n" + bytes(50), taken((9000, 9000), mode="1", kind="PNG"),
        taken() + bytes(pictures.GIVEN_MAX),
    ],
    ids=["empty", "gif", "no-jpeg", "a-gif", "half", "no-png", "huge", "long"],
)  # fmt: skip
def test_what_is_none_is_refused(given):
    with pytest.raises(NotAPicture):
        pictures.clean(given)
