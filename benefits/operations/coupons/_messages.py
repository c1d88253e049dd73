"""What is said to members about coupons."""

from django.utils.translation import gettext_lazy as _

from messaging import templates
from tiers.messages import NAMES

ISSUED = "benefits.coupon_issued"
LAPSING = "benefits.coupon_lapsing"


def register() -> None:
    templates.register(
        ISSUED,
        subject=_("A coupon for you: %(coupon)s"),
        body=_("You have a coupon: %(coupon)s. It is good until %(last_day)s, that day included."),
        variables={"coupon": NAMES, "last_day": templates.DAY},
    )
    templates.register(
        LAPSING,
        subject=_("Your coupon %(coupon)s ends on %(last_day)s"),
        body=_("Your coupon %(coupon)s is good until %(last_day)s, that day included."),
        variables={"coupon": NAMES, "last_day": templates.DAY},
    )
