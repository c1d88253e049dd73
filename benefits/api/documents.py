"""What dealers' systems send and get about benefits."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils.timezone import localtime

from benefits.matrix import ALWAYS, PAYS, Cell
from benefits.models import NOTE_MAX, Right
from benefits.queries import Offer
from common.api.fields import Document, Text, member_number, store_code
from common.api.rendering import Answer

CODE = r"^[a-z][a-z0-9-]{0,49}$"


class DeliveryInput(Document):
    member = member_number()
    store = store_code()
    benefit = Text(limit=50, pattern=CODE, help_text="The benefit's code.")
    card = Text(
        limit=80,
        required=False,
        help_text="What a scanner read from the member's card, as a proof; else you confirm it.",
    )
    note = Text(limit=NOTE_MAX, required=False, help_text="Stays for ever: nothing personal.")


class UndoInput(Document):
    store = store_code()
    note = Text(limit=NOTE_MAX, required=False, help_text="Why; stays for ever.")


class DeliveryAnswer(Answer):
    """`id` names the right. `left`: how many more there are; null where they are not counted."""

    id: int
    member: str
    benefit: str
    store: str
    state: str
    delivered_at: datetime | None
    left: int | None


class RightAnswer(Answer):
    """One unit. `last_on`: its last good day; null: it has no end."""

    id: int
    state: str
    last_on: date | None
    booked_for: datetime | None
    # The store it is booked at, if it is.
    store: str | None


class BenefitAnswer(Answer):
    """
    What a member has of a benefit.

    `per` and `times`: how many the tier gets in which period (month, quarter, year, birthday_month,
    upgrade), or `always`. `pays`: of a discount, what is paid in per cent of the price. All three
    are null if only rights of an earlier tier are left.
    """

    code: str
    names: dict[str, str]
    descriptions: dict[str, str]
    source: str
    kind: str
    per: str | None
    times: int | None
    pays: str | None
    # The line categories of a discount; none: all.
    categories: list[str]
    # Whether a discount counts today.
    today: bool
    left: int | None
    rights: list[RightAnswer]


class BenefitsAnswer(Answer):
    member: str
    on: date
    benefits: list[BenefitAnswer]


def benefits_answer(found: list[Offer], *, member: str, day: date) -> BenefitsAnswer:
    return BenefitsAnswer(member, day, [_benefit(each, day) for each in found])


def _benefit(offer: Offer, day: date) -> BenefitAnswer:
    benefit = offer.benefit
    return BenefitAnswer(
        code=benefit.code,
        names=benefit.names,
        descriptions=benefit.description,
        source=benefit.source,
        kind=benefit.kind,
        **_quota(offer.cell),
        categories=sorted(benefit.categories),
        today=benefit.is_due_on(day),
        left=offer.left,
        rights=[_right(each) for each in offer.rights],
    )


def _quota(cell: Cell | None) -> Mapping[str, Any]:
    if cell is None:
        return {"per": None, "times": None, "pays": None}
    if cell.pays is not None:
        return {"per": None, "times": None, "pays": f"{cell.pays.normalize():f}"}
    assert cell.per != PAYS, "a discount says what is paid"
    return {"per": cell.per, "times": None if cell.per == ALWAYS else cell.times, "pays": None}


def _right(right: Right) -> RightAnswer:
    return RightAnswer(
        id=right.pk,
        state=right.state,
        last_on=right.last_on,
        booked_for=right.booked_for and localtime(right.booked_for),
        store=right.store.code if right.store else None,
    )


def delivery_answer(right: Right, *, member: str, store: str, left: int | None) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=right.pk,
        member=member,
        benefit=right.benefit,
        store=store,
        state=right.state,
        delivered_at=right.delivered_at and localtime(right.delivered_at),
        left=left,
    )
