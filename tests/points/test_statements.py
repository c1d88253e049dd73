from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from campaigns import operations as campaigns
from campaigns.activity_rulebook import DEFAULT
from members import operations as members
from points import operations, queries, statements
from points.models import AdjustmentReason, Entry
from tests.factories import buy, identity, lot, member, plain, rulebook, source, staff, store
from tests.factories.activities import cap
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def explained(of, **facts):
    """The member's lines, latest first."""
    entries = list(queries.statement(of.id))
    reader = statements.Reader(**facts)
    told = statements.around(entries)
    return [statements.explain(entry, told, reader) for entry in entries]


def explained_alone(entry, **facts):
    return statements.explain(entry, statements.Around(), statements.Reader(), **facts)


def give_back(of, reference, amount, *, at=NOON):
    return campaigns.post_return(
        returned=campaigns.Return(
            purchase=campaigns.find_purchase(issuer_id=source().issuer_id, reference=reference),
            member=of,
            reference=f"{reference}-back",
            at=at,
            amount=Decimal(amount),
            source=source(),
        ),
        now=at,
    )


class TestPurchase:
    def test_tells_amount_rule_and_rounding(self):
        plain()
        who = identity()
        buy(who, "268.00", reference="R-1001", store=store(name="浦东店"))

        (line,) = explained(who)

        assert (line.title, line.store, line.document) == ("消费", "浦东店", "R-1001")
        assert (line.points, line.balance_after) == (26, 26)
        assert line.expires_on == date(2027, 6, 30)
        assert line.sentences == (
            "消费 268.00 元。",
            "每消费 10 元得 1 分。",
            "计 26.8 分，向下取整为 26 分。",
        )
        assert (
            line.explanation
            == "消费 268.00 元。每消费 10 元得 1 分。计 26.8 分，向下取整为 26 分。"
        )

    def test_names_the_boosts_and_what_a_limit_kept_back(self):
        birthday, first = (
            {"code": code, "names": {"zh-hans": name}, "gives": gives}
            for code, name, gives in [
                ("birthday", "生日月加赠", {"percent": "50"}),
                ("first", "首单礼", {"points": "20"}),
            ]
        )
        limit = cap("cap", "first", per="lifetime", points=15)
        rulebook(boosts=[birthday, first], sections={"activities": DEFAULT | {"caps": [limit]}})
        who = identity()
        buy(who, "100.00")

        (line,) = explained(who)

        assert line.points == 30
        assert line.sentences == (
            "消费 100.00 元。",
            "每消费 10 元得 1 分。",
            "生日月加赠：加赠 5 分。",
            "首单礼：加赠 15 分。",
            "首单礼：20 分，受上限所限得 15 分。",
        )

    def test_what_came_out_whole_was_not_rounded(self):
        plain()
        who = identity()
        buy(who, "12340.00")

        assert explained(who)[0].sentences == ("消费 12,340.00 元。", "每消费 10 元得 1 分。")

    def test_names_each_rate_and_what_earns_nothing(self):
        rulebook(
            rules=[
                {"code": "labour", "categories": ["labour"], "points": "1.5", "per_amount": "0.5"},
                {"code": "parts", "categories": ["parts"], "points": "1", "per_amount": "10"},
                {"code": "gifts", "categories": ["gift"], "points": "0", "per_amount": "1"},
            ],
            rounding={"mode": "half_up", "per": "line"},
        )
        who = identity()
        buy(
            who,
            "100.00",
            lines=(
                ("1", "labour", "10.00"),
                ("2", "parts", "15.00"),
                ("3", "parts", "20.00"),
                ("4", "gift", "5.00"),
                ("5", "tax", "50.00"),
            ),
        )

        assert explained(who)[0].sentences == (
            "消费 100.00 元。",
            "10.00 元按每 0.50 元得 1.5 分计，得 30 分。",
            "35.00 元按每 10 元得 1 分计，得 3.5 分。",
            "55.00 元不计积分。",
            "计 33.5 分，逐行四舍五入，共 34 分。",
        )

    @pytest.mark.parametrize(
        ("language", "expected"),
        [
            ("zh-hant", "消費 268.00 元。每消費 10 元得 1 分。計 26.8 分，向下取整為 26 分。"),
            (
                "en",
                (
                    "You paid 268.00 yuan. Points: 1 for every 10 yuan. "
                    "26.8 points, rounded down to 26."
                ),
            ),
        ],
    )  # fmt: skip
    def test_speaks_the_readers_language(self, language, expected):
        plain()
        who = identity()
        buy(who, "268.00")

        with translation.override(language):
            assert explained(who)[0].explanation == expected

    def test_other_currencies_are_named(self):
        plain()
        who = identity()
        buy(who, "268.00")

        assert explained(who, currency="HKD")[0].sentences[0] == "消费 HKD 268.00。"


