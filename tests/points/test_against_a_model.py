"""
Random years of a member, told to the ledger and to a small model of the rules in words.

The model knows no SQL, no entries and no sweep: it keeps for each credit what is left of it, and
answers every question from that. After each step both must say the same, and the verification
must find nothing. MODEL_EXAMPLES=1000 runs it for longer.
"""

import calendar
import os
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from campaigns import operations as campaigns
from points import nightly, operations, queries, verification
from points.models import Account, AdjustmentReason, Lot
from tests.factories import identity, main_store, rulebook, source, staff
from tests.points.returning import give_back

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST_DAY = date(2023, 11, 20)


# --- The rules, in words --------------------------------------------------------------------------


@dataclass
class Credit:
    """Points somebody got, and what became of them."""

    seq: int
    points: int
    at: datetime
    last_day: date
    left: int
    lapsed: int = 0

    def has_lapsed_by(self, day: date) -> bool:
        """The last day itself is still good."""
        return self.last_day < day


@dataclass
class Bought:
    reference: str
    at: datetime
    cents_left: int
    credit: Credit | None
    taken_back: int = 0


@dataclass
class Member:
    balance: int = 0
    entries: int = 0
    credits: list[Credit] = field(default_factory=list)
    # When, and how many: spendings, takings back, corrections down.
    debits: list[tuple[datetime, int, str]] = field(default_factory=list)

    def credit(self, points: int, at: datetime, last_day: date) -> Credit:
        """A debt is paid first; what is above it can be spent."""
        self.entries += 1
        self.balance += points
        left = max(0, min(points, self.balance))
        self.credits.append(Credit(self.entries, points, at, last_day, left))
        return self.credits[-1]

    def good_on(self, day: date) -> list[Credit]:
        """What was there on a day and had not lapsed, soonest to lapse first, then oldest."""
        good = [
            c for c in self.credits if c.left and not c.has_lapsed_by(day) and c.at.date() <= day
        ]
        return sorted(good, key=lambda c: (c.last_day, c.seq))

    def take(self, points: int, lots: list[Credit]) -> None:
        for credit in lots:
            taken = min(points, credit.left)
            credit.left -= taken
            points -= taken

    def debit(self, points: int, at: datetime, kind: str) -> None:
        self.entries += 1
        self.balance -= points
        self.debits.append((at, points, kind))

    def spend(self, points: int, at: datetime, kind: str) -> bool:
        good = self.good_on(at.date())
        if sum(c.left for c in good) < points:
            return False
        self.take(points, good)
        self.debit(points, at, kind)
        return True

    def write_off_what_lapsed_before(self, day: date) -> None:
        due = [c for c in self.credits if c.left and c.has_lapsed_by(day)]
        self.entries += len({c.last_day for c in due})
        for credit in due:
            credit.lapsed += credit.left
            self.balance -= credit.left
            credit.left = 0

    def take_back(self, bought: Bought, keep: int, less: int, at: datetime, policy: str) -> bool:
        """
        A purchase may keep only what is left of it is worth. What has lapsed of it is gone already.

        Its own points go first, then the others, then it is a debt, or forgiven, or refused.
        """
        self.write_off_what_lapsed_before(at.date())
        credit = bought.credit
        wanted = max(0, credit.points - keep - credit.lapsed - bought.taken_back)
        there = sum(c.left for c in self.credits)
        if policy == "refuse" and there < wanted:
            return False
        if policy == "write_off":
            wanted = min(wanted, there, less)
        if wanted:
            others = sorted(self.credits, key=lambda c: (c is not credit, c.last_day, c.seq))
            self.take(wanted, others)
            self.debit(wanted, at, "taken_back")
            bought.taken_back += wanted
        return True

    def figures(self, day: date) -> tuple[int, int, int, int, int]:
        """Earned, redeemed, taken back, lapsed and what they leave, at the end of a day."""
        earned = sum(c.points for c in self.credits if c.at.date() <= day)
        gone = {"redeemed": 0, "taken_back": 0}
        for at, points, kind in self.debits:
            if at.date() <= day:
                gone[kind] += points
        lapsed = sum(c.lapsed + c.left for c in self.credits if c.has_lapsed_by(day))
        rest = earned - gone["redeemed"] - gone["taken_back"] - lapsed
        return earned, gone["redeemed"], gone["taken_back"], lapsed, rest


