"""What a load balancer and a person looking for the API find."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from membership import health


def test_a_living_process_says_so_without_a_database():
    assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().post("/healthz").status_code == 405


@pytest.mark.django_db
class TestReady:
    def test_with_its_tables(self):
        answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_not_while_a_migration_is_missing(self):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'points'")

        answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()) == (503, {"status": "migrations are missing"})

    def test_not_without_a_database(self, monkeypatch):
        def unreachable():
            raise OperationalError

        monkeypatch.setattr(health.connection, "cursor", unreachable)

        answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()) == (503, {"status": "no database"})


@pytest.mark.django_db
class TestDocumentation:
    def test_shows_the_schema_from_our_own_files(self):
        page = Client().get("/api/docs/")

        assert page.status_code == 200
        assert b"//cdn" not in page.content
        policy = page["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe-eval" not in policy
        script = Client().get("/api/docs/?script=")
        assert (script.status_code, script["Content-Type"]) == (200, "application/javascript")

    def test_the_schema_is_openapi_3_1(self):
        answer = Client().get(
            "/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}
        )

        document = answer.json()
        assert document["openapi"].startswith("3.1")
        assert all(path.startswith("/api/v1/") for path in document["paths"])
        for path in document["paths"].values():
            for operation in path.values():
                needs = [next(iter(need.values())) for need in operation["security"]]
                scopes = {scope for need in needs for scope in need}
                flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
                assert scopes
                assert scopes <= flows["clientCredentials"]["scopes"].keys()
                assert {"401", "403", "422", "429", "503"} <= operation["responses"].keys()
