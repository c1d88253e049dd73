"""Prize draws: two people publish, odds and stock hold, and anybody can check what came of it."""

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from benefits import approvals as asking
from benefits import drawing, operations
from benefits.models import NOTE_MAX
from benefits.models.coupons import Coupon
from benefits.models.draws import Draw, DrawOutcome, DrawPrize
from benefits.operations import coupons, draws
from benefits.queries import draws as queries
from common import approvals, personal
from common.models import AuditRecord
from common.moments import YearOutOfRange
from members.models import Member
from messaging.models import Message
from points import operations as points
from points.models import Entry
from points.queries import balance
from tests.benefits.coupon_plan import running
from tests.benefits.draw_plan import certain, plant_seed, prize, published, terms
from tests.factories import identity, lot, member, staff
from tests.factories.points import NOON
from tests.factories.programme import plain

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[2] / "docs" / "draws.md"


def enter(draw, who, reference="R", at=NOON):
    return draws.enter(member=who, draw_id=draw.pk, reference=reference, at=at)


class TestTheRecipe:
    def test_win_rates_are_the_odds(self):
        """Chi-square over 200,000 draws of one seed: 4 levels and none, 99.9 % is 18.47."""
        odds, times = [1_000, 9_000, 90_000, 400_000], 200_000
        seen = Counter(
            drawing.level(drawing.result("5eed", "fair", n), odds) for n in range(1, times + 1)
        )

        expected = {nth: times * parts / 1_000_000 for nth, parts in enumerate(odds)}
        expected[None] = times - sum(expected.values())
        chi = sum((seen[nth] - each) ** 2 / each for nth, each in expected.items())
        assert chi < 18.47, seen

    def test_what_would_favor_small_results_is_thrown_away(self, monkeypatch):
        digests = iter([b"\xff" * 32, (1_000_007).to_bytes(8, "big") + bytes(24)])
        monkeypatch.setattr(drawing.hmac, "digest", lambda *_: next(digests))

        assert drawing.result("s", "c", 1) == 7

    def test_is_what_it_was(self):
        """A published draw must come out the same under any later release."""
        assert [drawing.result("5eed", "fair", n) for n in (1, 2, 3)] == [477974, 451126, 590873]

    @pytest.mark.parametrize(
        ("hit", "left", "consolation", "given"),
        [
            (None, [1], None, None), (0, [1, 1], 1, 0), (0, [0, 1], 1, 1), (0, [0, 0], 1, None),
            (0, [0, 1], None, None),
        ],
    )  # fmt: skip
    def test_what_is_used_up_becomes_the_consolation_or_nothing(
        self, hit, left, consolation, given
    ):
        assert drawing.given(hit, left, consolation) == given


class TestPublishing:
    def test_commits_to_a_seed_that_nobody_is_shown(self):
        draw = published()

        assert (draw.state, draw.revision) == ("RUNNING", 1)
        assert draw.seed_hash == drawing.commitment(draw.seed)
        assert queries.published(draw)["seed"] is None

    def test_takes_two_people(self):
        plain()
        author = staff()
        draw = draws.create(code="summer", terms=terms(), by=author)
        wish = asking.submit_draw(
            draw_id=draw.pk, revision=1, at=NOON, reference="1", by=staff(), reason="x"
        )

        with pytest.raises(draws.OwnDraw):
            approvals.approve(approval_id=wish.pk, by=author, at=NOON)

    def test_what_waits_is_not_changed(self):
        plain()
        draw = draws.create(code="summer", terms=terms(), by=staff())
        asking.submit_draw(
            draw_id=draw.pk, revision=1, at=NOON, reference="1", by=staff(), reason="x"
        )

        with pytest.raises(draws.DrawNotDraft):
            draws.save(draw_id=draw.pk, terms=terms(), revision=1, by=staff())

    def test_needs_a_budget_for_all_prizes(self):
        draw = draws.create(
            code="summer", terms=terms(certain(cost="0.50"), budget=Decimal("1.49")),
            by=staff(),
        )  # fmt: skip

        with pytest.raises(draws.PrizesAboveBudget) as refused:
            draws.hold_draft(draw_id=draw.pk, revision=1)
        assert "1.50" in str(refused.value)

    def test_says_what_it_is_expected_to_cost(self):
        prizes = [DrawPrize(parts=250_000, pieces=100, cost=Decimal("2.00"))]

        assert queries.cost_expected(prizes, 10) == Decimal("5.00")
        assert queries.cost_expected(prizes, 10_000) == queries.cost_at_most(prizes) == 200

    @pytest.mark.parametrize(
        "change",
        [
            lambda draw: Draw.objects.filter(pk=draw.pk).update(entry_points=1),
            lambda draw: Draw.objects.filter(pk=draw.pk).update(seed_hash="0" * 64),
            lambda draw: Draw.objects.filter(pk=draw.pk).delete(),
            lambda draw: draw.prizes.update(parts=1),
            lambda draw: draw.prizes.update(remaining=1),
            lambda draw: draw.prizes.all().delete(),
        ],
    )
    def test_nothing_changes_afterwards(self, change):
        draw = published()

        with pytest.raises(DatabaseError), transaction.atomic():
            change(draw)

    @pytest.mark.parametrize(
        ("said", "refusal"),
        [
            ({"closes_at": NOON}, draws.DrawTurned),
            ({"opens_at": datetime(1, 1, 1, tzinfo=UTC)}, YearOutOfRange),
            ({"closes_at": datetime(9999, 12, 31, tzinfo=UTC)}, YearOutOfRange),
            ({"limit_count": 1}, draws.LimitUnclear),
            ({"prizes": []}, draws.PrizesMissing),
            ({"prizes": [prize("a", 600_000, 1), prize("b", 400_001, 1)]}, draws.OddsTooHigh),
            ({"prizes": [prize("", 1, 1)]}, draws.DrawNameMissing),
        ],
    )
    def test_makes_sense(self, said, refusal):
        whole = {"names": {"zh-hans": "x"}, "budget": Decimal(1), "prizes": [certain()]}
        whole |= {"opens_at": NOON, "closes_at": NOON + timedelta(1)} | said

        with pytest.raises(refusal):
            draws.create(code="x", terms=draws.Terms(**whole), by=staff())


