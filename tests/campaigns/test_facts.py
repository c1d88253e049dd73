"""What rules ask of the member and the store: one query, and none if they ask nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from campaigns import earning, facts, operations
from campaigns.earning import Facts, Line
from points import operations as points
from points import queries
from points.models import Activity
from programme import queries as programme
from programme.policies import Validity
from tests.factories import buy, dealer, identity, member, plain, rulebook, source, store
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

BASE = {"code": "base", "points": "1", "per_amount": "10"}
DOUBLE = {"code": "double", "gives": {"factor": "2"}}


def doubled(**when):
    return rulebook(rules=[BASE], boosts=[DOUBLE | {"when": when}])


def purchase(of, amount="100.00", **fields):
    return operations.Purchase(
        **{
            "member": of,
            "reference": "P1",
            "at": NOON,
            "amount": Decimal(amount),
            "source": source(),
        }
        | fields
    )


def explained(reference="P1"):
    return Activity.objects.get(kind="PURCHASE", reference=reference).explanation


class TestLookingUp:
    def asked(self, of, *, at_store=None, categories=("parts",)):
        return facts.Asked(
            member_id=of.id,
            store_id=(at_store or store()).pk,
            day=date(2026, 6, 15),
            lines=[Line(str(n), category, Decimal(1)) for n, category in enumerate(categories)],
            channel="app",
        )

    def rules(self, **when):
        version = doubled(**when)
        return earning.compiled_rules(version.pk)

    def test_asks_nothing_if_the_rules_ask_nothing(self, django_assert_num_queries):
        rules, asked = self.rules(channels=["app"], weekdays=["mon"]), self.asked(identity())

        with django_assert_num_queries(0):
            [found] = facts.facts_of_many([asked], rules=rules, validity=Validity())

        assert found == Facts(day=date(2026, 6, 15), channel="app")

    def test_asks_everything_at_once(self, django_assert_num_queries):
        shop = store(dealer(code="D1"), code="S1")
        of = identity(member(birthday=date(1980, 6, 30)))
        rules = self.rules(
            birthday="month", first_purchase=True, new_category=True, stores=["S1"], dealers=["D1"]
        )
        asked = self.asked(of, at_store=shop, categories=("parts", "", "labour"))
        stranger = self.asked(identity())
        buy(of, "10.00", lines=(("1", "parts", "10.00"),))

        with django_assert_num_queries(1):
            [known, unknown] = facts.facts_of_many(
                [asked, stranger], rules=rules, validity=Validity()
            )

        assert known == Facts(
            day=date(2026, 6, 15),
            birthday="month",
            bought_before=frozenset({"parts"}),
            store="S1",
            dealer="D1",
            channel="app",
        )
        assert (unknown.birthday, unknown.first_purchase, unknown.bought_before) == (
            "",
            True,
            frozenset(),
        )

    def test_of_nobody_nothing_is_known(self):
        rules = self.rules(birthday="month", first_purchase=True, new_category=True)
        asked = facts.Asked(member_id=None, store_id=None, day=date(2026, 6, 15), lines=())

        [found] = facts.facts_of_many([asked], rules=rules, validity=Validity())

        assert found == Facts(day=date(2026, 6, 15))


class TestPurchases:
    def test_the_birthday_month_is_the_programmes(self):
        """The last evening of May in Greenwich is the first of June in Shanghai."""
        doubled(birthday="month")
        of = identity(member(birthday=date(1980, 6, 30)))

        buy(of, "100.00", at=datetime(2026, 5, 31, 15, 59, tzinfo=UTC), reference="P1")
        buy(of, "100.00", at=datetime(2026, 5, 31, 16, 0, tzinfo=UTC), reference="P2")

        assert (explained("P1")["points"], explained("P2")["points"]) == (10, 20)

    def test_the_journal_keeps_that_it_was_the_birthday_not_when_that_is(self):
        doubled(birthday="month")

        buy(identity(member(birthday=date(1980, 6, 30))), "100.00", reference="P1")

        assert explained()["facts"] == {"birthday": "month"}

    def test_only_one_is_the_first(self):
        doubled(first_purchase=True)
        of = identity()

        buy(of, "100.00", reference="P1")
        buy(of, "100.00", reference="P2", at=datetime(2026, 6, 1, tzinfo=UTC))

        assert queries.balance(of.id) == 30

    def test_a_repeat_of_the_first_is_a_repeat(self):
        doubled(first_purchase=True)
        of = identity()
        buy(of, "100.00", reference="P1")

        assert buy(of, "100.00", reference="P1").replayed
        assert queries.balance(of.id) == 20

    def test_a_new_category(self):
        doubled(new_category=True)
        of = identity()
        buy(of, "100.00", reference="P1", lines=(("1", "parts", "100.00"),))

        buy(
            of,
            "200.00",
            reference="P2",
            lines=(("1", "parts", "100.00"), ("2", "labour", "100.00")),
        )

        assert explained("P1")["parts"] == {"base": 10, "double": 10}
        assert explained("P2")["parts"] == {"base": 20, "double": 10}
        assert explained("P2")["boosts"][0]["lines"] == ["2"]

    def test_a_channel_and_products_are_part_of_the_document(self):
        rulebook(
            rules=[BASE | {"code": "x", "points": "5", "where": {"products": ["X-1"]}}, BASE],
            boosts=[DOUBLE | {"when": {"channels": ["app"]}}],
        )
        of = identity()
        asked = purchase(of, channel="app", lines=[Line("1", "", Decimal(100), "X-1")])

        operations.post_purchase(purchase=asked, now=NOON)

        assert queries.balance(of.id) == 100
        assert Activity.objects.get().lines == [
            {"line": "1", "category": "", "amount": "100.00", "product": "X-1"}
        ]
        assert explained()["facts"] == {"channel": "app"}
        for other in (
            purchase(of, channel="shop", lines=asked.lines),
            purchase(of, channel="app", lines=[Line("1", "", Decimal(100))]),
        ):
            with pytest.raises(points.ReferenceReused):
                operations.post_purchase(purchase=other, now=NOON)

    @pytest.mark.parametrize("channel", ["c" * 33, "a\x00"])
    def test_refuses_a_channel_that_cannot_be(self, channel):
        plain()

        with pytest.raises(operations.InvalidChannel):
            operations.post_purchase(purchase=purchase(identity(), channel=channel), now=NOON)


class TestReturns:
    """Are judged by the facts of then."""

    def test_what_was_the_first_purchase_stays_it(self):
        doubled(first_purchase=True)
        of = identity()
        buy(of, "100.00", reference="P1")
        buy(of, "50.00", reference="P2")

        give_back("P1", "40.00", reference="B1")

        assert queries.balance(of.id) == 12 + 5

    def test_a_birthday_corrected_since_changes_nothing(self):
        doubled(birthday="month")
        who = member(birthday=date(1980, 6, 30))
        buy(identity(who), "100.00", reference="P1")
        type(who).objects.filter(pk=who.pk).update(birthday=date(1980, 1, 1))

        give_back("P1", "50.00", reference="B1")

        assert queries.balance(who.pk) == 10

    def test_a_threshold_that_is_lost_takes_the_boost_back(self):
        rulebook(
            rules=[BASE],
            boosts=[{"code": "fifty", "gives": {"points": "50"}, "when": {"min_amount": "100"}}],
        )
        of = identity()
        buy(of, "100.00", reference="P1")
        assert queries.balance(of.id) == 60

        give_back("P1", "0.01", reference="B1")

        assert queries.balance(of.id) == 9
        returned = Activity.objects.get(kind="RETURN")
        assert returned.points == -51
        assert returned.explanation["not_applied"] == [
            {"reason": "amount_too_small", "codes": ["fifty"]}
        ]

    def test_gives_nothing_even_if_less_would_have_been_worth_more(self):
        """Without the boost that stood alone, others count: the rest would be worth 15."""
        alone = {"code": "alone", "gives": {"percent": "10"}, "stacking": "exclusive"}
        rulebook(rules=[BASE], boosts=[DOUBLE, alone | {"when": {"min_amount": "100"}}])
        of = identity()
        buy(of, "100.00", reference="P1")

        give_back("P1", "25.00", reference="B1")

        assert Activity.objects.get(kind="RETURN").points == 0
        assert queries.balance(of.id) == 11
        give_back("P1", "75.00", reference="B2")
        assert queries.balance(of.id) == 0


def test_the_plain_programme_asks_nothing():
    assert earning.compiled_rules(plain().pk).needs == frozenset()


def test_a_quote_of_a_birthday_to_come():
    doubled(birthday="day", stores=["S9"])
    who, shop = identity(member(birthday=date(1980, 2, 29))), store(code="S9")

    def quoted(at, **fields):
        return operations.quote(
            amount=Decimal(100),
            lines=(),
            at=at,
            **{"member": who, "store_id": shop.pk} | fields,
        ).points

    leap_year = datetime(2028, 2, 29, 4, tzinfo=UTC)
    assert quoted(datetime(2027, 2, 28, 4, tzinfo=UTC)) == 20
    assert quoted(leap_year) == 20
    assert quoted(datetime(2028, 2, 28, 4, tzinfo=UTC)) == 10
    assert quoted(leap_year, store_id=None) == 10
    assert quoted(leap_year, member=None) == 10
    assert programme.rulebook_on(date(2028, 2, 29))
    assert not Activity.objects.exists()
