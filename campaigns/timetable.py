"""When the codes of campaigns count: a rule, boost, activity, task or gift of one, in its days."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

NOT_BEGUN = "campaign_not_begun"
OVER = "campaign_over"


@dataclass(frozen=True, slots=True)
class Window:
    """The days of a campaign, both inclusive."""

    campaign: str
    first_day: date
    last_day: date

    def holds_on(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day


@dataclass(frozen=True, slots=True)
class Timetable:
    """What belongs to the campaigns of a version. What belongs to none counts on every day."""

    by_code: Mapping[str, tuple[Window, ...]]

    @classmethod
    def of(cls, plans: Iterable[Mapping[str, Any]]) -> "Timetable":
        """Make ready what the programme file says under `campaigns.plans`."""
        found: dict[str, list[Window]] = {}
        for plan in plans:
            window = Window(
                plan["code"], date.fromisoformat(plan["from"]), date.fromisoformat(plan["until"])
            )
            for code in plan["of"]:
                found.setdefault(code, []).append(window)
        return cls({code: tuple(windows) for code, windows in found.items()})

    def campaign_on(self, code: str, day: date) -> str | None:
        """The campaign a code counts in on a day. There is one: they do not share it at a time."""
        for window in self.by_code.get(code, ()):
            if window.holds_on(day):
                return window.campaign
        return None

    def refusal(self, code: str, day: date) -> tuple[str, str] | None:
        """
        Why a code does not count on a day, and the campaign that is over or has not begun.

        Of several campaigns the next one is told, if another comes.
        """
        windows = self.by_code.get(code, ())
        if not windows or any(window.holds_on(day) for window in windows):
            return None
        later = [window for window in windows if window.first_day > day]
        if later:
            return NOT_BEGUN, min(later, key=lambda window: window.first_day).campaign
        return OVER, max(windows, key=lambda window: window.last_day).campaign

    def shares(self, parts: Mapping[str, int], day: date) -> dict[str, int]:
        """How many of the points of rules and boosts come of which campaign on a day."""
        shares: dict[str, int] = {}
        for code, points in parts.items():
            if points and (campaign := self.campaign_on(code, day)):
                shares[campaign] = shares.get(campaign, 0) + points
        return shares


NO_CAMPAIGNS = Timetable({})
