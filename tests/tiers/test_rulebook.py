"""The section `tiers` of a programme file: what it may say, and what makes no sense."""

from copy import deepcopy
from datetime import date

import pytest
from django.db import DatabaseError, transaction

from programme import checks, documents, queries
from programme.documents import InvalidProgramme
from tests.factories import identity
from tests.tiers.ladder import (
    BASE,
    GOLD,
    RETAIL,
    SILVER,
    YEAR,
    document,
    gather,
    level,
    points,
    publish,
    spend,
)
from tiers import queries as tiers
from tiers.models import Level

pytestmark = pytest.mark.django_db

FULL = {
    "levels": [
        BASE,
        SILVER
        | {
            "validity": {"months": 24, "until": "month_end"},
            "approval": True,
            "application": spend(50000, window="calendar_year"),
        },
        level(
            "gold",
            upgrade={
                "all": [
                    points(20000),
                    {"some": 2, "of": [spend(1), points(30000), {"any": [spend("0.5")]}]},
                ]
            },
        ),
    ],
    "window": {"months": 18},
    "downgrade": "earned",
    "grace_days": 30,
    "minimum_stay_days": 90,
    "warn_days": [60, 30, 7],
    "products": [{"name": "Model S", "level": "gold"}],
}


@pytest.mark.parametrize("section", [RETAIL, FULL, {"levels": [BASE]}])
def test_what_is_loaded_is_exported_again(section):
    version = publish(section)

    assert queries.export(version)["tiers"] == section
    documents.validate(queries.export(version))
    assert documents.parse(documents.render(queries.export(version)))["tiers"] == section


def test_a_programme_without_tiers_says_nothing_of_them():
    assert "tiers" not in queries.export(publish({"levels": []}))


def test_the_same_said_otherwise_is_the_same():
    first = publish({"levels": [BASE, SILVER | {"upgrade": points("10000.00")}], "grace_days": 0})

    assert publish({"levels": [BASE, SILVER | {"upgrade": points(10000)}]}) == first


def deep(depth):
    criterion = points(10)
    for _ in range(depth - 1):
        criterion = {"all": [criterion]}
    return criterion


@pytest.mark.parametrize(
    "criterion",
    [
        points("0"),
        points("-1"),
        points(1, window="fortnight"),
        points(1, window={"months": 0}),
        {"measure": "balance", "at_least": "1"},
        {"all": []},
        {"all": [points(1)], "any": [points(1)]},
        {"some": 1},
        {},
        deep(6),
    ],
)
def test_a_criterion_of_another_shape_is_refused(criterion):
    with pytest.raises(InvalidProgramme, match="upgrade"):
        documents.validate(document({"levels": [BASE, level("t1", upgrade=criterion)]}))


def test_five_levels_of_nesting_are_allowed():
    publish({"levels": [BASE, level("t1", upgrade=deep(5))]})


def changed(**more):
    return {**deepcopy(RETAIL), **more}


def with_level(number, **more):
    section = deepcopy(RETAIL)
    section["levels"][number] |= more
    return section


@pytest.mark.parametrize(
    ("where", "section"),
    [
        ("levels[1].code", with_level(2, code="silver")),
        ("levels[0].upgrade", with_level(0, upgrade=points(1))),
        ("levels[0].validity", with_level(0, validity={"months": 12})),
        ("levels[0].approval", with_level(0, approval=True)),
        ("levels[1].upgrade", {"levels": [BASE, level("t1")]}),
        (
            "levels[1].approval",
            {"levels": [BASE, level("t1", application=spend(5), approval=True)]},
        ),
        ("levels[1].keep", {"levels": [BASE, level("t1", upgrade=points(2), keep=points(1))]}),
        (
            "levels[1].keep",
            {"levels": [BASE, level("t1", application=spend(5), validity={"months": 1})]},
        ),
        ("levels[2].upgrade", with_level(2, upgrade=SILVER["upgrade"])),
        ("levels[2].upgrade", with_level(2, upgrade=points(9999))),
        (
            "levels[2].upgrade",
            with_level(2, upgrade={"all": [points(20000), {"any": [spend(4999, window=YEAR)]}]}),
        ),
        ("levels[1].upgrade.some", with_level(1, upgrade={"some": 2, "of": [points(1)]})),
        ("levels[1].keep.any[1]", with_level(1, keep={"any": [points(1), points("1.0")]})),
        ("levels[1].keep.at_least", with_level(1, keep=points("1.5"))),
        (
            "levels[1].keep.window",
            with_level(1, keep={"measure": "products", "at_least": "1", "window": YEAR}),
        ),
        ("products[0].level", changed(products=[{"name": "S", "level": "platinum"}])),
        ("products[0].level", changed(products=[{"name": "S", "level": "regular"}])),
        (
            "products[0].name",
            changed(products=[{"name": "S", "level": "silver"}, {"name": "S", "level": "gold"}]),
        ),
        ("grace_days", {"levels": [], "grace_days": 1}),
    ],
)
def test_a_contradiction_is_refused_beside_its_field(where, section):
    with pytest.raises(InvalidProgramme) as refusal:
        publish(section)

    assert refusal.value.details["where"] == f"$.tiers.{where}"
    assert not Level.objects.exists()


def test_the_same_threshold_over_another_window_asks_something_else():
    publish(with_level(2, upgrade={"any": [points(20000), spend(4999, window="calendar_year")]}))


def test_a_level_somebody_has_cannot_be_left_out():
    publish()
    gather(identity(), "2026-06-15", points=10000)

    for section in ({"levels": [BASE, GOLD]}, {"levels": []}):
        with pytest.raises(InvalidProgramme, match="silver"):
            publish(section, valid_from="2027-01-01")
        [finding] = checks.run(document(section))
        assert finding.severity is checks.Severity.MISTAKE
        assert finding.path == ("tiers", "levels")


def test_the_base_may_be_called_otherwise():
    publish()
    of = identity()
    gather(of, "2026-06-15", points=1)

    publish({"levels": [level("new"), GOLD]}, valid_from="2027-01-01")

    assert tiers.level_code_on(of.id, date(2026, 6, 15)) == "regular"
    assert tiers.level_code_on(of.id, date(2027, 1, 1)) == "new"


def test_a_published_ladder_never_changes():
    version = publish()

    with pytest.raises(DatabaseError, match="hang on a published version"), transaction.atomic():
        Level.objects.filter(version=version).update(approval=True)
    with pytest.raises(DatabaseError, match="hang on a published version"), transaction.atomic():
        version.ladder_terms.delete()
