import importlib
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import NoReverseMatch, clear_url_caches, reverse

import membership.site_urls
import membership.urls
import messaging.urls
from messaging.models import SandboxCode
from messaging.nightly import forget_old_codes

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def sent(phone, code, at=NOW):
    return SandboxCode.objects.create(phone=phone, code=code, sent_at=at)


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
