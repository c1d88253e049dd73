"""
Random years of some members, told to the ledger and to a plain model of the rules in words.

Each step is told to both; both must answer the same or refuse the same, and have the same left:
balance, lots, what waits, what is held, qualifying points, the account's last day, and figures as
of days before and after. The verification must find nothing after any step.

Business time moves on, and tills tell of days long past. MODEL_EXAMPLES=1000 runs it for longer.
"""

import calendar
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from campaigns import operations as campaigns
from campaigns.earning import Line
from common.errors import DomainError
from members import operations as members
from members.models import Member
from members.queries import Identity
from points import nightly, operations, queries, verification
from points.models import Account, AdjustmentReason, Entry, EntryKind, Hold, Lot, Pending, PointType
from programme.policies import TransferLimit
from tests.factories import identity, main_store, rulebook, source, staff
from tests.points import model as rules
from tests.points.model import NEVER, SHANGHAI, Model, Refused, Wait
from tests.points.returning import give_back

LONG_AGO, YET_TO_COME = date(1995, 11, 20), date(2095, 11, 20)
LIMITS = [(30, 3, 150), (365, None, 400)]
ALLOWED = tuple(TransferLimit(*limit) for limit in LIMITS)
ADJUSTED_ALONE = 300


@dataclass(frozen=True)
class Programme:
    """What the rulebook says, in the terms of the model."""

    after_return: str = "debt"
    validity: Any = "months"
    begins: date = LONG_AGO
    from_activation: bool = False

    def last_day(self, day: date) -> date:
        """Twelve months on, to the end of that month."""
        return month_end(day, 12) if self.validity == "months" else NEVER

    def account_last_day(self, day: date) -> date | None:
        if self.validity == "cycle":
            return date(day.year + 1, 12, 31)
        return month_end(day, 6) if self.validity == "inactivity" else None

    @property
    def rolls(self) -> bool:
        return bool(self.validity == "inactivity")

    def active_until(self, kind: str, day: date) -> date | None:
        return self.account_last_day(day) if self.rolls and kind in COUNTED else None

    def begins_with(self, kind: str, day: date) -> date | None:
        """For what brings points: a cycle begins with it."""
        return self.active_until(kind, day) if self.rolls else self.account_last_day(day)

    def policies(self) -> dict[str, Any]:
        written = {
            "months": {"months": 12, "until": "month_end"},
            "cycle": {"cycle_years": 2},
            "inactivity": {"inactive_months": 6, "until": "month_end", "counts": COUNTED},
        }
        return {
            "validity": written[self.validity],
            "clock": "activation" if self.from_activation else "earning",
            "return_after_spending": self.after_return,
            "vesting": {
                "days": 0,
                "categories": {"parts": {"days": 14}, "labour": {"event": True}},
            },
        }


COUNTED = ["EARN", "REDEEM", "TRANSFER_IN"]


