"""API clients, organizations and stores in the console."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from oauth2_provider.models import get_access_token_model

from common.models import AuditRecord
from partners.models import ApiClient, Organization, Store
from tests.factories import api_client, dealer, staff, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(staff(username="boss"))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def token_of(client, client_id, secret):
    return client.post(
        "/oauth/token/",
        {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
    )


class TestApiClients:
    def add(self, boss, of, **fields):
        form = {
            "name": "till",
            "organization": of.pk,
            "scopes": ["members:read"],
            "is_active": "on",
        }
        return boss.post(reverse("admin:partners_apiclient_add"), form | fields)

    def test_shows_the_secret_once_and_keeps_it_hashed(self, boss):
        response = self.add(boss, dealer())

        made = ApiClient.objects.get()
        credentials = response.context["credentials"]
        assert response.status_code == 200
        assert credentials.secret in response.content.decode()
        assert "no-store" in response.headers["Cache-Control"]
        assert credentials.client_id == made.client_id
        assert credentials.secret not in made.client_secret
        assert made.client_type == "confidential"
        assert made.authorization_grant_type == "client-credentials"
        assert made.scopes == ["members:read"]
        assert not list(get_messages(response.wsgi_request))
        page = boss.get(reverse("admin:partners_apiclient_change", args=[made.pk]))
        assert credentials.secret not in page.content.decode()
        assert made.client_secret not in page.content.decode()

    def test_the_shown_secret_gets_a_token(self, boss):
        credentials = self.add(boss, dealer()).context["credentials"]

        answer = token_of(boss, credentials.client_id, credentials.secret)

        assert answer.status_code == 200, answer.content
        assert answer.json()["scope"] == "members:read"

    def test_a_new_secret_ends_the_old_one_and_its_tokens(self, boss):
        old = self.add(boss, dealer()).context["credentials"]
        token_of(boss, old.client_id, old.secret)
        made = ApiClient.objects.get()
        page = reverse("admin:partners_apiclient_rotate_secret", args=[made.pk])

        asked = boss.get(page)
        assert "stop working at once" in asked.content.decode()
        assert get_access_token_model().objects.count() == 1
        new = boss.post(page).context["credentials"]

        assert get_access_token_model().objects.count() == 0
        assert token_of(boss, old.client_id, old.secret).status_code == 401
        assert token_of(boss, new.client_id, new.secret).status_code == 200
        assert AuditRecord.objects.filter(action="apiclient.secret_issued").count() == 2

    def test_changing_a_client_keeps_its_secret(self, boss):
        made = api_client(dealer())
        before = ApiClient.objects.get(pk=made.pk).client_secret

        boss.post(
            reverse("admin:partners_apiclient_change", args=[made.pk]),
            {"name": "renamed", "organization": made.organization_id, "scopes": ["points:read"]},
        )

        made = ApiClient.objects.get(pk=made.pk)
        assert (made.name, made.scopes, made.is_active) == ("renamed", ["points:read"], False)
        assert made.client_secret == before
        record = AuditRecord.objects.get(action="apiclient.changed")
        assert record.actor.username == "boss"

    def test_refuses_another_organizations_store(self, boss):
        foreign = store()

        response = self.add(boss, dealer(), stores=[foreign.pk])

        assert "its own organization" in response.content.decode()
        assert not ApiClient.objects.exists()

    @pytest.mark.parametrize(
        "wrong", [{"scopes": []}, {"scopes": ["all"]}, {"organization": "999999999"}]
    )
    def test_refuses_what_makes_no_sense(self, boss, wrong):
        response = self.add(boss, dealer(), **wrong)

        assert response.status_code == 200
        assert response.context["adminform"].errors
        assert not ApiClient.objects.exists()

    def test_nobody_has_no_secret_to_issue(self, boss):
        assert boss.post("/console/partners/apiclient/x/new-secret/").status_code == 404
        assert boss.post("/console/partners/apiclient/999/new-secret/").status_code == 404


class TestStores:
    def test_a_store_keeps_its_organization(self, boss):
        shop = store(name="旧名")
        other = dealer()

        boss.post(
            reverse("admin:partners_store_change", args=[shop.pk]),
            {"code": shop.code, "name": "新名", "organization": other.pk, "is_active": "on"},
        )

        shop.refresh_from_db()
        assert shop.name == "新名"
        assert shop.organization_id != other.pk
        assert AuditRecord.objects.get(action="store.changed").target == "新名"

    def test_nothing_is_deleted(self, boss):
        shop = store()

        assert boss.post(reverse("admin:partners_store_delete", args=[shop.pk])).status_code == 403
        boss.post(
            reverse("admin:partners_store_changelist"),
            {"action": "delete_selected", "_selected_action": [shop.pk], "post": "yes"},
        )
        assert Store.objects.filter(pk=shop.pk).exists()

    def test_there_is_one_brand(self, boss):
        response = boss.post(
            reverse("admin:partners_organization_add"),
            {"kind": "BRAND", "code": "B2", "name": "第二品牌", "is_active": "on"},
        )

        assert response.status_code == 200
        assert response.context["adminform"].errors
        assert Organization.objects.filter(kind="BRAND").count() == 1