class TestDrawing:
    def test_costs_points_and_gives_points_and_tells(self, of):
        lot(of, 30)
        draw = published(certain(), entry_points=10)

        outcome = enter(draw, of)

        assert (outcome.number, outcome.prize.points, balance(of.id)) == (1, 20, 40)
        assert DrawPrize.objects.get().remaining == 2
        assert Message.objects.get(member_id=of.id, template=draws.WON)

    def test_twice_under_one_reference_is_once(self, of):
        lot(of, 30)
        draw = published(certain(), entry_points=10)

        assert enter(draw, of) == enter(draw, of)
        assert (balance(of.id), DrawOutcome.objects.count()) == (40, 1)
        with pytest.raises(draws.DrawReferenceReused):
            enter(draw, identity())

    def test_too_few_points_change_nothing(self, of):
        draw = published(certain(), entry_points=10)

        with pytest.raises(points.InsufficientPoints), transaction.atomic():
            enter(draw, of)

        draw.refresh_from_db()
        assert (draw.drawn, DrawOutcome.objects.count(), Entry.objects.count()) == (0, 0, 0)

    def test_what_is_used_up_falls_to_the_consolation_and_then_to_nothing(self):
        draw = published(prize("车", 1_000_000, 1), prize("茶", 0, 1, is_consolation=True))

        got = [enter(draw, identity(), f"R{nth}").prize for nth in range(3)]

        assert [str(each) for each in got] == ["车", "茶", "None"]
        assert list(queries.differences(Draw.objects.get())) == []

    @pytest.mark.parametrize(
        ("birthday", "refusal"),
        [
            (None, draws.BirthdayUnknown), (date(2008, 6, 16), draws.TooYoung),
            (date(2008, 6, 15), None),
        ],
    )  # fmt: skip
    def test_has_an_age(self, birthday, refusal):
        who = identity(member(birthday=birthday))
        Member.objects.filter(pk=who.id).update(birthday=birthday)
        draw = published(certain(), age_min=18)

        if refusal is None:
            assert enter(draw, who).number == 1
        else:
            with pytest.raises(refusal):
                enter(draw, who)

    def test_has_a_limit_in_each_period(self, of):
        draw = published(certain(), limit_count=1, limit_period="DAY")
        enter(draw, of, "R1")

        with pytest.raises(draws.DrawLimitReached):
            enter(draw, of, "R2", at=NOON + timedelta(hours=11))
        assert enter(draw, of, "R3", at=NOON + timedelta(hours=12)).number == 2

    @pytest.mark.parametrize("at", [NOON - timedelta(seconds=1), NOON + timedelta(days=30)])
    def test_has_a_time(self, of, at):
        draw = published(certain())

        with pytest.raises(draws.DrawNotOpen):
            enter(draw, of, at=at)


@pytest.fixture
def of():
    return identity()


class TestAnybodyCanCheck:
    @pytest.fixture
    def over(self):
        """Closed, with a prize that ran out."""
        draw = published(
            prize("车", 300_000, 2), prize("茶", 100_000, 9, is_consolation=True), seed="5eed" * 16
        )
        for nth in range(25):
            enter(draw, identity(), f"R{nth}")
        return draws.close(draw_id=draw.pk, by=staff(), at=NOON)

    def test_with_the_command(self, over, capsys):
        call_command("verify_draw", "summer")

        assert "25 outcomes" in capsys.readouterr().out

    def test_with_the_recipe_of_the_document(self, over, tmp_path):
        [recipe] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
        (tmp_path / "recipe.py").write_text(recipe)
        file = tmp_path / "summer.json"
        call_command("verify_draw", "summer", write=file)

        assert _run(tmp_path, file).stdout == "25 outcomes, each as the seed says\n"
        told = file.read_text().replace('"pieces": 2', '"pieces": 1')
        file.write_text(told)
        assert "AssertionError" in _run(tmp_path, file).stderr

    def test_and_what_was_tampered_with_is_found(self, over, capsys):
        plant_seed(over, "f" * 64)

        with pytest.raises(CommandError):
            call_command("verify_draw", "summer")

    def test_nobody_draws_any_more(self, over):
        with pytest.raises(draws.DrawNotOpen):
            enter(over, identity())


