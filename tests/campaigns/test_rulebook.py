"""The earning rules as a part of the programme file: there and back without loss."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import earning
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
rules = st.fixed_dictionaries(
    {
        "code": st.from_regex(r"[a-z][a-z0-9-]{0,49}", fullmatch=True),
        "names": names,
        "categories": st.lists(
            st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True), max_size=4, unique=True
        ),
        "points": st.just("0") | decimals(8, 4),
        "per_amount": decimals(12, 2),
    }
)


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
    "earning": st.fixed_dictionaries(
        {"rules": st.lists(rules, min_size=1, max_size=5, unique_by=lambda rule: rule["code"])}
    ),
}


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
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


def test_refuses_two_rules_of_one_code():
    """Before the database does: whoever wrote the file is told where and why."""
    written = document()
    written["earning"]["rules"] *= 2

    with pytest.raises(documents.InvalidProgramme) as refusal:
        operations.load(document=written, published_at=NOW)

    assert refusal.value.details["where"] == "$.earning.rules"
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
                " (version_id, position, code, names, categories, points, per_amount)"
                " SELECT id, 9, 'late', '{}', '{}', 9, 1 FROM programme_version"
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

        with django_assert_num_queries(1):
            first = earning.compiled_rules(version.pk)
            assert earning.compiled_rules(version.pk) is first
