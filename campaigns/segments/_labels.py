"""What the fields of a segment are called in the console (see `common.schemas.labels`)."""

from django.utils.translation import gettext_lazy as _

from common import schemas
from members.models import ConsentPurpose, MemberStatus, Sex

CONDITIONS = {
    "tags": _("Tags"),
    "tiers": _("Tier"),
    "points": _("Points balance"),
    "expiring": _("Points about to lapse"),
    "spend": _("Spend"),
    "purchases": _("Number of purchases"),
    "latest_purchase": _("Latest purchase"),
    "activity": _("Has taken part in"),
    "sex": _("Sex"),
    "age": _("Age"),
    "birthday_months": _("Month of birthday"),
    "provinces": _("Province"),
    "cities": _("City"),
    "status": _("Status"),
    "joined": _("Joined on"),
    "dealers": _("Enrolled by the dealer"),
    "stores": _("Enrolled by the store"),
    "attributes": _("Attribute"),
    "attribute_number": _("Attribute that is a number"),
    "attribute_day": _("Attribute that is a day"),
    "attribute_text": _("Attribute that is a text"),
    "consents": _("Agrees to"),
    "group": _("Group of conditions"),
}
MATCHES = {
    "all": _("All of these hold"),
    "any": _("One of these holds"),
    "none": _("None of these holds"),
}
# Within a condition.
FIELDS = {
    "at_least": _("At least"),
    "at_most": _("At most"),
    "from": _("From the day"),
    "until": _("Until the day"),
    "expiring.days": _("Within the next days"),
    "expiring.at_least": _("At least so many points"),
    "days": _("In the latest days"),
    "within": _("Within the latest days"),
    "before": _("Not within the latest days"),
    "kind": _("What"),
    "times": _("At least so many times"),
    "of": _("Attribute"),
    "is": _("One of these"),
}
SPOKEN_OF = ("points", "expiring", "spend", "purchases", "latest_purchase", "activity", "age",
             "joined", "attribute_number", "attribute_day", "attribute_text")  # fmt: skip
HELPS = {
    "provinces": _("One on each line, as it is written with members."),
    "cities": _("One on each line, as it is written with members."),
    "spend.days": _("Today is the last of them. Empty: ever."),
    "purchases.days": _("Today is the last of them. Empty: ever."),
    "activity.days": _("Today is the last of them. Empty: ever."),
    "joined.days": _("Today is the last of them."),
    "activity.times": _("Empty: once."),
    "expiring.days": _("Today is the first of them."),
    "latest_purchase": _("Who has never bought anything fits neither."),
}


# What else the page asks for.
OTHERS = {
    "members": _("Who is in it"),
    "match": _("Of these conditions"),
    "conditions": _("Conditions"),
    "segment_name": _("Name of the segment"),
    "segment_tag": _("Tag of its members"),
    "segment_note": _("Note"),
}
OTHER_HELPS = {
    "segment_tag": _(
        "Empty: none. It is put on every night, and taken off those who have left; tags put on by "
        "hand stay."
    ),
}


def register() -> None:
    names = {**OTHERS, **{f"match={word}": title for word, title in MATCHES.items()}}
    names |= {f"conditions={name}": title for name, title in CONDITIONS.items()}
    names |= {f"conditions.{name}": title for name, title in CONDITIONS.items()}
    for condition in SPOKEN_OF:
        names |= {f"{condition}.{name}": title for name, title in FIELDS.items() if "." not in name}
    names |= {name: title for name, title in FIELDS.items() if "." in name}
    for field, choices in CHOICES.items():
        names |= {f"conditions.{field}={value}": title for value, title in choices}
    helps = {f"conditions.{name}": text for name, text in HELPS.items()}
    schemas.labels(names, {**OTHER_HELPS, **helps})


CHOICES = {
    "sex": Sex.choices,
    "status": MemberStatus.choices,
    "consents": ConsentPurpose.choices,
}
