"""Many at once bring what the same purchases bring one by one, in a few queries."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import budgets, operations
from campaigns.activity_rulebook import DEFAULT
from campaigns.activity_rules import compiled
from campaigns.earning import Line, compiled_rules
from campaigns.operations import Purchase
from common.errors import DomainError
from members.models import Member
from points.models import Account, Activity, Entry, Lot
from points.operations import PostedActivity
from programme import queries as programme
from tests.factories import identity, member, rulebook, source
from tests.factories.activities import cap, named
from tests.tiers.ladder import simple
from tiers import queries as tiers
from tiers.models import Decision, Gathered, Proposal, Standing

pytestmark = pytest.mark.django_db

FIRST = datetime(2026, 1, 28, 4, tzinfo=UTC)
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
_numbers = count(1)
CATEGORIES = ["parts", "labour", "oil"]

BOOSTS = {
    "first": {"gives": {"points": "50"}, "when": {"first_purchase": True}},
    "new": {"gives": {"factor": "2"}, "when": {"new_category": True}},
    "gold": {"gives": {"percent": "30"}, "when": {"tiers": ["t1"]}, "stacking": "multiply"},
    "birthday": {"gives": {"percent": "10"}, "when": {"birthday": "month"}},
}
CAPS = {
    "rule": {"of": ["base"], "points": 25},
    "boosts": {"of": ["first", "gold", "new"], "points": 30},
    "times": {"of": ["new"], "times": 1},
}
TASK = named("start", when="first_purchase", points="7")


def base(by_tier):
    rates = {"t1": {"points": "2", "per_amount": "10"}}
    rule = {"code": "base", "points": "1", "per_amount": "10"}
    return rule | ({"tiers": rates} if by_tier else {})


def publish(book, *, valid_from="2020-01-01"):
    """A small programme of tiers, boosts, caps and a task."""
    section = simple(*book["thresholds"], window=book["window"]) if book["thresholds"] else None
    if section:
        section["levels"][1]["approval"] = book["approval"]
    boosts = [
        {"code": code} | BOOSTS[code]
        for code in sorted(book["boosts"])
        if section or code != "gold"
    ]
    codes = {"base", *(each["code"] for each in boosts)}
    caps = [
        cap(code, *of, **{k: v for k, v in CAPS[code].items() if k != "of"}, per=per)
        for code, per in sorted(book["caps"].items())
        if (of := [each for each in CAPS[code]["of"] if each in codes])
    ]
    pots = [named("pot", of=["base"], points=60)] if book["budget"] else []
    tasks = [TASK] if book["task"] else []
    return rulebook(
        valid_from=valid_from,
        rules=[base(by_tier=bool(section))],
        boosts=boosts,
        sections={"activities": DEFAULT | {"caps": caps, "budgets": pots, "tasks": tasks}}
        | ({"tiers": section} if section else {}),
    )


books = st.fixed_dictionaries(
    {
        "thresholds": st.sampled_from([(), (20,), (10, 40)]),
        "window": st.sampled_from(["since_change", "calendar_year", "anniversary"]),
        "approval": st.booleans(),
        "boosts": st.sets(st.sampled_from(sorted(BOOSTS))),
        "caps": st.dictionaries(
            st.sampled_from(sorted(CAPS)), st.sampled_from(["day", "month", "lifetime"])
        ),
        "budget": st.integers(0, 5).map(lambda n: n == 5),
        "task": st.booleans(),
    }
)
# Whose, days after FIRST, the amount, the category, and as which reference: few of each, so that
# they meet. A reference may come again as it was, or for something else.
bought = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 40) | st.integers(0, 1),
        st.sampled_from(["30.00", "100.00", "260.00", "-1.00"]),
        st.sampled_from(CATEGORIES),
        st.integers(0, 14),
    ),
    min_size=4,
    max_size=14,
)


RICH = {
    "thresholds": (10, 40),
    "window": "since_change",
    "approval": False,
    "boosts": set(BOOSTS),
    "caps": {"rule": "month", "boosts": "lifetime", "times": "day"},
    "budget": False,
    "task": False,
}


class TestQueries:
    @pytest.mark.parametrize("often", [1, 3])
    @pytest.mark.parametrize("at", [NOW, FIRST], ids=["now", "late"])
    def test_a_chunk_costs_the_same_for_ten_members_as_for_fifty(self, often, at):
        """With everything a rulebook may ask; so many times as often as a member occurs in it."""
        publish(RICH)
        few, many = (counted_statements(members, often, at) for members in (10, 50))

        assert len(many) == len(few), "\n".join(many)
        assert len(many) <= 2 + 10 * often, "\n".join(many)

    def test_a_task_that_all_have_done_costs_one(self):
        publish(RICH | {"task": True})
        of = [identity() for _ in range(20)]
        post(of, 1, NOW)

        assert len(post(of, 1, NOW)) <= 2 + 13

    def test_that_is_refused_whole_costs_nothing(self):
        publish(RICH)
        purchases = [purchase_of(identity(), "-1.00", NOW) for _ in range(2)]
        operations.post_many(purchases=purchases, now=NOW)

        with CaptureQueriesContext(connection) as found:
            answers = operations.post_many(purchases=purchases, now=NOW)

        assert [each.code for each in answers] == ["invalid_amount"] * 2
        assert not found.captured_queries


def counted_statements(members, often, at):
    of = [identity() for _ in range(members)]
    post(of, 1, at)
    return post(of, often, at)


def post(of, often, at):
    """
    Post, and return the statements that took: but those for who pays, which a process remembers
    from its first commit on, and no test commits.
    """
    purchases = [purchase_of(each, "30.00", at) for _ in range(often) for each in of]
    with CaptureQueriesContext(connection) as found:
        answers = operations.post_many(purchases=purchases, now=NOW)
    assert all(isinstance(each, PostedActivity) and not each.replayed for each in answers)
    told = [each["sql"][:200] for each in found]
    return [each for each in told if "points_funding" not in each and "'BRAND'" not in each]


def purchase_of(of, amount, at):
    reference = f"Q{next(_numbers)}"
    return Purchase(member=of, reference=reference, at=at, amount=Decimal(amount), source=source())


# Of an entry: what another try numbers otherwise.
NOT_THEIRS = ("id", "posted_at", "recorded_at", "activity_id", "funding_id")


class Undone(Exception):
    pass


class TestTheProof:
    @settings(
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(book=books, later=st.none() | books, events=bought, chunk=st.integers(1, 14))
    def test_in_bulk_it_is_as_it_is_one_by_one(self, book, later, events, chunk):
        with pytest.raises(Undone):
            compare(book, later, events, chunk)

    @pytest.mark.parametrize("order", [(3, 0), (0, 3), (3, 0, 3)])
    def test_who_may_not_earn_meets_a_reference_where_it_stands(self, order):
        """The third is frozen: before another takes the reference it is free, behind it is not."""
        plain = RICH | {"thresholds": (), "boosts": set(), "caps": {}}
        events = [(who, 0, "30.00", "oil", 1) for who in order]

        with pytest.raises(Undone):
            compare(plain, None, events, len(events))


@transaction.atomic
def compare(book, later, events, chunk):
    forget()
    publish(book)
    if later is not None:
        publish(later, valid_from="2026-02-10")
    of = [identity(member(birthday=date(1980, 2, 6))) for _ in range(4)]
    Member.objects.filter(pk=of[3].id).update(status="FROZEN")
    of[3] = of[3].__class__(of[3].id, of[3].number, "FROZEN")
    purchases = [_purchase(of, *event) for event in events]

    one_by_one = happens(lambda: [one(each) for each in purchases])
    in_bulk = happens(
        lambda: [
            told(answer)
            for start in range(0, len(purchases), chunk)
            for answer in operations.post_many(purchases=purchases[start : start + chunk], now=NOW)
        ]
    )

    for what, left in one_by_one.items():
        assert in_bulk[what] == left, what
    raise Undone


def forget():
    programme.forget_cached()
    budgets.forget_cached()
    for cache in (compiled, compiled_rules, tiers.ladder):
        cache.cache_clear()


def _purchase(of, who, days, amount, category, reference):
    return Purchase(
        member=of[who],
        reference=f"R{reference}",
        at=FIRST + timedelta(days=days),
        amount=Decimal(amount),
        lines=[Line("1", category, Decimal(amount))],
        source=source(),
    )


def one(purchase):
    try:
        with transaction.atomic():
            return told(operations.post_purchase(purchase=purchase, now=NOW))
    except DomainError as refusal:
        return told(refusal)


def told(answer):
    if isinstance(answer, DomainError):
        return answer.code
    return answer.points, answer.posting, answer.replayed


def happens(work):
    """What it answers and what it leaves behind, which is then undone."""
    mark = transaction.savepoint()
    answers = work()
    left = {
        "answers": answers,
        "journal": rows(Activity, "reference", but=("id", "posted_at", "recorded_at")),
        "entries": rows(
            Entry,
            "member_id",
            "seq",
            but=("id", "posted_at", "recorded_at", "activity_id", "funding_id"),
        ),
        "lots": rows(Lot, "member_id", "expires_on", "seq"),
        "accounts": [each for each in rows(Account, "member_id") if each["seq"]],
        "days": rows(Gathered, "member_id", "day"),
        "standings": rows(Standing, "member_id"),
        "decisions": rows(Decision, "member_id", "id", but=("id", "recorded_at")),
        "proposals": rows(Proposal, "member_id", "level", "state", "id", but=("id",)),
    }
    transaction.savepoint_rollback(mark)
    return left


def rows(model, *order, but=()):
    return [
        {name: plain(value) for name, value in row.items() if name not in but}
        for row in model.objects.order_by(*order).values()
    ]


def plain(value):
    return bytes(value) if isinstance(value, memoryview) else value
