import importlib
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import NoReverseMatch, clear_url_caches, reverse

import membership.site_urls
import membership.urls
import messaging.urls
from members import operations as members
from messaging import operations, queries
from messaging.models import Message, SandboxCode
from messaging.nightly import forget_old_codes
from programme import queries as programme
from tests.factories import member, message
from tests.factories.messaging import PLURAL
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def sent(phone, code, at=NOW):
    return SandboxCode.objects.create(phone=phone, code=code, sent_at=at)


def logged_in(of):
    client = Client()
    client.force_login(members.login_for(member_id=of.pk))
    return client


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def subjects(response):
    found = re.findall(r'<h2 class="line-title">([\d,]+) ', response.content.decode())
    return [int(points.replace(",", "")) for points in found]


class TestInboxPage:
    @pytest.fixture
    def who(self):
        return member()

    @pytest.fixture
    def client(self, who):
        return logged_in(who)

    def test_shows_messages_newest_first_in_the_readers_language(self, client, who):
        message(who, points=1)
        message(who, points=2000)

        text = text_of(client.get("/messages/"))
        english = text_of(client.get("/messages/", headers={"Accept-Language": "en"}))

        assert text.index("2,000 积分即将到期") < text.index("1 积分即将到期")
        assert "最后可用日：2026年12月31日。" in text
        assert "2,000 points expire soon" in english
        assert "Last day: Dec. 31, 2026." in english

    def test_nobody_sees_what_was_said_to_others(self, client, who):
        bob, charlie = member(), member()
        message(bob, points=777)
        mine = message(who, points=5)
        message(charlie, points=888)

        assert subjects(client.get("/messages/")) == [5]
        assert subjects(client.get(f"/messages/?before={mine.pk + 10}")) == [5]
        assert Message.objects.exclude(member=who).filter(read_at=None).count() == 2

    def test_to_see_is_to_read_and_the_first_time_it_is_new(self, client, who):
        message(who)

        first, second = client.get("/messages/"), client.get("/messages/")

        assert first.content.decode().count("is-new") == 1
        assert second.content.decode().count("is-new") == 0
        assert Message.objects.get().read_at is not None

    def test_what_is_not_shown_is_not_read(self, client, who):
        for n in range(25):
            message(who, points=n + 1)

        client.get("/messages/")

        assert queries.unread_count(who.pk) == 5

    def test_the_navigation_counts_what_is_unread(self, client, who):
        assert 'class="badge"' not in client.get("/").content.decode()
        for _ in range(3):
            message(who)
        message()

        assert re.search(r'class="badge">3<', client.get("/statement/").content.decode())
        client.get("/messages/")
        assert 'class="badge"' not in client.get("/").content.decode()

    def test_the_badge_ends_at_99(self, client, who):
        for _ in range(101):
            message(who)

        assert re.search(r'class="badge">99\+<', client.get("/").content.decode())

    def test_pages_by_message_without_counting(self, client, who, many_before):
        said = [message(who, points=n + 1).pk for n in range(45)]

        first = client.get("/messages/")
        older = re.search(r'href="\?([^"]+)"', first.content.decode())[1]
        second = client.get(f"/messages/?{older}")
        last = client.get(f"/messages/?before={said[5]}")

        assert subjects(first) == list(range(45, 25, -1))
        assert older == f"before={said[25]}"
        assert subjects(second) == list(range(25, 5, -1))
        assert subjects(last) == [5, 4, 3, 2, 1]
        assert 'href="/messages/">' in second.content.decode()

    @pytest.mark.parametrize(
        "before", ["", "x", "-1", "1" * 30, "٣", "1 OR 1=1", "0x10", "1e3", "\0"]
    )
    def test_a_place_that_makes_no_sense_is_the_beginning(self, client, who, before):
        message(who, points=5)

        response = client.get("/messages/", {"before": before})

        assert subjects(response) == [5]

    def test_htmx_gets_the_list_alone(self, client, who):
        for _ in range(21):
            message(who)
        newest = Message.objects.latest("pk").pk

        part = client.get(f"/messages/?before={newest}", headers={"HX-Request": "true"})

        text = part.content.decode()
        assert "<html" not in text
        assert text.count("autofocus") == 1
        assert part["Vary"].startswith("HX-Request")

    @pytest.mark.parametrize("count", [1, 60])
    def test_costs_the_same_queries_however_many(
        self, client, who, count, django_assert_num_queries
    ):
        for _ in range(count):
            message(who)
        programme.forget_cached()

        # session, user with member; messages and how staff word them; between two savepoints, two
        # that note them as read; the programme's name; what is unread
        with django_assert_num_queries(10):
            client.get("/messages/")
        with django_assert_num_queries(4):
            client.get("/messages/?before=1")

    def test_an_empty_inbox_says_what_will_come(self, client):
        response = client.get("/messages/", headers={"Accept-Language": "en"})

        assert "Nothing here yet." in text_of(response)

    def test_asks_for_a_login_first(self):
        assert Client().get("/messages/")["Location"] == "/login/?next=/messages/"

    def test_is_never_kept_by_a_cache(self, client):
        assert "no-store" in client.get("/messages/")["Cache-Control"]

    def test_what_a_text_contains_is_escaped(self, client, who):
        operations.send(
            member_id=who.pk,
            template=PLURAL,
            key="k",
            variables={"points": 2, "worth": Decimal("1.00"), "store": "<script>x</script>"},
            at=NOON,
        )

        text = client.get("/messages/").content.decode()

        assert "<script>x" not in text
        assert "&lt;script&gt;x" in text

    def test_a_message_of_a_template_that_is_gone_harms_no_other(self, client, who):
        gone, _good = message(who), message(who, points=5)
        Message.objects.filter(pk=gone.pk).update(template="tests.gone")

        response = client.get("/messages/", headers={"Accept-Language": "en"})

        assert response.status_code == 200
        assert subjects(response) == [5]
        assert "This message can no longer be shown." in text_of(response)

    def test_who_is_not_activated_yet_but_reads_was_reached(self):
        someone = member(active=False)
        message(someone)

        logged_in(someone).get("/messages/")

        assert Message.objects.get().delivered_at is not None


