"""What the ledger says to members."""

from django.utils.translation import gettext_lazy as _

from messaging import templates

EXPIRING = "points.expiring"


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
