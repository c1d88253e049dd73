"""Setting up a network from the command line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from common.models import AuditRecord
from partners.models import ApiClient, Organization, Store
from tests import factories

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def dealer():
    return factories.dealer(code="D-1")


class TestAddOrganization:
    def test_adds_and_records(self):
        run("add_organization", "D-1", "--kind", "DEALER", "--name", "一号店")

        added = Organization.objects.get(code="D-1")
        assert (added.kind, added.name) == ("DEALER", "一号店")
        assert AuditRecord.objects.get().target == "D-1"

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["D-1", "--kind", "BRAND", "--name", "x"], "invalid choice"),
            (["D 1", "--kind", "DEALER", "--name", "x"], "code"),
            (["BRAND", "--kind", "DEALER", "--name", "x"], "code_taken"),
            (["D-1", "--kind", "DEALER", "--name", "x", "--region", "R"], "unknown_region"),
        ],
    )
    def test_refuses(self, arguments, why):
        factories.brand()

        with pytest.raises(CommandError, match=why):
            run("add_organization", *arguments)

        assert not Organization.objects.filter(kind="DEALER").exists()
        assert not AuditRecord.objects.exists()


class TestAddStore:
    def test_adds_and_records(self, dealer):
        run("add_store", "S-1", "--organization", "D-1", "--name", "门店", "--city", "上海")

        store = Store.objects.get(code="S-1")
        assert (store.organization, store.name, store.city) == (dealer, "门店", "上海")
        assert AuditRecord.objects.get().action == "store.added"

    def test_refuses_a_code_twice(self, dealer):
        run("add_store", "S-1", "--organization", "D-1", "--name", "门店")

        with pytest.raises(CommandError, match="code_taken"):
            run("add_store", "S-1", "--organization", "D-1", "--name", "门店")

        assert AuditRecord.objects.count() == 1

    def test_refuses_an_unknown_organization(self):
        with pytest.raises(CommandError, match="unknown_organization"):
            run("add_store", "S-1", "--organization", "D-9", "--name", "门店")


class TestCreateApiClient:
    def test_prints_credentials_that_work_and_keeps_the_secret_hashed(self, dealer):
        store = factories.store(dealer, code="S-1")

        printed = run(
            "create_api_client",
            *("--organization", "D-1", "--name", "till"),
            *("--scopes", "members:read points:read", "--stores", "S-1"),
        )

        credentials = json.loads(printed)
        client = ApiClient.objects.get()
        assert client.client_secret != credentials["client_secret"]
        assert (client.scopes, list(client.stores.all())) == (
            ["members:read", "points:read"],
            [store],
        )
        answer = Client().post("/oauth/token/", {"grant_type": "client_credentials"} | credentials)
        assert answer.status_code == 200
        assert credentials["client_secret"] not in str(list(AuditRecord.objects.values()))
        assert set(AuditRecord.objects.values_list("action", flat=True)) == {
            "apiclient.created",
            "apiclient.secret_issued",
        }

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--organization", "D-9"], "unknown_organization"),
            (["--organization", "D-1", "--scopes", "members:read all"], "unknown_scope"),
            (["--organization", "D-1", "--stores", "MAIN"], "foreign_store"),
        ],
    )
    def test_refuses(self, dealer, arguments, why):
        factories.main_store()

        with pytest.raises(CommandError, match=why):
            run("create_api_client", "--name", "till", *arguments)

        assert not ApiClient.objects.exists()
        assert not AuditRecord.objects.exists()
