"""Questions about those who have applied for a membership (M6)."""

import json
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from common.models import User
from members import duplicates, queries, reach
from members.models import (
    Application,
    ApplicationState,
    DuplicateReason,
    Member,
    MemberStatus,
)
from members.numbers import application_key
from programme import queries as programme
from programme.policies import Joining

ALIKE_MAX = 20
WAITING_COUNTED = 1000
DECIDE = "members.decide_application"


class UnknownApplication(NotFound):
    """Also the answer for an application made elsewhere."""

    code = "unknown_application"
    message = _("There is no such application, or it is not yours.")


def are_asked_for(day: date) -> bool:
    """Whether who wants to join on a day has to apply."""
    return _joining(day) != Joining.OPEN


def dealers_decide(day: date) -> bool:
    """Whether dealers' staff decide the applications made at their stores."""
    return _joining(day) == Joining.APPROVED_BY_DEALER


def is_theirs(application: Application, user: User, *, on: date) -> bool:
    """
    Whether a login decides on an application: the brand's staff always, a dealer's staff on those
    made at its stores, where the rulebook of the day lets them.
    """
    within = reach.of(user)
    if not within.is_limited:
        return True
    return dealers_decide(on) and within.applications().filter(pk=application.pk).exists()


def waiting_for(user: User | AnonymousUser, *, on: date) -> QuerySet[Application]:
    """What waits for this login's decision. Asks the database nothing of who may decide nothing."""
    if not user.has_perm(DECIDE):
        return Application.objects.none()
    within = reach.of(user)
    if within.is_limited and not dealers_decide(on):
        return Application.objects.none()
    return within.applications().filter(state=ApplicationState.APPLIED)


def has_applied(phone: str) -> bool:
    """Whether somebody applied with a normalized phone, and may see what became of it."""
    return to_show(phone) is not None


def latest_of(phone: str) -> Application | None:
    """The latest application with a normalized phone."""
    made = Application.objects.filter(phone_index=queries.phone_index(phone))
    return made.select_related("store").order_by("-pk").first()


def to_show(phone: str) -> Application | None:
    """What who has proven a phone is told of: an application that waits, or was refused."""
    latest = latest_of(phone)
    shown = (ApplicationState.APPLIED, ApplicationState.REFUSED)
    return latest if latest is not None and latest.state in shown else None


def numbered(
    number: str, *, organization_id: int | None, only_stores: Collection[int] | None = None
) -> Application:
    """
    :param organization_id: at whose stores it was made; None: at anybody's
    :param only_stores: at which of them; None: at any
    :raises UnknownApplication: if there is none
    """
    found = Application.objects.filter(pk=application_key(number) or 0)
    if organization_id is not None:
        found = found.filter(store__organization=organization_id)
    if only_stores is not None:
        found = found.filter(store__in=only_stores)
    application = found.select_related("member").first()
    if application is None:
        raise UnknownApplication
    return application


def overdue(day: date, *, midnight: datetime) -> QuerySet[Application]:
    """Those that lapse with the first moment of a day, as its rulebook says."""
    waiting = Application.objects.filter(state=ApplicationState.APPLIED)
    try:
        days = programme.rulebook_on(day).policies.application_days
    except programme.NoRulebook:
        days = None
    if days is None:
        return waiting.none()
    return waiting.filter(applied_at__lt=midnight - timedelta(days=days))


def ended(*, before: datetime) -> QuerySet[Application]:
    """Those that ended before a time and still say who applied."""
    return Application.objects.filter(decided_at__lt=before, phone_index__isnull=False)


def told(application: Application) -> dict[str, Any]:
    """
    What was told with an application, as `operations.apply` wrote it; of one that was approved or
    has ended long ago nothing is left.
    """
    empty: dict[str, Any] = {"profile": {}, "product": None, "external": None, "words": []}
    return json.loads(application.told) if application.told else empty


def before(application: Application) -> QuerySet[Application]:
    """What the same person has asked for before, the latest first."""
    same = Application.objects.filter(phone_index=application.phone_index, pk__lt=application.pk)
    return same.order_by("-pk") if application.phone_index else Application.objects.none()


def alike(application: Application) -> Iterator[tuple[Member, Any]]:
    """Members who may be the applicant already, each with what says so."""
    known = told(application)
    profile = known["profile"]
    here = Member.objects.exclude(status=MemberStatus.CLOSED)
    index = bytes(application.phone_index or b"")
    for member in here.filter(phone_entry__phone_index=index):
        yield member, _("Same phone")
    if product := known["product"]:
        owners = here.filter(products__identifier=product["identifier"], products__owned_until=None)
        for member in owners:
            yield member, _("Owner of the product")
    birthday = profile.get("birthday")
    person = duplicates.fingerprint(
        Member(
            name=profile.get("name", ""),
            birthday=date.fromisoformat(birthday) if birthday else None,
            phone=application.phone,
            email=profile.get("email", ""),
            id_number=profile.get("id_number", ""),
        )
    )
    for reason in (DuplicateReason.ID_NUMBER, DuplicateReason.EMAIL, DuplicateReason.PERSON):
        mark = getattr(person, reason.lower())
        if mark is not None:
            for member in here.filter(**{f"fingerprint__{reason.lower()}": mark})[:ALIKE_MAX]:
                yield member, reason.label


def _joining(day: date) -> Joining:
    try:
        return programme.rulebook_on(day).policies.joining
    except programme.NoRulebook:
        return Joining.OPEN
