"""What one member can gain by a purchase today besides the usual rates, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from campaigns import campaign_words, words
from campaigns.earning import Boost, Earning, Facts, birthday_on, compiled_rules
from common.localized import localized
from programme import queries as programme

# What no purchase of today can change. Where it is made, how, and what is bought, the member can.
NOT_TODAY = {
    "outside_its_dates",
    "not_a_member_day",
    "another_weekday",
    "another_month",
    "another_tier",
    "not_the_birthday",
    "not_the_first_purchase",
    "the_first_purchase",
    "campaign_not_begun",
    "campaign_over",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A boost, or a campaign of other things; `gives` is empty where its name says it all."""

    name: str
    gives: str = ""
    campaign: str = ""
    # The last good day, where there is one.
    until: date | None = None


def offers(*, on: date, tier: str | None, birthday: date | None, has_bought: bool) -> list[Offer]:
    """
    The boosts that count on a day for who stands so, and the campaigns that are on: without a query
    once the version's rules are known.

    :param tier: the code of the member's tier, if there are tiers
    :param has_bought: whether a purchase would not be the first
    """
    try:
        version_id = programme.rulebook_on(on).id
    except programme.NoRulebook:
        return []
    rules = compiled_rules(version_id)
    facts = Facts(
        day=on,
        tier=tier,
        birthday=birthday_on(birthday, on),
        first_purchase=not has_bought,
    )
    names = words.names(version_id)
    campaigns = {
        code: localized(named) for code, named in campaign_words.names_of(version_id).items()
    }
    boosts = [boost for boost in rules.boosts if _counts(boost, facts)]
    told = [_told(boost, names, campaigns, rules, on) for boost in boosts]
    shown = {offer.campaign for offer in told}
    return told + [offer for offer in _others(campaigns, rules, on) if offer.name not in shown]


def _counts(boost: Boost, facts: Facts) -> bool:
    return not any(reason in NOT_TODAY and not check(facts) for check, reason in boost.conditions)


def _told(
    boost: Boost,
    names: Mapping[str, str],
    campaigns: Mapping[str, str],
    rules: Earning,
    on: date,
) -> Offer:
    window = next(
        (each for each in rules.timetable.by_code.get(boost.code, ()) if each.holds_on(on)), None
    )
    return Offer(
        name=names[boost.code],
        gives=words.gives(boost.gives),
        campaign=campaigns.get(window.campaign, "") if window else "",
        until=window.last_day if window else None,
    )


def _others(campaigns: Mapping[str, str], rules: Earning, on: date) -> Iterator[Offer]:
    """Campaigns of the day, each once."""
    running = {
        window.campaign: window.last_day
        for windows in rules.timetable.by_code.values()
        for window in windows
        if window.holds_on(on)
    }
    for code, last_day in running.items():
        if code in campaigns:
            yield Offer(name=campaigns[code], until=last_day)
