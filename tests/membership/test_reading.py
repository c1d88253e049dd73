"""The language a member chose goes with the member: to the next login, other devices, messages."""

import pytest
from django.conf import settings
from django.test import Client

from members import operations as members
from messaging import operations as messaging
from messaging.models import Reader
from messaging.queries import reader
from tests.factories import member, plain
from tests.membership.test_web import PHONE, log_in, logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def one():
    plain()
    return member(phone=PHONE)


def choose(client, language, **options):
    return client.post("/language/", {"language": language, "next": "/"}, **options)


def cookie(response):
    return response.cookies[settings.LANGUAGE_COOKIE_NAME].value


def test_is_kept_with_the_member(one):
    client = logged_in(one)

    chosen = choose(client, "en")

    assert (chosen.status_code, chosen["Location"], cookie(chosen)) == (302, "/", "en")
    assert reader(one.pk).language == "en"
    assert client.get("/")["Content-Language"] == "en"


def test_comes_along_to_another_device(one):
    messaging.set_language(member_id=one.pk, language="zh-hant")
    other = Client(headers={"Accept-Language": "en"})
    assert other.get("/login/")["Content-Language"] == "en"

    log_in(other)

    assert other.get("/")["Content-Language"] == "zh-hant"


def test_what_was_chosen_before_the_login_is_kept_at_it(one):
    messaging.set_language(member_id=one.pk, language="zh-hant")
    client = Client()
    choose(client, "en")

    log_in(client)

    assert client.get("/")["Content-Language"] == "en"
    assert reader(one.pk).language == "en"


def test_who_chose_nothing_hears_from_us_as_they_read_at_their_first_login(one):
    log_in(Client(headers={"Accept-Language": "zh-hant"}))

    assert reader(one.pk).language == "zh-hant"

    log_in(Client(headers={"Accept-Language": "en"}))
    assert reader(one.pk).language == "zh-hant"


def test_leaves_the_members_clock_alone(one):
    messaging.set_reader(member_id=one.pk, language="", time_zone="Asia/Tokyo")

    choose(logged_in(one), "en")

    assert (reader(one.pk).language, reader(one.pk).time_zone) == ("en", "Asia/Tokyo")


def test_twice_is_once(one):
    client = logged_in(one)

    choose(client, "en")
    choose(client, "en")

    assert Reader.objects.count() == 1


@pytest.mark.parametrize("language", ["", "de", "xx", "zh-hans\x00", "../en"])
def test_languages_we_do_not_speak_change_nothing(one, language):
    client = logged_in(one)

    choose(client, language)

    assert reader(one.pk).language == ""


def test_a_look_changes_nothing(one):
    client = logged_in(one)

    client.get("/language/", {"language": "en"})

    assert reader(one.pk).language == ""


def test_the_settings_of_messages_are_the_same_choice(one):
    client = logged_in(one)

    saved = client.post("/messages/settings/", {"language": "zh-hant", "time_zone": ""})

    assert cookie(saved) == "zh-hant"
    assert client.get("/messages/settings/")["Content-Language"] == "zh-hant"


def test_lasts_longer_than_the_browser_is_open(one):
    chosen = choose(logged_in(one), "en").cookies[settings.LANGUAGE_COOKIE_NAME]

    assert (chosen["max-age"], chosen["samesite"], chosen["httponly"]) == (31_536_000, "Lax", True)


def test_a_blocked_login_keeps_nothing(one):
    user = members.login_for(member_id=one.pk)
    user.is_active = False
    user.save()
    client = Client()
    choose(client, "en")

    log_in(client)

    assert reader(one.pk).language == ""