def month_end(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


PROGRAMMES = {
    "debt": Programme(),
    "write_off": Programme("write_off", begins=YET_TO_COME),
    "refuse": Programme("refuse"),
    "cycle": Programme(validity="cycle"),
    "inactivity": Programme("write_off", validity="inactivity"),
    "activation": Programme(from_activation=True),
}


@dataclass
class Told:
    """What was told once and may be told again, the same or with other content."""

    call: Callable[[], Any]
    plan: Callable[[Model], Any]
    answer: Any
    otherwise: Callable[[], Any] | None
    other_plan: Callable[[Model], Any] | None
    # A repeat finds its reference before it looks at the account.
    looks_first: bool
    # What is refused is undone as a whole, also what the hours had made due.
    whole: bool


# As of which days the figures are compared, counted from today.
DAYS = (0, -32, 200, -1, -400, 14, -200, 1, -800, 31, -100, 400, -3)


def thing(*, often=1, when=lambda years: True, **drawn):
    """What may happen, how often and when, and what is drawn for it."""

    def mark(act):
        act.thing = (often, when, st.fixed_dictionaries(drawn))
        return act

    return mark


class Years(RuleBasedStateMachine):
    """
    Hypothesis leaves most rules of a machine out of an example. Here they need each other, so there
    is one: something happens.
    """

    programme = Programme()

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
        rulebook(**self.programme.policies())
        self.by, self.second = staff(), staff()
        self.source = source()
        self.model = Model(told_in_time=self.programme.begins == YET_TO_COME)
        self.who = {}
        self.today = self.programme.begins
        self.activated_on = {}
        self.bought = {}
        self.earned = []
        self.redeemed = []
        self.held = []
        self.told = []
        self.count = self.steps = 0
        for nth in range(3):
            self.joins()
            number = list(self.who)[nth]
            self.buys_lines(number, [("", "", 70_000 + 10_000 * nth)], self.time(40))
            self.buys_lines(number, [("0", "parts", 30_000), ("1", "", 60_000)], self.time(9))

    def joins(self):
        active = not self.programme.from_activation
        who = identity(active=active)
        self.who[who.number] = who
        self.model.joins(who.number, "ACTIVE" if active else "PRE_REGISTERED")

    # Business time: today, or some days ago, as a till tells of it that was off line.
    ago = st.sampled_from([0, 0, 0, 1, 3, 31, 200, 400])
    hours = st.sampled_from([(0, 0), (12, 0), (23, 59)])
    one = st.integers(0, 99)
    # Of what there is: a part, all of it, or more.
    share = st.sampled_from([1, 2, 3, 5, 9, 0])

    def time(self, ago, hours=(12, 0)):
        day = self.today - timedelta(days=ago)
        return datetime(day.year, day.month, day.day, *hours, tzinfo=SHANGHAI)

    def debit_time(self, ago, hours):
        """What is told before its day is over by the real clock may spend whatever is there."""
        return self.time(ago if self.programme.begins == LONG_AGO else 0, hours)

    def now(self):
        return self.time(0, (23, 59))

    def name(self):
        self.count += 1
        return f"N{self.count}"

    def member(self, one):
        """Mostly one who can do something."""
        able = [
            number
            for number, account in self.model.accounts.items()
            if account.status in ("ACTIVE", "PRE_REGISTERED") and not account.merge
        ]
        of = able if able and one < 90 else list(self.who)
        return of[one % len(of)]

    def points_of(self, number, share, day):
        there = self.model.holder(number).spendable_on(day)
        return there + 1 if share == 0 else max(1, there // share)

    def ask(
        self,
        call,
        plan,
        *,
        otherwise=None,
        other_plan=None,
        whole=False,
        looks_first=False,
        again=True,
    ):
        """Tell it to both. Returns whether it was done."""
        after = deepcopy(self.model)
        try:
            expected, refusal = plan(after), None
        except Refused as refused:
            expected, refusal = None, refused
        if refusal:
            with pytest.raises(DomainError) as answer:
                call()
            assert said(answer.value) == (refusal.code, refusal.details)
            if whole:
                return False
        else:
            answer = call()
            assert gist(answer) == expected
            if again:
                told = Told(call, plan, answer, otherwise, other_plan, looks_first, whole)
                self.told.append(told)
        self.model = after
        return refusal is None

    @rule(data=st.data())
    def something_happens(self, data):
        things = [(*act.thing, name) for name, act in THINGS if act.thing[1](self)]
        names = [name for often, _when, _drawn, name in things for _ in range(often)]
        name = data.draw(st.sampled_from(names), "what")
        [drawn] = [drawn for _often, _when, drawn, each in things if each == name]
        getattr(self, name)(**data.draw(drawn, "how"))

    # --- Time -------------------------------------------------------------------------------

    @thing(often=4, days=st.sampled_from([1, 13, 30, 31, 90, 365, 400]))
    def time_passes(self, days):
        self.today += timedelta(days=days)

    @thing(
        often=4,
        ago=st.sampled_from([0, 0, 1, 40, 300]),
        jobs=st.permutations(["clock", "hold", "vest", "expire"]),
        many=st.integers(1, 4),
    )
    def the_night_comes(self, ago, jobs, many):
        """In whatever order, for whatever day, and maybe not all of it."""
        day = self.today - timedelta(days=ago)
        for job in jobs[:many]:
            if job == "clock":
                nightly.start_waiting_clocks(day=day)
                for number in self.activated_on:
                    self.clock_starts(number)
                for account in self.model.accounts.values():
                    account.begin_anew(day, self.programme.account_last_day)
            elif job == "hold":
                nightly.release_overdue_holds(day=day)
                for account in self.model.accounts.values():
                    account.release_overdue(rules.midnight(day))
            elif job == "vest":
                nightly.vest_due_points(day=day)
                for account in self.model.accounts.values():
                    account.vest_due(day)
            else:
                nightly.expire_due_lots(day=day)
                for account in self.model.accounts.values():
                    account.write_off(day)

    # --- Members ----------------------------------------------------------------------------

    def refresh(self, number):
        self.who[number] = identity_again(self.who[number])
        self.model.accounts[number].status = self.who[number].status

    @thing(one=one)
    def is_frozen_or_thawed(self, one):
        frozen = [number for number, who in self.who.items() if who.status == "FROZEN"]
        number = frozen[0] if frozen else self.member(one)
        who = self.who[number]
        if who.status == "ACTIVE":
            members.freeze(member_id=who.id, by=self.by, reason="x")
        elif who.status == "FROZEN":
            members.unfreeze(member_id=who.id, by=self.by, reason="x")
        self.refresh(number)

    @thing(when=lambda self: self.programme.from_activation, one=one)
    def is_activated(self, one):
        number = self.member(one)
        who = self.who[number]
        if who.status == "PRE_REGISTERED":
            members.activate(member_id=who.id, activated_at=self.now(), by=None, reason="")
            self.activated_on[number] = self.today
            operations.start_clock(member_id=who.id, activated_at=self.now())
            self.refresh(number)
            self.clock_starts(number)

    def clock_starts(self, number):
        since = self.activated_on[number]
        self.model.start_clock(number, since, self.programme.last_day)

    @thing(when=lambda self: len(self.who) < 5, one=one, stays=st.booleans())
    def leaves(self, one, stays):
        """All points end; a new member comes. Or they end and the member stays."""
        if one % 4:
            return
        number, at = self.member(one), self.now()
        who = self.who[number]
        if not stays and who.status != "CLOSED":
            members.close(member_id=who.id, closed_at=at, by=None, reason="")
            self.refresh(number)
            self.joins()
        self.ask(
            lambda: operations.forfeit(member_id=who.id, at=at),
            lambda model: model.forfeit(number, at),
            again=False,
        )

    # --- Earning ----------------------------------------------------------------------------

    @thing(
        often=2,
        one=one,
        cents=st.integers(0, 3_000) | st.integers(10_000, 60_000),
        ago=ago,
        hours=hours,
    )
    def buys(self, one, cents, ago, hours):
        self.buys_lines(self.member(one), [("", "", cents)], self.time(ago, hours))

    @thing(
        often=2,
        one=one,
        tens=st.lists(
            st.tuples(st.sampled_from(["", "parts", "labour"]), st.integers(0, 12)),
            min_size=1,
            max_size=4,
        ),
        ago=ago,
        hours=hours,
    )
    def buys_several(self, one, tens, ago, hours):
        """Lines of whole tens, so that each line's share of the points is plain."""
        lines = [(f"{nth}", kind, 1000 * ten) for nth, (kind, ten) in enumerate(tens)]
        self.buys_lines(self.member(one), lines, self.time(ago, hours))

    def buys_lines(self, number, lines, at):
        reference = self.name()
        cents = sum(line[2] for line in lines)

        def purchase(extra=0):
            return campaigns.Purchase(
                member=self.who[number],
                reference=reference,
                at=at,
                amount=Decimal(cents + extra) / 100,
                lines=[] if extra else as_lines(lines),
                source=self.source,
            )

        bought = self.ask(
            lambda: campaigns.post_purchase(purchase=purchase(), now=at),
            lambda model: self.plan_purchase(model, number, reference, lines, at),
            otherwise=lambda: campaigns.post_purchase(purchase=purchase(extra=700), now=at),
            looks_first=True,
        )
        if bought:
            self.has_bought(number, reference, lines, at)

    def has_bought(self, number, reference, lines, at):
        self.bought[reference] = (number, at, {line[0]: line[2] for line in lines})
        if reference in self.model.earns:
            self.earned.append(reference)

    def plan_purchase(self, model, number, reference, lines, at):
        worth, day = sum(line[2] for line in lines) // 1000, rules.day_of(at)
        sleeps = self.programme.from_activation and self.who[number].is_pre_registered
        last_day = NEVER if sleeps else self.programme.last_day(day)
        waits = {
            line: Wait(
                cents // 1000,
                day + timedelta(days=14) if category == "parts" else None,
                last_day,
            )
            for line, category, cents in lines
            if category and cents
        }
        model.may_earn(number)
        model.not_merged(number)
        if not worth:
            return None
        balance = model.earn(
            number,
            worth - sum(wait.points for wait in waits.values()),
            at,
            last_day,
            reference,
            waits=waits,
            qualifying=worth,
            lapses_on=self.programme.account_last_day(day),
            rolls=self.programme.rolls,
        )
        model.credit(model.earns[reference].credit).sleeps = sleeps
        return balance

    @thing(
        whose=st.lists(st.tuples(one, st.integers(0, 40), ago), min_size=2, max_size=5),
        hours=hours,
    )
    def an_import_brings_purchases(self, whose, hours):
        documents = []
        for one, tens, ago in whose:
            line = ("", "", 1000 * tens)
            documents.append((self.member(one), self.name(), [line], self.time(ago, hours)))

        def call():
            now = self.now()
            purchases = [
                campaigns.Purchase(
                    member=self.who[number],
                    reference=reference,
                    at=at,
                    amount=Decimal(lines[0][2]) / 100,
                    source=self.source,
                )
                for number, reference, lines, at in documents
            ]
            judged = campaigns.judged_many(purchases=purchases, now=now)
            return operations.post_purchases(purchases=judged)

        def plan(model):
            return [
                one_of_many(model, lambda document=document: self.plan_purchase(model, *document))
                for document in documents
            ]

        outcomes = plan(deepcopy(self.model))
        done = not any(isinstance(outcome, tuple) for outcome in outcomes)
        self.ask(call, plan, looks_first=True, again=done)
        for document, outcome in zip(documents, outcomes, strict=True):
            if not isinstance(outcome, tuple):
                self.has_bought(*document)

    @thing(
        often=2,
        one=one,
        points=st.integers(0, 200),
        waits=st.lists(
            st.tuples(st.integers(1, 90), st.none() | st.integers(0, 60)), min_size=0, max_size=3
        ),
        lives=st.integers(0, 500),
        ago=ago,
        hours=hours,
    )
    def earns(self, one, points, waits, lives, ago, hours):
        """At once, by a day, by an event, several lines."""
        number, reference, at = self.member(one), self.name(), self.time(ago, hours)
        day = rules.day_of(at)
        last_day = self.some_last_day(day, lives)
        lines = {
            f"{nth}": Wait(each, None if days is None else day + timedelta(days=days), last_day)
            for nth, (each, days) in enumerate(waits)
        }
        points = points if waits else max(points, 1)
        lapses_on = self.programme.account_last_day(day)

        def call(extra=0):
            return operations.earn(
                member=self.who[number],
                points=points + extra,
                at=at,
                expires_on=last_day,
                reference=reference,
                source=self.source,
                type=PointType.ACTIVITY,
                pending=[
                    operations.PendingLine(line, wait.points, wait.vests_on)
                    for line, wait in lines.items()
                ],
                qualifying=7,
                lapses_on=lapses_on,
                rolls=self.programme.rolls,
            )

        def plan(model, extra=0):
            return model.earn(
                number,
                points + extra,
                at,
                last_day,
                reference,
                waits=deepcopy(lines),
                qualifying=7,
                lapses_on=lapses_on,
                rolls=self.programme.rolls,
            )

        if self.ask(call, plan, otherwise=lambda: call(1), other_plan=lambda model: plan(model, 1)):
            self.earned.append(reference)

    def some_last_day(self, day, lives):
        return day + timedelta(days=lives) if self.programme.validity == "months" else NEVER

    @thing(
        whose=st.lists(st.tuples(one, st.integers(1, 80), ago), min_size=2, max_size=5),
        lives=st.integers(0, 500),
    )
    def many_are_granted(self, whose, lives):
        grants = []
        for one, points, ago in whose:
            at = self.time(ago)
            grants.append((self.member(one), points, at, self.name()))

        def call():
            return operations.grant(
                grants=[
                    operations.Grant(
                        member=self.who[number],
                        points=points,
                        reference=reference,
                        at=at,
                        expires_on=self.some_last_day(rules.day_of(at), lives),
                        qualifying=3,
                        lapses_on=self.programme.account_last_day(rules.day_of(at)),
                    )
                    for number, points, at, reference in grants
                ],
                source=self.source,
                rolls=self.programme.rolls,
            )

        def plan(model):
            return [
                one_of_many(
                    model,
                    lambda number=number, points=points, at=at, reference=reference: model.earn(
                        number,
                        points,
                        at,
                        self.some_last_day(rules.day_of(at), lives),
                        reference,
                        qualifying=3,
                        lapses_on=self.programme.account_last_day(rules.day_of(at)),
                        rolls=self.programme.rolls,
                    ),
                )
                for number, points, at, reference in grants
            ]

        outcomes = plan(deepcopy(self.model))
        done = not any(isinstance(outcome, tuple) for outcome in outcomes)
        self.ask(call, plan, looks_first=True, again=done)

    @thing(
        often=3,
        when=lambda self: self.earned,
        which=one,
        line=st.sampled_from([None, None, None, "0", "1"]),
        ago=ago,
    )
    def somebody_says_it_vests(self, which, line, ago):
        reference = self.waiting_first(which)
        at, vesting = self.time(ago), self.name()
        at = max(at, self.model.credit(self.model.earns[reference].credit).at)

        def call(line=line):
            return operations.vest(
                earned=self.entry(EntryKind.EARN, reference),
                line=line,
                at=at,
                reference=vesting,
                source=self.source,
            )

        other = "0" if line is None else None
        self.ask(
            call,
            lambda model: model.vest(reference, line, at),
            otherwise=lambda: call(other),
            other_plan=lambda model: model.vest(reference, other, at),
        )

    def waiting_first(self, which):
        """One of the latest of those something waits of, if there are any."""
        earns = self.model.earns
        waiting = [
            reference
            for reference in self.earned
            if any(credit.waits for credit in self.model.all_of(earns[reference].credit))
        ]
        of = (waiting or self.earned)[-4:]
        return of[which % len(of)]

    def entry(self, kind, reference):
        return queries.posted(self.source.issuer_id, kind, reference)

    # --- Spending ---------------------------------------------------------------------------

    @thing(often=4, one=one, share=share, ago=ago, hours=hours)
    def spends(self, one, share, ago, hours):
        number, reference, at = self.member(one), self.name(), self.debit_time(ago, hours)
        points = self.points_of(number, share, rules.day_of(at))
        active_until = self.programme.active_until("REDEEM", rules.day_of(at))

        def call(extra=0):
            return operations.redeem(
                member=self.who[number],
                points=points + extra,
                at=at,
                reference=reference,
                source=self.source,
            )

        if self.ask(
            call,
            lambda model: model.redeem(number, points, at, reference, active_until),
            otherwise=lambda: call(1),
            other_plan=lambda model: model.redeem(number, points + 1, at, reference, active_until),
        ):
            self.redeemed.append(reference)

    @thing(
        often=3,
        one=one,
        share=share,
        lasts=st.sampled_from([15, 15, 24 * 60, 40 * 24 * 60]),
        ago=ago,
        hours=hours,
    )
    def a_till_holds(self, one, share, lasts, ago, hours):
        number, reference, at = self.member(one), self.name(), self.debit_time(ago, hours)
        points = self.points_of(number, share, rules.day_of(at))
        until = at + timedelta(minutes=lasts)

        def call(extra=0):
            return operations.hold(
                member=self.who[number],
                points=points + extra,
                at=at,
                until=until,
                reference=reference,
                source=self.source,
            )

        if self.ask(
            call,
            lambda model: model.hold(number, points, at, until, reference),
            otherwise=lambda: call(1),
            other_plan=lambda model: model.hold(number, points + 1, at, until, reference),
        ):
            self.held.append((number, reference, points, at))

    @thing(
        often=3,
        when=lambda self: self.held,
        which=one,
        part=st.sampled_from([1, 1, 2, 3, -1]),
        after=st.sampled_from([0, 0, 10, 10, 3000]),
    )
    def a_till_confirms(self, which, part, after):
        """All of a hold, a part, or more than it has; in time or too late."""
        number, reference, held, since = self.open_first(which)
        at = since + timedelta(minutes=after)
        is_open = reference in self.model.accounts[number].holds
        points = held + 1 if part < 0 else max(1, held // part)
        active_until = self.programme.active_until("REDEEM", rules.day_of(at))

        def call(points=points):
            return operations.confirm(
                held=self.entry(EntryKind.HOLD, reference),
                at=at,
                source=self.source,
                points=points,
            )

        if self.ask(
            call,
            lambda model: model.confirm(number, reference, points, at, active_until),
            otherwise=lambda: call(points + 1),
            other_plan=lambda model: model.confirm(number, reference, points + 1, at, active_until),
            again=is_open,
        ):
            self.redeemed.append(reference)

    @thing(
        when=lambda self: self.held,
        which=one,
        after=st.sampled_from([0, 10, 3000, 100_000]),
    )
    def a_till_releases(self, which, after):
        number, reference, _held, since = self.open_first(which)
        at = since + timedelta(minutes=after)
        self.ask(
            lambda: operations.release(
                held=self.entry(EntryKind.HOLD, reference), at=at, source=self.source
            ),
            lambda model: model.release(number, reference, at),
            again=reference in self.model.accounts[number].holds,
        )

    def open_first(self, which):
        still = [one for one in self.held if one[1] in self.model.accounts[one[0]].holds]
        of = (still or self.held)[-4:]
        return of[which % len(of)]

    @thing(
        often=4,
        when=lambda self: self.redeemed,
        which=one,
        part=st.sampled_from([None, None, 2, 3, -1]),
        floor=st.sampled_from([0, 30]),
        ago=ago,
    )
    def a_redemption_is_cancelled(self, which, part, floor, ago):
        reference = self.redeemed[-4:][which % len(self.redeemed[-4:])]
        entry = self.entry(EntryKind.REDEEM, reference)
        at = max(self.time(ago), entry.effective_at)
        self.gives_again(lambda model: model.debits[reference], entry, part, floor, at)

    @thing(
        often=2,
        when=lambda self: any(account.lost for account in self.model.accounts.values()),
        one=one,
        which=one,
        part=st.sampled_from([None, None, 2]),
        ago=ago,
    )
    def what_was_lost_is_given_again(self, one, which, part, ago):
        """Goodwill: of what lapsed or was forfeited."""
        of = [number for number, account in self.model.accounts.items() if account.lost]
        number = of[one % len(of)]
        lost = self.model.accounts[number].lost
        nth = len(lost) - 1 - which % min(4, len(lost))
        entries = Entry.objects.filter(
            member_id=self.who[number].id, kind__in=["EXPIRE", "FORFEIT"], points__lt=0
        ).order_by("seq")
        entry = entries[nth]
        assert -entry.points == lost[nth].points
        at = max(self.time(ago), entry.effective_at)
        self.gives_again(lambda model: model.accounts[number].lost[nth], entry, part, 30, at)

    def gives_again(self, debit_of, entry, part, floor, at):
        reference = self.name()
        debit = debit_of(self.model)
        left = debit.points - debit.given_back
        points = left + 1 if part == -1 else None if part is None else max(1, left // part)
        last_day = rules.day_of(at) + timedelta(days=floor)
        number = debit.who

        def call(points=points):
            return operations.reinstate(
                member=self.who[number],
                of=entry,
                points=points,
                at=at,
                floor_days=floor,
                reference=reference,
                source=self.source,
            )

        def plan(model, points=points):
            return model.reinstate(debit_of(model), points, at, last_day)

        more = (points or left) + 1
        self.ask(
            call,
            plan,
            otherwise=lambda: call(more),
            other_plan=lambda model: plan(model, more),
        )

    @thing(
        often=2,
        one=one,
        share=share,
        up=st.booleans(),
        lives=st.integers(0, 500),
        ago=ago,
        hours=hours,
    )
    def is_corrected(self, one, share, up, lives, ago, hours):
        number, reference = self.member(one), self.name()
        at = self.time(ago, hours) if up else self.debit_time(ago, hours)
        day = rules.day_of(at)
        points = 40 * (share + 1) if up else self.points_of(number, share, day)
        last_day = day + timedelta(days=lives)

        def call(extra=0, approved_by=self.second):
            return operations.adjust(
                member=self.who[number],
                points=points + extra if up else -points - extra,
                at=at,
                expires_on=last_day,
                reason=AdjustmentReason.GOODWILL,
                note="",
                reference=reference,
                source=self.source,
                by=self.by,
                limit=ADJUSTED_ALONE // 2,
                approved_by=approved_by,
            )

        def plan(model):
            if up:
                lapses_on = self.programme.begins_with("ADJUST", day)
                return model.adjust_up(
                    number, points, at, last_day, lapses_on, self.programme.rolls
                )
            lapses_on = self.programme.active_until("ADJUST", day)
            return model.adjust_down(number, points, at, lapses_on)

        if points > ADJUSTED_ALONE // 2:
            self.refused("approval_needed", lambda: call(approved_by=None))
        self.ask(call, plan, otherwise=lambda: call(-1 if points > 1 else 1), whole=True)

    @thing(
        often=5,
        when=lambda self: any(any(left.values()) for *_who, left in self.bought.values()),
        which=one,
        part=st.sampled_from([1, 2, 3]),
        by_line=st.booleans(),
        ago=ago,
    )
    def gives_back(self, which, part, by_line, ago):
        """Of one of the latest purchases all that is left, half of it or a third; or one line."""
        of = [reference for reference, (*_who, left) in self.bought.items() if any(left.values())]
        of = of[-4:]
        bought = of[which % len(of)]
        number, bought_at, left = self.bought[bought]
        at, reference = max(self.time(ago), bought_at), self.name()
        given = dict.fromkeys(left, 0)
        if by_line and list(left) != [""]:
            line = max(left, key=lambda each: (left[each], each))
            given = {line: left[line]}
        else:
            given = spread(sum(left.values()) // part, left)
        lines = [(line, Decimal(cents) / 100) for line, cents in given.items()]
        cents = sum(given.values())
        kept = {line: left[line] - given.get(line, 0) for line in left}
        keep = sum(kept.values()) // 1000
        less = sum(left.values()) // 1000 - keep

        def call(extra=0):
            return give_back(
                bought,
                f"{Decimal(cents + extra) / 100:.2f}",
                reference=reference,
                at=at,
                lines=lines if by_line and not extra else (),
            )

        def plan(model):
            if bought not in model.earns:
                return None
            return model.take_back(bought, keep, less, at, self.programme.after_return, list(given))

        too_much = sum(left.values()) - cents + 1
        self.refused("return_exceeds_purchase", lambda: call(too_much))
        if self.ask(call, plan, otherwise=lambda: call(1), whole=True, looks_first=True):
            self.bought[bought] = (number, bought_at, kept)

    # --- From account to account --------------------------------------------------------------

    @thing(often=2, one=one, other=one, share=share, ago=ago, hours=hours)
    def gives_to_another(self, one, other, share, ago, hours):
        giver, receiver, reference = self.member(one), self.member(other), self.name()
        at = self.debit_time(ago, hours)
        day = rules.day_of(at)
        points = self.points_of(giver, share, day)

        def call(extra=0, limits=ALLOWED):
            return operations.transfer(
                giver=self.who[giver],
                receiver=self.who[receiver],
                points=points + extra,
                at=at,
                reference=reference,
                source=self.source,
                limits=limits,
            )

        def plan(model, extra=0):
            return model.transfer(
                giver,
                receiver,
                points + extra,
                at,
                LIMITS,
                self.programme.active_until("TRANSFER_OUT", day),
                self.programme.begins_with("TRANSFER_IN", day),
                self.programme.rolls,
            )

        if giver == receiver:
            self.refused("same_member", call)
            return
        self.refused("transfers_not_allowed", lambda: call(limits=None))
        self.ask(call, plan, otherwise=lambda: call(1), whole=True)

    @thing(one=one, other=one)
    def two_become_one(self, one, other):
        member, into, at = self.member(one), self.member(other), self.now()

        def call():
            return operations.merge_accounts(
                member=self.who[member],
                into=self.who[into],
                at=at,
                source=self.source,
                by=self.by,
                note="twice",
            )

        if member == into:
            self.refused("same_member", call)
            return
        self.ask(call, lambda model: model.merge(member, into, at), whole=True, again=False)

    @thing(often=2, one=one, policy=st.sampled_from(["debt", "write_off", "refuse"]))
    def one_becomes_two(self, one, policy):
        merged = [number for number, account in self.model.accounts.items() if account.merge]
        if not merged and one % 8:
            return
        number = merged[one % len(merged)] if merged else self.member(one)
        at = self.now()
        self.ask(
            lambda: operations.unmerge_accounts(
                member=self.who[number],
                at=at,
                source=self.source,
                by=self.by,
                note="not the same",
                after_spending=policy,
            ),
            lambda model: model.unmerge(number, at, policy),
            whole=True,
            again=False,
        )

    @thing(one=one, which=one, days=st.sampled_from([1, 30, 365]))
    def a_last_day_moves(self, one, which, days):
        number = self.member(one)
        account, of = self.model.accounts[number], self.who[number].id
        there = sorted(
            set(account.piles)
            | {
                (wait.last_day, credit.key[1])
                for credit in account.credits
                for wait in credit.waits.values()
            }
        )
        there = [pile for pile in there if pile[0] < NEVER]
        if not there:
            return
        nth = which % len(there)
        since, until = there[nth][0], max(there[nth][0], self.today) + timedelta(days=days)
        lots = Lot.objects.filter(member_id=of, expires_on__lt=NEVER)
        waits = Pending.objects.filter(member_id=of, expires_on__lt=NEVER)
        found = sorted(
            set(lots.values_list("expires_on", "seq")) | set(waits.values_list("expires_on", "seq"))
        )
        credit = there[nth][1]
        self.ask(
            lambda: operations.extend(
                member_id=of, moves=[(found[nth][1], since, until)], at=self.now()
            ),
            lambda model: model.extend(
                number, model.accounts[number].credits[credit], since, until
            ),
            again=False,
        )

    # --- Again ------------------------------------------------------------------------------

    @thing(often=4, when=lambda self: self.told, which=one)
    def is_told_again(self, which):
        """The same answer as the first time, and nothing more happens."""
        told = self.told[which % len(self.told)]
        lines = Entry.objects.count()

        assert again(told.answer) == told.call()

        self.only_what_was_due(told.plan, lines, quietly=told.looks_first)

    @thing(often=2, when=lambda self: any(told.otherwise for told in self.told), which=one)
    def a_reference_is_used_for_something_else(self, which):
        could = [told for told in self.told if told.otherwise]
        told = could[which % len(could)]
        lines = Entry.objects.count()

        self.refused("reference_reused", told.otherwise)

        quietly = told.looks_first or told.whole
        self.only_what_was_due(told.other_plan or told.plan, lines, quietly=quietly)

    def only_what_was_due(self, plan, lines, *, quietly):
        """
        What could be done again is stopped by its reference and undone as a whole. What could not
        may have done first what the hours had made due.
        """
        after = deepcopy(self.model)
        try:
            plan(after)
        except Refused:
            if not quietly:
                self.model = after
                return
        assert Entry.objects.count() == lines

    def refused(self, code, call):
        with pytest.raises(DomainError) as answer:
            call()
        assert answer.value.code == code

    # --- Do they agree? ------------------------------------------------------------------------

    @invariant()
    def they_say_the_same(self):
        if not hasattr(self, "model"):
            return
        ids = {who.id: number for number, who in self.who.items()}
        for number, there in self.there(ids).items():
            assert there == expected_of(self.model, number), number
        self.steps += 1
        number = list(self.who)[self.steps % len(self.who)]
        self.a_day_agrees(number, self.today + timedelta(days=DAYS[self.steps % len(DAYS)]))
        report = verification.Report()
        verification.verify(report=report, low=min(ids), high=max(ids))
        assert report.differences == []

    def there(self, ids):
        """What the ledger has of each."""
        nothing = (0, 0, 0, 0, NEVER, None)
        there = {
            number: {"account": nothing, "lots": [], "waits": [], "holds": []}
            for number in ids.values()
        }
        of = {"member_id__in": ids}
        accounts = Account.objects.filter(**of).values_list(
            "pk", "balance", "pending", "held", "qualifying", "lapses_on", "merged_into"
        )
        for member_id, *figures, into in accounts:
            there[ids[member_id]]["account"] = (*figures, ids.get(into))
        rows = {
            "lots": Lot.objects.order_by("expires_on", "seq").values_list(
                "member", "expires_on", "remaining"
            ),
            "waits": Pending.objects.order_by("seq", "line").values_list(
                "member", "line", "points", "vests_on", "expires_on"
            ),
            "holds": Hold.objects.order_by("seq").values_list("member", "points", "until"),
        }
        for kind, found in rows.items():
            for member_id, *row in found.filter(**of):
                there[ids[member_id]][kind].append(tuple(row))
        return there

    def a_day_agrees(self, number, day):
        account, of = self.model.accounts[number], self.who[number].id
        told = queries.totals(as_of=day, member_id=of)
        figures = (
            told.earned,
            told.redeemed,
            told.taken_back,
            told.expired,
            told.moved,
            told.outstanding,
        )
        assert figures == account.figures(day), day
        balance = queries.balance_as_of(of, day)
        assert balance == account.balance_as_of(day), day
        # Only a return, or another's debt, can leave one.
        assert balance >= 0 or account.may_owe, day
        if day >= self.today:
            assert queries.spendable_points(of, on=day) == account.spendable_on(day), day

    @thing()
    def years_are_looked_back_on(self):
        for number in self.who:
            for days in DAYS:
                self.a_day_agrees(number, self.today + timedelta(days=days))


THINGS = [(name, act) for name, act in vars(Years).items() if hasattr(act, "thing")]


def expected_of(model, number):
    account = model.accounts[number]
    return {
        "account": (
            account.balance,
            account.waiting,
            account.held,
            account.qualifying,
            account.last_day,
            account.merge.into if account.merge else None,
        ),
        "lots": [(last_day, points) for (last_day, _nth), points in sorted(account.piles.items())],
        "waits": [
            (line, wait.points, wait.vests_on, wait.last_day)
            for credit in account.credits
            for line, wait in sorted(credit.waits.items())
        ],
        "holds": [(hold.points, hold.until) for hold in account.holds.values()],
    }


NAMES = ("number", "into", "reference", "last_day")


def said(refusal):
    """Its code and its figures; names are not the model's business."""
    details = {name: value for name, value in refusal.details.items() if name not in NAMES}
    return refusal.code, details


def gist(answer):
    """What the model answers too."""
    if isinstance(answer, list):
        return [gist(each) for each in answer]
    if isinstance(answer, DomainError):
        return said(answer)
    if isinstance(answer, operations.Unmerged):
        return answer.posting.balance_after, answer.spent
    if isinstance(answer, operations.PostedActivity):
        return gist(answer.posting)
    return None if answer is None else answer.balance_after


def again(answer):
    """What a repeat of it is answered."""
    if isinstance(answer, list):
        return [again(each) for each in answer]
    if isinstance(answer, operations.PostedActivity):
        posting = answer.posting and again(answer.posting)
        return replace(answer, posting=posting, replayed=True)
    return replace(answer, replayed=True)


def one_of_many(_model, plan):
    try:
        return plan()
    except Refused as refused:
        return refused.code, refused.details


def identity_again(who):
    return Identity(who.id, who.number, Member.objects.get(pk=who.id).status)


def as_lines(lines):
    if len(lines) == 1 and not lines[0][0]:
        return []
    return [Line(number, category, Decimal(cents) / 100) for number, category, cents in lines]


def spread(cents, left):
    """Over what is left of each line in proportion, to the cent; the last one takes the rest."""
    shares, weight = {}, sum(left.values())
    for line, there in left.items():
        share = (Decimal(cents) * there / weight).quantize(Decimal(1)) if weight else Decimal(0)
        shares[line] = int(share)
        cents -= int(share)
        weight -= there
    return shares


@pytest.mark.timeout(7200)  # MODEL_EXAMPLES may ask for many, and shrinking takes its time
@pytest.mark.django_db
@pytest.mark.parametrize("name", PROGRAMMES)
def test_random_years_agree_with_the_rules_in_words(name):
    main_store()
    run_state_machine_as_test(
        type("Years", (Years,), {"programme": PROGRAMMES[name]}),
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
