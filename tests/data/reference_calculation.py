"""
The programme `plain` reckoned a second time, from its rules in words, without the project's code.

    python tests/data/reference_calculation.py tests/data/events_small.csv

prints what the ledger must add up to at the end of each day that matters. The rules:

- A purchase earns one point for each whole 10 yuan.
- The points of a purchase can be spent to the end of the last day of the same month a year later.
- Spending takes the points that lapse first, of those the ones earned first.
- A return leaves a purchase worth what the same rule gives for the amount that is left. What it was
  worth more before is taken back: of the purchase's own points first, then of the others in the
  order of spending, and what cannot be found is a debt. What of the purchase has lapsed is not
  taken a second time.
- Points earned by somebody in debt pay the debt first.
- Days are days in China.
"""

import calendar
import csv
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

CHINA = timezone(timedelta(hours=8))


@dataclass
class Receipt:
    amount: Decimal
    earned: int
    good_until: date
    order: int
    left: int = 0  # of its points, to spend
    lapsed: int = 0
    taken_back: int = 0


@dataclass
class Customer:
    receipts: dict[str, Receipt] = field(default_factory=dict)
    debt: int = 0

    def to_spend(self):
        """In the order of spending."""
        return sorted(
            (receipt for receipt in self.receipts.values() if receipt.left),
            key=lambda receipt: (receipt.good_until, receipt.order),
        )


@dataclass
class Club:
    customers: dict[str, Customer] = field(default_factory=lambda: defaultdict(Customer))
    today: date = date.min
    count: int = 0
    # What happened on each day, by name: earned, redeemed, taken_back, expired.
    days: dict[date, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    def note(self, what, points):
        self.days[self.today][what] += points

    def begin(self, day):
        """Everything whose last day was before `day` lapses on the morning after its last day."""
        for customer in self.customers.values():
            for receipt in customer.receipts.values():
                if receipt.left and receipt.good_until < day:
                    self.days[receipt.good_until + timedelta(days=1)]["expired"] += receipt.left
                    receipt.lapsed += receipt.left
                    receipt.left = 0
        self.today = day

    def purchase(self, member, reference, amount):
        customer = self.customers[member]
        if reference in customer.receipts:
            return
        self.count += 1
        earned = worth(amount)
        year, month = self.today.year + 1, self.today.month
        good_until = date(year, month, calendar.monthrange(year, month)[1])
        pays = min(earned, customer.debt)
        customer.debt -= pays
        customer.receipts[reference] = Receipt(
            amount, earned, good_until, self.count, left=earned - pays
        )
        self.note("earned", earned)

    def redemption(self, member, points):
        customer = self.customers[member]
        for receipt in customer.to_spend():
            used = min(points, receipt.left)
            receipt.left -= used
            points -= used
            self.note("redeemed", used)
        if points:
            raise ValueError(f"{member} has {points} points too few on {self.today}")

    def giving_back(self, member, original, amount):
        customer = self.customers[member]
        bought = customer.receipts[original]
        bought.amount -= amount
        if bought.amount < 0:
            raise ValueError(f"{original} was not worth that much")
        take = max(0, bought.earned - worth(bought.amount) - bought.lapsed - bought.taken_back)
        bought.taken_back += take
        self.note("taken_back", take)
        for receipt in [bought, *customer.to_spend()]:
            found = min(take, receipt.left)
            receipt.left -= found
            take -= found
        customer.debt += take


def worth(amount):
    return int(amount // 10)


def day_of(text):
    if len(text) == len("2024-02-29"):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).astimezone(CHINA).date()


def play(rows):
    """Play events, or purchases alone, and return what happened on each day."""
    club = Club()
    for row in rows:
        club.begin(day_of(row["at"]))
        kind = row.get("kind", "purchase")
        if kind == "purchase":
            club.purchase(row["member"], row["reference"], Decimal(row["amount"]))
        elif kind == "redemption":
            club.redemption(row["member"], int(row["points"]))
        else:
            club.giving_back(row["member"], row["original"], Decimal(row["amount"]))
    last_lapse = date(club.today.year + 2, 12, 31)
    club.begin(last_lapse)
    return dict(club.days)


def totals(days, as_of):
    """Add up what happened to the end of a day."""
    names = ("earned", "redeemed", "taken_back", "expired")
    sums = [sum(happened[name] for day, happened in days.items() if day <= as_of) for name in names]
    return (*sums, sums[0] - sums[1] - sums[2] - sums[3])


def days_that_matter(days):
    """Each day on which something happened, and the days around each end of a month."""
    first, last = min(days), max(days)
    every = (first + timedelta(days=n) for n in range((last - first).days + 32))
    return [
        day for day in every if day in days or day.day == 1 or (day + timedelta(days=1)).day == 1
    ]


def main(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        days = play(csv.DictReader(file))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["as_of", "earned", "redeemed", "taken_back", "expired", "outstanding"])
    for day in days_that_matter(days):
        out.writerow([day, *totals(days, day)])


if __name__ == "__main__":
    main(sys.argv[1])