def _run(folder, file):
    return subprocess.run(
        [sys.executable, folder / "recipe.py", file], capture_output=True, text=True, check=False
    )


def won(*prizes, **more):
    """A draw that is drawn from once, and what it came to."""
    draw = published(*prizes, **more)
    return draw, enter(draw, identity())


class TestHandingOver:
    def test_points_are_there_at_once(self):
        draw, outcome = won(certain())

        assert (outcome.handover.by, list(queries.owed(draw))) == (None, [])

    def test_a_thing_is_owed_until_staff_say_that_the_winner_has_it(self):
        draw, outcome = won(prize("茶杯", 1_000_000, 5))
        assert list(queries.owed(draw)) == [outcome]

        by = staff()
        for note in ("顺丰 SF1001", "又一次"):
            draws.hand_over(outcome_id=outcome.pk, note=note, by=by, at=NOON)

        told = [(each.by, each.note) for each in queries.handed_over(draw)]
        assert (told, list(queries.owed(draw))) == ([(by, "顺丰 SF1001")], [])
        assert AuditRecord.objects.filter(action="draw.prize_handed_over").count() == 1

    @pytest.mark.parametrize(
        ("note", "refusal"),
        [
            ("  ", draws.HandoverUnclear),
            ("x" * (NOTE_MAX + 1), operations.WordsTooLong),
            ("打给 13800138000", personal.NamesSomebody),
        ],
    )
    def test_says_how(self, note, refusal):
        draw, outcome = won(prize("茶杯", 1_000_000, 5))
        with pytest.raises(refusal):
            draws.hand_over(outcome_id=outcome.pk, note=note, by=staff(), at=NOON)
        assert queries.owed(draw).exists()

    def test_nothing_won_is_nothing_to_hand_over(self):
        _draw, outcome = won(prize("茶杯", 0, 5))
        for pk in (outcome.pk, 10**12):
            with pytest.raises(draws.UnknownOutcome):
                draws.hand_over(outcome_id=pk, note="给了", by=staff(), at=NOON)

    def test_a_coupon_is_the_winners_own_at_once(self):
        batch = running()
        draw, outcome = won(prize("券", 1_000_000, 5, batch_id=batch.pk))

        assert Coupon.objects.get().member_id == outcome.member_id
        assert (outcome.handover.by, list(queries.owed(draw))) == (None, [])

    def test_a_coupon_that_is_not_there_stays_owed_and_the_outcome_stands(self):
        batch = running(total=1, per_member=1)
        draw, first = won(prize("券", 1_000_000, 5, batch_id=batch.pk))
        second = enter(draw, identity(), "second")

        assert (second.number, second.prize_id) == (2, first.prize_id)
        assert list(queries.owed(draw)) == [second]
        with pytest.raises(coupons.BatchExhausted):
            draws.hand_over(outcome_id=second.pk, note="", by=staff(), at=NOON)
        draws.hand_over(outcome_id=second.pk, note="换了同值积分", by=staff(), at=NOON)
        assert Coupon.objects.count() == 1
        assert not queries.owed(draw).exists()
        assert not list(queries.differences(Draw.objects.get(pk=draw.pk)))

    def test_a_coupon_that_is_owed_is_issued_once_it_can_be(self):
        one, batch = identity(), running(per_member=1)
        draw = published(prize("券", 1_000_000, 5, batch_id=batch.pk))
        enter(draw, one, "first")
        second = enter(draw, one, "second")
        assert list(queries.owed(draw)) == [second]

        coupons.revoke(coupon_id=Coupon.objects.get().pk, reason="误发", at=NOON, by=staff())
        draws.hand_over(outcome_id=second.pk, note="", by=staff(), at=NOON)

        assert Coupon.objects.filter(member=one.id, state="OPEN").count() == 1

    @pytest.mark.parametrize(
        "said",
        [
            {"kind": "COUPON"},
            {"kind": "THING", "batch_id": 1},
            {"kind": "POINTS", "points": 5, "batch_id": 1},
            {"kind": "COUPON", "points": 5, "batch_id": 1},
        ],
    )
    def test_a_prize_is_one_thing(self, said):
        unclear = draws.Prize(names={"zh-hans": "券"}, parts=1, pieces=1, cost=Decimal(1), **said)
        with pytest.raises(draws.PrizeUnclear):
            terms(unclear).require_sense()
