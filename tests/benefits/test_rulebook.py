"""The section `benefits` of a programme file: what it may say, and what makes no sense."""

from copy import deepcopy

import pytest
from django.db import DatabaseError, transaction
from django.utils import translation

from benefits.models import Benefit
from common import schemas
from programme import checks, documents, queries
from programme.documents import InvalidProgramme
from tests.benefits.plan import always, discount, document, named, publish, service
from tests.factories import dealer

pytestmark = pytest.mark.django_db

FULL = {
    "of_tiers": [
        named(
            "check",
            description={"zh-hans": "预约", "en": "Book it."},
            source="partner",
            kind="service",
            tiers={"t1": {"year": 1}, "t2": {"always": True}},
            cost="380.5",
            funding=[{"payer": "brand", "share": "70"}, {"payer": "store", "share": "30"}],
            lapse_days=90,
            on_downgrade="end",
        ),
        discount("off", categories=["labour"], days_of_month=[8, 18], t1="90", t2="85.5"),
        always("lane", "t2", kind="standing"),
    ],
    "undo_minutes": 30,
}


def test_what_is_loaded_is_exported_again():
    version = publish(*FULL["of_tiers"], undo_minutes=30)

    assert queries.export(version)["benefits"] == FULL
    assert documents.parse(documents.render(queries.export(version)))["benefits"] == FULL


def test_a_programme_without_benefits_says_nothing_of_them():
    assert "benefits" not in queries.export(publish())


def test_the_same_said_otherwise_is_the_same():
    first = publish(discount("off", t1="85"), service("wash", cost="10", t1=1))

    assert first == publish(discount("off", t1="85.0"), service("wash", cost="10.00", t1=1))


@pytest.mark.parametrize(
    "cell",
    [
        {"month": 0},
        {"month": -1},
        {"month": 1000},
        {"week": 1},
        {},
        {"month": 1, "year": 1},
        {"pays": "0"},
        {"pays": "100"},
        {"pays": "-5"},
        {"pays": 85},
        {"always": False},
    ],
)
def test_a_cell_of_another_shape_is_refused(cell):
    wrong = named("wash", source="own", kind="service", tiers={"t1": cell})
    with pytest.raises(InvalidProgramme, match="tiers"):
        documents.validate(document(wrong))


@pytest.mark.parametrize(
    ("where", "benefit"),
    [
        ("tiers.t9", service("wash", t9=1)),
        ("tiers.t1", named("off", source="own", kind="discount", tiers={"t1": {"month": 1}})),
        ("tiers.t1", named("lane", source="own", kind="standing", tiers={"t1": {"pays": "90"}})),
        ("tiers.t1", named("wash", source="own", kind="service", tiers={"t1": {"pays": "90"}})),
        (
            "tiers.t2",
            named(
                "wash", source="own", kind="service", tiers={"t1": {"month": 1}, "t2": {"year": 9}}
            ),
        ),
        ("tiers.t1", service("welcome", "upgrade", t1=1)),
        ("lapse_days", discount("off", t1="90") | {"lapse_days": 3}),
        ("on_downgrade", always("lane", "t1", kind="standing") | {"on_downgrade": "end"}),
        ("categories", service("wash", t1=1) | {"categories": ["labour"]}),
        ("days_of_month", service("wash", t1=1) | {"days_of_month": [8]}),
        ("funding", service("wash", t1=1) | {"funding": [{"payer": "brand", "share": "99"}]}),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(where, benefit):
    with pytest.raises(InvalidProgramme) as refusal:
        documents.validate(document(benefit))

    assert refusal.value.details["where"] == f"$.benefits.of_tiers[0].{where}"


def test_one_code_is_one_benefit():
    with pytest.raises(InvalidProgramme, match="code"):
        documents.validate(document(service("wash", t1=1), service("wash", t2=1)))


def test_terms_without_benefits_are_refused():
    with pytest.raises(InvalidProgramme, match="undo_minutes"):
        documents.validate(document(undo_minutes=5))


def test_who_bears_the_cost_must_be_known():
    benefit = service("wash", t1=1) | {"funding": [{"payer": "d-9", "share": "100"}]}
    with pytest.raises(InvalidProgramme, match="payer"):
        publish(benefit)

    dealer(code="d-9")
    assert publish(benefit)


def test_published_benefits_never_change():
    publish(service("wash", t1=1))

    with pytest.raises(DatabaseError), transaction.atomic():
        Benefit.objects.update(cost=0)


class TestRuleCheck:
    def found(self, *benefits):
        with translation.override("en"):
            return [
                (each.path, each.text)
                for each in checks.run(document(*benefits))
                if each.path[0] == "benefits"
            ]

    @pytest.mark.parametrize(
        ("benefit", "text"),
        [
            (service("wash", t1=2, t2=1), "less of “Wash”: 1 a month instead of 2 a month."),
            (service("wash", t1=2), "less of “Wash”: nothing instead of 2 a month."),
            (discount("off", t1="80", t2="90"), "less of “Off”: 10 % off instead of 20 % off."),
            (
                named(
                    "tow",
                    source="own",
                    kind="service",
                    tiers={"t1": {"always": True}, "t2": {"year": 3}},
                ),
                "less of “Tow”: 3 a year instead of always.",
            ),
        ],
    )
    def test_an_upgrade_that_lowers_a_benefit(self, benefit, text):
        ((path, said),) = self.found(benefit)

        assert path == ("benefits", "of_tiers", 0, "tiers")
        assert said == f"Who rises from “T1” to “T2” gets {text}"

    def test_a_benefit_no_tier_gets(self):
        assert [text for _path, text in self.found(service("wash"))] == ["No tier gets “Wash”."]

    def test_as_much_or_more_strikes_nobody(self):
        alike = [
            service("wash", t1=1, t2=1),
            discount("off", t1="90", t2="80"),
            service("check", "year", t2=1),
            named(
                "tow",
                source="own",
                kind="service",
                tiers={"t1": {"year": 3}, "t2": {"always": True}},
            ),
        ]
        assert self.found(*alike) == []


def test_changes_are_told_in_words():
    before = document(service("wash", t1=1), discount("off", t1="90"))
    after = deepcopy(before)
    after["benefits"]["of_tiers"][0]["tiers"]["t2"] = {"month": 2}
    after["benefits"]["of_tiers"][1]["tiers"]["t1"] = {"pays": "85"}

    with translation.override("en"):
        told = [
            (each.place, each.before, each.after)
            for each in schemas.changes(
                documents.schema(),
                before,
                after,
                root=documents.schema(),
                choices=schemas.Choices(after, before),
            )
        ]

    assert told == [
        ("Benefits › Tier benefits › Wash › Who gets it › T2", "–", "2 a month"),
        ("Benefits › Tier benefits › Off › Who gets it › T1", "10 % off", "15 % off"),
    ]