class TestOtherKinds:
    def test_a_return_names_its_purchase_and_what_is_kept(self):
        plain()
        who = identity()
        buy(who, "268.00", reference="R-1")
        give_back(who, "R-1", "100.00")

        line = explained(who)[0]

        assert (line.title, line.points, line.balance_after) == ("退货", -10, 16)
        assert line.document == "R-1-back"
        assert line.sentences == ("消费单 R-1 退货 100.00 元。", "保留的部分应得 16 分。")

    def test_a_return_after_spending_says_that_it_leaves_a_debt(self):
        plain()
        who = identity()
        buy(who, "100.00", reference="R-1")
        operations.redeem(member=who, points=10, at=NOON, reference="X", source=source())
        give_back(who, "R-1", "100.00")

        line = explained(who)[0]

        assert (line.points, line.balance_after) == (-10, -10)
        assert line.sentences[-1] == "余额为负，之后获得的积分会先补足差额。"

    def test_a_return_that_takes_less_says_why(self):
        rulebook(return_after_spending="write_off")
        who = identity()
        buy(who, "100.00", reference="R-1")
        operations.redeem(member=who, points=7, at=NOON, reference="X", source=source())
        give_back(who, "R-1", "100.00")

        line = explained(who)[0]

        assert line.points == -3
        assert line.sentences[-1] == "已到期或已核销的积分不再扣回。"

    def test_a_redemption_tells_what_it_bought(self):
        who = identity()
        lot(who, 50)
        operations.redeem(
            member=who, points=20, at=NOON, reference="X-1", source=source(), note="<b>𠮷</b>"
        )

        line = explained(who)[0]

        assert (line.title, line.document, line.points) == ("积分兑换", "X-1", -20)
        assert line.sentences[0] == "<b>𠮷</b>"
        assert line.expires_on is None

    def test_expired_points_name_their_last_good_day(self):
        who = identity()
        lot(who, 50, expires_on=date(2027, 2, 28))
        operations.expire(low=who.id, high=who.id, on=date(2027, 5, 1))

        line = explained(who)[0]

        assert (line.title, line.points, line.balance_after) == ("到期", -50, 0)
        assert line.sentences[0] == "这些积分的有效期至 2027年2月28日。"

    def test_a_correction_tells_its_reason_but_not_what_staff_noted(self):
        who = identity()
        operations.adjust(
            member=who, points=5, at=NOON, expires_on=date(2027, 6, 30), note="顾客很生气",
            reason=AdjustmentReason.MISSED, reference="adj", source=source(),
            by=staff(),
        )  # fmt: skip

        (line,) = explained(who)

        assert (line.title, line.document) == ("积分调整", "")
        assert line.sentences == ("工作人员更正：积分漏发。",)

    def test_points_credited_without_a_purchase(self):
        who = identity()
        lot(who, 50, expires_on=date.max, reference="gift-1")

        (line,) = explained(who)

        assert (line.title, line.document, line.sentences) == ("积分入账", "gift-1", ())
        assert line.expires_on is None

    def test_a_forfeiture(self):
        one = member()
        who = identity(one)
        lot(who, 50)
        members.close(member_id=one.pk, closed_at=NOON, by=None, reason="wish")
        operations.forfeit(member_id=one.pk, at=NOON)

        line = explained(who)[0]

        assert (line.title, line.points) == ("作废", -50)
        assert line.sentences == ("会员资格终止，剩余积分随之作废。",)


class TestEnteredLater:
    def entry(self, *, effective_at, recorded_at, kind="EARN"):
        points = -5 if kind == "EXPIRE" else 5
        return Entry(
            seq=1, kind=kind, points=points, balance_after=5, effective_at=effective_at,
            recorded_at=recorded_at, expires_on=date(2027, 6, 30),
        )  # fmt: skip

    def test_what_was_recorded_on_its_own_day_is_not_late(self):
        # Both are 15 June in Shanghai, though 14 and 15 June in UTC.
        line = explained_alone(
            self.entry(
                effective_at=datetime(2026, 6, 14, 16, 30, tzinfo=UTC),
                recorded_at=datetime(2026, 6, 15, 15, 59, tzinfo=UTC),
            )
        )

        assert line.recorded_on is None

    def test_what_was_recorded_on_a_later_day_is(self):
        line = explained_alone(self.entry(effective_at=NOON, recorded_at=NOON + timedelta(days=3)))

        assert line.recorded_on == date(2026, 6, 18)

    def test_the_nights_expiry_never_is(self):
        line = explained_alone(
            self.entry(effective_at=NOON, recorded_at=NOON + timedelta(days=3), kind="EXPIRE")
        )

        assert line.recorded_on is None

    def test_nor_is_history_that_was_taken_over_on_that_day(self):
        line = explained_alone(
            self.entry(effective_at=NOON, recorded_at=NOON + timedelta(days=3)),
            taken_over_on=date(2026, 6, 18),
        )

        assert line.recorded_on is None


class TestTakenOverOn:
    def asked(self, one):
        first = Entry.objects.filter(member_id=one.pk, seq=1).first()
        return statements.taken_over_on(first, member=one)

    def test_the_first_entry_tells(self):
        one = member(joined_at=NOON - timedelta(days=400))
        lot(identity(one), 5, at=NOON - timedelta(days=300))

        first = Entry.objects.get(member_id=one.pk)
        assert self.asked(one) == first.recorded_at.astimezone().date()

    def test_what_happened_before_someone_joined_is_no_history_of_theirs(self):
        one = member(joined_at=NOON)
        lot(identity(one), 5, at=NOON - timedelta(days=300))

        assert self.asked(one) is None

    def test_there_is_none_without_entries(self):
        assert self.asked(member()) is None


def test_lines_start_no_query_in_a_template(django_assert_num_queries):
    plain()
    who = identity()
    buy(who, "268.00")
    lines = explained(who)

    with django_assert_num_queries(0):
        assert [(line.title, line.store, line.explanation) for line in lines]
