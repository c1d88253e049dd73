"""What is said to who is no member: an applicant who was turned down."""

from datetime import datetime, time, timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import get_default_timezone, localdate

from common import events
from common.models import OutboxEvent
from members import operations
from members.models import Application, ConsentChannel, RefusalReason
from messaging import applying
from messaging.models import Channel, Message
from tests.factories import rulebook, staff, store, wording
from tests.mail_server import mail_server
from tests.members.test_applications import wish

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(settings):
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def applied(at):
    rulebook(joining="approved_by_brand", application_days=30)
    return operations.join(
        wish=wish(
            store=store(),
            channel=ConsentChannel.API,
            profile={"email": "wang@example.com"},
        ),
        at=at,
    )


@pytest.fixture
def made():
    return applied(timezone.now())


def refuse(made):
    operations.refuse_application(
        application_id=made.pk, reason=RefusalReason.DETAILS, words="姓名不符", by=staff(),
        at=timezone.now(),
    )  # fmt: skip


def deliver():
    events.deliver_waiting(now=timezone.now())


def worded():
    return wording(Channel.SMS, template=applying.REFUSED, body="{application}：{reason}，{words}")


def test_is_told_by_text_message_if_staff_worded_it_and_by_mail(made, ali, post):
    worded()
    refuse(made)

    deliver()

    (sent,) = ali.sent
    assert "姓名不符" in str(sent)
    (letter,) = post.letters
    assert post.asked == ["wang@example.com"]
    assert "姓名不符" in letter.get_content()
    assert made.number in letter.get_content()
    assert not Message.objects.exists()


def test_a_second_try_after_a_failure_tells_nobody_twice(made, ali, post):
    worded()
    refuse(made)
    deliver()
    OutboxEvent.objects.update(delivered_at=None)

    deliver()

    assert len(ali.sent) == 1
    assert len({letter["Message-ID"] for letter in post.letters}) == 1


def test_a_provider_that_is_away_is_tried_again(made, accounts):
    accounts.SMS_PROVIDER, accounts.SMS_ENDPOINT = "aliyun", "http://127.0.0.1:9"
    worded()
    refuse(made)

    deliver()

    assert OutboxEvent.objects.get().delivered_at is None


def test_without_a_wording_and_an_address_nothing_is_sent(made, ali, post):
    Application.objects.filter(pk=made.pk).update(told="")
    refuse(made)

    deliver()

    assert ali.sent == []
    assert post.letters == []
    assert OutboxEvent.objects.get().delivered_at is not None


class TestLapsed:
    """Who waited in vain is told too, though not in the middle of the night."""

    def lapse(self, day):
        midnight = datetime.combine(day, time.min, get_default_timezone())
        made = applied(midnight - timedelta(days=31))
        assert operations.expire_applications(low=made.pk, high=made.pk, day=day, at=midnight) == 1
        return made

    def test_is_told_by_text_message_and_by_mail(self, ali, post):
        wording(Channel.SMS, template=applying.LAPSED, body="{application}")
        made = self.lapse(localdate() - timedelta(days=1))

        deliver()

        (sent,) = ali.sent
        assert made.number in str(sent)
        (letter,) = post.letters
        assert made.number in letter.get_content()

    def test_in_the_morning(self, ali, post, settings):
        settings.QUIET_HOURS = "22:00-08:00"
        tomorrow = localdate() + timedelta(days=1)
        self.lapse(tomorrow)

        deliver()

        assert post.letters == []
        event = OutboxEvent.objects.get()
        assert (event.delivered_at, event.attempts) == (None, 0)
        assert event.retry_at == datetime.combine(tomorrow, time(8), get_default_timezone())
