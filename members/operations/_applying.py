"""Wanting to become a member, where somebody decides that (M6)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.timezone import localdate
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common import audit, events, personal
from common.errors import DomainError, Invalid, NotFound
from common.models import User
from members import applications, attributes, consents, phones, products, queries
from members.models import (
    Application,
    ApplicationState,
    ConsentChannel,
    ConsentPurpose,
    Member,
    RefusalReason,
)
from members.operations._consents import Agreed, Word
from members.operations._enrolling import (
    Enrolled,
    Profile,
    enroll,
    enroll_once,
    enrolled_before,
)
from members.operations._products import ProductFacts
from partners.models import Store

WORDS_MAX = 200
ENDING = ["state", "decided_at", "decided_by", "reason", "words", "member"]


class AppliedElsewhere(DomainError):
    code = "applied_elsewhere"
    message = _("This person has applied already, elsewhere.")


class ApplicationEnded(DomainError):
    code = "application_ended"
    message = _("This application was decided or taken back already: %(state)s.")


class NotYoursToDecide(DomainError):
    code = "not_yours_to_decide"
    message = _("Others decide on this application.")
    status = 403


class NothingApplied(NotFound):
    code = "nothing_applied"
    message = _("No application of this phone waits any more.")


class WordsMissing(Invalid):
    code = "words_missing"
    message = _("Say in a few words why: the applicant gets to read them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """All that `enroll` needs of who wants to join."""

    profile: Profile
    agreed: Agreed
    store_id: int | None = None
    product: ProductFacts | None = None
    external: tuple[int, str] | None = None


def join(*, wish: Wish, at: datetime, active: bool = True) -> Enrolled | Application:
    """
    Make somebody a member, or note that they apply, as the rulebook of the day says.

    An external number makes a repeat safe as `enroll_once` says; while an application waits, the
    same phone answers with that one.

    :param active: False: pre-registered until they prove who they are, which nobody decides
    :raises AppliedElsewhere: if another dealer's customer, or somebody on the web, has applied with
        the phone
    :raises DomainError: whatever `enroll` refuses; an application that could not be approved today
        is refused today
    """
    if not active or not applications.are_asked_for(localdate(at)):
        return enroll_once(
            profile=wish.profile,
            joined_at=at,
            active=active,
            store_id=wish.store_id,
            product=wish.product,
            external=wish.external,
            agreed=wish.agreed,
        )
    if earlier := enrolled_before(wish.external, wish.profile.phone):
        return Enrolled(earlier, replayed=True)
    return apply(wish=wish, at=at)


def apply(*, wish: Wish, at: datetime) -> Application:
    """
    Note that somebody wants to become a member. Raises as `join`.

    Whoever applies on the web has proven the phone, so an application that waits is theirs.
    """
    phone = phones.normalize(wish.profile.phone)
    wish = replace(wish, profile=replace(wish.profile, phone=phone))
    if waiting := _waiting_of(phone):
        return _same(waiting, wish)
    _rehearse(wish, at)
    try:
        return _note(wish, at)
    except IntegrityError:
        # Somebody applied with this phone at the same instant; or it ended at this one.
        if waiting := _waiting_of(phone):
            return _same(waiting, wish)
        raise


@transaction.atomic
def approve_application(*, application_id: int, by: User, at: datetime) -> Member:
    """
    Make who applied a member, as if joining were open: what `enroll` does and tells, this does too.

    :raises NotFound: if there is no such application
    :raises ApplicationEnded: if it does not wait any more
    :raises NotYoursToDecide: if who decides works for a dealer, and this is not for them
    :raises DomainError: whatever `enroll` refuses; then it waits on
    """
    application = _held(application_id)
    _require_theirs(application, by, at)
    wish = _wish_of(application)
    member = enroll(
        profile=wish.profile,
        joined_at=at,
        active=True,
        store_id=wish.store_id,
        product=wish.product,
        external=wish.external,
        agreed=wish.agreed,
    )
    same_person = Application.objects.filter(phone_index=application.phone_index)
    same_person.exclude(pk=application.pk).update(member=member)
    application.member = member
    # What was told stands in the member's own row now.
    _end(
        application,
        ApplicationState.APPROVED,
        by=by,
        at=at,
        forgets=True,
        details={"member": member.number},
    )
    audit.record(
        action="member.admitted",
        target=member.number,
        by=by,
        details={"application": application.number},
    )
    return member


@transaction.atomic
def refuse_application(
    *, application_id: int, reason: RefusalReason, words: str, by: User, at: datetime
) -> Application:
    """
    Turn an applicant down. They are told, and may apply again.

    :param words: what the applicant gets to read beside the reason
    :raises WordsMissing: if there are none
    :raises personal.NamesSomebody: if a phone, an e-mail address or an ID number stands in them
    :raises NotFound: :raises ApplicationEnded: as `approve_application`
    """
    said = words.strip()
    if not said:
        raise WordsMissing
    personal.keep_out(said)
    application = _held(application_id)
    _require_theirs(application, by, at)
    application.reason, application.words = reason, said[:WORDS_MAX]
    _end(application, ApplicationState.REFUSED, by=by, at=at, details={"reason": reason})
    return application


@transaction.atomic
def withdraw_application(*, phone: str, at: datetime) -> Application:
    """
    Take back an application, for the applicant who has proven the phone. What was told goes now.

    :raises NothingApplied: if none waits; it may have been decided at this instant
    """
    found = _waiting_of(phones.normalize(phone))
    if found is None:
        raise NothingApplied
    application = _held(found.pk)
    _end(application, ApplicationState.WITHDRAWN, by=None, at=at, forgets=True)
    return application


@transaction.atomic
def expire_applications(*, low: int, high: int, day: date, at: datetime) -> int:
    """
    Let the applications low … high lapse that waited for longer than the rulebook of a day wants.

    :returns: how many
    """
    due = applications.overdue(day, midnight=at).filter(pk__range=(low, high))
    lapsed = list(due.select_for_update(no_key=True).order_by("pk"))
    for application in lapsed:
        _end(application, ApplicationState.EXPIRED, by=None, at=at)
    return len(lapsed)


@transaction.atomic
def forget_applications(*, low: int, high: int, before: datetime) -> int:
    """
    Take what says who applied out of applications low … high that ended before a time.

    :returns: of how many
    """
    over = applications.ended(before=before).filter(pk__range=(low, high))
    return over.update(phone="", phone_index=None, told="", words="")


def _waiting_of(phone: str) -> Application | None:
    latest = applications.latest_of(phone)
    return latest if latest is not None and latest.is_waiting else None


def _same(waiting: Application, wish: Wish) -> Application:
    """The application that waits, for who may know of it."""
    if wish.agreed.channel == ConsentChannel.WEB:
        return waiting
    at_store = Store.objects.filter(pk=wish.store_id or 0).first()
    if at_store is None or waiting.store is None:
        raise AppliedElsewhere
    if at_store.organization_id != waiting.store.organization_id:
        raise AppliedElsewhere
    return waiting


def _rehearse(wish: Wish, at: datetime) -> None:
    """What would be refused as it is approved is refused now: by the operation itself, undone."""
    with transaction.atomic():
        enroll(
            profile=wish.profile,
            joined_at=at,
            active=True,
            store_id=wish.store_id,
            product=wish.product,
            external=wish.external,
            agreed=wish.agreed,
        )
        transaction.set_rollback(True)


@transaction.atomic
def _note(wish: Wish, at: datetime) -> Application:
    application = Application.objects.create(
        state=ApplicationState.APPLIED,
        applied_at=at,
        channel=wish.agreed.channel,
        store_id=wish.store_id,
        client_id=wish.agreed.client_id,
        phone=wish.profile.phone,
        phone_index=queries.phone_index(wish.profile.phone),
        told=json.dumps(_written(wish), ensure_ascii=False),
    )
    audit.record(
        action="application.made",
        target=application.number,
        by=None,
        details={"channel": application.channel, "store": wish.store_id},
    )
    return application


def _held(application_id: int) -> Application:
    """The application, locked: of two who end it at once, the second finds it ended."""
    waiting = Application.objects.select_for_update(no_key=True)
    application = waiting.filter(pk=application_id).first()
    if application is None:
        raise NotFound
    if not application.is_waiting:
        raise ApplicationEnded(state=application.get_state_display())
    return application


def _require_theirs(application: Application, by: User, at: datetime) -> None:
    if not applications.is_theirs(application, by, on=localdate(at)):
        raise NotYoursToDecide


def _end(
    application: Application,
    state: ApplicationState,
    *,
    by: User | None,
    at: datetime,
    forgets: bool = False,
    details: Mapping[str, Any] | None = None,
) -> None:
    application.state = state
    application.decided_at, application.decided_by = at, by
    application.save(update_fields=ENDING)
    if forgets:
        application.phone, application.phone_index, application.told = "", None, ""
        application.save(update_fields=["phone", "phone_index", "told"])
    audit.record(
        action=f"application.{state.lower()}",
        target=application.number,
        by=by,
        details=dict(details or {}),
    )
    events.publish(
        "application.ended",
        {"application_id": application.pk, "state": state, "at": at.isoformat()},
    )


# --- As it is kept, sealed ------------------------------------------------------------------------


def _written(wish: Wish) -> dict[str, Any]:
    profile, product = asdict(wish.profile), wish.product and asdict(wish.product)
    latest = consents.texts()
    return {
        "profile": profile
        | {
            "birthday": _iso(wish.profile.birthday),
            # As a member's row would keep them.
            "attributes": attributes.merged({}, profile["attributes"], attributes.defined()),
        },
        "product": product
        and product
        | {
            "identifier": products.normalize(product["identifier"]),
            "purchased_on": _iso(product["purchased_on"]),
        },
        "external": wish.external,
        # The text they read, not the one of the day they are let in.
        "words": [
            asdict(word) | {"text_version": word.text_version or latest[word.purpose].version}
            for word in wish.agreed.words
        ],
        "language": get_language() or "",
    }


def _wish_of(application: Application) -> Wish:
    told = applications.told(application)
    profile, product, external = told["profile"], told["product"], told["external"]
    return Wish(
        profile=Profile(**(profile | {"birthday": _day(profile["birthday"])})),
        store_id=application.store_id,
        product=product
        and ProductFacts(**(product | {"purchased_on": _day(product["purchased_on"])})),
        external=external and (external[0], external[1]),
        agreed=Agreed(
            words=[
                Word(**(word | {"purpose": ConsentPurpose(word["purpose"])}))
                for word in told["words"]
            ],
            channel=ConsentChannel(application.channel),
            client_id=application.client_id,
            at=application.applied_at,
        ),
    )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