def last_day_of(bought_on: date) -> date:
    """Twelve months on, to the end of that month."""
    last = calendar.monthrange(bought_on.year + 1, bought_on.month)[1]
    return date(bought_on.year + 1, bought_on.month, last)


# --- The same years, told to both -----------------------------------------------------------------


class Years(RuleBasedStateMachine):
    policy = "debt"

    def __init__(self):
        super().__init__()
        self.rolled_back = transaction.atomic()
        # As a test case marks its own: the night's transactions may stand inside it.
        self.rolled_back._from_testcase = True
        self.rolled_back.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.rolled_back.__exit__(None, None, None)

    @initialize()
    def begin(self):
        rulebook(return_after_spending=self.policy)
        self.by = staff()
        self.source = source()
        self.who = identity()
        self.model = Member()
        self.today = FIRST_DAY
        self.bought: list[Bought] = []
        self.told = []
        self.count = 0

    # Business time: today, or some days ago, as a till tells of it that was off line.
    ago = st.sampled_from([0, 0, 0, 1, 3, 31, 200, 400])
    hours = st.sampled_from([(0, 0), (12, 0), (23, 59)])
    points = st.integers(1, 60) | st.integers(1, 400)

    def time(self, ago, hours):
        day = self.today - timedelta(days=ago)
        return datetime(day.year, day.month, day.day, *hours, tzinfo=SHANGHAI)

    def name(self):
        self.count += 1
        return f"N{self.count}"

    def tell(self, call):
        """Tell it once now; `told_again` may tell it once more."""
        answer = call()
        self.told.append((call, answer))
        return answer

    @rule(days=st.sampled_from([1, 30, 31, 90, 365, 400]))
    def time_passes(self, days):
        self.today += timedelta(days=days)

    @rule(ago=st.sampled_from([0, 0, 1, 40]))
    def the_night_comes(self, ago):
        day = self.today - timedelta(days=ago)
        nightly.expire_due_lots(day=day)
        self.model.write_off_what_lapsed_before(day)

    @rule(cents=st.integers(0, 3_000) | st.integers(10_000, 60_000), ago=ago, hours=hours)
    def buys(self, cents, ago, hours):
        at, reference = self.time(ago, hours), self.name()
        purchase = campaigns.Purchase(
            member=self.who,
            reference=reference,
            at=at,
            amount=Decimal(cents) / 100,
            source=self.source,
        )

        posted = self.tell(lambda: campaigns.post_purchase(purchase=purchase, now=at))

        worth = cents // 1000
        credit = self.model.credit(worth, at, last_day_of(at.date())) if worth else None
        self.bought.append(Bought(reference, at, cents, credit))
        assert (posted.posting is None) == (worth == 0)

    @rule(points=points, ago=ago, hours=hours)
    def spends(self, points, ago, hours):
        self.spends_at(points, self.time(ago, hours))

    def spends_at(self, points, at):
        reference = self.name()

        def call():
            return operations.redeem(
                member=self.who, points=points, at=at, reference=reference, source=self.source
            )

        self.agreed(self.model.spend(points, at, "redeemed"), call, operations.InsufficientPoints)

    @rule()
    def spends_all(self):
        left = sum(c.left for c in self.model.good_on(self.today))
        if left:
            self.spends_at(left, self.time(0, (12, 0)))

    @rule(points=points, up=st.booleans(), lives=st.integers(0, 500), ago=ago, hours=hours)
    def is_corrected(self, points, up, lives, ago, hours):
        at, reference = self.time(ago, hours), self.name()
        last_day = at.date() + timedelta(days=lives)

        def call():
            return operations.adjust(
                member=self.who,
                points=points if up else -points,
                at=at,
                expires_on=last_day,
                reason=AdjustmentReason.GOODWILL,
                note="",
                reference=reference,
                source=self.source,
                by=self.by,
            )

        if up:
            self.model.credit(points, at, last_day)
            self.tell(call)
        else:
            allowed = self.model.spend(points, at, "taken_back")
            self.agreed(allowed, call, operations.InsufficientPoints)

    @precondition(lambda self: any(bought.cents_left for bought in self.bought))
    @rule(which=st.integers(0, 3), part=st.sampled_from([1, 2, 3]), ago=ago)
    def gives_back(self, which, part, ago):
        """Of one of the latest purchases all that is left, half of it or a third."""
        of = [bought for bought in self.bought if bought.cents_left][-4:]
        bought = of[which % len(of)]
        cents = bought.cents_left // part
        at, reference = max(self.time(ago, (12, 0)), bought.at), self.name()
        left = bought.cents_left - cents
        keep, less = left // 1000, bought.cents_left // 1000 - left // 1000

        def call():
            return give_back(
                bought.reference, f"{Decimal(cents) / 100:.2f}", reference=reference, at=at
            )

        allowed = True
        if bought.credit:
            # A refusal undoes the sweep that came before it.
            allowed = self.undone_unless(
                self.model, lambda: self.model.take_back(bought, keep, less, at, self.policy)
            )
        if self.agreed(allowed, call, operations.AlreadySpent):
            bought.cents_left = left

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def told_again(self, data):
        call, answer = data.draw(st.sampled_from(self.told))
        posting = getattr(answer, "posting", answer)

        again = call()

        assert again.replayed
        if posting is not None:
            assert getattr(again, "posting", again) == replace(posting, replayed=True)

    def agreed(self, allowed, call, refusal):
        if allowed:
            self.tell(call)
        else:
            with pytest.raises(refusal), transaction.atomic():
                call()
        return allowed

    def undone_unless(self, member, attempt):
        before = (member.balance, member.entries, [(c, c.left, c.lapsed) for c in member.credits])
        if attempt():
            return True
        member.balance, member.entries, lots = before
        for credit, left, lapsed in lots:
            credit.left, credit.lapsed = left, lapsed
        return False

    @invariant()
    def they_say_the_same(self):
        if not hasattr(self, "who"):
            return
        lots = dict(Lot.objects.filter(member_id=self.who.id).values_list("seq", "remaining"))
        assert lots == {c.seq: c.left for c in self.model.credits if c.left}
        account = Account.objects.filter(pk=self.who.id).first()
        booked = (account.balance, account.seq) if account else (0, 0)
        assert booked == (self.model.balance, self.model.entries)
        for days in (-32, 0, 200):
            day = self.today + timedelta(days=days)
            told = queries.totals(as_of=day, member_id=self.who.id)
            figures = (told.earned, told.redeemed, told.taken_back, told.expired, told.outstanding)
            assert figures == self.model.figures(day), day
            assert queries.balance_as_of(self.who.id, day) == told.outstanding
        report = verification.Report()
        for low, high in verification.ranges(size=1000):
            verification.verify(report=report, low=low, high=high)
        assert report.differences == []


@pytest.mark.timeout(3600)  # MODEL_EXAMPLES may ask for many, and shrinking takes its time
@pytest.mark.django_db
@pytest.mark.parametrize("policy", ["debt", "write_off", "refuse"])
def test_random_years_agree_with_the_rules_in_words(policy):
    main_store()
    run_state_machine_as_test(
        type("Years", (Years,), {"policy": policy}),
        settings=settings(
            max_examples=int(os.environ.get("MODEL_EXAMPLES", "25")),
            stateful_step_count=30,
            deadline=None,
            derandomize="MODEL_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
