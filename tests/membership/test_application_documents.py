"""What members attach to an application: what may be kept, and who gets to see it."""

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from common.models import AuditRecord
from members import operations as members
from tests.factories import identity
from tests.tiers.ladder import gather, noon, publish
from tests.tiers.test_web import BY_APPLICATION, text_of
from tiers import operations
from tiers.models import Document, Proposal
from tiers.operations import Attached

pytestmark = pytest.mark.django_db
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 20
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
PDF = b"%PDF-1.7\n" + b"d" * 20


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(noon("2026-06-15"), tick=False):
        yield


@pytest.fixture
def of():
    publish(BY_APPLICATION)
    of = identity()
    gather(of, "2026-06-01", spend="6000")
    return of


def browser(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    return client


def apply(of, *files):
    return browser(of).post(
        "/tier/",
        {
            "level": "diamond",
            "text": "见附件",
            "documents": [SimpleUploadedFile(name, content) for name, content in files],
        },
    )


def apply_directly(of, *files):
    return operations.apply(
        member=of, level="diamond", text="", at=noon("2026-06-15"),
        documents=[Attached(*file) for file in files],
    )  # fmt: skip


class TestApplication:
    def test_keeps_what_was_attached_by_what_it_is(self, of):
        answer = apply(of, ("行驶证.JPG", JPEG), ("a.b.png", PNG), ("invoice.exe", PDF))

        assert answer.status_code == 302
        assert [(d.place, d.name, d.media_type, bytes(d.content)) for d in kept()] == [
            (1, "行驶证.jpg", "image/jpeg", JPEG),
            (2, "a.b.png", "image/png", PNG),
            (3, "invoice.pdf", "application/pdf", PDF),
        ]

    def test_needs_no_documents(self, of):
        assert apply(of).status_code == 302
        assert not Document.objects.exists()

    def test_sent_again_is_kept_once(self, of):
        apply(of, ("a.png", PNG))
        apply(of, ("b.png", PNG))

        assert [each.name for each in kept()] == ["a.png"]

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            ([("a.png", PNG)] * 6, "Attach at most 5 files."),
            ([("a.png", b"")], "“a.png” is empty."),
            ([("a.png", PNG + b"x" * 5_000_000)], "“a.png” is larger than 5 MB."),
            ([("a.png", b"<script>")], "“a.png” is no JPEG, PNG or PDF file."),
            ([("a.svg", b"<svg onload='x'/>")], "“a.svg” is no JPEG, PNG or PDF file."),
            ([("a.pdf", b"MZ" + PDF)], "“a.pdf” is no JPEG, PNG or PDF file."),
            ([("a.png", PNG), ("b.gif", b"GIF89a")], "“b.gif” is no JPEG, PNG or PDF file."),
        ],
    )
    def test_with_what_may_not_be_is_refused_and_nothing_is_kept(self, of, files, said):
        assert said in text_of(apply(of, *files))

        assert not Proposal.objects.exists()
        assert not Document.objects.exists()

    def test_takes_a_file_of_just_5_mb(self, of):
        apply_directly(of, ("a.png", PNG + b"x" * (5_000_000 - len(PNG))))

        assert kept()[0].size == 5_000_000

    @pytest.mark.parametrize(
        ("sent", "name"),
        [
            ("../../etc/passwd", "passwd.png"),
            ("C:\\x\\y.png", "y.png"),
            ("a\u202egnp.exe", "agnp.png"),
            ("a\r\nSet-Cookie: x=1.png", "aSet-Cookie: x=1.png"),
            ("", "document.png"),
            ("...", "document.png"),
            (".png", "png.png"),
            ("𠮷😀 \u200b“x”;.png", "𠮷😀 “x”;.png"),
            ("n" * 300 + ".png", "n" * 196 + ".png"),
        ],
    )
    def test_gives_a_rare_name_its_plain_form(self, of, sent, name):
        apply_directly(of, (sent, PNG))

        assert kept()[0].name == name
        answer = browser(of).get(address())
        assert answer["Content-Disposition"].startswith("attachment; filename")
        assert "\n" not in answer["Content-Disposition"]

    def test_that_announces_too_much_is_not_even_read(self, of):
        answer = browser(of).generic(
            "POST", "/tier/", b"--x--",
            content_type="multipart/form-data; boundary=x", CONTENT_LENGTH="32000001",
        )  # fmt: skip

        assert answer.status_code == 413


class TestDatabase:
    @pytest.mark.parametrize(
        ("assigned", "constraint"),
        [
            ("place = 6", "tiers_document_at_most_five"),
            ("size = 5", "tiers_document_of_at_most_5_mb"),
            ("media_type = 'text/html'", "tiers_document_type_known"),
        ],
    )
    def test_holds_the_limits(self, of, assigned, constraint):
        apply_directly(of, ("a.png", PNG))

        with pytest.raises(IntegrityError, match=constraint), connection.cursor() as cursor:
            cursor.execute(f"UPDATE tiers_document SET {assigned}")


class TestWhoSees:
    def test_the_member_as_an_attachment_that_cannot_run(self, of):
        apply(of, ("a.pdf", PDF))

        answer = browser(of).get(address())

        assert answer.content == PDF
        assert answer["Content-Type"] == "application/pdf"
        assert answer["Content-Disposition"] == 'attachment; filename="a.pdf"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert "no-store" in answer["Cache-Control"]
        assert f'href="{address()}"' in browser(of).get("/tier/").content.decode()

    def test_no_other_member_and_no_stranger(self, of):
        apply(of, ("a.pdf", PDF))

        assert browser(identity()).get(address()).status_code == 404
        assert Client().get(address()).status_code == 302

    def test_staff_who_decide_and_each_look_is_written_down(self, of, at_work):
        apply(of, ("a.pdf", PDF))
        chief = at_work("programme manager")
        page = reverse("admin:tier-proposal", args=[Proposal.objects.get().pk])

        assert in_the_console() in chief.get(page).content.decode()
        answer = chief.get(in_the_console())

        assert answer.content == PDF
        assert answer["Content-Disposition"] == 'attachment; filename="a.pdf"'
        row = AuditRecord.objects.get(action="tier.document_read")
        assert (row.actor, row.target, row.details["document"]) == (chief.user, of.number, 1)

    def test_not_staff_who_only_see_proposals(self, of, at_work):
        apply(of, ("a.pdf", PDF))
        page = reverse("admin:tier-proposal", args=[Proposal.objects.get().pk])
        clerk = at_work("customer care")

        text = clerk.get(page).content.decode()
        assert "a.pdf" in text
        assert in_the_console() not in text
        assert clerk.get(in_the_console()).status_code == 403
        assert not AuditRecord.objects.filter(action="tier.document_read").exists()


def kept():
    return list(Document.objects.order_by("place"))


def address():
    return f"/tier/applications/{Proposal.objects.get().pk}/1/"


def in_the_console():
    return reverse("admin:tier-document", args=[Proposal.objects.get().pk, 1])
