"""The earning rules as a part of the programme file: there and back without loss."""

from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import earning
from campaigns.earning import plain
from campaigns.models import EarningRule
from programme import documents, operations, queries
from programme.models import Version
from tests.factories import rulebook
from tests.factories.programme import PLAIN
from tests.programme.strategies import policies, text

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, tzinfo=UTC)


def document(**earning):
    found = documents.parse(PLAIN.read_text())
    found["earning"]["rules"][0] |= earning
    return found


def decimals(whole, places):
    """Numbers in the one spelling that export writes."""
    return st.integers(1, 10 ** (whole + places) - 1).map(
        lambda n: f"{n // 10**places}.{n % 10**places:0{places}d}".rstrip("0").rstrip(".")
    )


names = st.fixed_dictionaries({"zh-hans": text()}, optional={"zh-hant": text(), "en": text()})
codes = st.from_regex(r"[a-z][a-z0-9-]{0,49}", fullmatch=True)
categories = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
rates = {"points": st.just("0") | decimals(8, 4), "per_amount": decimals(12, 2)}


def some(items):
    return st.lists(items, min_size=1, max_size=3, unique=True)


@st.composite
def windows(draw):
    """Far enough ahead to overlap with any version."""
    first, last = sorted(draw(st.tuples(*[st.dates(date(9000, 1, 1), date(9998, 12, 31))] * 2)))
    return {"from": first.isoformat(), "until": last.isoformat()}


# Without days, of which not all go together.
of_the_purchase = {
    "stores": some(st.from_regex(r"[-a-zA-Z0-9_]{1,50}", fullmatch=True)),
    "dealers": some(st.from_regex(r"[-a-zA-Z0-9_]{1,50}", fullmatch=True)),
    "channels": some(categories),
    "products": some(st.sampled_from(["X-1", "车 2", "{}[]"])),
}
of_days = st.one_of(
    st.fixed_dictionaries({"weekdays": some(st.sampled_from(earning.WEEKDAYS))}),
    st.fixed_dictionaries({"months": some(st.integers(1, 12))}),
)
rules = st.fixed_dictionaries(
    {
        "code": codes,
        "names": names,
        "categories": st.lists(categories, max_size=4, unique=True),
        **rates,
    },
    optional={
        "where": st.fixed_dictionaries({}, optional=of_the_purchase).filter(bool)
        | of_days
        | windows()
    },
)
whens = st.one_of(
    of_days,
    st.fixed_dictionaries(
        {},
        optional=of_the_purchase
        | {
            "birthday": st.sampled_from(["month", "day"]),
            "first_purchase": st.booleans(),
            "new_category": st.just(True),
            "min_amount": decimals(12, 2),
            "categories": some(categories),
        },
    ),
    st.fixed_dictionaries({"dates": st.lists(windows(), min_size=1, max_size=3)}),
    st.fixed_dictionaries(
        {"member_day": st.fixed_dictionaries({"days": some(st.integers(1, 31))})}
    ),
)
more = st.fixed_dictionaries({"percent": decimals(5, 4)}) | st.fixed_dictionaries(
    {"factor": st.integers(10_001, 9_999_999).map(lambda n: plain(Decimal(n) / 10_000))}
)
whole = st.fixed_dictionaries({"points": st.integers(1, 999_999_999).map(str)})
stackings = st.one_of(
    st.fixed_dictionaries({"stacking": st.just("add"), "gives": more | whole}),
    st.fixed_dictionaries({"stacking": st.just("multiply"), "gives": more}),
    st.fixed_dictionaries({"stacking": st.just("best"), "gives": more | whole, "group": codes}),
)


@st.composite
def boosts(draw):
    found = draw(st.fixed_dictionaries({"code": codes, "names": names, "when": whens}))
    found |= draw(stackings)
    return found | draw(st.fixed_dictionaries({}, optional={"priority": st.integers(1, 1000)}))


@st.composite
def earnings(draw):
    found = draw(st.lists(rules, min_size=1, max_size=5, unique_by=lambda rule: rule["code"]))
    taken = {rule["code"] for rule in found}
    others = boosts().filter(lambda boost: boost["code"] not in taken)
    more_than_that = draw(st.lists(others, max_size=3, unique_by=lambda boost: boost["code"]))
    return {"rules": found} | ({"boosts": more_than_that} if more_than_that else {})


@st.composite
def programmes(draw):
    valid_from = draw(st.dates())
    return draw(
        st.fixed_dictionaries(
            PROGRAMME
            | {
                "valid_from": st.just(valid_from.isoformat()),
                "policies": policies(valid_from=valid_from),
            }
        )
    )


