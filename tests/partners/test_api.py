"""Who is calling, what they may, and how often."""

import base64
from datetime import timedelta

import pytest
import redis
import time_machine
from django.test import Client
from oauth2_provider.models import get_access_token_model

from common import limits
from partners import operations
from partners.api import authentication, throttling, tokens
from partners.models import Scope
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused, token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _counted_anew():
    throttling.forget_counted()
    yield
    throttling.forget_counted()


@pytest.fixture
def client():
    return factories.api_client(factories.store(code="S1").organization)


@pytest.fixture
def of():
    return factories.identity()


@pytest.fixture
def path(of):
    return f"members/{of.number}/"


class TestToken:
    def ask(self, form, **headers):
        return Client().post(
            "/oauth/token/", {"grant_type": "client_credentials"} | form, **headers
        )

    def test_is_given_for_the_secret_in_the_form_or_by_basic(self, client, path):
        form = {"client_id": client.client_id, "client_secret": "secret"}
        pair = base64.b64encode(f"{client.client_id}:secret".encode()).decode()

        by_form = self.ask(form)
        by_basic = self.ask({}, headers={"Authorization": f"Basic {pair}"})

        for answer in (by_form, by_basic):
            assert answer.status_code == 200
            assert answer.json()["token_type"] == "Bearer"
            assert answer.json()["expires_in"] == 3600
            assert set(answer.json()["scope"].split()) == set(Scope.values)
            till = Till(None)
            till.token = answer.json()["access_token"]
            assert till.ask(path).status_code == 200

    def test_has_only_the_scopes_asked_for(self, client):
        form = {"client_id": client.client_id, "client_secret": "secret"}

        assert self.ask(form | {"scope": "members:read"}).json()["scope"] == "members:read"
        client.scopes = ["members:read"]
        client.save()
        assert self.ask(form | {"scope": "points:redeem"}).status_code == 400

    @pytest.mark.parametrize(
        "form",
        [
            {"client_secret": "wrong"},
            {"client_id": "nobody"},
            {"grant_type": "password", "username": "a", "password": "b"},
            {"grant_type": "authorization_code", "code": "x"},
        ],
    )
    def test_is_refused(self, client, form):
        complete = {"client_id": client.client_id, "client_secret": "secret"} | form

        answer = self.ask(complete)

        assert answer.status_code in {400, 401}
        assert "access_token" not in answer.json()

    @pytest.mark.parametrize("who", ["client", "organization"])
    def test_is_not_given_to_who_was_switched_off(self, client, who):
        off = client if who == "client" else client.organization
        off.is_active = False
        off.save()

        answer = self.ask({"client_id": client.client_id, "client_secret": "secret"})

        assert answer.status_code == 401

    def test_can_be_revoked_by_its_client(self, client, path):
        till = Till(client)
        assert till.ask(path).status_code == 200

        Client().post(
            "/oauth/revoke_token/",
            {"token": till.token, "client_id": client.client_id, "client_secret": "secret"},
        )
        authentication.forget_cached()

        refused(till.ask(path), 401, "invalid_token")

    def test_other_grants_have_no_door(self):
        for door in ("authorize", "introspect", "device-authorization", "applications"):
            assert Client().get(f"/oauth/{door}/").status_code == 404


