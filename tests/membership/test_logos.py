"""The programme's logo: drawn anew, bounded; nothing of the file that was handed in is served."""

import io
import struct
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image, PngImagePlugin

from common.models import AuditRecord
from programme import logos, operations, queries
from programme.models import Logo, Programme
from tests.factories import member, plain, staff
from tests.membership.conftest import console
from tests.membership.test_web import logged_in

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(size=(300, 200), kind="PNG", color=(200, 30, 30), **options):
    out = io.BytesIO()
    mode = "RGB" if kind == "JPEG" else "RGBA"
    Image.new(mode, size, color).save(out, kind, **options)
    return out.getvalue()


def noise(side):
    return Image.effect_noise((side, side), 200)


def a_lie(width, height):
    """A PNG that says it is large and has nothing in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = b""
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data
        chunks += struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


class TestDrawn:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_any_kind_becomes_a_png(self, kind):
        image, width, height = logos.drawn(picture(kind=kind))

        made = Image.open(io.BytesIO(image))
        assert (made.format, made.size, made.mode) == ("PNG", (width, height), "RGBA")

    def test_a_large_one_is_made_smaller_and_keeps_its_shape(self):
        _image, width, height = logos.drawn(picture((3000, 1000)))

        assert (width, height) == (512, 171)

    def test_what_does_not_pack_well_is_made_smaller_still(self):
        out = io.BytesIO()
        noise(900).save(out, "PNG")

        image, width, _height = logos.drawn(out.getvalue())

        assert len(image) <= logos.BYTES_MAX
        assert width < 512

    def test_nothing_but_the_picture_is_left(self):
        words = PngImagePlugin.PngInfo()
        words.add_text("Comment", "<script>alert(1)</script>")
        file = picture(pnginfo=words) + b"<script>alert(2)</script>PK\x03\x04"

        image, *_size = logos.drawn(file)

        assert b"script" not in image
        assert b"PK" not in image

    @pytest.mark.parametrize(
        "file",
        [
            b"", b"x", SVG, b"<html>", b"GIF89a" + b"\x00" * 99, b"%PDF-1.7", b"BM" + b"\x00" * 99,
            picture()[:60], picture()[:-30], a_lie(100, 100), b"\xff\xd8\xff\xe0 no photo",
            b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        ],
    )  # fmt: skip
    def test_what_is_no_picture(self, file):
        with pytest.raises(logos.NoPicture):
            logos.drawn(file)

    def test_a_small_file_that_would_fill_the_memory(self):
        with pytest.raises((logos.PictureTooLarge, logos.NoPicture)):
            logos.drawn(a_lie(60_000, 60_000))
        with pytest.raises(logos.PictureTooLarge):
            logos.drawn(a_lie(6_000, 6_000))

    def test_too_small_to_be_seen(self):
        with pytest.raises(logos.PictureTooSmall):
            logos.drawn(picture((63, 300)))

    def test_too_many_bytes(self):
        with pytest.raises(logos.PictureTooLarge):
            logos.drawn(picture() + b"\x00" * logos.FILE_MAX)


class TestIcon:
    def test_without_a_logo_it_is_a_star_on_the_brands_colour(self):
        made = Image.open(
            io.BytesIO(logos.icon(192, color="#aa0000", on_color="#ffffff", logo=None))
        )

        assert made.size == (192, 192)
        assert made.getpixel((0, 0)) == (0xAA, 0, 0)
        assert made.getpixel((96, 96)) == (255, 255, 255)

    @pytest.mark.parametrize("size", [(300, 200), (70, 512), (512, 64)])
    def test_a_logo_stands_within_what_phones_cut_out(self, size):
        logo, *_size = logos.drawn(picture(size))

        made = Image.open(
            io.BytesIO(logos.icon(512, color="#aa0000", on_color="#ffffff", logo=logo))
        )

        outside = [(x, y) for x in (0, 60, 511) for y in (0, 60, 511)]
        assert {made.getpixel(each) for each in outside} == {(255, 255, 255)}
        assert made.getpixel((256, 256)) == (200, 30, 30)


@pytest.mark.django_db
class TestPages:
    @pytest.fixture(autouse=True)
    def _programme(self):
        plain()

    def hand_in(self, client, file, name="logo.png"):
        return client.post(
            "/console/rulebook/logo/", {"file": SimpleUploadedFile(name, file, "image/png")}
        )

    def test_is_seen_at_once_on_members_pages_and_the_card(self, boss):
        answer = self.hand_in(boss, picture())
        queries.forget_cached()

        assert answer.status_code == 302
        logo = Logo.objects.get()
        source = f'src="/brand/{logo.digest}.png"'
        client = logged_in(member())
        for path in ("/", "/card/", "/statement/", "/help/"):
            assert source in client.get(path).content.decode(), path
        assert AuditRecord.objects.get(action="logo.set").details == {"digest": logo.digest}

    def test_is_served_as_a_picture_and_kept_for_good(self, boss, client):
        self.hand_in(boss, picture())
        logo = Logo.objects.get()

        served = client.get(f"/brand/{logo.digest}.png")

        assert served.content == bytes(logo.image)
        assert served["Content-Type"] == "image/png"
        assert served["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in served["Cache-Control"]
        assert "Cookie" not in served["Vary"]

    def test_the_same_again_is_the_same(self, boss):
        self.hand_in(boss, picture())
        self.hand_in(boss, picture())

        assert Logo.objects.count() == 1

    def test_another_one_takes_its_place_and_the_former_stays_for_kept_pages(self, boss, client):
        self.hand_in(boss, picture())
        former = Logo.objects.get()
        self.hand_in(boss, picture(color=(0, 200, 0)))

        assert Programme.objects.get().logo != former
        assert client.get(f"/brand/{former.digest}.png").status_code == 200

    def test_is_taken_away(self, boss):
        self.hand_in(boss, picture())

        boss.post("/console/rulebook/logo/", {"remove": "1"})
        queries.forget_cached()

        assert Programme.objects.get().logo is None
        assert "/brand/" in logged_in(member()).get("/").content.decode()  # the icon
        assert "brand-logo" not in logged_in(member()).get("/").content.decode()

    @pytest.mark.parametrize("file", [SVG, b"no picture", picture((10, 10))])
    def test_what_is_no_picture_is_told_beside_the_field(self, boss, file):
        answer = self.hand_in(boss, file)

        assert answer.status_code == 200
        assert answer.context["form"].errors["file"]
        assert not Logo.objects.exists()
        assert not AuditRecord.objects.filter(action="logo.set").exists()

    def test_without_a_file(self, boss):
        answer = boss.post("/console/rulebook/logo/", {})

        assert answer.context["form"].errors["file"]

    def test_only_some_may(self, at_work):
        for role, status in {"programme manager": 200, "customer care": 403}.items():
            assert at_work(role).get("/console/rulebook/logo/").status_code == status

    @pytest.mark.parametrize(
        "path",
        ["/brand/x.png", "/brand/icon/47/x.png", "/brand/icon/512/x.png", f"/brand/{'0' * 64}.png"],
    )
    def test_addresses_of_nothing(self, client, path):
        assert client.get(path).status_code == 404

    def test_a_programme_file_leaves_the_logo_alone(self, boss):
        self.hand_in(boss, picture())

        plain()

        assert Programme.objects.get().logo is not None


@pytest.mark.django_db
def test_without_a_programme_there_is_nothing_to_show_it_on():
    client = console(staff())

    answer = client.post(
        "/console/rulebook/logo/", {"file": SimpleUploadedFile("a.png", picture(), "image/png")}
    )

    assert answer.context["form"].errors["file"]
    with pytest.raises(operations.NoVersion):
        operations.remove_logo(by=staff())
    assert not Logo.objects.filter(created_at__lte=timezone.now()).exists()
