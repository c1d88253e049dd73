"""Gifts: given once on their occasion, and each year for what was spent in it (P5)."""

from datetime import UTC, date, datetime

import pytest

from campaigns import gifts
from campaigns.models import GiftOccasion
from campaigns.nightly import convert_spend
from common import events
from members import operations as members
from points.models import Account, Entry
from tests.factories import buy, identity, member, staff
from tests.factories.activities import named, rewarding
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

WELCOME = named("welcome", when="joined", points="100")
HELLO = named("hello", when="activated", points="30")
BIND = named("bind", when="product_bound", points="100", since="2026-03-01", within_months=3)
LAST_YEAR = named("last-year", when="year_end", points="1", per_amount="1000")
NEW_YEAR = date(2027, 1, 1)


def deliver():
    events.deliver_waiting(now=datetime(2100, 1, 1, tzinfo=UTC))


def balances():
    return dict(Account.objects.values_list("member_id", "balance"))


def bind(of, at, vin="LSVAA4187C2184841"):
    members.add_product(member_id=of.pk, product=members.ProductFacts(identifier=vin), bound_at=at)
    deliver()


class TestJoining:
    def test_gives_points_once(self):
        version = rewarding(gifts=[WELCOME])
        joined = member(joined_at=NOON)

        deliver()
        gifts.give(member_id=joined.pk, occasion=GiftOccasion.JOINED, at=NOON)

        entry = Entry.objects.get()
        assert (entry.kind, entry.type, entry.points) == ("EARN", "INITIAL", 100)
        assert (entry.qualifying, entry.version_id) == (0, version.pk)
        assert entry.reference == f"gift:welcome:{joined.number}"
        assert entry.effective_at == NOON
        assert entry.funding_id is not None

    def test_without_such_a_gift_gives_nothing(self):
        rewarding(gifts=[BIND])
        member(joined_at=NOON)

        deliver()

        assert not Entry.objects.exists()

    def test_before_there_is_a_rulebook_gives_nothing(self):
        rewarding(gifts=[WELCOME], valid_from="2026-06-16")
        member(joined_at=NOON)

        deliver()

        assert not Entry.objects.exists()

    def test_to_a_member_who_was_frozen_meanwhile_gives_nothing(self):
        rewarding(gifts=[WELCOME])
        joined = member(joined_at=NOON)
        members.freeze(member_id=joined.pk, by=staff(), reason="")

        deliver()

        assert not Entry.objects.exists()


class TestActivation:
    def test_gives_points_to_who_joins_active_and_to_who_is_activated_later(self):
        rewarding(gifts=[HELLO])
        active = member(joined_at=NOON)
        waiting = member(active=False, joined_at=NOON)
        deliver()
        assert balances() == {active.pk: 30}

        members.activate(member_id=waiting.pk, activated_at=NOON)
        deliver()

        assert balances() == {active.pk: 30, waiting.pk: 30}


class TestBindingAProduct:
    @pytest.mark.parametrize(
        ("at", "given"),
        [
            (datetime(2026, 2, 28, 15, 59, tzinfo=UTC), 0),
            (datetime(2026, 2, 28, 16, 0, tzinfo=UTC), 100),  # 1 March in Shanghai
            (datetime(2026, 5, 31, 15, 59, tzinfo=UTC), 100),
            (datetime(2026, 5, 31, 16, 0, tzinfo=UTC), 0),
        ],
    )
    def test_gives_points_within_three_months_of_the_launch(self, at, given):
        rewarding(gifts=[BIND])
        of = member()

        bind(of, at)

        assert sum(balances().values()) == given

    def test_gives_points_once_however_many_products(self):
        rewarding(gifts=[BIND])
        of = member()
        at = datetime(2026, 4, 1, tzinfo=UTC)

        bind(of, at)
        bind(of, at, vin="LSVAA4187C2184842")

        assert balances() == {of.pk: 100}


class TestTheYearsEnd:
    """1,000 yuan spent last year are a point."""

    def test_turns_what_was_spent_into_points_once(self):
        rewarding(gifts=[LAST_YEAR])
        alice, bob, charlie = identity(), identity(), identity()
        buy(alice, "1500.00", at=datetime(2026, 1, 1, tzinfo=UTC))
        buy(alice, "1499.99", at=datetime(2026, 12, 31, 15, 59, tzinfo=UTC))
        buy(bob, "999.99", at=NOON)
        buy(charlie, "9000.00", at=datetime(2025, 12, 31, 15, 59, tzinfo=UTC))
        buy(charlie, "9000.00", at=datetime(2026, 12, 31, 16, tzinfo=UTC))
        before = balances()

        assert convert_spend(day=NEW_YEAR) == {"members": 1, "points": 2}
        assert convert_spend(day=NEW_YEAR) == {"members": 0, "points": 0}

        after = balances()
        assert {of: after[of] - before[of] for of in after} == {
            alice.id: 2,
            bob.id: 0,
            charlie.id: 0,
        }
        entry = Entry.objects.get(type="INITIAL")
        assert entry.reference == f"gift:last-year:2026:{alice.number}"
        assert entry.effective_at == datetime(2026, 12, 31, 16, tzinfo=UTC)

    def test_counts_what_was_kept_and_only_of_its_categories(self):
        rewarding(gifts=[LAST_YEAR | {"categories": ["labour"]}])
        of = identity()
        lines = (("1", "labour", "3000.00"), ("2", "parts", "5000.00"))
        buy(of, "8000.00", reference="P1", lines=lines)
        give_back("P1", "1000.00", reference="R1", lines=[("1", "1000.00")])
        buy(of, "7000.00")

        assert convert_spend(day=NEW_YEAR) == {"members": 1, "points": 2}

    def test_does_nothing_on_other_days_and_without_such_a_gift(self):
        rewarding(gifts=[LAST_YEAR])
        buy(identity(), "5000.00")
        assert convert_spend(day=date(2026, 12, 31)) == {"members": 0, "points": 0}
        rewarding(gifts=[WELCOME], valid_from="2026-12-31")

        assert convert_spend(day=NEW_YEAR) == {"members": 0, "points": 0}

    def test_leaves_out_who_has_left(self):
        rewarding(gifts=[LAST_YEAR])
        of = member()
        buy(identity(of), "5000.00")
        members.close(member_id=of.pk, closed_at=NOON, by=None, reason="")

        assert convert_spend(day=NEW_YEAR) == {"members": 0, "points": 0}

    def test_costs_the_same_however_many_members(self, django_assert_max_num_queries):
        rewarding(gifts=[LAST_YEAR])
        for _ in range(12):
            buy(identity(), "5000.00")
        convert_spend(day=date(2026, 1, 1))  # what is cached is read

        with django_assert_max_num_queries(12):
            assert convert_spend(day=NEW_YEAR)["members"] == 12
