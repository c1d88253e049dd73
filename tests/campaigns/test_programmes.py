"""The programmes that ship, and the published schemes of P2: amounts × tiers → points."""

from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command

from campaigns import earning, operations, steps
from campaigns.earning import Facts, Line
from members.models import Member
from points import queries
from points.models import Activity
from programme import checks, documents
from programme import operations as programmes
from programme import queries as programme
from programme.models import Version
from tests.factories import brand, buy, identity, member
from tests.factories.activities import do
from tests.factories.points import NOON
from tests.factories.programme import PLAIN
from tests.points.returning import give_back
from tiers import queries as tiers

pytestmark = pytest.mark.django_db

ON_NO_SPECIAL_DAY = date(2026, 6, 15)


def loaded(name):
    brand()
    call_command("load_programme", name)
    programme.forget_cached()
    return Version.objects.get()


def worth(version, amount, *, category="", **facts):
    """What a document of one line is worth to somebody."""
    return earning.judge(
        rules=earning.compiled_rules(version.pk),
        rounding=programme.rulebook(version.pk).policies.rounding,
        lines=[Line("1", category, Decimal(amount))],
        version=version.number,
        facts=Facts(**{"day": ON_NO_SPECIAL_DAY} | facts),
    ).points


@pytest.mark.parametrize("name", ["plain", "car-owner", "retail"])
def test_a_shipped_programme_is_loaded_by_one_command_and_exported_again(name):
    version = loaded(name)

    written = documents.parse((PLAIN.parent / f"{name}.yaml").read_text())

    assert programme.export(version) == written
    assert programmes.load(document=written, published_at=NOON).unchanged


@pytest.mark.parametrize("name", ["plain", "car-owner", "retail"])
def test_the_rule_check_warns_of_nothing_in_a_shipped_programme(name):
    written = documents.parse((PLAIN.parent / f"{name}.yaml").read_text())

    assert [each for each in checks.run(written) if each.severity > checks.Severity.NOTE] == []


def level(code):
    return {"code": code, "names": {"zh-hans": code}, "color": "#9aa0a6"}


LADDER = {
    "levels": [
        level("regular"),
        *(
            level(code) | {"upgrade": {"measure": "points", "at_least": str(points)}}
            for code, points in (("silver", 10_000), ("gold", 20_000), ("diamond", 30_000))
        ),
    ]
}


def rule(points, per_amount, **tiers):
    return {
        "code": "base",
        "names": {"zh-hans": "base"},
        "categories": [],
        "points": points,
        "per_amount": per_amount,
        **(
            {"tiers": {t: {"points": p, "per_amount": a} for t, (p, a) in tiers.items()}}
            if tiers
            else {}
        ),
    }


def of_tier(tier, percent):
    return {
        "code": f"{tier}-more",
        "names": {"zh-hans": tier},
        "when": {"tiers": [tier]},
        "gives": {"percent": percent},
        "stacking": "add",
    }


# (a) one point per 10 / 8 / 5 / 3 yuan; (b) 1 % of the amount, and 5 / 10 / 15 % of those points
# more; (c) at the highest tier 20 points per 100 yuan, at the others half of that.
SCHEMES = {
    "a": {"rules": [rule("1", "10", silver=("1", "8"), gold=("1", "5"), diamond=("1", "3"))]},
    "b": {
        "rules": [rule("0.01", "1")],
        "boosts": [of_tier("silver", "5"), of_tier("gold", "10"), of_tier("diamond", "15")],
    },
    "c": {"rules": [rule("10", "100", diamond=("20", "100"))]},
}
TIERS = ("regular", "silver", "gold", "diamond")
STATED = {
    "a": {
        "0.00": (0, 0, 0, 0),
        "2.99": (0, 0, 0, 0),
        "3.00": (0, 0, 0, 1),
        "24.00": (2, 3, 4, 8),
        "100.00": (10, 12, 20, 33),
        "268.00": (26, 33, 53, 89),
        "1000.00": (100, 125, 200, 333),
        "9999.99": (999, 1249, 1999, 3333),
    },
    "b": {
        "99.99": (0, 1, 1, 1),
        "100.00": (1, 1, 1, 1),
        "1000.00": (10, 10, 11, 11),
        "2000.00": (20, 21, 22, 23),
        "10000.00": (100, 105, 110, 115),
        "268000.00": (2680, 2814, 2948, 3082),
    },
    "c": {
        "4.99": (0, 0, 0, 0),
        "5.00": (0, 0, 0, 1),
        "100.00": (10, 10, 10, 20),
        "268.00": (26, 26, 26, 53),
        "9999.00": (999, 999, 999, 1999),
    },
}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_published_scheme_gives_the_points_stated(name):
    brand()
    document = deepcopy(documents.parse(PLAIN.read_text()))
    document |= {"tiers": LADDER, "earning": SCHEMES[name]}
    version = programmes.load(document=document, published_at=NOON).version
    programme.forget_cached()

    assert {
        amount: tuple(worth(version, amount, tier=tier) for tier in TIERS)
        for amount in STATED[name]
    } == STATED[name]


