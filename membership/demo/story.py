"""What happens in the demo: two years of the club, told event by event in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from django.utils import timezone

from membership.demo.cast import MEMBERS, Person

# Long enough that the first points lapse, which live for two years and to the end of a month.
LENGTH = timedelta(days=820)

# Who gets a part of their own, by position.
FLEET_OWNER, DEBTOR, FORGETFUL = 10, 11, 12
# Nearly gold; about to lose silver; gold, and applies for diamond.
RISING, FALLING, APPLICANT = 13, 14, 15
CLOSED = range(265, 268)
FROZEN = range(270, 275)
PRE_REGISTERED = range(MEMBERS - 20, MEMBERS)

REWARDS = (
    ("洗车券", 30),
    ("玻璃水两瓶", 20),
    ("空调滤芯更换", 60),
    ("机油保养抵扣", 100),
    ("四轮定位", 150),
    ("道路救援延保一年", 240),
)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Event):
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited(Event):
    """A visit to the workshop: what was paid for, by category."""

    reference: str
    lines: tuple[tuple[str, Decimal], ...]

    @property
    def amount(self) -> Decimal:
        return sum((amount for _category, amount in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Event):
    reference: str
    visit: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed(Event):
    reference: str
    reward: str
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Did(Event):
    """What a member did besides buying, by its code in the rulebook."""

    reference: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Event):
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Froze(Event):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    reason: str


def story(people: list[Person], *, end: date) -> list[Event]:
    """Tell what all of them do until the evening before `end`."""
    events = [event for person in people for event in _life(person, end=end)]
    # Stable: what one person does within one minute stays in order.
    return sorted(events, key=lambda event: event.at)


def _life(person: Person, *, end: date) -> Iterator[Event]:
    random = Random(f"life {person.position}")  # noqa: S311 - a story, not a secret
    yield Joined(
        at=_at(person.joined_on, 9, random),
        person=person,
        is_active=person.position not in PRE_REGISTERED,
    )
    if person.position == DEBTOR:
        yield from _debt(person, random, end=end)
    elif person.position in SPENT:
        yield from _spent(person, random, end=end)
    else:
        yield from _visits(person, random, end=end)
    yield from _ending(person, random, end=end)


def _visits(person: Person, random: Random, *, end: date) -> Iterator[Event]:
    is_fleet_owner = person.position == FLEET_OWNER
    every = 30 if is_fleet_owner else random.randrange(70, 200)
    day = person.joined_on + timedelta(days=random.randrange(1, 40))
    number = 0
    while day < end - timedelta(days=3):
        number += 1
        reference = f"RO-{person.position + 1:04d}-{number:02d}"
        visit = Visited(
            at=_at(day, 10, random),
            person=person,
            reference=reference,
            lines=_bill(random, scale=4 if is_fleet_owner else 1),
        )
        yield visit
        if random.random() < 0.15:
            code = random.choice(("check-in", "review", "share", "large-event"))
            at = _at(day, 17, random)
            yield Did(at=at, person=person, reference=f"{code}-{reference}", code=code)
        if random.random() < 0.06:
            yield from _return(visit, random, end=end)
        saves = is_fleet_owner or person.position in (FORGETFUL, *PRE_REGISTERED)
        if not saves and number > 1 and random.random() < 0.4:
            reward, points = random.choice(REWARDS)
            yield Redeemed(
                at=_at(day, 16, random),
                person=person,
                reference=f"RD-{person.position + 1:04d}-{number:02d}",
                reward=reward,
                points=points,
            )
        day += timedelta(days=max(7, round(random.gauss(every, every / 4))))
    if person.position == FORGETFUL:
        # Earned in this month two years ago, so it lapses at the end of this one.
        yield Visited(
            at=_at(end.replace(year=end.year - 2, day=1), 10, random),
            person=person,
            reference=f"RO-{person.position + 1:04d}-F",
            lines=(("labour", Decimal("980.00")), ("parts", Decimal("2460.00"))),
        )


def _bill(random: Random, *, scale: int) -> tuple[tuple[str, Decimal], ...]:
    lines = [("labour", _money(random, 120, 900)), ("parts", _money(random, 80, 2400))]
    if random.random() < 0.35:
        lines.append(("accessories", _money(random, 50, 1600)))
    if random.random() < 0.15:
        lines.append(("insurance", _money(random, 1900, 6200)))
    return tuple((category, amount * scale) for category, amount in lines)


def _money(random: Random, low: int, high: int) -> Decimal:
    """Cheap things are more common than dear ones."""
    return Decimal(random.triangular(low, high, low)).quantize(CENT)


def _return(visit: Visited, random: Random, *, end: date) -> Iterator[Event]:
    day = timezone.localdate(visit.at) + timedelta(days=random.randrange(2, 20))
    if day < end:
        yield Returned(
            at=_at(day, 11, random),
            person=visit.person,
            reference=f"{visit.reference}-T",
            visit=visit.reference,
            amount=visit.lines[-1][1],
        )


# What was spent: how many days before the end, and how much.
SPENT = {
    RISING: ((300, "3900"), (190, "3200"), (75, "2350")),
    FALLING: ((715, "5200"), (400, "900"), (120, "1400")),
    APPLICANT: ((320, "6800"), (210, "5100"), (90, "4300")),
}


def _spent(person: Person, random: Random, *, end: date) -> Iterator[Event]:
    for number, (days, amount) in enumerate(SPENT[person.position], start=1):
        spent = Decimal(amount)
        labour = (spent / 4).quantize(CENT)
        yield Visited(
            at=_at(end - timedelta(days=days), 10, random),
            person=person,
            reference=f"RO-{person.position + 1:04d}-{number:02d}",
            lines=(("labour", labour), ("parts", spent - labour)),
        )
    if person.position == APPLICANT:
        yield Applied(
            at=_at(end - timedelta(days=2), 15, random),
            person=person,
            level="diamond",
            text="公司三辆车都在贵店保养，申请升级为钻石会员。",
        )


def _debt(person: Person, random: Random, *, end: date) -> Iterator[Event]:
    """Buys, spends the points, and brings everything back."""
    reference = f"RO-{person.position + 1:04d}-01"
    lines = (("accessories", Decimal("6880.00")), ("labour", Decimal("420.00")))
    yield Visited(
        at=_at(end - timedelta(days=20), 10, random),
        person=person,
        reference=reference,
        lines=lines,
    )
    yield Redeemed(
        at=_at(end - timedelta(days=12), 15, random),
        person=person,
        reference=f"RD-{person.position + 1:04d}-01",
        reward="道路救援延保一年",
        points=600,
    )
    yield Returned(
        at=_at(end - timedelta(days=4), 11, random),
        person=person,
        reference=f"{reference}-T",
        visit=reference,
        amount=Decimal("6880.00"),
    )


def _ending(person: Person, random: Random, *, end: date) -> Iterator[Event]:
    evening = _at(end - timedelta(days=1), 17, random)
    if person.position in FROZEN:
        yield Froze(at=evening, person=person, reason="同一车辆重复登记，核实中")
    elif person.position in CLOSED:
        yield Left(at=evening, person=person, reason="会员本人申请退会")


def _at(day: date, hour: int, random: Random) -> datetime:
    """Within an hour of opening time."""
    zone = timezone.get_default_timezone()
    return datetime.combine(day, time(hour, random.randrange(60)), zone)
