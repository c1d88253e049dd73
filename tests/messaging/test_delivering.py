"""E-mails over a real mail server: what it takes, what it refuses, and when it is away."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection
from django.utils import timezone

from common.models import AuditRecord
from members import operations as members
from messaging import operations, tasks
from messaging.channels import Letters
from messaging.models import Channel, Delivery, Message
from messaging.operations import _delivering
from tests.concurrency.racing import at_once
from tests.factories import member, message, plain, staff
from tests.factories.points import NOON
from tests.mail_server import HANG_UP, mail_server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exact_waits")]
ADDRESS = "Wang.Xiaoming@example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def server(settings):
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_TIMEOUT = 5
        yield server


def deliver(at=NOON, **options):
    return operations.deliver_waiting(channel=Channel.EMAIL, clock=lambda: at, **options)


def said(address=ADDRESS, *, at=NOON):
    """The e-mail to a member who can be reached by e-mail only."""
    one = message(member(phone="", email=address), at=at)
    return Delivery.objects.get(message=one, channel="EMAIL")


def our_log(caplog):
    """What we log; the server of the tests logs each line it hears."""
    return "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("messaging")
    )


def outcome(delivery):
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts, delivery.error


class TestTaken:
    def test_the_message_is_delivered_in_the_programmes_language(self, server, settings):
        plain()
        delivery = said()

        assert deliver() == 1

        [letter] = server.letters
        assert letter["Subject"] == "1,200 积分即将到期"
        assert letter["To"] == ADDRESS
        assert letter["From"] == settings.DEFAULT_FROM_EMAIL
        assert letter["Auto-Submitted"] == "auto-generated"
        text = letter.get_content().replace("\r\n", "\n")
        assert text.startswith("最后可用日：2026年12月31日。\n\n")
        assert f"{settings.SITE_URL}/messages/" in text
        delivery.refresh_from_db()
        assert (delivery.state, delivery.sent_at, delivery.retry_at) == ("SENT", NOON, None)
        assert delivery.provider_id == letter["Message-ID"]
        assert delivery.message.delivered_at == NOON

    def test_a_later_email_does_not_change_when_the_inbox_was_reached(self, server):
        one = message(member(email=ADDRESS))

        deliver(NOON + HOUR)

        one.refresh_from_db()
        assert one.delivered_at == NOON
        assert Delivery.objects.get(message=one, channel="EMAIL").sent_at == NOON + HOUR

    def test_once(self, server):
        said()

        assert [deliver(), deliver(NOON + DAY)] == [1, 0]
        assert len(server.letters) == 1

    def test_nothing_before_its_time(self, server):
        said(at=NOON + HOUR)

        assert [deliver(), deliver(NOON + HOUR)] == [0, 1]

    def test_many_over_one_connection_oldest_first(self, server, monkeypatch):
        connections = []
        monkeypatch.setattr(
            EmailBackend,
            "_close_connection",
            lambda self, one: (connections.append(one), one.quit()),
        )
        ages = [3, 1, 2]
        keys = [said(f"m{age}@example.com", at=NOON - age * HOUR).message.key for age in ages]

        assert deliver() == 3

        assert server.asked == ["m3@example.com", "m2@example.com", "m1@example.com"]
        assert len(connections) == 1
        assert len({letter["Message-ID"] for letter in server.letters}) == len(set(keys)) == 3

    def test_nothing_due_opens_no_connection(self, settings, django_assert_num_queries):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_PORT = 1

        with django_assert_num_queries(2):
            assert deliver() == 0

    def test_stops_when_its_time_is_over_and_leaves_the_rest(self, server):
        for n in range(3):
            said(f"m{n}@example.com")
        ticks = iter(NOON + timedelta(seconds=n) for n in range(100))

        sent = operations.deliver_waiting(
            channel=Channel.EMAIL, clock=lambda: next(ticks), seconds=4
        )

        assert 1 <= sent < 3
        assert (
            Delivery.objects.filter(state="WAITING", channel="EMAIL", attempts=0).count()
            == 3 - sent
        )

    def test_the_task_sends(self, server):
        to = member(phone="", email=ADDRESS)
        message(to, at=timezone.now())

        tasks.deliver_waiting()

        assert len(server.letters) == 1


class TestRefused:
    @pytest.mark.parametrize(
        ("step", "answer", "error"),
        [
            ("to_recipient", "550 5.1.1 no such mailbox", "550 5.1.1 no such mailbox"),
            ("to_recipient", "552 mailbox full", "552 mailbox full"),
            ("to_data", "554 5.7.1 looks like spam", "554 5.7.1 looks like spam"),
        ],
    )
    def test_for_good_by_5xx(self, server, step, answer, error):
        delivery = said()
        getattr(server, step).append(answer)

        assert [deliver(), deliver(NOON + DAY)] == [0, 0]

        assert outcome(delivery) == ("FAILED", 1, error)
        assert delivery.message.delivered_at is None
        assert server.letters == []

    def test_one_refusal_keeps_no_other_back(self, server):
        first, other = said(at=NOON - HOUR), said("li@example.com")
        server.to_recipient.append("550 no")

        assert deliver() == 1

        assert (outcome(first)[0], outcome(other)[0]) == ("FAILED", "SENT")

    def test_what_the_server_says_is_kept_without_the_address(self, server, caplog):
        delivery = said()
        server.to_recipient.append(f"550 <{ADDRESS.lower()}>: user unknown")

        deliver()

        assert outcome(delivery)[2] == "550 <W***@example.com>: user unknown"
        assert "xiaoming" not in our_log(caplog).lower()

    def test_who_has_no_address_any_more(self, server):
        delivery = said()
        members.update_profile(
            member_id=delivery.message.member_id, changes={"email": ""}, at=NOON, by=None, reason=""
        )

        deliver()

        assert outcome(delivery) == ("FAILED", 1, "no_address")
        assert server.asked == []

    def test_whose_membership_ended(self, server):
        delivery = said()
        members.close(member_id=delivery.message.member_id, closed_at=NOON, by=None, reason="wish")

        deliver()

        assert outcome(delivery) == ("FAILED", 1, "membership_ended")
        assert server.asked == []

    def test_a_new_address_is_the_one_that_counts(self, server):
        delivery = said()
        members.update_profile(
            member_id=delivery.message.member_id,
            changes={"email": "new@example.com"},
            at=NOON,
            by=None,
            reason="",
        )

        assert deliver() == 1
        assert server.asked == ["new@example.com"]


class TestNotNow:
    @pytest.mark.parametrize(
        ("step", "answer", "error"),
        [
            ("to_recipient", "450 4.2.0 greylisted", "450 4.2.0 greylisted"),
            ("to_data", "451 try later", "451 try later"),
            # Whom the server does not let send: our settings' fault.
            ("to_sender", "550 not you", "550 not you"),
        ],
    )
    def test_is_tried_again_in_five_minutes(self, server, step, answer, error):
        delivery = said()
        getattr(server, step).append(answer)

        assert deliver() == 0
        assert outcome(delivery) == ("WAITING", 1, error)
        assert deliver(NOON + 5 * MINUTE - timedelta(seconds=1)) == 0
        assert deliver(NOON + 5 * MINUTE) == 1

        assert outcome(delivery) == ("SENT", 2, "")
        assert delivery.message.delivered_at == NOON + 5 * MINUTE

    @pytest.mark.parametrize("step", ["to_sender", "to_recipient", "to_data"])
    def test_a_server_that_hangs_up_is_called_again_for_the_next(self, server, step):
        first, other = said(at=NOON - HOUR), said("li@example.com")
        getattr(server, step).append(HANG_UP)

        assert deliver() == 1

        assert outcome(first)[:2] == ("WAITING", 1)
        assert outcome(other)[0] == "SENT"

    def test_a_server_that_falls_silent_is_left(self, server, settings):
        settings.EMAIL_TIMEOUT = 0.2
        delivery = said()
        server.speaks.clear()

        assert deliver() == 0

        assert outcome(delivery) == (
            "WAITING",
            1,
            "SMTPServerDisconnected: Connection unexpectedly closed: timed out",
        )

    def test_waits_double_up_to_six_hours_and_then_it_is_given_up(self, server, caplog):
        delivery = said()
        server.to_data += ["451 no"] * 99
        now, waits = NOON, []
        while outcome(delivery)[0] == "WAITING":
            waits.append(delivery.retry_at - now)
            now = delivery.retry_at
            deliver(now)

        minutes = [wait / MINUTE for wait in waits[1:]]
        assert minutes == [5, 10, 20, 40, 80, 160, 320, 360, 360, 360, 360]
        assert outcome(delivery) == ("DEAD", 12, "451 no")
        assert "given up" in our_log(caplog)
        assert deliver(now + DAY) == 0

    def test_an_address_no_server_could_take_harms_no_other(self, server, caplog):
        broken, other = said("a\nb@example.com", at=NOON - HOUR), said()

        assert deliver() == 1

        state, attempts, error = outcome(broken)
        assert (state, attempts) == ("WAITING", 1)
        assert "example" not in error + our_log(caplog)
        assert outcome(other)[0] == "SENT"

    def test_a_template_of_a_later_release_waits_for_it(self, server):
        broken, _good = said(at=NOON - HOUR), said("li@example.com")
        Message.objects.filter(pk=broken.message_id).update(template="tests.of_tomorrow")

        assert deliver() == 1

        assert outcome(broken) == ("WAITING", 1, "UnknownTemplate")


class TestNoConnection:
    def test_nothing_is_charged_and_all_goes_when_the_server_is_back(self, server, caplog):
        deliveries = [said(f"m{n}@example.com") for n in range(3)]
        server.stop()

        assert deliver() == 0

        assert [outcome(one) for one in deliveries] == [("WAITING", 0, "")] * 3
        assert "cannot be reached" in our_log(caplog)

    def test_a_wrong_password_is_nobodys_refusal(self, server, settings, caplog):
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"
        delivery = said()

        assert deliver() == 0

        assert outcome(delivery) == ("WAITING", 0, "")
        assert "cannot be reached: 535" in our_log(caplog)

    def test_what_nobody_could_send_for_a_week_is_given_up(self, server):
        old, still_good = said(at=NOON - 7 * DAY - HOUR), said(at=NOON - 7 * DAY)

        assert deliver() == 1

        assert outcome(old) == ("DEAD", 0, "too_late")
        assert outcome(still_good)[0] == "SENT"


class TestTryAgain:
    def test_from_the_first_attempt_with_a_record(self, server):
        boss = staff()
        refused, given_up, sent = said(), said("li@example.com"), said("ok@example.com")
        server.to_recipient.append("550 no")
        deliver()
        Delivery.objects.filter(pk=given_up.pk).update(
            state="DEAD", attempts=12, sent_at=None, error="451 no"
        )

        count = operations.try_again(
            delivery_ids=[refused.pk, given_up.pk, sent.pk], now=NOON + 30 * DAY, by=boss
        )

        assert count == 2
        assert outcome(refused) == ("WAITING", 0, "550 no")
        assert outcome(given_up) == ("WAITING", 0, "451 no")
        assert outcome(sent)[0] == "SENT"
        numbers = {one.message.member.number for one in (refused, given_up)}
        records = AuditRecord.objects.filter(action="delivery.retried", actor=boss)
        assert {record.target for record in records} == numbers
        assert deliver(NOON + 30 * DAY) == 2
        assert operations.try_again(delivery_ids=[refused.pk], now=NOON, by=boss) == 0


def database_url():
    return "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)


@pytest.mark.django_db(transaction=True)
class TestWorkers:
    def worker(self, server):
        url = f"smtp://127.0.0.1:{server.port}"
        return subprocess.Popen(
            [sys.executable, "-m", "tests.messaging.killed"],
            env=os.environ | {"DATABASE_URL": database_url(), "EMAIL_URL": url},
            stdout=subprocess.PIPE,
            text=True,
        )

    def test_killed_while_the_server_answers_it_is_sent_again_under_the_same_name(self, server):
        """The server has the e-mail, we do not know: SMTP cannot do better, the name must."""
        now = timezone.now()
        delivery = said(at=now)
        server.speaks.clear()
        killed = self.worker(server)
        assert server.has_taken.wait(30)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        server.speaks.set()
        assert outcome(delivery) == ("WAITING", 1, "")

        assert deliver(now + MINUTE) == 0, "nobody knows yet that it was killed"
        assert deliver(now + 15 * MINUTE) == 1

        assert outcome(delivery) == ("SENT", 2, "")
        names = [letter["Message-ID"] for letter in server.letters]
        assert names == [delivery.provider_id] * 2

    def test_killed_before_the_server_has_it_nothing_is_lost_and_nothing_doubled(
        self, server, monkeypatch
    ):
        now = timezone.now()
        first, other = said(at=now - HOUR), said("li@example.com", at=now)

        def die(*args):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Letters, "send", die)
            with pytest.raises(KeyboardInterrupt):
                deliver(now)
        assert server.letters == []

        assert deliver(now) == 1
        assert deliver(now + 11 * MINUTE) == 1

        assert sorted(letter["To"] for letter in server.letters) == sorted(
            [ADDRESS, "li@example.com"]
        )
        assert outcome(first)[0] == outcome(other)[0] == "SENT"

    def test_one_that_kills_its_worker_each_time_is_given_up(self, server):
        delivery = said()
        Delivery.objects.filter(pk=delivery.pk).update(attempts=12)

        assert deliver() == 0

        assert outcome(delivery) == ("DEAD", 13, "worker_lost")
        assert server.letters == []

    def test_who_comes_back_too_late_notes_nothing(self, server):
        """A host that slept over its lease: somebody else's attempt stands."""
        delivery = said()
        letters = Letters()
        late = _delivering._take(Channel.EMAIL, NOON, letters)
        assert deliver(NOON + HOUR) == 1
        server.to_recipient.append("550 no")

        letters.open()
        _delivering._attempt(late, letters, lambda: NOON + HOUR, {})
        letters.close()

        assert outcome(delivery) == ("SENT", 2, "")

    @pytest.mark.concurrency
    @pytest.mark.parametrize("claimed", [True, False])
    def test_two_at_once_send_each_email_once(self, server, monkeypatch, claimed):
        count = 30
        for n in range(count):
            said(f"m{n}@example.com")
        if not claimed:
            # The control: whoever only looks sends what the other sends too.
            monkeypatch.setattr(
                _delivering,
                "_take",
                lambda channel, now, _: list(
                    _delivering._due(channel, now).select_related("message__member")[:1]
                ),
            )

        at_once(deliver, deliver)

        twice = len(server.asked) - len(set(server.asked))
        assert set(server.asked) == {f"m{n}@example.com" for n in range(count)}
        assert (twice == 0) is claimed
        assert Delivery.objects.filter(channel="EMAIL", state="SENT").count() == count
