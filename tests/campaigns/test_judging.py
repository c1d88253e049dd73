"""Purchases with tiers, caps and budgets; one by one, together, and played again."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import count

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import operations
from campaigns.earning import Line
from campaigns.models import BudgetSlice
from points import operations as points
from points import queries
from points.models import Activity, Entry, Lot
from tests.factories import buy, identity, rulebook, source
from tests.factories.activities import cap
from tests.factories.points import NOON
from tests.points.returning import give_back
from tiers import queries as tiers

pytestmark = pytest.mark.django_db

BASE = {"code": "base", "points": "1", "per_amount": "10"}
PARTS = {"code": "parts", "points": "2", "per_amount": "10", "categories": ["parts"]}
FIRST = {
    "code": "first",
    "gives": {"points": "50"},
    "when": {"first_purchase": True, "min_amount": "20"},
}
CROSS = {"code": "cross", "gives": {"factor": "2"}, "when": {"new_category": True}}
NOTHING_ELSE = {"kinds": [], "gifts": [], "tasks": [], "caps": [], "budgets": []}


def names(code):
    return {"code": code, "names": {"zh-hans": code}}


def ladder(*thresholds):
    """Tiers t1, t2 … by points, for ever."""
    levels = [names("base-tier") | {"color": "#9aa0a6"}]
    levels += [
        names(f"t{n}")
        | {"color": "#9aa0a6", "upgrade": {"measure": "points", "at_least": str(points)}}
        for n, points in enumerate(thresholds, start=1)
    ]
    return {"tiers": {"levels": levels}}


def capped(*caps, rules=(BASE,), boosts=(), **options):
    sections = {"activities": NOTHING_ELSE | {"caps": list(caps)}}
    return rulebook(rules=list(rules), boosts=list(boosts) or None, sections=sections, **options)


def budgeted(*budgets, rules=(BASE,), boosts=()):
    sections = {"activities": NOTHING_ELSE | {"budgets": list(budgets)}}
    return rulebook(rules=list(rules), boosts=list(boosts) or None, sections=sections)


def purchase(of, reference, amount="100.00", **fields):
    return operations.Purchase(
        **{
            "member": of,
            "reference": reference,
            "at": NOON,
            "amount": Decimal(amount),
            "source": source(),
        }
        | fields
    )


def points_by_reference():
    found = Activity.objects.order_by("reference")
    return dict(found.values_list("reference", "points"))


def left_in(code):
    return sum(each.remaining for each in BudgetSlice.objects.filter(purse_id=code))


class TestCaps:
    def test_cut_off_what_is_beyond_them(self):
        capped(cap("base-year", "base", points=15))
        of = identity()

        assert buy(of, "100.00", reference="P1").points == 10
        assert buy(of, "100.00", reference="P2").points == 5
        assert buy(of, "100.00", reference="P3").points == 0
        told = Activity.objects.get(reference="P2").explanation["caps"]
        assert told == [{"code": "base", "left": 5, "exact": "10"}]

    def test_a_return_frees_them_again(self):
        capped(cap("base-year", "base", points=15))
        of = identity()
        buy(of, "100.00", reference="P1")
        buy(of, "100.00", reference="P2")

        give_back("P1", "100.00", reference="B1")

        assert buy(of, "100.00", reference="P3").points == 10
        assert queries.balance(of.id) == 15

    def test_a_line_that_is_kept_gets_what_the_returned_one_used_up(self):
        capped(cap("base-year", "base", points=15))
        of = identity()
        lines = (("1", "", "100.00"), ("2", "", "100.00"))
        buy(of, "200.00", reference="P1", lines=lines)
        assert queries.balance(of.id) == 15

        give_back("P1", "100.00", reference="B1", lines=[("1", "100.00")])

        assert queries.balance(of.id) == 10

    def test_what_they_had_cut_off_is_not_taken_back(self):
        capped(cap("base-year", "base", points=15))
        of = identity()
        buy(of, "100.00", reference="P1")
        buy(of, "100.00", reference="P2")

        give_back("P2", "40.00", reference="B1")

        assert Activity.objects.get(reference="B1").points == 0
        assert queries.balance(of.id) == 15
        assert buy(of, "100.00", reference="P3").points == 0

    def test_hold_for_several_together(self):
        capped(cap("both", "base", "parts", points=25), rules=(PARTS, BASE))
        of = identity()

        buy(of, "200.00", reference="P1", lines=(("1", "parts", "100.00"), ("2", "", "100.00")))

        assert Activity.objects.get().explanation["parts"] == {"parts": 20, "base": 5}

    def test_each_member_has_their_own(self):
        capped(cap("base-year", "base", points=15))

        assert [buy(identity(), "200.00").points for _ in range(2)] == [15, 15]

    def test_a_quote_knows_them_and_writes_nothing(self):
        capped(cap("base-year", "base", points=15))
        of = identity()
        buy(of, "100.00", reference="P1")

        quoted = operations.quote(member=of, amount=Decimal(100), lines=(), at=NOON)

        assert quoted.points == 5
        assert Activity.objects.count() == Entry.objects.count() == 1


class TestBudgets:
    SPRING = names("spring") | {"of": ["base"], "points": 15}

    def test_pay_to_the_last_point(self):
        budgeted(self.SPRING)

        assert [buy(identity(), "100.00").points for _ in range(3)] == [10, 5, 0]
        assert left_in("spring") == 0

    def test_a_repeat_takes_nothing_more(self):
        budgeted(self.SPRING)
        of = identity()

        assert [buy(of, "100.00", reference="P1").points for _ in range(3)] == [10, 10, 10]
        assert left_in("spring") == 5

    def test_a_return_gives_back_what_it_takes(self):
        budgeted(self.SPRING)
        buy(identity(), "100.00", reference="P1")

        give_back("P1", "40.00", reference="B1")
        assert left_in("spring") == 9
        give_back("P1", "60.00", reference="B2")
        assert left_in("spring") == 15

    def test_what_another_budget_cuts_off_is_put_back(self):
        summer = names("summer") | {"of": ["consumption"], "points": 4}
        budgeted(self.SPRING, summer)

        assert buy(identity(), "100.00").points == 4

        assert (left_in("spring"), left_in("summer")) == (11, 0)
        assert Activity.objects.get().explanation["budgets"] == {"spring": 4, "summer": 4}

    def test_one_of_another_dealer_pays_nothing_and_cuts_nothing(self):
        other = names("other") | {"of": ["base"], "points": 1, "dealer": "somebody-else"}
        budgeted(other)

        assert buy(identity(), "100.00").points == 10
        assert "budgets" not in Activity.objects.get().explanation

    def test_a_refused_purchase_costs_nothing(self):
        budgeted(self.SPRING)
        of = identity()
        buy(of, "100.00", reference="P1")

        with pytest.raises(points.ReferenceReused), transaction.atomic():
            buy(of, "50.00", reference="P1")

        assert left_in("spring") == 5


class TestTogether:
    """Many at once are judged as one after the other."""

    def test_only_one_in_a_batch_is_the_first(self):
        rulebook(rules=[BASE], boosts=[FIRST])
        of = identity()

        operations.post_many(purchases=[purchase(of, f"P{n}") for n in range(3)], now=NOON)

        assert points_by_reference() == {"P0": 60, "P1": 10, "P2": 10}

    def test_a_tier_won_in_the_middle_counts_for_the_rest(self):
        by_tier = BASE | {"tiers": {"t1": {"points": "2", "per_amount": "10"}}}
        rulebook(rules=[by_tier], sections=ladder(15))
        of = identity()

        operations.post_many(purchases=[purchase(of, f"P{n}") for n in range(3)], now=NOON)

        assert points_by_reference() == {"P0": 10, "P1": 10, "P2": 20}

    def test_P6_points_of_a_tier_that_has_extra_time_live_longer(self):
        rulebook(
            rules=[BASE],
            sections=ladder(10),
            validity={"months": 12, "until": "month_end", "extra_months": {"t1": 6}},
        )
        of = identity()

        for reference in ("P1", "P2"):
            operations.post_purchase(purchase=purchase(of, reference), now=NOON)
        quoted = operations.quote(amount=Decimal("100.00"), lines=(), at=NOON, member=of)

        longer = date(2027, 12, 31)
        assert [each.expires_on for each in Lot.objects.order_by("seq")] == [
            date(2027, 6, 30),
            longer,
        ]
        assert quoted.expires_on == longer

    def test_one_that_is_refused_harms_no_other(self):
        rulebook(rules=[BASE], boosts=[FIRST])
        of = identity()

        outcomes = operations.post_many(
            purchases=[purchase(of, "P1", amount) for amount in ("100.00", "7.00")]
            + [purchase(of, "P2", "-1")]
            + [purchase(of, "P3")],
            now=NOON,
        )

        assert [type(each) for each in outcomes] == [
            points.PostedActivity,
            points.ReferenceReused,
            operations.InvalidAmount,
            points.PostedActivity,
        ]
        assert points_by_reference() == {"P1": 60, "P3": 10}

    def test_a_plain_programme_is_posted_set_by_set(
        self, django_assert_max_num_queries, django_capture_on_commit_callbacks
    ):
        rulebook(rules=[BASE], boosts=[{"code": "app", "gives": {"factor": "2"}}])
        many = [purchase(identity(), f"P{n}") for n in range(20)]
        # Who pays is read with a process' first purchase of a store.
        with django_capture_on_commit_callbacks(execute=True):
            buy(identity(), "1.00")

        with django_assert_max_num_queries(1):
            operations.post_many(purchases=many, now=NOON)


# --- Whatever comes -------------------------------------------------------------------------------

MEMBERS = 2
_references = count(1)

bought = st.fixed_dictionaries(
    {
        "member": st.integers(0, MEMBERS - 1),
        "category": st.sampled_from(["", "parts", "labour"]),
        "cents": st.integers(1, 30_000),
        "days": st.integers(0, 20),
    }
)
histories = st.lists(bought, min_size=1, max_size=7)
by_tier = [
    PARTS | {"tiers": {"t1": {"points": "3", "per_amount": "10"}}},
    BASE | {"tiers": {"t2": {"points": "5", "per_amount": "10"}}},
]
rulebooks = st.fixed_dictionaries(
    {
        "rules": st.sampled_from([[BASE], [PARTS, BASE], by_tier]),
        "boosts": st.lists(
            st.sampled_from(
                [
                    FIRST,
                    CROSS,
                    {
                        "code": "days",
                        "gives": {"percent": "10"},
                        "when": {"member_day": {"days": [8]}},
                    },
                    {
                        "code": "alone",
                        "gives": {"factor": "3"},
                        "when": {"min_amount": "150"},
                        "stacking": "exclusive",
                    },
                ]
            ),
            max_size=4,
            unique_by=lambda boost: boost["code"],
        ),
        "caps": st.lists(
            st.sampled_from(
                [
                    cap("base-week", "base", points=30, per="week"),
                    cap("all", "consumption", points=90),
                ]
            ),
            max_size=2,
            unique_by=lambda each: each["code"],
        ),
        "mode": st.sampled_from(["down", "half_up", "up"]),
    }
)
slow = settings(max_examples=15, suppress_health_check=list(HealthCheck))


def published(book):
    return rulebook(
        rules=deepcopy(book["rules"]),
        boosts=deepcopy(book["boosts"]),
        sections=ladder(20, 60) | {"activities": NOTHING_ELSE | {"caps": book["caps"]}},
        rounding={"mode": book["mode"], "per": "document"},
    )


def dated(history):
    """In the order of time."""
    return sorted(history, key=lambda each: each["days"])


def at(days):
    return datetime(2026, 6, 1, 4, tzinfo=UTC) + timedelta(days=days)


def purchases_of(history, members):
    for n, each in enumerate(dated(history)):
        amount = Decimal(each["cents"]) / 100
        yield purchase(
            members[each["member"]],
            f"P{n}",
            str(amount),
            at=at(each["days"]),
            lines=[Line("1", each["category"], amount)] if each["category"] else (),
        )


def undone(do):
    """What `do` answers; what it wrote is forgotten."""
    with transaction.atomic():
        answer = do()
        transaction.set_rollback(True)
    return answer


def outcome(members):
    standing = [tiers.level_code_on(of.id, date(2026, 7, 31)) for of in members]
    return points_by_reference(), standing, [queries.balance(of.id) for of in members]


@slow
@given(rulebooks, histories)
def test_together_is_as_one_after_the_other(book, history):
    def live():
        published(book)
        members = [identity() for _ in range(MEMBERS)]
        for each in purchases_of(history, members):
            operations.post_purchase(purchase=each, now=each.at)
        return outcome(members)

    def together():
        published(book)
        members = [identity() for _ in range(MEMBERS)]
        operations.post_many(purchases=list(purchases_of(history, members)), now=at(21))
        return outcome(members)

    assert undone(live) == undone(together)


@slow
@given(rulebooks, histories, st.randoms(use_true_random=False))
def test_returning_everything_in_whatever_parts_takes_back_everything(book, history, chance):
    def play():
        published(book)
        members = [identity() for _ in range(MEMBERS)]
        parts = []
        for each in purchases_of(history, members):
            operations.post_purchase(purchase=each, now=each.at)
            cents = int(each.amount * 100)
            cut = chance.randint(0, cents)
            parts += [(each.reference, cut), (each.reference, cents - cut)]
        chance.shuffle(parts)
        for reference, cents in parts:
            amount = str(Decimal(cents) / 100)
            give_back(reference, amount, reference=f"B{next(_references)}", at=at(22))
        standing = {tiers.level_code_on(of.id, date(2026, 7, 31)) for of in members}
        qualifying = [queries.qualifying_points(of.id) for of in members]
        return [queries.balance(of.id) for of in members], qualifying, standing

    assert undone(play) == ([0] * MEMBERS, [0] * MEMBERS, {"base-tier"})


@settings(slow, max_examples=5)
@given(rulebooks, histories)
def test_played_from_a_file_is_as_posted_live(tmp_path_factory, book, history):
    """With the night's jobs between the days."""

    def live():
        published(book)
        members = [identity() for _ in range(MEMBERS)]
        for each in told(history):
            buy(members[each["member"]], each["amount"], at=each["at"], reference=each["reference"])
        return outcome(members)

    def played():
        published(book)
        members = [identity() for _ in range(MEMBERS)]
        rows = ["at,kind,member,reference,amount,points,original"]
        rows += [
            f"{each['at'].isoformat()},purchase,{members[each['member']].number},"
            f"{each['reference']},{each['amount']},,"
            for each in told(history)
        ]
        path = tmp_path_factory.mktemp("events") / "events.csv"
        path.write_text("\n".join(rows), encoding="utf-8")
        call_command("replay", str(path), stdout=StringIO())
        return outcome(members)

    assert undone(live) == undone(played)


def told(history):
    """The history as a file of events has it: without lines."""
    return [
        {
            "member": each["member"],
            "at": at(each["days"]),
            "reference": f"P{n}",
            "amount": f"{Decimal(each['cents']) / 100:.2f}",
        }
        for n, each in enumerate(dated(history))
    ]
