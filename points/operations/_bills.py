"""Points pay a part of a bill at the counter: set aside, then spent or dropped, or given back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from common import audit
from common.errors import DomainError, Invalid
from common.models import User
from members import queries as members
from members.queries import Identity
from points import queries
from points.models import Entry, EntryKind
from points.operations._holds import EndedHold, HoldEnded, confirm, hold, release
from points.operations._ledger import lock, reinstate
from points.operations._posting import Posting, Source
from programme import queries as programme
from programme.policies import BillTerms, worth

BILL_MAX = Decimal("9999999.99")


class NotForBills(DomainError):
    code = "not_for_bills"
    message = _("Points pay no part of a bill here.")


class InvalidBill(Invalid):
    code = "invalid_bill"
    message = _("A bill is more than nothing, and has at most two decimals.")


class TooFewForBill(DomainError):
    code = "too_few_for_bill"
    message = _("At least %(least)s points are taken off a bill.")


class TooManyForBill(DomainError):
    code = "too_many_for_bill"
    message = _("At most %(most)s points can be taken off this bill.")


class TooLateToGiveBack(DomainError):
    code = "too_late_to_give_back"
    message = _("Points can be given back within %(minutes)s minutes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """Which clerk serves, at which store of whose."""

    by: User
    store_id: int
    issuer_id: int

    def source(self, version_id: int | None) -> Source:
        return Source(issuer_id=self.issuer_id, store_id=self.store_id, version_id=version_id)


@transaction.atomic
def hold_for_bill(
    *,
    member: Identity,
    points: int | None,
    bill: Decimal,
    reference: str,
    at: datetime,
    till: Till,
) -> Posting:
    """
    Set points aside for a part of a bill, as the rulebook of the day allows. A repeat holds once.

    :param points: None: as many as the bill takes and the member has
    :param bill: in the programme's currency
    :raises NotForBills: :raises InvalidBill: :raises TooFewForBill: :raises TooManyForBill: if so
    :raises InsufficientPoints: and as `hold`
    """
    if not (bill.is_finite() and 0 < bill <= BILL_MAX and bill == round(bill, 2)):
        raise InvalidBill
    rulebook = programme.rulebook_on(localdate(at))
    terms = terms_on_bills(at)
    per_unit = programme.points_per_unit()
    most = terms.most(bill, points_per_unit=per_unit)
    # Of two taps the second finds what the first has done.
    lock(member.id)
    if points is None:
        points = _as_many(member, most, reference=reference, at=at, till=till)
    if points < terms.points_min:
        raise TooFewForBill(least=terms.points_min)
    if points > most:
        raise TooManyForBill(most=most)
    off = worth(points, points_per_unit=per_unit)
    posted = hold(
        member=member,
        points=points,
        at=at,
        until=at + timedelta(minutes=rulebook.policies.hold_minutes),
        until_was_given=False,
        reference=reference,
        source=till.source(rulebook.id),
        note=_note(bill, off),
    )
    if not posted.replayed:
        _record("points.bill_held", member.number, till, reference, points=points, bill=bill)
    return posted


def _as_many(member: Identity, most: int, *, reference: str, at: datetime, till: Till) -> int:
    first = queries.posted(till.issuer_id, EntryKind.HOLD, reference)
    if first is not None:
        return -first.points
    return min(most, queries.spendable_points(member.id, on=localdate(at), at=at))


def terms_on_bills(at: datetime) -> BillTerms:
    """:raises NotForBills: if the rulebook of the day lets points pay no bills"""
    terms = programme.rulebook_on(localdate(at)).policies.bills
    if terms is None:
        raise NotForBills
    return terms


def _note(bill: Decimal, off: Decimal) -> str:
    """What the member reads beside the entry. In one language: a note is kept as it was."""
    with override(settings.LANGUAGE_CODE):
        told = gettext("Bill %(bill)s, %(off)s by points, %(rest)s to pay")
        return told % {"bill": f"{bill:.2f}", "off": off, "rest": f"{bill - off:.2f}"}


@transaction.atomic
def pay_bill(*, held: Entry, at: datetime, till: Till) -> EndedHold:
    """
    The rest of the bill is paid: spend what was set aside for it. A repeat spends once.

    :raises HoldEnded: if it was dropped, or its time is over
    """
    ended = confirm(held=held, at=at, source=till.source(held.version_id))
    if not ended.replayed:
        _record("points.bill_paid", _number(held), till, held.reference, points=-held.points)
    return ended


@transaction.atomic
def drop_bill(*, held: Entry, at: datetime, till: Till) -> EndedHold:
    """
    Nobody pays the bill: give back what was set aside. A repeat gives back once.

    :raises HoldEnded: if it was paid
    """
    ended = release(held=held, at=at, source=till.source(held.version_id))
    if not ended.replayed:
        _record("points.bill_dropped", _number(held), till, held.reference, points=-held.points)
    return ended


@transaction.atomic
def give_back_bill(*, held: Entry, at: datetime, till: Till) -> Posting:
    """
    Undo a bill that points had paid a part of, within the minutes its rulebook allows. A repeat
    gives back once.

    :raises HoldEnded: if nothing was spent of it
    :raises TooLateToGiveBack: after that
    """
    spent = queries.end_of_hold(held, EntryKind.REDEEM)
    if spent is None:
        raise HoldEnded
    policies = programme.rulebook(_version(held)).policies
    minutes = (policies.bills or BillTerms(share=1)).undo_minutes
    if at > spent.effective_at + timedelta(minutes=minutes):
        raise TooLateToGiveBack(minutes=minutes)
    posted = reinstate(
        member=members.identity_of(held.member_id),
        of=spent,
        at=at,
        reference=f"{held.reference}:back",
        source=till.source(held.version_id),
        floor_days=policies.reinstatement_days,
        by=till.by,
    )
    if not posted.replayed:
        _record("points.bill_undone", _number(held), till, held.reference, points=-held.points)
    return posted


def _version(held: Entry) -> int:
    assert held.version_id is not None, "a bill is held under the rulebook of its day"
    return held.version_id


def _number(held: Entry) -> str:
    return members.identity_of(held.member_id).number


def _record(action: str, number: str, till: Till, reference: str | None, **details: object) -> None:
    told = {name: str(value) for name, value in details.items()}
    audit.record(
        action=action, target=number, by=till.by,
        details={"store": till.store_id, "reference": reference, **told},
    )  # fmt: skip
