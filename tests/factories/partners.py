from itertools import count

from partners.models import ApiClient, Organization, Scope, Store

_numbers = count(1)


def brand() -> Organization:
    # A flushed test database has lost what the migration put in.
    return Organization.objects.get_or_create(
        kind="BRAND", defaults={"code": "BRAND", "name": "品牌"}
    )[0]


def main_store() -> Store:
    return Store.objects.get_or_create(
        code="MAIN", defaults={"organization": brand(), "name": "总店"}
    )[0]


def dealer(**fields) -> Organization:
    n = next(_numbers)
    return Organization.objects.create(
        **{"kind": "DEALER", "code": f"D{n}", "name": f"第{n}经销商"} | fields
    )


def store(organization: Organization | None = None, **fields) -> Store:
    n = next(_numbers)
    return Store.objects.create(
        organization=organization or dealer(), **{"code": f"S{n}", "name": f"第{n}门店"} | fields
    )


def api_client(organization: Organization, *, scopes=None, stores=(), **fields) -> ApiClient:
    """A client-credentials client; its secret, before hashing, is `secret`."""
    client = ApiClient(
        **{
            "name": f"till {next(_numbers)}",
            "organization": organization,
            "scopes": [scope.value for scope in Scope] if scopes is None else list(scopes),
            "client_type": "confidential",
            "authorization_grant_type": "client-credentials",
            "client_secret": "secret",
        }
        | fields
    )
    client.save()
    client.stores.set(stores)
    return client
