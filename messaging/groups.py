"""What members hear of their families and companies."""

from django.utils.translation import gettext_lazy as _

from messaging import templates

INVITED = "messaging.group_invited"
JOINED = "messaging.group_joined"
LEFT = "messaging.group_left"
REMOVED = "messaging.group_removed"
HANDED_OVER = "messaging.group_handed_over"
ENDED = "messaging.group_ended"


def register() -> None:
    templates.register(
        INVITED,
        subject=_("You are invited to join %(group)s"),
        body=_(
            "You find the invitation under My groups until %(last_day)s. Nothing is shared yet."
        ),
        variables={"group": templates.TEXT, "last_day": templates.DAY},
    )
    templates.register(
        JOINED,
        subject=_("%(name)s has joined %(group)s"),
        body=_("Under My groups you see who is in it."),
        variables={"group": templates.TEXT, "name": templates.TEXT},
    )
    templates.register(
        LEFT,
        subject=_("%(name)s has left %(group)s"),
        body=_("What they shared can no longer be spent by others."),
        variables={"group": templates.TEXT, "name": templates.TEXT},
    )
    templates.register(
        REMOVED,
        subject=_("You are no longer in %(group)s"),
        body=_("Your points are yours alone again."),
        variables={"group": templates.TEXT},
    )
    templates.register(
        HANDED_OVER,
        subject=_("You are the owner of %(group)s now"),
        body=_("You invite, remove and name administrators, and can hand it over or dissolve it."),
        variables={"group": templates.TEXT},
    )
    templates.register(
        ENDED,
        subject=_("Your family or company here has been dissolved"),
        body=_("Your points are yours alone again."),
        variables={},
    )
