"""What can be done with organizations, their stores and their systems."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import get_access_token_model

from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from partners.models import ApiClient, Organization, OrganizationKind, Region, Scope, Store


class CodeTaken(DomainError):
    code = "code_taken"
    message = _("The code “%(code)s” is taken.")


class UnknownOrganization(Invalid):
    code = "unknown_organization"
    message = _("There is no organization “%(organization)s”.")


class UnknownRegion(Invalid):
    code = "unknown_region"
    message = _("There is no region “%(region)s”.")


class UnknownScope(Invalid):
    code = "unknown_scope"
    message = _("There is no scope “%(scope)s”.")


class ForeignStore(Invalid):
    code = "foreign_store"
    message = _("The organization has no store “%(store)s”.")


@transaction.atomic
def add_organization(
    *, code: str, kind: OrganizationKind, name: str, region: str = "", by: User | None = None
) -> Organization:
    """
    Add a dealer or a partner; there is one brand from the first day.

    :raises CodeTaken: :raises UnknownRegion: if so
    """
    organization = Organization(code=code, kind=kind, name=name, region=_region(region))
    _add(organization)
    audit.record(
        action="organization.added", target=code, by=by, details={"kind": kind, "name": name}
    )
    return organization


@transaction.atomic
def add_store(
    *, code: str, organization: str, name: str, city: str = "", by: User | None = None
) -> Store:
    """:raises CodeTaken: :raises UnknownOrganization: if so"""
    store = Store(code=code, organization=_organization(organization), name=name, city=city)
    _add(store)
    audit.record(
        action="store.added",
        target=code,
        by=by,
        details={"organization": organization, "name": name},
    )
    return store


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a system logs in with. The secret is kept hashed: it can be shown only now."""

    client_id: str
    secret: str


@transaction.atomic
def issue_secret(*, client: ApiClient, by: User | None) -> Credentials:
    """
    Give a client a secret, its first or a new one.

    The old secret gets no more tokens, and the tokens it got are revoked.
    """
    secret = generate_client_secret()
    client.client_type = ApiClient.CLIENT_CONFIDENTIAL
    client.authorization_grant_type = ApiClient.GRANT_CLIENT_CREDENTIALS
    client.client_secret = secret
    client.save()
    get_access_token_model().objects.filter(application_id=client.pk).delete()
    audit.record(action="apiclient.secret_issued", target=str(client)[:128], by=by)
    return Credentials(client.client_id, secret)


@transaction.atomic
def create_api_client(
    *,
    organization: str,
    name: str,
    scopes: Sequence[str],
    stores: Sequence[str] = (),
    by: User | None = None,
) -> Credentials:
    """
    Give a system of an organization its credentials.

    :param stores: narrows it to some of the organization's stores
    :raises UnknownOrganization: :raises UnknownScope: :raises ForeignStore: if so
    """
    owner = _organization(organization)
    for scope in scopes:
        if scope not in Scope.values:
            raise UnknownScope(scope=scope)
    narrowed = {
        store.code: store for store in Store.objects.filter(organization=owner, code__in=stores)
    }
    for code in stores:
        if code not in narrowed:
            raise ForeignStore(store=code)
    client = ApiClient(organization=owner, name=name, scopes=sorted(set(scopes)))
    credentials = issue_secret(client=client, by=by)
    client.stores.set(narrowed.values())
    audit.record(
        action="apiclient.created",
        target=client.client_id,
        by=by,
        details={"organization": organization, "name": name, "scopes": client.scopes},
    )
    return credentials


def _add(row: Organization | Store) -> None:
    row.clean_fields()
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise CodeTaken(code=row.code) from error


def _organization(code: str) -> Organization:
    organization = Organization.objects.filter(code=code).first()
    if organization is None:
        raise UnknownOrganization(organization=code)
    return organization


def _region(code: str) -> Region | None:
    if not code:
        return None
    region = Region.objects.filter(code=code).first()
    if region is None:
        raise UnknownRegion(region=code)
    return region
