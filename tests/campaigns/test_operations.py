"""Purchases and returns become points."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from campaigns import operations
from campaigns.earning import Line
from campaigns.operations import _returns
from members import operations as members
from members.queries import MemberClosed, MemberFrozen
from points import operations as points
from points import queries
from points.models import Account, Activity, Entry, Lot
from programme.queries import NoRulebook
from tests.factories import (
    buy,
    dealer,
    identity,
    main_store,
    member,
    plain,
    rulebook,
    source,
    staff,
    store,
)
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")


def purchase(of, **fields):
    return operations.Purchase(
        **{
            "member": of,
            "reference": "P1",
            "at": NOON,
            "amount": Decimal("268.00"),
            "source": source(),
        }
        | fields
    )


def post(asked, now=NOON):
    return operations.post_purchase(purchase=asked, now=now)


def nothing_was_written():
    return not (Activity.objects.exists() or Entry.objects.exists() or Account.objects.exists())


class TestPostPurchase:
    def test_credits_what_it_is_worth_and_writes_down_why(self):
        of, version = identity(), plain()
        lines = [
            Line("1", "labour", Decimal("120.00")),
            Line("2", "parts", Decimal("148.00")),
        ]

        posted = post(purchase(of, lines=lines))

        assert posted.posting == points.Posting(1, 26)
        activity = Activity.objects.get(pk=posted.activity_id)
        assert (activity.kind, activity.points, activity.amount) == (
            "PURCHASE",
            26,
            Decimal("268.00"),
        )
        assert activity.version_id == version.pk
        assert activity.lines == [
            {"line": "1", "category": "labour", "amount": "120.00"},
            {"line": "2", "category": "parts", "amount": "148.00"},
        ]
        assert activity.explanation["exact"] == "26.8"
        entry = Entry.objects.get()
        assert (entry.kind, entry.points, entry.expires_on) == ("EARN", 26, date(2027, 6, 30))
        assert (entry.activity_id, entry.version_id) == (activity.pk, version.pk)

    @pytest.mark.parametrize("amount", ["0.00", "9.99"])
    def test_worth_nothing_is_a_purchase_all_the_same(self, amount):
        plain()
        posted = post(purchase(identity(), amount=Decimal(amount)))

        assert posted.posting is None
        assert Activity.objects.get().points == 0
        assert not Entry.objects.exists()
        assert post(purchase(identity(), amount=Decimal(amount), member=_the_one())).replayed

    def test_is_judged_on_its_day_in_the_programmes_zone(self):
        plain()
        of = identity()
        last_second = datetime(2026, 6, 30, 23, 59, 59, tzinfo=SHANGHAI)
        first_second = datetime(2026, 7, 1, tzinfo=SHANGHAI)

        post(purchase(of, at=last_second), now=last_second)
        post(purchase(of, reference="P2", at=first_second), now=first_second)

        assert list(Entry.objects.order_by("seq").values_list("expires_on", flat=True)) == [
            date(2027, 6, 30),
            date(2027, 7, 31),
        ]

    def test_a_leap_days_points_live_to_the_end_of_february(self):
        plain()
        leap = datetime(2028, 2, 29, 12, tzinfo=SHANGHAI)

        post(purchase(identity(), at=leap), now=leap)

        assert Lot.objects.get().expires_on == date(2029, 2, 28)

    def test_posted_late_it_is_judged_by_the_rules_of_its_own_day(self):
        of = identity()
        old = rulebook(valid_from="2020-01-01")
        new = rulebook(
            valid_from="2026-06-01",
            rules=[{"code": "double", "points": "2", "per_amount": "10"}],
            validity="never",
        )

        post(purchase(of, at=datetime(2026, 5, 31, 12, tzinfo=SHANGHAI)))
        post(purchase(of, reference="P2", at=datetime(2026, 6, 1, 0, tzinfo=SHANGHAI)))

        first, second = Entry.objects.order_by("seq")
        assert (first.points, first.version_id, first.expires_on) == (26, old.pk, date(2027, 5, 31))
        assert (second.points, second.version_id, second.expires_on) == (53, new.pk, date.max)

    def test_before_the_first_rulebook_nothing_is_judged(self):
        rulebook(valid_from="2026-06-15")

        with pytest.raises(NoRulebook):
            post(purchase(identity(), at=NOON - timedelta(days=1)))

        assert nothing_was_written()

    def test_without_any_rulebook_nothing_is_judged(self):
        with pytest.raises(NoRulebook):
            post(purchase(identity()))

        assert nothing_was_written()

    @pytest.mark.parametrize(
        ("refusal", "fields"),
        [
            (operations.InvalidAmount, {"amount": Decimal("-0.01")}),
            (operations.InvalidAmount, {"amount": Decimal("-0")}),
            (operations.InvalidAmount, {"amount": Decimal("0.001")}),
            (operations.InvalidAmount, {"amount": Decimal("1000000000000.00")}),
            (operations.InvalidAmount, {"amount": Decimal("1E+400")}),
            (operations.InvalidAmount, {"amount": Decimal("NaN")}),
            (operations.InvalidAmount, {"amount": Decimal("sNaN")}),
            (operations.InvalidAmount, {"amount": Decimal("Infinity")}),
            (points.DatedInFuture, {"at": NOON + timedelta(days=1)}),
            (points.DatedInFuture, {"at": NOON + timedelta(minutes=5, seconds=1)}),
            (points.DatedInFuture, {"at": datetime.max.replace(tzinfo=UTC)}),
            (points.InvalidReference, {"reference": ""}),
            (points.InvalidReference, {"reference": " P1"}),
            (points.InvalidReference, {"reference": "P" * 65}),
            (points.InvalidReference, {"reference": "P\x00"}),
            (points.InvalidReference, {"reference": "\ud83d"}),
            (operations.LinesDoNotAddUp, {"lines": [Line("1", "", Decimal("267.99"))]}),
            (
                operations.InvalidAmount,
                {"lines": [Line("1", "", Decimal(300)), Line("2", "", Decimal(-32))]},
            ),
            (operations.InvalidAmount, {"lines": [Line("1", "", Decimal("268.001"))]}),
            (
                operations.DuplicateLine,
                {"lines": [Line("1", "", Decimal(134)), Line("1", "", Decimal(134))]},
            ),
            (operations.InvalidLines, {"lines": [Line("1\x00", "", Decimal(268))]}),
            (operations.InvalidLines, {"lines": [Line("1", "\ud800", Decimal(268))]}),
            (operations.InvalidLines, {"lines": [Line("1" * 65, "", Decimal(268))]}),
            (operations.InvalidLines, {"lines": [Line("1", "c" * 33, Decimal(268))]}),
            (
                operations.InvalidLines,
                {"lines": [Line(str(n), "", Decimal(1)) for n in range(501)]},
            ),
        ],
    )
    def test_refuses_what_makes_no_sense(self, refusal, fields):
        plain()

        with pytest.raises(refusal):
            post(purchase(identity(), **fields))

        assert nothing_was_written()

    def test_a_clock_may_run_ahead_a_little(self):
        plain()

        assert post(purchase(identity(), at=NOON + timedelta(minutes=5))).posting

    def test_the_largest_amount_there_is(self):
        plain()

        posted = post(purchase(identity(), amount=operations.AMOUNT_MAX))

        assert posted.posting.balance_after == 99_999_999_999

    def test_worth_more_than_anyone_can_earn_it_is_refused(self):
        """Not an overflow in the database: rates may be generous and amounts huge."""
        rulebook(rules=[{"code": "x", "points": "99999999.9999", "per_amount": "0.01"}])

        with pytest.raises(points.PointsOutOfRange):
            post(purchase(identity(), amount=operations.AMOUNT_MAX))

        assert nothing_was_written()

    def test_names_may_be_rare(self):
        plain()

        post(purchase(identity(), reference="𠮷㑇🚗-1", lines=[Line("甲", "保养", Decimal(268))]))

        assert Activity.objects.get().reference == "𠮷㑇🚗-1"

    def test_who_is_frozen_or_gone_earns_nothing(self):
        plain()
        frozen, closed = member(), member()
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        for who, refusal in ((frozen, MemberFrozen), (closed, MemberClosed)):
            with pytest.raises(refusal):
                post(purchase(identity(who)))
        assert nothing_was_written()

    def test_a_repeat_of_before_the_freeze_is_still_a_repeat(self):
        plain()
        who = member()
        first = post(purchase(identity(who)))
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        again = post(purchase(identity(who)))

        assert again == replace(first, posting=replace(first.posting, replayed=True), replayed=True)
        with pytest.raises(points.ReferenceReused):
            post(purchase(identity(who), amount=Decimal(1)))


def _the_one():
    from members.queries import identify

    activity = Activity.objects.get()
    return identify(activity.member.number)


class TestRepeat:
    @pytest.fixture(autouse=True)
    def _rules(self):
        plain()

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": Decimal("268")},
            {"amount": Decimal("268.0")},
            {"amount": Decimal("2.68E+2")},
            {"at": NOON.astimezone(SHANGHAI)},
            {"at": NOON.astimezone(timezone(timedelta(hours=-11)))},
        ],
    )
    def test_the_same_said_differently_is_the_same(self, other):
        of = identity()
        first = post(purchase(of))

        again = post(purchase(of, **other))

        assert again == replace(first, posting=replace(first.posting, replayed=True), replayed=True)
        assert queries.balance(of.id) == 26

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": Decimal("268.01")},
            {"at": NOON - timedelta(microseconds=1)},
            {"lines": [Line("1", "", Decimal("268.00"))]},
            {"member": None},
            {"source": None},
        ],
    )
    def test_anything_else_is_refused(self, other):
        of = identity()
        post(purchase(of))
        if "member" in other:
            other = {"member": identity()}
        if "source" in other:
            other = {"source": source(store(organization=main_store().organization))}

        with pytest.raises(points.ReferenceReused):
            post(purchase(of, **other))

        assert Activity.objects.count() == 1
        assert queries.balance(of.id) == 26

    def test_without_a_time_of_its_own_it_may_come_at_any(self):
        of = identity()
        post(purchase(of, at_was_given=False))

        later = NOON + timedelta(days=3)
        assert post(purchase(of, at_was_given=False, at=later), now=later).replayed

    def test_is_judged_once_even_if_the_rules_changed_since(self):
        of = identity()
        post(purchase(of))
        rulebook(valid_from="2026-06-01", rules=[{"code": "x", "points": "9", "per_amount": "1"}])

        assert post(purchase(of)).posting.balance_after == 26

    def test_another_issuer_may_use_the_same_document_number(self):
        of = identity()
        post(purchase(of))
        post(purchase(of, source=source(store(dealer()))))

        assert queries.balance(of.id) == 52


class TestPostReturn:
    def bought(self, amount="268.00", of=None, **policies):
        of = of or identity()
        rulebook(**policies)
        buy(of, amount, reference="P1")
        return of

    def test_takes_back_what_the_rest_is_no_longer_worth(self):
        of = self.bought()

        posted = give_back("P1", "100.00", reference="B1")

        assert posted.posting == points.Posting(2, 16)
        entry = Entry.objects.get(kind="REVERSE")
        assert (entry.points, entry.reverses, entry.lot_seq, entry.lot_points) == (
            -10,
            1,
            [1],
            [-10],
        )
        activity = Activity.objects.get(kind="RETURN")
        assert (activity.points, activity.amount) == (-10, Decimal("100.00"))
        assert activity.original_id == Activity.objects.get(kind="PURCHASE").pk
        assert activity.explanation["points"] == 16
        assert queries.balance(of.id) == 16

    @pytest.mark.parametrize(
        "parts", [["268.00"], ["100.00", "168.00"], ["168.00", "100.00"], ["3.33"] * 80 + ["1.60"]]
    )
    def test_in_parts_in_any_order_it_takes_back_the_same(self, parts):
        of = self.bought()

        for n, part in enumerate(parts):
            give_back("P1", part, reference=f"B{n}")

        assert queries.balance(of.id) == 0
        assert not Lot.objects.exists()

    def test_twice_takes_back_once(self):
        of = self.bought()
        first = give_back("P1", "100.00", reference="B1")

        again = give_back("P1", "100.0", reference="B1")

        assert again == replace(first, posting=replace(first.posting, replayed=True), replayed=True)
        assert queries.balance(of.id) == 16

    def test_twice_with_other_content_is_refused(self):
        of = self.bought()
        give_back("P1", "100.00", reference="B1")

        with pytest.raises(points.ReferenceReused):
            give_back("P1", "100.01", reference="B1")

        assert queries.balance(of.id) == 16

    def test_may_bear_the_purchases_own_number(self):
        of = self.bought()

        give_back("P1", "268.00", reference="P1")

        assert queries.balance(of.id) == 0

    def test_no_more_comes_back_than_was_bought(self):
        of = self.bought()
        give_back("P1", "200.00", reference="B1")

        with pytest.raises(operations.ReturnExceedsPurchase) as refusal:
            give_back("P1", "68.01", reference="B2")

        assert refusal.value.details == {"left": Decimal("68.00")}
        assert Activity.objects.filter(kind="RETURN").count() == 1
        assert queries.balance(of.id) == 6

    def test_is_not_older_than_its_purchase(self):
        self.bought()

        with pytest.raises(operations.ReturnBeforePurchase):
            give_back("P1", "1.00", reference="B1", at=NOON - timedelta(seconds=1), now=NOON)

        assert not Activity.objects.filter(kind="RETURN").exists()

    def test_is_not_dated_ahead(self):
        self.bought()

        with pytest.raises(points.DatedInFuture):
            give_back("P1", "1.00", reference="B1", at=NOON + timedelta(days=1), now=NOON)

    def test_of_what_nobody_bought(self):
        with pytest.raises(operations.UnknownPurchase):
            operations.find_purchase(issuer_id=main_store().organization_id, reference="P404")

    def test_of_what_another_bought(self):
        of = self.bought()
        bought = operations.find_purchase(issuer_id=main_store().organization_id, reference="P1")

        with pytest.raises(operations.UnknownPurchase):
            operations.post_return(
                returned=operations.Return(
                    purchase=bought,
                    member=identity(),
                    reference="B1",
                    at=NOON,
                    amount=Decimal(1),
                    source=source(),
                ),
                now=NOON,
            )
        assert queries.balance(of.id) == 26

    def test_by_line(self):
        of = identity()
        rulebook(
            rules=[
                {"code": "parts", "points": "2", "per_amount": "10", "categories": ["parts"]},
                {"code": "rest", "points": "1", "per_amount": "10"},
            ]
        )
        buy(
            of,
            "300.00",
            reference="P1",
            lines=(("1", "parts", "100.00"), ("2", "labour", "200.00")),
        )
        assert queries.balance(of.id) == 40

        give_back("P1", "50.00", reference="B1", lines=[("1", "50.00")])
        assert queries.balance(of.id) == 30

        for number, amount in (("1", "50.01"), ("3", "1.00")):
            with pytest.raises(operations.ReturnExceedsPurchase):
                give_back("P1", amount, reference="B2", lines=[(number, amount)])

        # Without lines it is spread over what is left of them: 50 parts, 200 labour.
        give_back("P1", "125.00", reference="B3")
        assert Activity.objects.get(reference="B3").lines == [
            {"line": "1", "category": "parts", "amount": "25.00"},
            {"line": "2", "category": "labour", "amount": "100.00"},
        ]
        assert queries.balance(of.id) == 15

    def test_after_spending_by_default_it_is_a_debt(self):
        of = self.bought(of=identity())
        points.redeem(member=of, points=26, at=NOON, reference="R", source=source())

        assert give_back("P1", "268.00", reference="B1").posting.balance_after == -26
        assert not Lot.objects.exists()

    def test_takes_its_own_lot_first_then_the_others(self):
        of = self.bought()
        soon = points.earn(
            member=of,
            points=10,
            at=NOON,
            expires_on=date(2026, 6, 30),
            reference="E",
            source=source(),
        )
        points.redeem(member=of, points=20, at=NOON, reference="R", source=source())
        assert dict(Lot.objects.values_list("seq", "remaining")) == {1: 16}
        buy(of, "50.00", reference="P2")

        give_back("P1", "268.00", reference="B1")

        entry = Entry.objects.get(kind="REVERSE")
        assert (entry.lot_seq, entry.lot_points) == ([1, 4], [-16, -5])
        assert entry.balance_after == -5
        assert soon.seq == 2

    def test_write_off_forgives_what_was_spent_for_good(self):
        of = self.bought("200.00", return_after_spending="write_off")
        points.redeem(member=of, points=15, at=NOON, reference="R", source=source())

        assert give_back("P1", "100.00", reference="B1").posting == points.Posting(3, 0)
        buy(of, "1000.00", reference="P2")
        # Ten of it were to go, five were forgiven: they stay forgiven at the next return.
        assert give_back("P1", "100.00", reference="B2").posting == points.Posting(5, 90)
        assert queries.balance(of.id) == 90

    def test_refuse_writes_nothing_at_all(self):
        of = self.bought("200.00", return_after_spending="refuse")
        points.redeem(member=of, points=15, at=NOON, reference="R", source=source())

        with pytest.raises(points.AlreadySpent):
            give_back("P1", "100.00", reference="B1")

        assert not Activity.objects.filter(kind="RETURN").exists()
        assert queries.balance(of.id) == 5
        assert give_back("P1", "50.00", reference="B2").posting.balance_after == 0

    @pytest.mark.parametrize("swept", [False, True])
    def test_after_full_expiry_only_the_standing_goes(self, swept):
        """The points are gone already; the qualifying points go by what was bought alone (T3)."""
        of = self.bought()
        after = datetime(2027, 7, 1, 4, tzinfo=UTC)
        if swept:
            points.expire(low=of.id, high=of.id, on=date(2027, 7, 1))

        posted = give_back("P1", "268.00", reference="B1", at=after)

        assert posted.posting == points.Posting(3, 0)
        assert [(e.kind, e.points, e.qualifying) for e in Entry.objects.order_by("seq")] == [
            ("EARN", 26, 26),
            ("EXPIRE", -26, 0),
            ("REVERSE", 0, -26),
        ]
        assert queries.qualifying_points(of.id) == 0
        assert give_back("P1", "268.00", reference="B1", at=after).replayed

    def test_after_partial_expiry_it_takes_the_rest(self):
        of = self.bought("200.00")
        points.redeem(member=of, points=5, at=NOON, reference="R", source=source())
        after = datetime(2027, 7, 1, 4, tzinfo=UTC)

        # 15 of its 20 lapsed; five were spent and are owed.
        assert give_back("P1", "200.00", reference="B1", at=after).posting.balance_after == -5
        assert queries.balance(of.id) == -5

    def test_after_the_membership_ended_it_makes_no_debt_of_what_was_forfeited(self):
        of = self.bought()
        points.forfeit(member_id=of.id, at=NOON)

        assert give_back("P1", "268.00", reference="B1").posting == points.Posting(3, 0)
        assert (queries.balance(of.id), queries.qualifying_points(of.id)) == (0, 0)

    def test_told_of_late_it_takes_what_was_there_on_its_day(self):
        of = self.bought()
        on_the_last_day = datetime(2027, 6, 30, 4, tzinfo=UTC)

        give_back("P1", "268.00", reference="B1", at=on_the_last_day)

        assert [e.kind for e in Entry.objects.order_by("seq")] == ["EARN", "REVERSE"]
        assert queries.balance_as_of(of.id, date(2027, 6, 30)) == 0

    def test_is_judged_by_the_version_that_judged_the_purchase(self):
        """Also when a version that claims the purchase's day was published since."""
        of = self.bought("200.00")
        rulebook(valid_from="2026-01-01", rules=[{"code": "x", "points": "5", "per_amount": "10"}])

        give_back("P1", "100.00", reference="B1")

        assert queries.balance(of.id) == 10
        assert (
            Activity.objects.get(kind="RETURN").version_id
            == Activity.objects.get(kind="PURCHASE").version_id
        )

    def test_of_a_purchase_worth_nothing_moves_nothing(self):
        of = self.bought("9.00")

        assert give_back("P1", "9.00", reference="B1").posting is None
        with pytest.raises(operations.ReturnExceedsPurchase):
            give_back("P1", "0.01", reference="B2")
        assert queries.balance(of.id) == 0

    def test_a_frozen_or_closed_member_returns_goods_all_the_same(self):
        who = member()
        self.bought(of=identity(who))
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        assert give_back("P1", "268.00", reference="B1").posting.balance_after == 0