class TestRetail:
    @pytest.fixture(autouse=True)
    def _loaded(self):
        self.version = loaded("retail")

    @pytest.mark.parametrize(
        ("facts", "points"),
        [
            ({}, 100),
            ({"tier": "diamond"}, 333),
            ({"birthday": "month"}, 110),
            ({"day": date(2026, 7, 8)}, 200),
            ({"day": date(2026, 10, 1)}, 150),
            ({"day": date(2026, 7, 8), "birthday": "day", "tier": "silver"}, 262),
            ({"first_purchase": True}, 150),
        ],
    )
    def test_boosts_as_published(self, facts, points):
        assert worth(self.version, "1000.00", **facts) == points

    def test_a_task_is_rewarded_before_anything_is_bought_and_events_are_not(self):
        of = member(birthday=date(1990, 7, 1))

        assert steps.complete_profile(member_id=of.pk, at=NOON) == 20
        # At most half of what was bought this year: nothing yet.
        assert do(identity(of), "large-event").posted.points == 0

    def test_a_new_kind_of_goods(self):
        assert worth(self.version, "1000.00", category="toys") == 120
        bought = {"bought_before": frozenset({"toys"})}
        assert worth(self.version, "1000.00", category="toys", **bought) == 100

    def test_the_purchase_that_crosses_a_tier_earns_at_the_tier_before_it(self):
        of = identity()

        buy(of, "4999.00", reference="P1")
        buy(of, "1.00", reference="P2")
        assert tiers.level_code_on(of.id, ON_NO_SPECIAL_DAY) == "silver"
        buy(of, "80.00", reference="P3")

        told = {
            each.reference: (each.explanation["tier"], each.points)
            for each in Activity.objects.filter(kind="PURCHASE")
        }
        assert told == {
            "P1": ("regular", 499 + 50),
            "P2": ("regular", 0),
            "P3": ("silver", 10),
        }

    def test_a_return_takes_the_tier_back_and_is_judged_at_the_tier_of_then(self):
        of = identity()
        buy(of, "6000.00", reference="P1")
        buy(of, "160.00", reference="P2")

        give_back("P1", "6000.00", reference="B1")

        assert tiers.level_code_on(of.id, ON_NO_SPECIAL_DAY) == "regular"
        give_back("P2", "80.00", reference="B2")
        assert Activity.objects.get(reference="B2").explanation["tier"] == "silver"
        assert Activity.objects.get(reference="B2").points == -10

    def test_a_quote_tells_the_same_and_writes_nothing(self, django_assert_num_queries):
        who = member(birthday=date(1990, 7, 1))
        of = identity(who)
        buy(of, "6000.00")
        later = datetime(2026, 7, 8, 4, tzinfo=UTC)

        with django_assert_num_queries(1):
            quoted = operations.quote(
                member=of, amount=Decimal("80.00"), lines=(), at=later, store_id=None
            )
        buy(of, "80.00", at=later, reference="P2")

        # 10 at the rate of silver, doubled on member day, 10 % more in the birthday month.
        assert (quoted.points, quoted.explanation["tier"]) == (21, "silver")
        assert Activity.objects.get(reference="P2").explanation | {"pending": []} == (
            quoted.explanation | {"pending": []}
        )


class TestCarOwner:
    @pytest.fixture(autouse=True)
    def _loaded(self):
        self.version = loaded("car-owner")

    @pytest.mark.parametrize(
        ("category", "points"),
        [("labour", 100), ("parts", 100), ("accessories", 100), ("insurance", 50), ("vehicle", 10)],
    )
    def test_each_kind_of_line_has_its_rate(self, category, points):
        assert worth(self.version, "10000.00", category=category) == points

    @pytest.mark.parametrize(
        ("tier", "points"),
        [("owner", 100), ("silver", 100), ("gold", 105), ("platinum", 110), ("diamond", 115)],
    )
    def test_higher_tiers_get_more(self, tier, points):
        assert worth(self.version, "10000.00", category="labour", tier=tier) == points

    def test_the_birthday_month_is_added(self):
        of_diamond = {"tier": "diamond", "birthday": "month"}

        assert worth(self.version, "10000.00", category="labour", **of_diamond) == 125

    def test_a_year_at_the_workshop(self):
        of = identity(member(birthday=date(1990, 6, 1)))

        buy(of, "12000.00", reference="P1", lines=(("1", "labour", "12000.00"),))
        buy(of, "10000.00", reference="P2", lines=(("1", "parts", "10000.00"),))

        assert [each.points for each in Activity.objects.order_by("id")] == [132, 115]
        assert tiers.level_code_on(of.id, ON_NO_SPECIAL_DAY) == "platinum"
        assert queries.balance(of.id) == 247
        assert Member.objects.count() == 1
