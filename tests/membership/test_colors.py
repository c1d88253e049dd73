import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership import colors


@given(st.integers(0, 0xFFFFFF))
def test_every_brand_colour_gets_readable_shades(number):
    shades = colors.shades(f"#{number:06x}")

    readable = [
        colors.contrast(colors._rgb(shades.on_brand), colors._rgb(shades.brand)),
        colors.contrast(colors._rgb(shades.on_light), colors.LIGHT_GROUND),
        colors.contrast(colors._rgb(shades.on_dark), colors.DARK_GROUND),
        # Buttons: white on the light shade, near black on the dark one.
        colors.contrast(colors.WHITE, colors._rgb(shades.on_light)),
        colors.contrast((0x10, 0x13, 0x18), colors._rgb(shades.on_dark)),
    ]
    assert min(readable) >= 4.5


def test_a_colour_that_is_readable_is_left_alone():
    assert colors.shades("#0f4c81").on_light == "#0f4c81"


def test_contrast_is_wcags():
    assert colors.contrast(colors.WHITE, colors.BLACK) == pytest.approx(21)
    assert colors.contrast((0x77, 0x77, 0x77), colors.WHITE) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    "color", ["", "red", "#fff", "#12345", "#1234567", "#12345g", "#123456\n", "}body{"]
)
def test_anything_else_counts_as_the_default(color):
    assert colors.shades(color) == colors.shades(colors.FALLBACK)