@pytest.mark.parametrize(
    ("amount", "of", "shares"),
    [
        ("10.00", ["10.00", "10.00", "10.00"], ["3.33", "3.34", "3.33"]),
        ("0.01", ["10.00", "10.00"], ["0.00", "0.01"]),
        ("0.02", ["0.02", "0.01"], ["0.01", "0.01"]),
        ("5.00", ["0.00", "5.00", "0.00"], ["0.00", "5.00", "0.00"]),
        ("0.00", ["5.00"], ["0.00"]),
    ],
)
def test_an_amount_is_spread_to_the_cent(amount, of, shares):
    lines = [Line(str(n), "", Decimal(value)) for n, value in enumerate(of)]

    spread = _returns._spread(Decimal(amount), lines)

    assert [str(line.amount) for line in spread] == shares


class TestSpread:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    cents = st.integers(0, 10_000)

    @given(st.lists(cents, min_size=1, max_size=6), st.data())
    def test_adds_up_and_gives_no_line_more_than_it_has(self, of, data):
        from hypothesis import strategies as st

        amount = data.draw(st.integers(0, sum(of)))
        lines = [Line(str(n), "", Decimal(value) / 100) for n, value in enumerate(of)]

        spread = _returns._spread(Decimal(amount) / 100, lines)

        assert sum(line.amount for line in spread) == Decimal(amount) / 100
        for share, line in zip(spread, lines, strict=True):
            assert 0 <= share.amount <= line.amount
