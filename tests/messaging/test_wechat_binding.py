"""A member binds their WeChat by 网页授权, over a server that speaks the protocol."""

from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from django.test import Client
from django.utils import timezone

from members import operations as members
from messaging import operations
from messaging.models import Channel, Delivery, Follower, Message
from tests.factories import member, message, wording
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
CHOICES = "/messages/settings/"


@pytest.fixture
def weixin(weixin, settings):
    settings.WECHAT_OPEN_ENDPOINT = weixin.url
    return weixin


def logged_in(to=None):
    to = to or member(phone="", email="")
    client = Client()
    client.force_login(members.login_for(member_id=to.pk))
    return client, to


def to_wechat(client):
    """Where WeChat sends the browser back to."""
    away = client.get("/messages/wechat/")
    assert away.status_code == 302
    assert away["Location"].endswith("#wechat_redirect")
    answer = urllib3.request("GET", away["Location"], redirect=False)
    assert answer.status == 302
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def test_binds_and_messages_go_there(weixin):
    client, to = logged_in()

    answer = client.get(to_wechat(client), follow=True)

    assert Follower.objects.get(member=to).openid == weixin.openid
    assert "?wechat=bound" in answer.redirect_chain[-1][0]
    assert "/messages/wechat/unbind/" in answer.content.decode()
    told = Message.objects.get(member=to)
    assert told.template == "messaging.follower_bound", "it may not have been the member"
    wording(Channel.WECHAT)
    message(to, at=NOON)
    assert operations.deliver_waiting(channel=Channel.WECHAT, clock=lambda: NOON) == 1
    assert weixin.sent[0]["touser"] == weixin.openid


def test_what_comes_back_is_good_once(weixin):
    client, to = logged_in()
    back = to_wechat(client)
    client.get(back)
    operations.unbind_follower(member_id=to.pk)

    answer = client.get(back)

    assert "wechat=refused" in answer["Location"]
    assert not Follower.objects.exists()


@pytest.mark.parametrize("given", ["", "0" * 32, "𠮷"])
def test_nobody_binds_another_by_a_link_of_their_own(weixin, given):
    """Login CSRF: the code is the attacker's, the session the victim's."""
    attacker, _mallory = logged_in()
    code = parse_qs(urlsplit(to_wechat(attacker)).query)["code"][0]
    victim, _to = logged_in()
    victim.get("/messages/wechat/")

    answer = victim.get("/messages/wechat/back/", {"code": code, "state": given})

    assert "wechat=refused" in answer["Location"]
    assert not Follower.objects.exists()
    assert weixin.codes[code] is False, "it was not even asked for"


def test_without_having_been_sent_nothing_is_bound(weixin):
    client, _to = logged_in()
    assert "refused" in client.get("/messages/wechat/back/?code=x&state=")["Location"]
    assert "refused" in client.get("/messages/wechat/back/?code=x")["Location"]


def test_who_comes_back_too_late_starts_again(weixin, monkeypatch):
    client, _to = logged_in()
    back = to_wechat(client)
    session = client.session
    state, since = session["wechat_state"]
    session["wechat_state"] = [state, since - 601]
    session.save()

    assert "refused" in client.get(back)["Location"]


@pytest.mark.parametrize(
    ("code", "said"), [(40029, "invalid code"), (-1, "system error"), (40163, "code been used")]
)
def test_what_wechat_does_not_tell_binds_nobody(weixin, code, said):
    client, _to = logged_in()
    back = to_wechat(client)
    weixin.answers.append(weixin.error(code, said))

    assert "refused" in client.get(back)["Location"]
    assert not Follower.objects.exists()


def test_unbinding_ends_it_at_once(weixin):
    client, to = logged_in()
    client.get(to_wechat(client))

    assert client.get("/messages/wechat/unbind/").status_code == 405
    assert "unbound" in client.post("/messages/wechat/unbind/")["Location"]

    assert not Follower.objects.exists()
    wording(Channel.WECHAT)
    said = message(to, at=timezone.now())
    assert not Delivery.objects.filter(message=said, channel="WECHAT").exists()


def test_without_an_official_account_there_is_nothing_to_bind():
    client, _to = logged_in()
    for path in ("", "back/", "unbind/"):
        assert client.get(f"/messages/wechat/{path}").status_code == 404
    assert "wechat" not in client.get(CHOICES).content.decode().lower().replace("-wechat", "")


def test_strangers_are_asked_to_log_in(weixin):
    answer = Client().get("/messages/wechat/back/?code=x&state=y")
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]
