"""
The rules of points in words: what members have, and what becomes of it.

No SQL and no entries: for each credit it is kept what is left of it and until when, and each
question is answered from that. Business time only: nothing here knows when the night has run,
except that it is told to run.

Where a rule is not plain from its name, its sentence stands at the method.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEVER = date.max

# A member by number, and the place of one of their credits in the order of coming.
CreditKey = tuple[str, int]


class Refused(Exception):
    """An answer: nothing was done, except what the hours had made due."""

    def __init__(self, code: str, **details: int) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass
class Wait:
    points: int
    # None: until somebody says so.
    vests_on: date | None
    last_day: date


@dataclass
class Credit:
    """Points somebody got."""

    key: CreditKey
    points: int
    at: datetime
    last_day: date
    waits: dict[str, Wait] = field(default_factory=dict)
    # What it has become where its member's account was merged into another's.
    became: list[CreditKey] = field(default_factory=list)
    # Points of it that lapsed or were forfeited, less what was given back of them.
    gone: int = 0
    # It has no last day until its member is activated.
    sleeps: bool = False

    def __post_init__(self) -> None:
        # When any of it came to be there, at the latest.
        self.latest_given = self.at

    @property
    def waiting(self) -> int:
        return sum(wait.points for wait in self.waits.values())


@dataclass
class Part:
    """Points of one credit that had one last day."""

    credit: CreditKey
    points: int
    last_day: date


@dataclass
class Debit:
    """What was spent, lapsed or was forfeited, and how much of it was given back."""

    who: str
    figure: str
    parts: list[Part]
    given_back: int = 0

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)


@dataclass
class Hold:
    reference: str
    at: datetime
    until: datetime
    parts: list[Part]

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)


@dataclass
class Lapse:
    last_day: date
    points: int


@dataclass
class Happened:
    """`worth` of a figure, of which `spendable` came to what can be spent or left it."""

    at: datetime
    figure: str
    worth: int
    spendable: int


@dataclass
class Merge:
    nth_return: int
    into: str
    came: list[tuple[CreditKey, CreditKey]]
    debt: int
    paid_debt: list[Part]
    qualifying: int
    last_day: date


@dataclass
class Taken:
    """What a return took back, and of whose purchase."""

    buyer: str
    points: int
    qualifying: int


@dataclass
class Account:
    who: str
    status: str = "ACTIVE"
    balance: int = 0
    qualifying: int = 0
    # The last day of everything, where validity is a cycle or ends by inactivity.
    last_day: date = NEVER
    credits: list[Credit] = field(default_factory=list)
    # What is left, by last day and credit: so sorted, it is the order of spending.
    piles: dict[tuple[date, int], int] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    # Those given back whole, and the balance then; those spent, how many of it, and the same.
    released: dict[str, int] = field(default_factory=dict)
    confirmed: dict[str, tuple[int, int]] = field(default_factory=dict)
    story: list[Happened] = field(default_factory=list)
    lapses: list[Lapse] = field(default_factory=list)
    # What lapsed or was forfeited, in the order of writing off.
    lost: list[Debit] = field(default_factory=list)
    transfers: list[tuple[datetime, int]] = field(default_factory=list)
    merge: Merge | None = None
    # Whether a return or a merge may have left a debt on some day.
    may_owe: bool = False

    @property
    def waiting(self) -> int:
        return sum(credit.waiting for credit in self.credits)

    @property
    def held(self) -> int:
        return sum(hold.points for hold in self.holds.values())

    def tell(self, at: datetime, figure: str, worth: int, spendable: int) -> None:
        self.story.append(Happened(at, figure, worth, spendable))

    def new_credit(self, points: int, at: datetime, last_day: date) -> Credit:
        credit = Credit((self.who, len(self.credits)), points, at, last_day)
        self.credits.append(credit)
        return credit

    # --- What is there -----------------------------------------------------------------------

    def ends_on(self, last_day: date) -> date:
        """Points end with their own last day or with the account's, whichever comes first."""
        return min(last_day, self.last_day)

    def good_on(self, day: date) -> list[tuple[date, int]]:
        """
        Which piles can be spent on a day, soonest to lapse first, then oldest.

        The last day itself is still good. Told of late, what was given since is left alone.
        """
        return [
            (last_day, nth)
            for last_day, nth in sorted(self.piles)
            if last_day >= day and self.credits[nth].latest_given < midnight_after(day)
        ]

    def all_good_on(self, day: date) -> list[tuple[date, int]]:
        return [pile for pile in sorted(self.piles) if pile[0] >= day]

    def spendable_on(self, day: date) -> int:
        """What has vested by then counts, less a debt; what has lapsed does not."""
        good = sum(
            points
            for (last_day, _nth), points in self.piles.items()
            if self.ends_on(last_day) >= day
        )
        return good + max(0, min(self.balance, 0) + self.vested_unseen(day))

    def vested_unseen(self, day: date) -> int:
        """What waits on the books, has vested by a day and is good on it."""
        return sum(
            wait.points
            for credit in self.credits
            for wait in credit.waits.values()
            if wait.vests_on is not None
            and wait.vests_on <= day
            and self.end_of_vested(wait) >= day
        )

    def end_of_vested(self, wait: Wait) -> date:
        """At least the day they vest. What vests after the account's last day is not part of it."""
        assert wait.vests_on is not None
        own = max(wait.last_day, wait.vests_on)
        return own if wait.vests_on > self.last_day else min(own, self.last_day)

    def balance_as_of(self, day: date) -> int:
        so_far = sum(each.spendable for each in self.story if day_of(each.at) <= day)
        return so_far - self.lapsed_by(day) + self.vested_unseen(day)

    def lapsed_by(self, day: date) -> int:
        """At the end of a day: whatever had its last day before it, seen by a night or not."""
        seen = sum(lapse.points for lapse in self.lapses if lapse.last_day < day)
        unseen = sum(
            points
            for (last_day, _nth), points in self.piles.items()
            if self.ends_on(last_day) < day
        )
        return seen + unseen

    def figures(self, day: date) -> tuple[int, int, int, int, int, int]:
        """Earned, redeemed, taken back, expired, moved, and what they leave."""
        sums = dict.fromkeys(("earned", "redeemed", "taken_back", "expired", "moved"), 0)
        for each in self.story:
            if day_of(each.at) <= day and each.figure:
                sums[each.figure] += each.worth
        expired = sums["expired"] + self.lapsed_by(day)
        rest = sums["earned"] - sums["redeemed"] - sums["taken_back"] - expired + sums["moved"]
        return (
            sums["earned"],
            sums["redeemed"],
            sums["taken_back"],
            expired,
            sums["moved"],
            rest,
        )

    # --- Taking and giving -------------------------------------------------------------------

    def give(self, parts: list[Part], at: datetime, *, usable: int) -> None:
        """Add points to what can be spent; a debt has eaten all but the last `usable` of them."""
        eaten = sum(part.points for part in parts) - usable
        for part in parts:
            eats = min(eaten, part.points)
            eaten -= eats
            if part.points - eats:
                nth = part.credit[1]
                pile = (part.last_day, nth)
                self.piles[pile] = self.piles.get(pile, 0) + part.points - eats
                credit = self.credits[nth]
                credit.latest_given = max(credit.latest_given, at)

    def raise_by(self, parts: list[Part], at: datetime) -> None:
        points = sum(part.points for part in parts)
        self.balance += points
        self.give(parts, at, usable=max(0, min(points, self.balance)))

    def take(self, points: int, piles: list[tuple[date, int]]) -> list[Part]:
        taken = []
        for pile in piles:
            share = min(points, self.piles[pile])
            if share == 0:
                break
            points -= share
            self.piles[pile] -= share
            if self.piles[pile] == 0:
                del self.piles[pile]
            taken.append(Part((self.who, pile[1]), share, pile[0]))
        return taken

    def roll(self, lapses_on: date | None, *, rolls: bool = True) -> None:
        """
        A cycle begins with the first point and stands; by inactivity each activity counts.

        What is told of late does not end the account before the latest of its points came.
        """
        if lapses_on is None or (not rolls and self.last_day < NEVER):
            return
        came = [day_of(each.at) for each in self.story if each.spendable > 0]
        lapses_on = max(lapses_on, *came) if came else lapses_on
        self.last_day = lapses_on if self.last_day == NEVER else max(self.last_day, lapses_on)

    # --- What the hours do -------------------------------------------------------------------

    def write_off(self, day: date) -> None:
        """All that had its last day before a day is gone; after the whole it begins anew."""
        due: dict[date, list[Part]] = {}
        whole = self.last_day < day
        for last_day, nth in sorted(self.piles):
            if whole or last_day < day:
                part = Part((self.who, nth), self.piles[last_day, nth], last_day)
                due.setdefault(self.ends_on(last_day), []).append(part)
        for ended_on, parts in sorted(due.items()):
            debit = Debit(self.who, "expired", parts)
            self.lost.append(debit)
            self.lapses.append(Lapse(ended_on, debit.points))
            self.balance -= debit.points
            for part in parts:
                del self.piles[part.last_day, part.credit[1]]
                self.credits[part.credit[1]].gone += part.points
        if whole:
            self.last_day = NEVER

    def clear_if_over(self, day: date) -> None:
        """What comes after the account's last day must not lapse with what was there before."""
        if self.last_day < day:
            self.write_off(day)

    def vest_due(self, day: date) -> None:
        if self.last_day < day and self.due_waits(day):
            self.vest_these(self.due_waits(self.last_day))
            self.write_off(self.last_day + timedelta(days=1))
        self.vest_these(self.due_waits(day))

    def due_waits(self, day: date) -> list[tuple[date, int, str]]:
        return sorted(
            (wait.vests_on, credit.key[1], line)
            for credit in self.credits
            for line, wait in credit.waits.items()
            if wait.vests_on is not None and wait.vests_on <= day
        )

    def vest_these(self, waits: list[tuple[date, int, str]]) -> None:
        for vests_on, nth, line in waits:
            credit = self.credits[nth]
            self.vest(credit, [credit.waits.pop(line)], midnight(vests_on))

    def vest(self, credit: Credit, waits: list[Wait], at: datetime) -> None:
        points = sum(wait.points for wait in waits)
        last_day = max(day_of(at), *(wait.last_day for wait in waits))
        self.raise_by([Part(credit.key, points, last_day)], at)
        self.tell(at, "", 0, points)

    def release_overdue(self, at: datetime) -> None:
        for hold in list(self.holds.values()):
            if hold.until <= at:
                self.end_hold(hold, 0, hold.until)

    def end_hold(self, hold: Hold, spent: int, at: datetime) -> list[Part]:
        """What lapses soonest is spent; the rest goes back, good until the end of that day."""
        self.clear_if_over(day_of(at))
        del self.holds[hold.reference]
        rest, spends, back = spent, [], []
        for part in hold.parts:
            share = min(rest, part.points)
            rest -= share
            if share:
                spends.append(Part(part.credit, share, part.last_day))
            if part.points - share:
                back.append(Part(part.credit, part.points - share, max(part.last_day, day_of(at))))
        if spent:
            self.tell(at, "redeemed", spent, 0)
        if back:
            self.raise_by(back, at)
            self.tell(at, "", 0, hold.points - spent)
        if not spent:
            self.released[hold.reference] = self.balance
        return spends

    def settle(self, at: datetime) -> None:
        """Do what the hours have made due, before somebody is told that there is too little."""
        day = day_of(at)
        self.vest_due(day)
        self.release_overdue(at)
        self.clear_if_over(day)

    def begin_anew(self, day: date, last_day_from: Callable[[date], date | None]) -> None:
        """What came after all had lapsed lapses together again, counted from its coming."""
        if self.last_day == NEVER and any(last_day == NEVER for last_day, _nth in self.piles):
            came_on = [day_of(each.at) for each in self.story if each.spendable > 0]
            self.last_day = last_day_from(max(day, *came_on)) or NEVER

    def needs_settling(self, points: int, day: date) -> bool:
        return bool(
            self.balance < points or self.waiting or self.held or self.last_day < day or self.merge
        )


