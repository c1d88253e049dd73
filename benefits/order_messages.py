"""What is said to members of their orders."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from benefits import words
from benefits.models.orders import Taker, Why
from common.localized import localized
from messaging import templates
from messaging.models import Purpose
from messaging.templates import Kind

PLACED = "benefits.order_placed"
PICKED = "benefits.order_picked"
SHIPPED = "benefits.order_shipped"
READY = "benefits.order_ready"
HANDED_OVER = "benefits.order_handed_over"
GIVEN = "benefits.order_given"
ARRIVED = "benefits.order_arrived"
CANCELLED = "benefits.order_cancelled"
RETURN_REFUSED = "benefits.order_return_refused"
RETURNED = "benefits.order_returned"


def _known(choices: type[Taker | Why], code: str) -> str:
    return str(dict(choices.choices).get(code, code))


def _why(code: str) -> str:
    return _known(Why, code) or _now("the page of the order says why")


# Their names, and how many.
ITEM = Kind(
    keep=lambda told: [dict(told[0]), int(told[1])],
    show=lambda kept: f"{localized(kept[0])} ×{kept[1]}" if kept[1] > 1 else localized(kept[0]),
    sample=[{"zh-hans": "保温杯", "zh-hant": "保溫杯", "en": "Thermos"}, 1],
)
# Points, and money as text.
PRICE = Kind(
    keep=lambda told: [int(told[0]), str(told[1])],
    show=lambda kept: words.price(kept[0], Decimal(kept[1])),
    sample=[1000, "0"],
)
# As somebody typed them once.
NAME = Kind(keep=str, show=str, sample="示例")
TAKER = Kind(keep=str, show=lambda code: _known(Taker, code), sample="MEMBER")
WHY = Kind(keep=str, show=_why, sample="CHANGED_MIND")

# Each says which order of which item, beside what stands here.
VARIABLES: dict[str, Mapping[str, Kind]] = {
    PLACED: {"price": PRICE},
    PICKED: {},
    SHIPPED: {"carrier": NAME, "shipment": NAME},
    READY: {"store": NAME, "last_day": templates.DAY},
    HANDED_OVER: {"store": NAME},
    GIVEN: {},
    ARRIVED: {"last_day": templates.DAY},
    CANCELLED: {"by": TAKER, "why": WHY, "back": PRICE},
    RETURN_REFUSED: {},
    RETURNED: {"back": PRICE},
}


def register() -> None:
    _tell(
        PLACED,
        _("Ordered: %(item)s"),
        _("We have your order %(order)s. Paid: %(price)s."),
    )
    _tell(
        PICKED,
        _("In preparation: %(item)s"),
        _("Your order %(order)s has been picked for you and can no longer be cancelled."),
        # It would ring for little: the next step is told outside.
        leaves_the_house=False,
    )
    _tell(
        SHIPPED,
        _("On its way: %(item)s"),
        _("Your order %(order)s was sent with %(carrier)s under the number %(shipment)s."),
    )
    _tell(
        READY,
        _("Ready for you: %(item)s"),
        _(
            "Your order %(order)s waits at %(store)s until %(last_day)s. Show your member code "
            "there, and say the number of the order."
        ),
    )
    _tell(
        HANDED_OVER,
        _("Collected: %(item)s"),
        _("Your order %(order)s was handed over at %(store)s. If it was not you, tell us at once."),
    )
    _tell(
        GIVEN,
        _("Here it is: %(item)s"),
        _("What you ordered as %(order)s stands on the page of the order."),
    )
    _tell(
        ARRIVED,
        _("Has it come? %(item)s"),
        _(
            "We take it that your order %(order)s has arrived. If something is wrong with it, say "
            "so on the page of the order by %(last_day)s."
        ),
    )
    _tell(
        CANCELLED,
        _("Cancelled: %(item)s"),
        _("Your order %(order)s was cancelled. By: %(by)s. Why: %(why)s. Given back: %(back)s."),
    )
    _tell(
        RETURN_REFUSED,
        _("Not taken back: %(item)s"),
        _("The page of your order %(order)s says why."),
    )
    _tell(
        RETURNED,
        _("Taken back: %(item)s"),
        _("Your order %(order)s came back to us. Given back: %(back)s."),
    )


def _tell(
    name: str, subject: Promise | str, body: Promise | str, *, leaves_the_house: bool = True
) -> None:
    templates.register(
        name,
        subject=subject,
        body=body,
        variables={"order": templates.TEXT, "item": ITEM, **VARIABLES[name]},
        purpose=Purpose.ACCOUNT,
        leaves_the_house=leaves_the_house,
        page=_page,
    )


def _page(kept: Mapping[str, Any]) -> str:
    return reverse("benefits:order", args=[int(kept["order"].removeprefix("D"))])
