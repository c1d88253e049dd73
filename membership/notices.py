"""
What members are told about their login, that two memberships of theirs are one now, and the
receipts of the counter.
"""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.models import Purpose

PASSWORD_SET = "account.password_set"  # noqa: S105 - the name of a message
EMAIL_CONFIRMED = "account.email_confirmed"
MERGED = "account.joined"
HANDED_OVER = "counter.handed_over"
BILL_PAID = "counter.bill_paid"
COUPON_USED = "counter.coupon_used"
COUPON_GAVE = "counter.coupon_gave"


def register() -> None:
    templates.register(
        PASSWORD_SET,
        subject=_("Your password was set"),
        body=_(
            "A password to log in with was set. If it was not you, set another one and tell us at "
            "your store."
        ),
        variables={},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        EMAIL_CONFIRMED,
        subject=_("You can log in by e-mail"),
        body=_(
            "The e-mail address %(email)s was confirmed: who has the password can log in with it. "
            "If it was not you, tell us at your store."
        ),
        variables={"email": templates.TEXT},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        MERGED,
        subject=_("Your memberships are one now"),
        body=_(
            "Your membership %(number)s was joined with this one, with its points and products. "
            "Numbers and phones of both lead here. If that is not right, tell us at your store."
        ),
        variables={"number": templates.TEXT},
        purpose=Purpose.SECURITY,
    )
    templates.register(
        HANDED_OVER,
        subject=_("You received: %(benefit)s"),
        body=_("%(store)s handed over “%(benefit)s”. Receipt %(number)s."),
        variables={"benefit": templates.TEXT, "store": templates.TEXT, "number": templates.TEXT},
    )
    templates.register(
        BILL_PAID,
        subject=_("Your points paid %(off)s"),
        body=_(
            "%(points)s points took %(off)s off your bill at %(store)s. You can spend "
            "%(balance)s more."
        ),
        variables={
            "points": templates.NUMBER,
            "off": templates.MONEY,
            "store": templates.TEXT,
            "balance": templates.NUMBER,
        },
    )
    templates.register(
        COUPON_USED,
        subject=_("Coupon used: %(coupon)s"),
        body=_("“%(coupon)s” took %(off)s off your bill at %(store)s. Receipt %(number)s."),
        variables={
            "coupon": templates.TEXT,
            "off": templates.MONEY,
            "store": templates.TEXT,
            "number": templates.TEXT,
        },
    )
    templates.register(
        COUPON_GAVE,
        subject=_("Coupon used: %(coupon)s"),
        body=_("%(store)s took “%(coupon)s” for: %(item)s. Receipt %(number)s."),
        variables={
            "coupon": templates.TEXT,
            "item": templates.TEXT,
            "store": templates.TEXT,
            "number": templates.TEXT,
        },
    )