PROGRAMME = {
    "format": st.just(1),
    "programme": st.fixed_dictionaries(
        {
            "code": st.just("random"),
            "names": names,
            "currency": st.from_regex(r"[A-Z]{3}", fullmatch=True),
            "points_per_currency_unit": st.integers(1, 1_000_000),
            "color": st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
        }
    ),
    "note": text(0, 500),
    "earning": earnings(),
}


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(programmes())
def test_any_programme_goes_there_and_back_without_loss(written):
    with transaction.atomic():
        assert documents.parse(documents.render(written)) == written

        loaded = operations.load(document=deepcopy(written), published_at=NOW)
        exported = queries.export(Version.objects.get(pk=loaded.version.pk))

        assert exported == written
        assert documents.parse(documents.render(exported)) == written
        assert operations.load(document=exported, published_at=NOW).unchanged
        transaction.set_rollback(True)


def test_the_shipped_programme_is_exported_letter_by_letter():
    operations.load(document=documents.parse(PLAIN.read_text()), published_at=NOW)

    assert documents.render(queries.export(Version.objects.get())) == PLAIN.read_text()


@pytest.mark.parametrize("points", ["1.0", "1.5000", "007", "0.50"])
def test_a_number_spelled_otherwise_is_the_same_number(points):
    first = operations.load(document=document(points=points), published_at=NOW)

    again = operations.load(document=document(points=points), published_at=NOW)

    assert (again.version, again.unchanged) == (first.version, True)
    assert Version.objects.count() == EarningRule.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": 1},
        {"points": "-1"},
        {"points": "1e3"},
        {"points": "1,5"},
        {"points": "1.00001"},
        {"points": "123456789"},
        {"points": "NaN"},
        {"points": "١"},
        {"points": "1\n"},
        {"per_amount": "0"},
        {"per_amount": "0.00"},
        {"per_amount": "10.001"},
        {"code": "Base"},
        {"code": ""},
        {"categories": ["parts", "parts"]},
        {"categories": ["Parts"]},
        {"categories": "parts"},
        {"names": {"en": "no Chinese name"}},
        {"names": {"zh-hans": ""}},
        {"names": {"zh-hans": "a\x00b"}},
        {"names": {"zh-hans": "\ud800"}},
        {"names": {"zh-hans": "x", "fr": "y"}},
        {"surplus": 1},
        {"tiers": {}},
        {"tiers": {"gold": {"points": "1"}}},
        {"tiers": {"gold": {"points": "1", "per_amount": "0"}}},
        {"where": {}},
        {"where": {"tiers": []}},
        {"where": {"weekdays": ["Monday"]}},
        {"where": {"months": [13]}},
        {"where": {"from": "2026-02-30"}},
        {"where": {"first_purchase": True}},
    ],
)
def test_refuses_a_rule_that_makes_no_sense(wrong):
    with pytest.raises(documents.InvalidProgramme) as refusal:
        operations.load(document=document(**wrong), published_at=NOW)

    assert "earning" in refusal.value.details["where"]
    assert not Version.objects.exists()


@pytest.mark.parametrize("missing", ["code", "names", "categories", "points", "per_amount"])
def test_refuses_a_rule_that_lacks_something(missing):
    lacking = document()
    del lacking["earning"]["rules"][0][missing]

    with pytest.raises(documents.InvalidProgramme):
        operations.load(document=lacking, published_at=NOW)


@pytest.mark.parametrize("count", [0, 201])
def test_has_one_to_two_hundred_rules(count):
    written = document()
    written["earning"]["rules"] = [
        written["earning"]["rules"][0] | {"code": f"r{n}"} for n in range(count)
    ]

    with pytest.raises(documents.InvalidProgramme):
        operations.load(document=written, published_at=NOW)


BOOST = {
    "code": "more",
    "names": {"zh-hans": "x"},
    "when": {},
    "gives": {"percent": "10"},
    "stacking": "add",
}


def boosted(*changes, **rule):
    """`plain` with a boost for each change."""
    found = document(**rule)
    found["earning"]["boosts"] = [
        BOOST | {"code": f"b{n}"} | change for n, change in enumerate(changes)
    ]
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        {"gives": {}},
        {"gives": {"percent": "0"}},
        {"gives": {"percent": "0.00"}},
        {"gives": {"points": "0"}},
        {"gives": {"points": "1.5"}},
        {"gives": {"percent": "1", "points": "1"}},
        {"stacking": "sum"},
        {"when": {"birthday": "year"}},
        {"when": {"member_day": {"days": [32]}}},
        {"when": {"dates": [{"from": "2026-01-01"}]}},
        {"when": {"new_category": False}},
        {"when": {"min_amount": "0"}},
        {"priority": -1},
        {"surplus": 1},
    ],
)
def test_refuses_a_boost_that_makes_no_sense(wrong):
    with pytest.raises(documents.InvalidProgramme) as refusal:
        operations.load(document=boosted(wrong), published_at=NOW)

    assert "earning.boosts[0]" in refusal.value.details["where"]
    assert not Version.objects.exists()


def window(first, last):
    return {"dates": [{"from": first, "until": last}]}


ALONE = {"stacking": "exclusive"}


