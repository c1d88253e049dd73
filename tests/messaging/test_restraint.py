"""When nothing is sent: a member's no, the night, enough for a day. And how members say no."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.signing import dumps
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from members import operations as members
from members.queries import UnknownMember
from messaging import operations, queries, restraint, stopping
from messaging.models import Channel, Choice, Delivery, Message, Purpose, Reader
from tests.factories import agree, member, message, plain, wording
from tests.factories.messaging import to_send
from tests.factories.points import NOON
from tests.mail_server import mail_server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("exact_waits")]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
ACCOUNT, MARKETING = Purpose.ACCOUNT, Purpose.MARKETING
EMAIL, SMS = Channel.EMAIL, Channel.SMS


@pytest.fixture
def mails(settings):
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.fixture
def logged_in():
    to = member(email="wang@example.com")
    client = Client()
    client.force_login(members.login_for(member_id=to.pk))
    return client, to


def deliver(channel=SMS, at=NOON):
    return operations.deliver_waiting(channel=channel, clock=lambda: at)


def choose(to, purpose, channel, *, is_wanted, at=NOON):
    return operations.choose(
        member_id=to.pk, wanted={(purpose, channel): is_wanted}, at=at, source="PAGE"
    )


def channels(said):
    rows = Delivery.objects.filter(message=said).values_list("channel", flat=True)
    return sorted(set(rows) - {"IN_APP"})


def outcome(said, channel=SMS):
    delivery = Delivery.objects.get(message=said, channel=channel)
    return delivery.state, delivery.attempts, delivery.retry_at


class TestChoices:
    def test_what_holds_at_first(self, ali):
        for template in ("tests.security", "tests.marketing", "tests.lapsing"):
            wording(template=template)
        to = member(email="wang@example.com")

        assert channels(message(to)) == ["EMAIL", "SMS"]
        assert channels(message(to, template="tests.security")) == ["EMAIL", "SMS"]
        assert (
            operations.send_many(template="tests.marketing", messages=[to_send(to)], at=NOON) == {}
        )

    def test_a_no_to_one_channel_leaves_the_others_and_the_inbox(self, ali):
        wording()
        to, other = member(email="wang@example.com"), member(email="li@example.com")
        choose(to, ACCOUNT, EMAIL, is_wanted=False)

        said = message(to)

        assert channels(said) == ["SMS"]
        assert said.delivered_at == NOON
        assert channels(message(other)) == ["EMAIL", "SMS"]

    def test_offers_reach_only_who_agreed_to_them_and_where_they_want_them(self):
        to, nobody = member(email="wang@example.com"), member(email="li@example.com")
        agree(to)
        assert channels(message(to, template="tests.marketing")) == ["EMAIL"]

        choose(to, MARKETING, EMAIL, is_wanted=False)
        assert channels(message(to, template="tests.marketing")) == []

        agree(to, is_given=False, at=NOON)
        asked = [to_send(to), to_send(nobody)]
        told = operations.send_many(template="tests.marketing", messages=asked, at=NOON)
        assert told == {}
        assert Message.objects.count() == 2

    def test_a_member_nobody_knows_is_no_member_who_did_not_agree(self):
        gone = operations.ToSend(
            member_id=0, key="k", variables={"points": 1, "last_day": NOON.date()}
        )
        with pytest.raises(UnknownMember):
            operations.send_many(template="tests.marketing", messages=[gone], at=NOON)

    def test_a_consent_taken_back_mid_campaign_stops_what_has_not_left(self, mails, receiver):
        """The first e-mails are gone when the member takes it back; then nothing more leaves."""
        many = [member(email=f"m{n}@example.com") for n in range(4)]
        for to in many:
            agree(to)
        said = [message(to, template="tests.marketing") for to in many]
        account = message(many[3])

        agree(many[2], is_given=False, at=NOON)
        agree(many[3], is_given=False, at=NOON)
        assert deliver(EMAIL) == 3

        assert [outcome(each, EMAIL)[0] for each in said] == [
            "SENT",
            "SENT",
            "UNWANTED",
            "UNWANTED",
        ]
        assert outcome(account, EMAIL)[0] == "SENT"
        deliver(Channel.WEBHOOK)
        assert [outcome(each, Channel.WEBHOOK)[0] for each in said[2:]] == ["UNWANTED"] * 2
        assert len(mails.subjects) == 3

    def test_a_no_stops_what_waits_and_security_never(self, mails):
        to = member(email="wang@example.com")
        said, warning = message(to), message(to, template="tests.security")
        choose(to, ACCOUNT, EMAIL, is_wanted=False)

        assert deliver(EMAIL) == 1

        assert outcome(said, EMAIL) == ("UNWANTED", 0, None)
        assert outcome(warning, EMAIL)[0] == "SENT"
        assert deliver(EMAIL, NOON + DAY) == 0

    def test_every_choice_is_kept_and_only_changes_are_noted(self):
        to = member()
        assert choose(to, ACCOUNT, EMAIL, is_wanted=True) == 0
        assert choose(to, ACCOUNT, EMAIL, is_wanted=False) == 1
        assert choose(to, ACCOUNT, EMAIL, is_wanted=False) == 0
        assert choose(to, ACCOUNT, EMAIL, is_wanted=True, at=NOON + DAY) == 1

        kept = list(Choice.objects.order_by("pk").values_list("is_wanted", "made_at", "source"))
        assert kept == [(False, NOON, "PAGE"), (True, NOON + DAY, "PAGE")]
        assert queries.choices(to.pk)[ACCOUNT, EMAIL] is True

    def test_the_database_keeps_the_history_and_refuses_a_no_to_security(self):
        to = member()
        choose(to, ACCOUNT, EMAIL, is_wanted=False)
        with pytest.raises(Exception, match="append"), transaction.atomic():
            Choice.objects.update(is_wanted=True)
        with pytest.raises(IntegrityError, match="security_has_none"), transaction.atomic():
            choose_raw(to, "SECURITY", "EMAIL")
        with pytest.raises(IntegrityError, match="leaves_the_house"), transaction.atomic():
            choose_raw(to, "ACCOUNT", "IN_APP")


def choose_raw(to, purpose, channel):
    Choice.objects.create(
        member=to,
        purpose=purpose,
        channel=channel,
        is_wanted=False,
        made_at=NOON,
        source="PAGE",
    )


class TestQuietHours:
    @pytest.mark.parametrize(
        ("local", "until"),
        [
            ("2026-06-15 21:59", None),
            ("2026-06-15 22:00", "2026-06-16 08:00"),
            ("2026-06-16 00:00", "2026-06-16 08:00"),
            ("2026-06-16 07:59", "2026-06-16 08:00"),
            ("2026-06-16 08:00", None),
            ("2028-02-28 23:00", "2028-02-29 08:00"),
        ],
    )
    def test_end_in_the_morning(self, local, until):
        now = datetime.fromisoformat(local).replace(tzinfo=SHANGHAI)
        wanted = until and datetime.fromisoformat(until).replace(tzinfo=SHANGHAI)
        assert restraint.quiet_until(now, SHANGHAI) == wanted

    def test_within_a_day_and_none_at_all(self, settings):
        settings.QUIET_HOURS = "12:00-14:00"
        assert restraint.quiet_until(NOON, SHANGHAI) == NOON + 2 * HOUR
        assert restraint.quiet_until(NOON + 2 * HOUR, SHANGHAI) is None
        settings.QUIET_HOURS = ""
        assert restraint.quiet_until(NOON, SHANGHAI) is None

    def test_the_night_clocks_change_ends_at_eight_too(self):
        berlin = ZoneInfo("Europe/Berlin")
        night = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
        end = restraint.quiet_until(night, berlin)
        assert end.astimezone(UTC) == datetime(2026, 10, 25, 7, tzinfo=UTC)

    def test_a_text_message_waits_for_the_members_morning_and_is_charged_nothing(self, ali):
        wording()
        night = NOON + 11 * HOUR  # eleven at night in Shanghai, afternoon in London
        here, there = member(), member()
        operations.set_reader(member_id=there.pk, language="", time_zone="Europe/London")
        kept, told = message(here, at=night), message(there, at=night)

        assert deliver(at=night) == 1

        assert outcome(told)[0] == "SENT"
        morning = NOON + 20 * HOUR
        assert outcome(kept) == ("WAITING", 0, morning)
        assert deliver(at=morning - HOUR) == 0
        assert deliver(at=morning) == 1

    def test_security_rings_at_night_and_an_email_does_not_ring(self, ali, mails):
        wording(template="tests.security")
        night = NOON + 11 * HOUR
        to = member(email="wang@example.com")
        message(to, at=night, template="tests.security")
        message(to, at=night)

        assert [deliver(at=night), deliver(EMAIL, night)] == [1, 2]


class TestEnoughForADay:
    def test_the_rest_waits_until_the_first_is_a_day_old(self, ali, settings):
        settings.MESSAGES_PER_DAY = {"SMS": "2"}
        wording()
        to, other = member(), member()
        for _ in range(3):
            message(to)
        message(other)

        assert deliver() == 3
        assert deliver(at=NOON + 2 * HOUR) == 0
        assert Delivery.objects.filter(channel="SMS", state="WAITING", attempts=0).count() == 1
        assert deliver(at=NOON + DAY + 2 * HOUR) == 1

    def test_security_is_not_counted_out(self, ali, settings):
        settings.MESSAGES_PER_DAY = {"SMS": "1"}
        wording()
        wording(template="tests.security")
        to = member()
        message(to)
        assert deliver() == 1
        message(to, template="tests.security")
        assert deliver() == 1

    def test_what_would_wait_for_a_week_is_given_up(self, ali, settings):
        settings.MESSAGES_PER_DAY = {"SMS": "1"}
        wording()
        to = member()
        old, new = message(to, at=NOON - 7 * DAY + HOUR / 2), message(to, at=NOON)
        Delivery.objects.filter(message=old, channel="SMS").update(retry_at=NOON)
        Delivery.objects.filter(message=new, channel="SMS").update(retry_at=NOON - HOUR)

        assert deliver() == 1
        assert outcome(old)[0] == "DEAD"


class TestOneClick:
    def letter(self, mails, **options):
        plain()
        to = member(email="wang@example.com")
        message(to, **options)
        deliver(EMAIL)
        return to, mails.letters[-1]

    def link(self, letter, settings):
        [link] = re.findall(r"<(.+)>", letter["List-Unsubscribe"])
        assert link.startswith(f"{settings.SITE_URL}/messages/stop/")
        return link.removeprefix(settings.SITE_URL)

    def test_the_mail_programs_button_stops_them_without_a_login(self, mails, settings):
        to, letter = self.letter(mails)
        assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        client = Client(enforce_csrf_checks=True)
        link = self.link(letter, settings)
        assert link in letter.get_content().replace("=\n", "")

        for _ in range(2):
            answer = client.post(link, {"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200

        [choice] = Choice.objects.all()
        assert (choice.member, choice.purpose, choice.channel) == (to, "ACCOUNT", "EMAIL")
        assert (choice.is_wanted, choice.source) == (False, "LINK")
        assert channels(message(to)) == []

    def test_to_look_at_the_link_stops_nothing(self, mails, settings):
        _to, letter = self.letter(mails)

        page = Client().get(self.link(letter, settings))

        assert page.status_code == 200
        assert "<form" in page.content.decode()
        assert not Choice.objects.exists()

    def test_a_link_nobody_signed_is_not_found(self):
        real = stopping.token(number=member().number, purpose=ACCOUNT, channel=EMAIL)
        forged = dumps([member().number, "ACCOUNT", "EMAIL"], salt="guess")
        for token in (forged, real[:-1], real[1:], "x", "𠮷"):
            url = reverse("messaging:stop", args=[token])
            assert Client().get(url).status_code == 404
            assert Client().post(url).status_code == 404
        assert not Choice.objects.exists()

    def test_a_security_message_has_none(self, mails):
        _to, letter = self.letter(mails, template="tests.security")
        assert letter["List-Unsubscribe"] is None


class TestSettingsPage:
    url = "/messages/settings/"

    def test_shows_and_saves_what_the_member_wants(self, logged_in):
        client, to = logged_in
        agree(to)
        page = client.get(self.url).content.decode()
        assert len(re.findall(r'type="checkbox"[^>]* checked', page)) == 9
        assert 'name="CREDIT-EMAIL"' in page
        assert not re.search(r'name="CREDIT-EMAIL"[^>]* checked', page)

        answer = client.post(
            self.url,
            {
                "asked": ["ACCOUNT", "CREDIT", "DEBIT", "MARKETING"],
                "CREDIT-WECHAT": "on",
                "ACCOUNT-SMS": "on",
                "MARKETING-EMAIL": "on",
                "language": "en",
                "time_zone": "Asia/Tokyo",
            },
        )

        assert answer.status_code == 302
        wanted = {pair for pair, is_wanted in queries.choices(to.pk).items() if is_wanted}
        assert wanted == {(ACCOUNT, SMS), (Purpose.CREDIT, Channel.WECHAT), (MARKETING, EMAIL)}
        reader = Reader.objects.get(member=to)
        assert (reader.language, reader.time_zone) == ("en", "Asia/Tokyo")

    def test_asks_where_to_send_offers_only_who_agreed_to_them(self, logged_in):
        client, to = logged_in
        page = client.get(self.url).content.decode()
        assert len(re.findall(r'type="checkbox"', page)) == 9
        assert "MARKETING" not in page

        client.post(self.url, {"asked": ["ACCOUNT", "CREDIT", "DEBIT"], "language": ""})

        wanted = {pair for pair, is_wanted in queries.choices(to.pk).items() if is_wanted}
        assert wanted == {pair for pair in queries.CHOSEN if pair[0] == MARKETING}

    def test_emails_come_in_the_language_chosen(self, logged_in, mails):
        client, to = logged_in
        client.post(self.url, {"ACCOUNT-EMAIL": "on", "language": "en", "time_zone": ""})
        message(to)
        deliver(EMAIL)
        assert mails.subjects == ["1,200 points expire soon"]

    def test_nonsense_changes_nothing(self, logged_in):
        client, _to = logged_in
        for given in ({"language": "xx"}, {"time_zone": "Mars/Olympus"}):
            assert client.post(self.url, given).status_code == 200
        assert not Choice.objects.exists()
        assert not Reader.objects.exists()

    def test_is_for_members_only(self, client):
        assert client.get(self.url).status_code == 302
        assert client.post(self.url).status_code == 302

    def test_asks_few_queries(self, logged_in, django_assert_max_num_queries):
        client, _to = logged_in
        with django_assert_max_num_queries(9):
            client.get(self.url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM messaging_choice")
            assert cursor.fetchone() == (0,)