@dataclass
class Earn:
    credit: CreditKey
    qualifying: int
    taken_back: int = 0
    qualifying_taken_back: int = 0


class Model:
    """All members, and whatever a reference may name later."""

    def __init__(self, *, told_in_time: bool = False) -> None:
        # By the real clock: then whatever is there can be spent.
        self.told_in_time = told_in_time
        self.accounts: dict[str, Account] = {}
        self.earns: dict[str, Earn] = {}
        self.debits: dict[str, Debit] = {}
        self.taken: list[Taken] = []

    def joins(self, who: str, status: str) -> None:
        self.accounts[who] = Account(who, status)

    # --- Who may --------------------------------------------------------------------------------

    def may_earn(self, who: str) -> None:
        if self.accounts[who].status == "FROZEN":
            raise Refused("member_frozen")
        self.belongs(who)

    def belongs(self, who: str) -> None:
        if self.accounts[who].status == "CLOSED":
            raise Refused("member_closed")

    def may_redeem(self, who: str) -> None:
        self.may_earn(who)
        if self.accounts[who].status == "PRE_REGISTERED":
            raise Refused("member_not_activated")

    def not_merged(self, who: str) -> None:
        if self.accounts[who].merge:
            raise Refused("account_merged")

    def holder(self, who: str) -> Account:
        """Who has a member's points now: whoever the account was merged into, and so on."""
        account = self.accounts[who]
        while account.merge:
            account = self.accounts[account.merge.into]
        return account

    def credit(self, key: CreditKey) -> Credit:
        return self.accounts[key[0]].credits[key[1]]

    def all_of(self, key: CreditKey) -> Iterator[Credit]:
        """A credit and whatever it became by merges."""
        credit = self.credit(key)
        yield credit
        for heir in credit.became:
            yield from self.all_of(heir)

    # --- Earning ----------------------------------------------------------------------------

    def earn(
        self,
        who: str,
        points: int,
        at: datetime,
        last_day: date,
        reference: str,
        *,
        waits: dict[str, Wait] | None = None,
        qualifying: int = 0,
        lapses_on: date | None = None,
        rolls: bool = False,
    ) -> int:
        """A debt is paid first; what is above it can be spent. What waits is not there yet."""
        self.may_earn(who)
        credit = self._credit(who, points, at, last_day, waits or {}, lapses_on, rolls)
        self.accounts[who].qualifying += qualifying
        self.earns[reference] = Earn(credit.key, qualifying)
        return self.accounts[who].balance

    def _credit(
        self,
        who: str,
        points: int,
        at: datetime,
        last_day: date,
        waits: dict[str, Wait],
        lapses_on: date | None,
        rolls: bool,
    ) -> Credit:
        self.not_merged(who)
        account = self.accounts[who]
        account.clear_if_over(day_of(at))
        waiting = sum(wait.points for wait in waits.values())
        credit = account.new_credit(points + waiting, at, last_day)
        credit.waits = dict(waits)
        if points:
            account.raise_by([Part(credit.key, points, last_day)], at)
        account.roll(lapses_on, rolls=rolls)
        account.tell(at, "earned", points + waiting, points)
        return credit

    def vest(self, reference: str, line: str | None, at: datetime) -> int:
        """Somebody says so; also where a merge has taken them."""
        earn = self.earns[reference]
        account = self.holder(earn.credit[0])
        waiting = [
            credit
            for credit in self.all_of(earn.credit)
            if credit.key[0] == account.who
            and (credit.waits if line is None else line in credit.waits)
        ]
        if not waiting:
            raise Refused("nothing_pending")
        [credit] = waiting
        account.clear_if_over(day_of(at))
        lines = list(credit.waits) if line is None else [line]
        account.vest(credit, [credit.waits.pop(each) for each in lines], at)
        return account.balance

    # --- Spending ---------------------------------------------------------------------------

    def redeem(
        self, who: str, points: int, at: datetime, reference: str, lapses_on: date | None
    ) -> int:
        self.may_redeem(who)
        parts = self._spend(who, points, at, lapses_on)
        self.accounts[who].tell(at, "redeemed", points, -points)
        self.debits[reference] = Debit(who, "redeemed", parts)
        return self.accounts[who].balance

    def _spend(
        self, who: str, points: int, at: datetime, lapses_on: date | None = None
    ) -> list[Part]:
        account, day = self.accounts[who], day_of(at)
        if account.needs_settling(points, day) and not account.merge:
            account.settle(at)
        self.not_merged(who)
        good = account.all_good_on(day) if self.told_in_time else account.good_on(day)
        spendable = sum(account.piles[pile] for pile in good)
        if spendable < points:
            raise Refused("insufficient_points", requested=points, spendable=spendable)
        account.balance -= points
        account.roll(lapses_on)
        return account.take(points, good)

    def hold(self, who: str, points: int, at: datetime, until: datetime, reference: str) -> int:
        self.may_redeem(who)
        account = self.accounts[who]
        parts = self._spend(who, points, at)
        account.holds[reference] = Hold(reference, at, until, parts)
        account.tell(at, "", 0, -points)
        return account.balance

    def confirm(
        self, who: str, reference: str, points: int, at: datetime, lapses_on: date | None
    ) -> int:
        """Too late, and it is given back instead."""
        account = self.accounts[who]
        hold = account.holds.get(reference)
        if hold is None:
            spent, balance = account.confirmed.get(reference, (0, 0))
            if not spent:
                raise Refused("hold_ended")
            if spent != points:
                raise Refused("reference_reused")
            return balance
        if points > hold.points:
            raise Refused("hold_exceeded", requested=points, held=hold.points)
        if hold.until <= at:
            account.end_hold(hold, 0, hold.until)
            raise Refused("hold_ended")
        spends = account.end_hold(hold, points, at)
        account.roll(lapses_on)
        self.debits[reference] = Debit(who, "redeemed", spends)
        account.confirmed[reference] = (points, account.balance)
        return account.balance

    def release(self, who: str, reference: str, at: datetime) -> int:
        """Whoever gave it back before, it is given back."""
        account = self.accounts[who]
        if hold := account.holds.get(reference):
            account.end_hold(hold, 0, at)
        if reference not in account.released:
            raise Refused("hold_ended")
        return account.released[reference]

    def reinstate(self, debit: Debit, points: int | None, at: datetime, floor: date) -> int:
        """
        What was taken last is given back first, to its own credit and until its own last day.

        None lapses before the floor; what had lapsed gets that day. Where a merge has taken the
        account it becomes a credit of its own there.
        """
        self.belongs(debit.who)
        account = self.holder(debit.who)
        account.write_off(day_of(at))
        left = debit.points - debit.given_back
        wanted = left if points is None else points
        if not 0 < wanted <= left:
            raise Refused("nothing_to_reinstate", left=left)
        back: list[Part] = []
        skip, rest = debit.given_back, wanted
        for part in reversed(debit.parts):
            share = max(0, min(part.points - skip, rest))
            skip = max(0, skip - part.points)
            rest -= share
            if share:
                own = part.last_day if debit.figure == "redeemed" else floor
                back.insert(0, Part(part.credit, share, max(own, floor)))
                if debit.figure != "redeemed":
                    self.credit(part.credit).gone -= share
        debit.given_back += wanted
        if account.who != debit.who:
            new = account.new_credit(wanted, at, floor)
            back = [Part(new.key, part.points, part.last_day) for part in back]
        account.raise_by(back, at)
        account.tell(at, "expired" if debit.figure != "redeemed" else "redeemed", -wanted, wanted)
        return account.balance

    def adjust_up(
        self,
        who: str,
        points: int,
        at: datetime,
        last_day: date,
        lapses_on: date | None,
        rolls: bool,
    ) -> int:
        self.belongs(who)
        self._credit(who, points, at, last_day, {}, lapses_on, rolls)
        return self.accounts[who].balance

    def adjust_down(self, who: str, points: int, at: datetime, lapses_on: date | None) -> int:
        self.belongs(who)
        self._spend(who, points, at, lapses_on)
        self.accounts[who].tell(at, "taken_back", points, -points)
        return self.accounts[who].balance

    # --- Returns ----------------------------------------------------------------------------

    def take_back(
        self,
        reference: str,
        keep: int,
        less: int,
        at: datetime,
        policy: str,
        lines: list[str],
    ) -> int | None:
        """
        A purchase may keep only what the rest of it is worth. What has lapsed of it is gone.

        What waits of it goes first, then its own points, then the others, then by policy it is a
        debt, or forgiven, or refused. Qualifying points go by what was bought alone (T3).
        """
        earn = self.earns[reference]
        buyer = earn.credit[0]
        account = self.holder(buyer)
        account.settle(at)
        account.write_off(day_of(at))
        own = [credit for credit in self.all_of(earn.credit) if credit.key[0] == account.who]
        if account.who == buyer:
            own = [self.credit(earn.credit)]
        gone = sum(credit.gone for credit in self.all_of(earn.credit))
        whole = self.credit(earn.credit).points
        wanted = max(0, whole - keep - gone - earn.taken_back)
        waiting = sum(credit.waiting for credit in own)
        there = sum(account.piles.values()) + waiting
        if policy == "refuse" and there < wanted:
            raise Refused("already_spent")
        if policy == "write_off":
            wanted = min(wanted, there, less)
        qualifying = max(0, earn.qualifying - keep - earn.qualifying_taken_back)
        if wanted + qualifying == 0:
            return None
        unvested = min(wanted, waiting)
        self._stop_waiting(own, unvested, lines)
        vested = wanted - unvested
        nths = {credit.key[1] for credit in own}
        others = sorted(account.piles, key=lambda pile: (pile[1] not in nths, pile))
        account.take(vested, others)
        account.balance -= vested
        account.qualifying -= qualifying
        account.tell(at, "taken_back", wanted, -vested)
        account.may_owe = True
        earn.taken_back += wanted
        earn.qualifying_taken_back += qualifying
        self.taken.append(Taken(buyer, wanted, qualifying))
        return account.balance

    def _stop_waiting(self, own: list[Credit], points: int, lines: list[str]) -> None:
        """The lines that were given back before the others."""
        waits = sorted(
            (line not in lines, credit.key[1], line) for credit in own for line in credit.waits
        )
        by_nth = {credit.key[1]: credit for credit in own}
        for _other, nth, line in waits:
            wait = by_nth[nth].waits[line]
            less = min(points, wait.points)
            points -= less
            wait.points -= less
            if wait.points == 0:
                del by_nth[nth].waits[line]

    # --- From account to account ------------------------------------------------------------

    def transfer(
        self,
        giver: str,
        receiver: str,
        points: int,
        at: datetime,
        limits: list[tuple[int, int | None, int | None]],
        lapses_on: date | None,
        received_lapses_on: date | None,
        rolls: bool,
    ) -> int:
        """They keep their last days. Limits look at the days before, and at all since."""
        self.may_redeem(giver)
        self.may_redeem(receiver)
        self.not_merged(receiver)
        self.not_merged(giver)
        gave, got = self.accounts[giver], self.accounts[receiver]
        for days, count, most in limits:
            made = [sent for when, sent in gave.transfers if when > at - timedelta(days=days)]
            if (count is not None and len(made) + 1 > count) or (
                most is not None and sum(made) + points > most
            ):
                raise Refused("transfer_limit_reached", days=days)
        parts = self._spend(giver, points, at, lapses_on)
        gave.transfers.append((at, points))
        gave.tell(at, "moved", -points, -points)
        for part in parts:
            got.clear_if_over(day_of(at))
            credit = got.new_credit(part.points, at, part.last_day)
            credit.sleeps = self.credit(part.credit).sleeps
            got.raise_by([Part(credit.key, part.points, part.last_day)], at)
            got.tell(at, "moved", part.points, part.points)
        got.roll(received_lapses_on, rolls=rolls)
        return gave.balance

    def merge(self, who: str, into: str, at: datetime) -> int:
        """All goes along: what is left, what waits, a debt, qualifying points, the later day."""
        self.belongs(who)
        self.belongs(into)
        self.not_merged(who)
        self.not_merged(into)
        gave, got = self.accounts[who], self.accounts[into]
        for account in (gave, got):
            account.settle(at)
            account.write_off(day_of(at))
        if gave.held:
            raise Refused("holds_open")
        gave.may_owe = got.may_owe = True
        balance, waiting = gave.balance, gave.waiting
        came = []
        for last_day, nth in sorted(gave.piles):
            heir = self._comes_over(gave.credits[nth], got, gave.piles[last_day, nth], at, last_day)
            got.raise_by([Part(heir.key, heir.points, last_day)], at)
            came.append((heir.key, (who, nth)))
        for credit in gave.credits:
            if credit.waits:
                last_day = max(wait.last_day for wait in credit.waits.values())
                heir = self._comes_over(credit, got, credit.waiting, at, last_day)
                heir.waits, credit.waits = credit.waits, {}
                came.append((heir.key, credit.key))
        debt = max(0, -balance)
        paid = got.take(debt, got.all_good_on(day_of(at)))
        got.balance -= debt
        got.qualifying += gave.qualifying
        gave.merge = Merge(len(self.taken), into, came, debt, paid, gave.qualifying, gave.last_day)
        if got.last_day == NEVER or gave.last_day == NEVER:
            got.last_day = min(got.last_day, gave.last_day)
        else:
            got.last_day = max(got.last_day, gave.last_day)
        gave.tell(at, "moved", -balance - waiting, -balance)
        got.tell(at, "moved", balance + waiting, balance)
        gave.piles, gave.balance, gave.qualifying, gave.last_day = {}, 0, 0, NEVER
        return 0

    def _comes_over(
        self, credit: Credit, got: Account, points: int, at: datetime, last_day: date
    ) -> Credit:
        heir = got.new_credit(points, at, last_day)
        heir.sleeps = credit.sleeps
        credit.became.append(heir.key)
        return heir

    def unmerge(self, who: str, at: datetime, policy: str) -> tuple[int, int]:
        """
        What is left of what came over goes back to its own credits, with the debt.

        What is missing of it has lapsed, or went back to the shop with purchases of whoever came
        over, or else has been spent. If those purchases took more than is missing, that is a debt
        of theirs. Answers the balance and what had been spent.
        """
        back, merge = self.accounts[who], self.accounts[who].merge
        if merge is None:
            raise Refused("not_merged")
        of = self.accounts[merge.into]
        if of.merge:
            raise Refused("account_merged")
        of.settle(at)
        of.write_off(day_of(at))
        if of.held:
            raise Refused("holds_open")
        today = day_of(at)

        missing = {heir: self._missing_of(heir) for heir, _own in merge.came}
        side = self._side_of(who)
        returns = [taken for taken in self.taken[merge.nth_return :] if taken.buyer in side]
        borne = sum(taken.points for taken in returns)
        spent = sum(missing.values()) - borne
        owed, spent = merge.debt + max(0, -spent), max(0, spent)
        if policy == "refuse" and spent:
            raise Refused("merged_points_spent")
        back.may_owe = of.may_owe = True

        parts, unvested = [], 0
        for heir_key, own_key in merge.came:
            heir, own = self.credit(heir_key), self.credit(own_key)
            piles = sorted(pile for pile in of.piles if pile[1] == heir_key[1])
            parts += [Part(own_key, of.piles.pop(pile), pile[0]) for pile in piles]
            unvested += heir.waiting
            own.waits, heir.waits = {**own.waits, **heir.waits}, {}
            if policy == "debt":
                borne, lacks = max(0, borne - missing[heir_key]), max(0, missing[heir_key] - borne)
                if lacks:
                    parts.append(Part(own_key, lacks, max(heir.last_day, today)))
        if policy == "debt":
            of.take(spent, of.all_good_on(today))
        given = sum(part.points for part in parts)

        of.balance += owed - given
        self._refund(of, merge.paid_debt, at)
        qualifying = merge.qualifying - sum(taken.qualifying for taken in returns)
        of.qualifying -= qualifying
        of.tell(at, "moved", owed - given - unvested, owed - given)

        back.merge = None
        back.last_day = max(merge.last_day, today)
        back.qualifying += qualifying
        back.balance -= owed
        back.raise_by(parts, at)
        back.tell(at, "moved", given + unvested - owed, given - owed)
        return back.balance, spent

    def _missing_of(self, heir: CreditKey) -> int:
        credit, account = self.credit(heir), self.accounts[heir[0]]
        left = sum(points for (_day, nth), points in account.piles.items() if nth == heir[1])
        gone = sum(each.gone for each in self.all_of(heir))
        return max(0, credit.points - left - credit.waiting - gone)

    def _side_of(self, who: str) -> set[str]:
        """A member and whoever's account is merged into theirs."""
        side = {who}
        for name, account in self.accounts.items():
            if account.merge and account.merge.into == who:
                side |= self._side_of(name)
        return side

    def _refund(self, of: Account, paid: list[Part], at: datetime) -> None:
        """What had paid another's debt returns to its own credit, and what did later, anew."""
        short = max(0, of.balance) - sum(of.piles.values())
        total = sum(part.points for part in paid)
        back = [Part(part.credit, part.points, max(part.last_day, day_of(at))) for part in paid]
        if short > total:
            latest = max((last_day for last_day, _nth in of.piles), default=day_of(at))
            new = of.new_credit(short - total, at, latest)
            back.append(Part(new.key, short - total, latest))
        of.give(back, at, usable=max(0, short))

    # --- The rest ---------------------------------------------------------------------------

    def extend(self, who: str, credit: Credit, since: date, until: date) -> int:
        account = self.accounts[who]
        self._move(account, credit, since, until)
        return account.balance

    def start_clock(self, who: str, activated_on: date, months_on: Callable[[date], date]) -> None:
        """Points that had no last day get one, counted from the activation or since they came."""
        account = self.accounts[who]
        for credit in account.credits:
            if credit.sleeps:
                since = max(activated_on, day_of(credit.at))
                self._move(account, credit, NEVER, months_on(since))

    def _move(self, account: Account, credit: Credit, since: date, until: date) -> None:
        for wait in credit.waits.values():
            if wait.last_day == since:
                wait.last_day = until
        if points := account.piles.pop((since, credit.key[1]), 0):
            pile = (until, credit.key[1])
            account.piles[pile] = account.piles.get(pile, 0) + points

    def forfeit(self, who: str, at: datetime) -> int | None:
        """All ends, also what waits and is held; a debt stays."""
        account = self.accounts[who]
        account.settle(at)
        for hold in list(account.holds.values()):
            account.end_hold(hold, 0, at)
        account.write_off(day_of(at))
        waiting = account.waiting
        if account.balance <= 0 and not waiting:
            return None
        parts = [
            Part((who, nth), points, last_day)
            for (last_day, nth), points in sorted(account.piles.items())
        ]
        for part in parts:
            self.credit(part.credit).gone += part.points
        for credit in account.credits:
            credit.gone += credit.waiting
            credit.waits = {}
        if parts:
            account.lost.append(Debit(who, "forfeited", parts))
        left = max(0, account.balance)
        account.tell(at, "expired", left + waiting, -left)
        account.balance -= left
        account.piles, account.last_day = {}, NEVER
        return account.balance


def day_of(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, SHANGHAI)


def midnight_after(day: date) -> datetime:
    return midnight(day + timedelta(days=1))
