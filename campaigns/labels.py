"""What the fields of the earning rules are called in the console (see `common.schemas.labels`)."""

from django.utils.translation import gettext_lazy as _

from campaigns import words
from campaigns.models import ActivityGroup, CampaignKind, GiftOccasion, Period, TaskStep
from common import schemas


def register() -> None:
    schemas.labels(NAMES, HELPS)
    schemas.teller("gives", lambda value, _choices: words.gives(value))
    schemas.teller("rate", lambda value, _choices: words.rate_of(value))
    schemas.teller("days", lambda value, _choices: words.days(value))
    for field, choices in CHOICES.items():
        schemas.labels({f"{field}={value}": name for value, name in choices})


NAMES = {
    "earning": _("Earning"),
    "earning.rules": _("Earning rules"),
    "per_amount": _("For every amount of"),
    "rules.tiers": _("Other rate for a tier"),
    "rules.tiers.*": _("Rate"),
    "rules.where": _("Only where"),
    "where.tiers": _("Tiers"),
    "where.months": _("Months of the year"),
    "when.months": _("Months of the year"),
    "earning.boosts": _("Boosts"),
    "boosts.when": _("Applies when"),
    "when.birthday": _("Birthday"),
    "birthday=month": _("In the month of the birthday"),
    "birthday=day": _("On the birthday"),
    "member_day": _("Member day"),
    "member_day.days": _("Days of the month"),
    "first_purchase": _("First purchase"),
    "new_category": _("First purchase in a category"),
    "min_amount": _("From an amount of"),
    "when.tiers": _("Tiers"),
    "boosts.gives": _("Gives"),
    "gives=percent": _("Percent more"),
    "gives=factor": _("Times as much"),
    "gives=points": _("Fixed points"),
    "percent": _("Percent"),
    "factor": _("Factor"),
    "stacking": _("Together with others"),
    "stacking=add": _("Added to the others"),
    "stacking=multiply": _("Multiplied with the others"),
    "stacking=best": _("Only the best of its group"),
    "stacking=exclusive": _("Alone"),
    "boosts.group": _("Group"),
    "priority": _("Priority"),
    "weekdays=mon": _("Monday"),
    "weekdays=tue": _("Tuesday"),
    "weekdays=wed": _("Wednesday"),
    "weekdays=thu": _("Thursday"),
    "weekdays=fri": _("Friday"),
    "weekdays=sat": _("Saturday"),
    "weekdays=sun": _("Sunday"),
    # What members do besides buying.
    "activities": _("What members do besides buying"),
    "kinds": _("Kinds of activity"),
    "kinds.group": _("Group"),
    "once_per": _("Counts once for each"),
    "caps": _("Caps"),
    "caps.of": _("Of what"),
    "caps.points": _("At most so many points"),
    "caps.times": _("At most so many times"),
    "caps.share": _("At most so many percent"),
    "of_type": _("Of the points of"),
    "of_type=consumption": _("Purchases"),
    "per": _("For each"),
    "budgets": _("Budgets"),
    "budgets.of": _("Of what"),
    "budgets.points": _("Points in all"),
    "budgets.money": _("Money in all"),
    "dealer": _("Dealer"),
    "gifts": _("Gifts"),
    "gifts.when": _("Occasion"),
    "since": _("Bought since"),
    "within_months": _("Within so many months"),
    "tasks": _("Tasks"),
    # Campaigns.
    "campaigns": _("Marketing campaigns"),
    "plans": _("Marketing campaigns"),
    "plans.of": _("What belongs to it"),
    "goal": _("Goal"),
    "plans.budget": _("Budget"),
    "budget=points": _("In points"),
    "budget=money": _("In money"),
    "budget.points": _("Points in all"),
    "budget.money": _("Money in all"),
    "expected": _("Expected"),
    "expected.members": _("Members reached"),
    "expected.points": _("Points given"),
    "expected.spend": _("Spend"),
    "tasks.when": _("Step"),
}

HELPS = {
    "earning.rules": _("The first rule that takes a line counts."),
    "rules.tiers": _("Its rate instead of the rule's own."),
    "stacking": _("“Alone”: of several only the one with the highest priority counts."),
    "plans.of": _("They count only in the days of the campaign."),
    "plans.budget": _("One purse for all that belongs to it. Once it is empty it gives nothing."),
}

CHOICES = {
    "kinds.group": ActivityGroup.choices,
    "once_per": Period.choices,
    "per": Period.choices,
    "gifts.when": GiftOccasion.choices,
    "plans.kind": CampaignKind.choices,
    "tasks.when": TaskStep.choices,
}