@pytest.mark.parametrize(
    ("write", "where"),
    [
        (partial(boosted, {"code": "base"}), "boosts[0].code"),
        (partial(boosted, {"gives": {"factor": "1"}}), "boosts[0].gives.factor"),
        (partial(boosted, {"gives": {"factor": "0.5"}}), "boosts[0].gives.factor"),
        (
            partial(boosted, {"gives": {"points": "5"}, "stacking": "multiply"}),
            "boosts[0].gives.points",
        ),
        (partial(boosted, {"stacking": "best"}), "boosts[0].group"),
        (partial(boosted, {"group": "g"}), "boosts[0].group"),
        (partial(boosted, ALONE, ALONE), "boosts[1].priority"),
        (
            partial(
                boosted,
                ALONE | {"when": window("2026-05-01", "2026-05-05")},
                ALONE | {"when": window("2026-05-05", "2026-05-06")},
            ),
            "boosts[1].priority",
        ),
        (
            partial(boosted, {"when": window("2026-05-02", "2026-05-01")}),
            "boosts[0].when.dates[0].until",
        ),
        (
            partial(boosted, {"when": window("2026-05-01", "2026-05-04") | {"months": [6]}}),
            "boosts[0].when",
        ),
        (
            partial(boosted, {"when": window("2026-05-02", "2026-05-03") | {"weekdays": ["mon"]}}),
            "boosts[0].when",
        ),
        (
            partial(
                boosted,
                {"when": {"member_day": {"days": [29]}, "months": [2], "weekdays": ["mon"]}},
            ),
            None,
        ),
        (
            partial(document, where={"from": "2026-05-02", "until": "2026-05-01"}),
            "rules[0].where.until",
        ),
        (partial(document, where={"tiers": ["gold"]}), "rules[0].where.tiers[0]"),
        (
            partial(document, tiers={"gold": {"points": "1", "per_amount": "1"}}),
            "rules[0].tiers.gold",
        ),
        (partial(boosted, {"when": {"tiers": ["gold"]}}), "boosts[0].when.tiers[0]"),
        (partial(boosted, ALONE, ALONE | {"priority": 1}), None),
        (
            partial(
                boosted,
                ALONE | {"when": window("2026-05-01", "2026-05-04")},
                ALONE | {"when": window("2026-05-05", "2026-05-06")},
            ),
            None,
        ),
        (
            partial(
                boosted,
                ALONE | {"when": {"weekdays": ["mon"]}},
                ALONE | {"when": {"weekdays": ["tue"]}},
            ),
            None,
        ),
        (
            partial(
                boosted,
                ALONE | {"when": {"first_purchase": True}},
                ALONE | {"when": {"first_purchase": False}},
            ),
            None,
        ),
    ],
)
def test_says_where_a_contradiction_is(write, where):
    if where is None:
        documents.validate(write())
        return
    with pytest.raises(documents.InvalidProgramme) as refusal:
        documents.validate(write())

    assert refusal.value.details["where"] == f"$.earning.{where}"
    assert refusal.value.details["why"]


def test_refuses_two_rules_of_one_code():
    """Before the database does: whoever wrote the file is told where and why."""
    written = document()
    written["earning"]["rules"] *= 2

    with pytest.raises(documents.InvalidProgramme) as refusal:
        operations.load(document=written, published_at=NOW)

    assert refusal.value.details["where"] == "$.earning.rules[1].code"
    assert not Version.objects.exists()


def owner_does(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


class TestPublished:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE campaigns_earningrule SET points = 9",
            "DELETE FROM campaigns_earningrule",
            (
                "INSERT INTO campaigns_earningrule"
                " (version_id, position, code, names, categories, points, per_amount, tiers,"
                "  conditions)"
                " SELECT id, 9, 'late', '{}', '{}', 9, 1, '{}', '{}' FROM programme_version"
            ),
            (
                "INSERT INTO campaigns_boost"
                ' (version_id, position, code, names, conditions, gives, stacking, "group",'
                "  priority)"
                " SELECT id, 9, 'late', '{}', '{}', '{}', 'ADD', '', 0 FROM programme_version"
            ),
        ],
    )
    def test_its_rules_cannot_change_even_for_the_owner(self, statement):
        rulebook()

        with pytest.raises(IntegrityError, match="hang on a published version"):
            owner_does(statement)

    def test_a_drafts_rules_can_but_not_move_to_a_published_one(self):
        published = rulebook()
        draft = Version.objects.create(
            number=99, valid_from="2030-01-01", policies=published.policies
        )
        rule = EarningRule.objects.create(
            version=draft, position=0, code="x", names={}, categories=[], points=1, per_amount=1
        )

        rule.points = 2
        rule.save()
        rule.version = published
        with pytest.raises(IntegrityError, match="hang on a published version"):
            rule.save()

    def test_its_rules_are_read_once(self, django_assert_num_queries):
        version = rulebook()

        with django_assert_num_queries(3):
            first = earning.compiled_rules(version.pk)
            assert earning.compiled_rules(version.pk) is first
