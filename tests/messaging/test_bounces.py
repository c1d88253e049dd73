"""What mail servers tell afterwards of e-mails they took (C4), by RFC 3464."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from messaging import bounces
from messaging.composing import outside_name
from messaging.models import Delivery, Message
from tests.factories import member, message
from tests.messaging.test_delivering import deliver, said, server  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exact_waits")]

# As Postfix writes it.
BOUNCE = """\
Return-Path: <>
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: no-reply@members.example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="B/mail.example.com"

--B/mail.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Arrival-Date: Mon, 15 Jun 2026 12:00:00 +0800 (CST)

Final-Recipient: rfc822; wang@example.com
Original-Recipient: rfc822;wang@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <wang@example.com>: Recipient address
    rejected: User unknown

--B/mail.example.com
Content-Description: Undelivered Message
Content-Type: {returned}

From: no-reply@members.example.com
To: wang@example.com
Subject: =?utf-8?b?56ev5YiG5Y2z5bCG5Yiw5pyf?=
Message-ID: <{name}@testserver>

{body}
--B/mail.example.com--
"""


def bounce(name, *, action="failed", status="5.1.1", returned="message/rfc822", body="您好\n"):
    told = BOUNCE.format(name=name, action=action, status=status, returned=returned, body=body)
    return told.encode()


def take(letter, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(letter)))
    out, err = io.StringIO(), io.StringIO()
    call_command("take_bounce", stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


@pytest.fixture
def sent(server):  # noqa: F811 - the fixture
    delivery = said()
    assert deliver() == 1
    return delivery


def now(delivery):
    return Delivery.objects.get(pk=delivery.pk)


class TestBounces:
    @pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
    def test_what_did_not_arrive_is_said_without_the_address(self, sent, monkeypatch, returned):
        letter = bounce(outside_name(sent), returned=returned)

        assert take(letter, monkeypatch) == "noted: 1\n"
        assert take(letter, monkeypatch) == "noted: 0\n"

        delivery = now(sent)
        assert delivery.state == "FAILED"
        assert delivery.error.startswith("5.1.1 smtp; 550 5.1.1 <***>: Recipient address rejected")
        assert "wang" not in delivery.error

    def test_it_no_longer_counts_as_a_delivery(self, sent, monkeypatch):
        take(bounce(outside_name(sent)), monkeypatch)

        assert Message.objects.get(pk=sent.message_id).delivered_at is None

    def test_what_arrived_is_known_to_have(self, sent, monkeypatch):
        take(bounce(outside_name(sent), action="delivered", status="2.0.0"), monkeypatch)

        assert now(sent).state == "SENT"
        assert now(sent).arrived_at is not None

    @pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", ""])
    def test_what_is_not_final_changes_nothing(self, sent, monkeypatch, action):
        letter = bounce(outside_name(sent), action=action, status="4.4.1")

        assert take(letter, monkeypatch) == "noted: 0\n"
        assert (now(sent).state, now(sent).arrived_at) == ("SENT", None)

    @pytest.mark.parametrize("name", ["{pk}-0000000000000000", "{pk}", "somebody-elses", "0"])
    def test_a_name_that_was_guessed_changes_nothing(self, sent, monkeypatch, name):
        take(bounce(name.format(pk=sent.pk)), monkeypatch)

        assert now(sent).state == "SENT"

    @pytest.mark.parametrize(
        "letter",
        [
            b"",
            b"\xff\xfe\x00",
            b"Subject: I am away\n\nUntil Monday.",
            bounce("x").replace(b"message/delivery-status", b"text/plain"),
            bounce("x").replace(b"Message-ID", b"X-Other"),
            bounce("x", returned="text/plain"),
            bounce("x") + b"x" * bounces.BYTES_MAX,
        ],
    )
    def test_other_letters_are_told_apart_and_answer_nothing(self, sent, monkeypatch, letter):
        assert take(letter, monkeypatch).startswith("not_a_bounce: ")
        assert now(sent).state == "SENT"

    def test_what_reached_the_inbox_stays_told(self, server, monkeypatch):  # noqa: F811
        one = message(member(email="wang@example.com"))
        deliver()
        delivery = Delivery.objects.get(message=one, channel="EMAIL")

        take(bounce(outside_name(delivery)), monkeypatch)

        assert now(delivery).state == "FAILED"
        assert Message.objects.get(pk=one.pk).delivered_at is not None

    def test_mail_servers_write_to_the_return_path_and_readers_do_not(
        self,
        server,  # noqa: F811
        settings,
    ):
        settings.EMAIL_RETURN_PATH = "bounces@members.example.com"

        said()
        deliver()

        assert server.senders == ["bounces@members.example.com"]
        [letter] = server.letters
        assert letter["From"] == settings.DEFAULT_FROM_EMAIL


def test_a_mail_server_keeps_the_letter_while_the_database_is_away():
    ended = subprocess.run(
        [sys.executable, "manage.py", "take_bounce"],
        input=bounce("1-0123456789abcdef"),
        capture_output=True,
        env=os.environ | {"DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/none"},
        check=False,
    )

    assert ended.returncode == os.EX_TEMPFAIL