class TestSandboxCodesPage:
    def test_shows_phone_and_code_newest_first(self, client):
        sent("+8613800138000", "111111")
        sent("+8613900139000", "222222", NOW + timedelta(seconds=1))

        text = client.get("/sandbox/codes/").content.decode()

        assert text.index("222222") < text.index("111111")
        assert "+8613800138000" in text
        assert "<html" in text

    def test_htmx_gets_the_list_alone(self, client):
        sent("+8613800138000", "111111")

        text = client.get("/sandbox/codes/", headers={"HX-Request": "true"}).content.decode()

        assert "111111" in text
        assert "<html" not in text

    def test_an_empty_page_says_what_to_do(self, client):
        assert "还没有验证码" in client.get("/sandbox/codes/").content.decode()

    def test_costs_two_queries(self, client, django_assert_num_queries):
        for n in range(60):
            sent("+8613800138000", f"{n:06d}")

        with django_assert_num_queries(2):  # the programme's name; the codes
            client.get("/sandbox/codes/")

    def test_codes_are_sealed_in_the_database(self, django_assert_num_queries):
        from django.db import connection

        sent("+8613800138000", "111111")

        with connection.cursor() as cursor:
            cursor.execute("SELECT phone, code FROM messaging_sandboxcode")
            assert [value[:3] for value in cursor.fetchone()] == ["k1:", "k1:"]

    def test_the_night_forgets_codes_of_the_day_before_yesterday(self):
        yesterday = datetime(2026, 6, 13, 16, tzinfo=UTC)
        sent("+8613800138000", "111111", yesterday - timedelta(seconds=1))
        kept = sent("+8613800138000", "222222", yesterday)

        assert forget_old_codes(day=date(2026, 6, 15)) == {"codes": 1}
        assert forget_old_codes(day=date(2026, 6, 15)) == {"codes": 0}

        assert [code.pk for code in SandboxCode.objects.all()] == [kept.pk]


@pytest.fixture
def production(settings):
    """The routes as a production process builds them."""
    settings.SANDBOX = False
    modules = [messaging.urls, membership.site_urls, membership.urls]
    for module in modules:
        importlib.reload(module)
    clear_url_caches()
    yield
    settings.SANDBOX = True
    for module in modules:
        importlib.reload(module)
    clear_url_caches()


class TestInProduction:
    def test_the_page_is_not_routed(self, production, client):
        sent("+8613800138000", "111111")

        with pytest.raises(NoReverseMatch):
            reverse("messaging:sandbox_codes")
        response = client.get("/sandbox/codes/", secure=True)
        assert response.status_code == 404
        assert b"111111" not in response.content

    def test_other_pages_do_not_mention_it(self, production, client):
        response = client.get("/login/", secure=True)

        assert response.status_code == 200
        assert b"sandbox" not in response.content
