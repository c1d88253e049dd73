"""What the ledger says to members."""

from django.utils.translation import gettext_lazy as _

from messaging import templates

EXPIRING = "points.expiring"
POOL_SPENT = "points.pool_spent"


def register() -> None:
    templates.register(
        EXPIRING,
        subject=_("Points that lapse after %(last_day)s: %(points)s"),
        body=_(
            "%(points)s of your points can be used until %(last_day)s, that day included. After it "
            "they are gone."
        ),
        variables={"points": templates.NUMBER, "last_day": templates.DAY},
    )
    templates.register(
        POOL_SPENT,
        subject=_("%(points)s of the points you share were spent"),
        body=_(
            "%(name)s spent %(points)s of your points. You see it in your statement, and you can "
            "stop sharing at any time."
        ),
        variables={"points": templates.NUMBER, "name": templates.TEXT},
    )