class TestAuthentication:
    def test_without_a_token_is_refused(self, path):
        answer = Till(None).ask(path)

        refused(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize("given", ["Bearer x", "Bearer ", "bearer a b", "Bearer \xff"])
    def test_an_unknown_token_is_refused(self, path, given):
        answer = Till(None).ask(path, Authorization=given)

        refused(answer, 401, "invalid_token")
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'

    def test_another_scheme_is_no_token(self, client, path):
        refused(Till(None).ask(path, Authorization="Basic eDp5"), 401, "not_authenticated")

    def test_an_expired_token_is_refused_though_it_is_remembered(self, client, path):
        with time_machine.travel(NOON, tick=False) as clock:
            till = Till(None)
            till.token = token(client, lives=timedelta(seconds=1))
            assert till.ask(path).status_code == 200

            clock.shift(timedelta(seconds=1))

            refused(till.ask(path), 401, "invalid_token")

    @pytest.mark.parametrize("who", ["client", "organization", "token"])
    def test_who_was_switched_off_is_refused_soon(self, client, path, who, monkeypatch):
        till = Till(client)
        assert till.ask(path).status_code == 200

        if who == "token":
            get_access_token_model().objects.all().delete()
        else:
            off = client if who == "client" else client.organization
            off.is_active = False
            off.save()
        monkeypatch.setattr(authentication.time, "monotonic", _later(authentication.CACHE_SECONDS))

        refused(till.ask(path), 401, "invalid_token")

    def test_a_new_secret_ends_the_old_tokens(self, client, path):
        till = Till(client)
        operations.issue_secret(client=client, by=None)

        refused(till.ask(path), 401, "invalid_token")

    def test_a_known_token_costs_no_query(self, client, path, django_assert_num_queries):
        till = Till(client)
        till.ask(path)

        with django_assert_num_queries(1):  # the member
            till.ask(path)


class TestScopes:
    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("POST", "members/", Scope.MEMBERS_WRITE),
            ("POST", "members/lookup/", Scope.MEMBERS_READ),
            ("GET", "members/M9999999998/", Scope.MEMBERS_READ),
            ("GET", "members/M9999999998/account/", Scope.POINTS_READ),
            ("GET", "members/M9999999998/entries/", Scope.POINTS_READ),
            ("POST", "redemptions/", Scope.POINTS_REDEEM),
            ("GET", "redemptions/x/", Scope.POINTS_READ),
            ("POST", "purchases/", Scope.PURCHASES_WRITE),
            ("GET", "purchases/x/", Scope.PURCHASES_READ),
            ("POST", "purchases/x/returns/", Scope.PURCHASES_WRITE),
            ("POST", "quotes/", Scope.PURCHASES_READ),
        ],
    )
    def test_open_a_call_and_no_other_does(self, client, method, path, scope):
        with_it = Till(client, scopes=[scope])
        without = Till(client, scopes=[other for other in Scope if other != scope])

        def call(till):
            return till.ask(path) if method == "GET" else till.send(path, {})

        assert call(with_it).status_code in {404, 422}
        refused(call(without), 403, "insufficient_scope")

    def test_lost_since_the_token_was_given_are_lost(self, client, path):
        till = Till(client)
        client.scopes = ["points:read"]
        client.save()

        refused(till.ask(path), 403, "insufficient_scope")

    def test_head_needs_what_get_needs(self, client, path):
        headers = {"Authorization": f"Bearer {token(client, scopes=['points:read'])}"}

        assert Till(None).head(f"/api/v1/{path}", headers=headers).status_code == 403


class TestThrottle:
    @pytest.fixture
    def three_a_minute(self, settings):
        settings.API_RATE = "3/min"
        throttling.forget_counted()
        with time_machine.travel(NOON, tick=False) as clock:
            yield clock

    def test_counts_down_and_then_refuses_until_the_window_ends(self, three_a_minute, client, path):
        till = Till(client)

        answers = [till.ask(path) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer["RateLimit"] for answer in answers] == [
            f'"client";r={left};t=60' for left in (2, 1, 0, 0)
        ]
        assert {answer["RateLimit-Policy"] for answer in answers} == {'"client";q=3;w=60'}
        refused(answers[3], 429, "throttled")
        assert answers[3]["Retry-After"] == "60"
        three_a_minute.shift(timedelta(seconds=60))
        assert till.ask(path).status_code == 200

    def test_counts_refusals_too_and_each_client_by_itself(self, three_a_minute, client, path):
        till = Till(client, scopes=[])
        other = Till(factories.api_client(client.organization))

        assert [till.ask(path).status_code for _ in range(4)] == [403, 403, 403, 429]
        assert other.ask(path).status_code == 200

    def test_processes_count_together(self, three_a_minute, client, path):
        """What a process remembers is gone, what Redis counted is not."""
        till = Till(client)
        till.ask(path)
        till.ask(path)
        throttling.forget_counted()

        assert till.ask(path).status_code == 200
        assert till.ask(path).status_code == 429

    def test_takes_a_hundredth_at_once(self, settings, client, path):
        settings.API_RATE = "1000/min"
        throttling.forget_counted()
        till = Till(client)

        for _ in range(11):
            left = till.ask(path)["RateLimit"]

        assert left.startswith('"client";r=989;')
        [counter] = throttling.connection().keys(f"api-rate:{client.pk}:*")
        assert int(throttling.connection().get(counter)) == 20

    def test_lets_tills_through_without_redis(self, three_a_minute, client, path, monkeypatch):
        calls = []

        def nobody_home():
            calls.append(1)
            raise redis.ConnectionError

        monkeypatch.setattr(throttling, "connection", nobody_home)
        till = Till(client)

        assert [till.ask(path).status_code for _ in range(9)] == [200] * 9
        # After the first failure Redis is left alone for a while.
        assert len(calls) == 1


def _later(seconds):
    now = authentication.time.monotonic()
    return lambda: now + seconds + 0.001


class TestTokenLimit:
    def test_an_address_that_tries_too_often_is_told_when_to_come_back(self, monkeypatch):
        monkeypatch.setattr(tokens, "TRIES_MAX", 2)

        answers = [Client(enforce_csrf_checks=True).post("/oauth/token/") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [400, 400, 429]
        assert answers[2].json()["error"] == "too_many"
        assert 0 < int(answers[2]["Retry-After"]) <= tokens.TRIES_SECONDS

    def test_without_redis_tills_still_get_their_tokens(self, monkeypatch):
        def nothing_answers(*_, **__):
            raise limits.Unavailable

        monkeypatch.setattr(limits, "consume", nothing_answers)

        assert Client(enforce_csrf_checks=True).post("/oauth/token/").status_code == 400
