"""What is posted about entries whose account was merged since, or merged and taken apart."""

from decimal import Decimal

import pytest

from campaigns import operations as campaigns
from points import operations, queries
from points.models import Entry, EntryKind
from tests import factories
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def three():
    factories.plain()
    return [factories.identity() for _ in range(3)]


def merge(member, into):
    operations.merge_accounts(
        member=member, into=into, at=NOON, source=factories.source(), by=factories.staff(), note=""
    )


def unmerge(member):
    operations.unmerge_accounts(
        member=member,
        at=NOON,
        source=factories.source(),
        by=factories.staff(),
        note="",
        after_spending="debt",
    )


class TestReinstate:
    @pytest.fixture
    def redemption(self, three):
        """A hundred points the first member spent."""
        factories.lot(three[0], 100)
        operations.redeem(
            member=three[0], points=100, at=NOON, reference="X", source=factories.source()
        )
        return Entry.objects.get(kind=EntryKind.REDEEM)

    def give_back(self, member, redemption, points, reference):
        return operations.reinstate(
            member=member,
            of=redemption,
            points=points,
            at=NOON,
            reference=reference,
            source=factories.source(),
            floor_days=30,
        )

    def test_goes_to_whoever_has_the_points_now(self, three, redemption):
        first, second, _third = three
        merge(first, second)

        self.give_back(first, redemption, 60, "C-1")

        assert queries.balance(second.id) == 60
        assert [entry.points for entry in queries.reinstatements(redemption)] == [60]

    def test_gives_nothing_back_twice_when_merged_on(self, three, redemption):
        first, second, third = three
        merge(first, second)
        self.give_back(first, redemption, 60, "C-1")
        merge(second, third)

        with pytest.raises(operations.NothingToReinstate) as refusal:
            self.give_back(first, redemption, 41, "C-2")

        assert refusal.value.details == {"left": 40}
        self.give_back(first, redemption, None, "C-2")
        assert queries.balance(third.id) == 100

    def test_gives_nothing_back_twice_when_taken_apart(self, three, redemption):
        first, second, _third = three
        merge(first, second)
        self.give_back(first, redemption, 60, "C-1")
        unmerge(first)

        with pytest.raises(operations.NothingToReinstate):
            self.give_back(first, redemption, 41, "C-2")

        assert self.give_back(first, redemption, 60, "C-1").replayed
        assert queries.balance(first.id) == 0


class TestReturn:
    def give_back(self, member, reference, amount):
        purchase = campaigns.find_purchase(issuer_id=factories.source().issuer_id, reference="P")
        return campaigns.post_return(
            returned=campaigns.Return(
                purchase=purchase,
                member=member,
                reference=reference,
                at=NOON,
                amount=Decimal(amount),
                source=factories.source(),
            ),
            now=NOON,
        )

    def test_takes_nothing_back_twice_when_merged_on(self, three):
        first, second, third = three
        factories.buy(first, "1000", reference="P")
        merge(first, second)
        self.give_back(first, "T-1", "600")
        merge(second, third)

        self.give_back(first, "T-2", "400")

        assert queries.balance(third.id) == 0

    def test_does_not_take_what_expired_on_the_way(self, three):
        first, second, third = three
        factories.buy(first, "1000", reference="P")
        merge(first, second)
        operations.expire(low=second.id, high=second.id, on=NOON.date().replace(year=2028))
        merge(second, third)
        factories.lot(third, 7)

        self.give_back(first, "T-1", "1000")

        assert queries.balance(third.id) == 7


class TestVest:
    def test_reaches_what_waits_in_another_account(self):
        factories.rulebook(vesting={"event": True})
        first, second, third = (factories.identity() for _ in range(3))
        factories.buy(first, "1000", reference="P")
        earned = Entry.objects.get(kind=EntryKind.EARN)
        merge(first, second)
        merge(second, third)
        assert [line.points for line in queries.waiting(earned)] == [100]

        def vest():
            return operations.vest(earned=earned, at=NOON, reference="V", source=factories.source())

        posting = vest()

        assert (queries.balance(third.id), vest()) == (
            100,
            operations.Posting(posting.seq, 100, replayed=True),
        )
        assert not queries.waiting(earned)
