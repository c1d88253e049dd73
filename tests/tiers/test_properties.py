"""For any ladder and any history: what must hold whatever happens, and in whatever order."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from points import operations as ledger
from programme import queries as programme
from tests.factories import buy, identity, source
from tests.tiers.ladder import gather, noon, publish, simple
from tiers import nightly, operations, queries
from tiers.criteria import Window, is_met, parse, told
from tiers.judging import Gathering, History, walk
from tiers.ladders import compiled
from tiers.models import Decision, Standing
from tiers.operations import Measured
from tiers.verification import verify

START = date(2024, 2, 20)

windows = st.one_of(
    st.sampled_from(["since_change", "calendar_year", "anniversary"]),
    st.fixed_dictionaries({"months": st.sampled_from([1, 3, 12])}),
)
sections = st.builds(
    lambda steps, **terms: simple(*(sum(steps[: n + 1]) for n in range(len(steps))), **terms),
    st.lists(st.integers(5, 40), min_size=1, max_size=3),
    window=windows,
    months=st.sampled_from([1, 2, 6, 12]),
    downgrade=st.sampled_from(["one_level", "earned", "base"]),
    grace_days=st.sampled_from([0, 10]),
    minimum_stay_days=st.sampled_from([0, 45]),
)
# Days after START, and points.
events = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50)), min_size=1, max_size=12)
UNTIL = START + timedelta(days=520)


def ladder_of(section):
    terms = SimpleNamespace(
        window=section["window"],
        downgrade=section["downgrade"],
        grace_days=section["grace_days"],
        minimum_stay_days=section["minimum_stay_days"],
        warn_days=[],
    )
    rows = [
        SimpleNamespace(
            position=position,
            **{"upgrade": None, "keep": None, "validity": None, "approval": False}
            | {"application": None}
            | level,
        )
        for position, level in enumerate(section["levels"])
    ]
    return compiled(1, terms, rows, {})


def history(happened, joined_on=START):
    days: dict[date, int] = {}
    for after, points in happened:
        day = START + timedelta(days=after)
        days[day] = days.get(day, 0) + points
    nothing = (Decimal(0),) * 5
    return History(
        [Gathering(day, (Decimal(points), *nothing)) for day, points in sorted(days.items())],
        joined_on=joined_on,
    )


@given(section=sections, happened=events, cuts=st.sets(st.integers(0, 520), max_size=6))
def test_a_walk_may_be_interrupted_by_any_nights(section, happened, cuts):
    """Where the nights fall, and whether they ran, decides nothing."""
    ladder = ladder_of(section)
    whole = walk(history(happened), ladder_on=lambda _day: ladder, until=UNTIL)

    after, state, transitions = None, None, []
    for cut in [*sorted(cuts), 520]:
        until = START + timedelta(days=cut)
        part = walk(
            history(happened), ladder_on=lambda _day: ladder, until=until, start=state, after=after
        )
        state, after = part.state, until
        transitions += part.transitions

    assert state == whole.state
    assert transitions == whole.transitions


@given(section=sections, happened=events)
def test_a_tier_is_held_only_by_decisions_that_met_their_rule(section, happened):
    ladder = ladder_of(section)
    course = walk(history(happened), ladder_on=lambda _day: ladder, until=UNTIL)

    for each in course.transitions:
        before, after = (ladder.level(s.level).position for s in (each.before, each.after))
        match each.kind:
            case "UPGRADE":
                assert after > before
                assert each.evidence["met"]
            case "KEEP":
                assert (after, each.evidence["met"]) == (before, True)
            case "DOWNGRADE":
                assert after < before
                assert not each.evidence["met"]
    assert course.state.valid_until is None or course.state.valid_until >= UNTIL - timedelta(60)


trees = st.recursive(
    st.builds(
        lambda measure, at_least: {"measure": measure, "at_least": str(at_least)},
        st.sampled_from(["points", "spend", "events"]),
        st.integers(1, 5),
    ),
    lambda of: st.lists(of, min_size=1, max_size=3).flatmap(
        lambda each: st.one_of(
            st.just({"all": each}),
            st.just({"any": each}),
            st.integers(1, len(each)).map(lambda some: {"some": some, "of": each}),
        )
    ),
    max_leaves=8,
)


def meant(tree, totals):
    if "measure" in tree:
        return totals[tree["measure"]] >= int(tree["at_least"])
    if "all" in tree:
        return all(meant(each, totals) for each in tree["all"])
    if "any" in tree:
        return any(meant(each, totals) for each in tree["any"])
    return sum(meant(each, totals) for each in tree["of"]) >= tree["some"]


@given(tree=trees, totals=st.fixed_dictionaries(dict.fromkeys(("points", "spend", "events"), st.integers(0, 6))))  # fmt: skip  # noqa: E501
def test_a_criterion_means_what_it_says_and_its_evidence_agrees(tree, totals):
    window = Window("since_change")
    criterion = parse(tree, window=window)

    def total(measure, _window):
        return Decimal(totals[measure.value])

    evidence = told(criterion, total, lambda _window: (START, START))

    assert is_met(criterion, total) is evidence["met"] is meant(tree, totals)


live = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.django_db(transaction=False)
class TestLive:
    @live
    @given(section=sections, happened=events, data=st.data())
    def test_the_same_events_in_any_order_lead_to_the_same_standing(self, section, happened, data):
        """As they happened, or as they became known: late, shuffled, in one import (T4)."""
        shuffled = data.draw(st.permutations(happened))
        with undone():
            publish(section)
            in_order, in_any, imported, beside = (identity() for _ in range(4))
            for after, points in sorted(happened):
                gather(in_order, START + timedelta(days=after), points=points)
            for after, points in shuffled:
                gather(in_any, START + timedelta(days=after), points=points)
            for after, points in shuffled:
                with transaction.atomic():
                    operations.gathered_many(
                        [as_told(beside, after, points), as_told(imported, after, points)]
                    )
            nightly.review_standings(day=UNTIL)

            assert state(in_any) == state(in_order) == state(imported) == state(beside)
            assert not [each for each in verify(low=1, high=2**62).differences
                        if each.what != "gathered"]  # fmt: skip

    @live
    @given(section=sections, happened=events, data=st.data())
    def test_what_is_returned_leaves_as_if_it_had_never_been(self, section, happened, data):
        returned = data.draw(st.lists(st.sampled_from(happened), unique=True, max_size=3))
        kept = [each for each in happened if each not in returned]
        with undone():
            publish(section)
            without, of = identity(), identity()
            for after, points in sorted(kept):
                gather(without, START + timedelta(days=after), points=points)
            for after, points in sorted(happened):
                gather(of, START + timedelta(days=after), points=points)
            for after, points in returned:
                times = happened.count((after, points))
                gather(of, START + timedelta(days=after), now=UNTIL, points=-points * times)
            nightly.review_standings(day=UNTIL)

            assert standing_of(of) == standing_of(without)

    @live
    @given(
        happened=events,
        keep=trees,
        window=windows,
        until=st.sampled_from(["day", "month_end", "quarter_end", "year_end"]),
        grace_days=st.sampled_from([0, 10]),
    )
    def test_the_nights_decide_as_the_walk_does_to_the_letter(
        self, happened, keep, window, until, grace_days
    ):
        """
        Most of a night is one statement of SQL, which must not have a mind of its own.

        A day's points come at once: what wins a tier is told with what was there at that moment,
        and the walk knows days only.
        """
        section = simple(5, window=window, grace_days=grace_days)
        section["levels"][1] |= {
            "keep": distinct(keep), "validity": {"months": 2, "until": until},
        }  # fmt: skip
        with undone():
            publish(section)
            of = identity(joined_at=noon(START))
            gather(of, START, points=5)
            for after, points in sorted(dict(happened).items()):
                day = START + timedelta(days=after + 1)
                nights(of, until=day)
                gather(of, day, points=points, spend=f"{points}.50", events=points % 2)
            nights(of, until=UNTIL)
            [(held, course)] = operations.judged_anew_by_range(low=of.id, high=of.id)

            assert course.state == held.state
            assert [
                (each.kind, each.effective_on, each.valid_until, each.evidence)
                for each in Decision.objects.order_by("pk")
            ] == [
                (each.kind, each.effective_on, each.after.valid_until, each.evidence)
                for each in course.transitions
            ]

    @live
    @given(happened=events, spent=st.integers(0, 100))
    def test_no_tier_depends_on_redemption_or_expiry(self, happened, spent):
        """T3: two members who bought the same stand the same, whatever became of their points."""
        with undone():
            publish(simple(20, 60, months=6))
            saver, spender = identity(), identity()
            for number, (after, points) in enumerate(sorted(happened)):
                at = noon(START + timedelta(days=after))
                for of in (saver, spender):
                    buy(of, f"{points * 10}.00", at=at, reference=f"{of.id}-{number}")
                if number == 0 and 0 < spent <= points:
                    ledger.redeem(
                        member=spender, points=spent, at=at, reference=f"R-{spender.id}",
                        source=source(),
                    )  # fmt: skip
            ledger.expire(low=spender.id, high=spender.id, on=UNTIL + timedelta(days=3000))
            nightly.review_standings(day=UNTIL)

            assert state(spender) == state(saver)
            assert verify(low=1, high=2**62).differences == []


def nights(of, *, until):
    """Every night in which there is something to decide."""
    while (due := Standing.objects.get(pk=of.id).review_on) is not None and due <= until:
        nightly.review_standings(day=due)


def distinct(tree):
    """Without the same criterion twice, which the rulebook refuses."""
    for word in ("all", "any", "of"):
        if word in tree:
            of = []
            for each in map(distinct, tree[word]):
                if each not in of:
                    of.append(each)
            some = {"some": min(tree["some"], len(of))} if word == "of" else {}
            return {**some, word: of}
    return tree


def as_told(of, after, points):
    day = START + timedelta(days=after)
    return of, noon(day), Measured(points=points), programme.rulebook_on(day)


def state(of):
    held = standing_of(of)
    tier = queries.level_code_on(of.id, UNTIL)
    return (*held, tier)


def standing_of(of):
    row = Standing.objects.filter(pk=of.id).first() or Standing(level="regular")
    return row.level if row.since else "regular", row.since, row.period_from, row.valid_until


class undone:  # noqa: N801 - reads as a word
    """Each example begins with an empty database."""

    def __enter__(self):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        programme.forget_cached()

    def __exit__(self, kind, error, trace):
        transaction.set_rollback(True)
        self.atomic.__exit__(kind, error, trace)
        programme.forget_cached()
        assert Decision.objects.count() == 0
