"""
Coupons and prize draws of the club: a batch that members hold, a draw that runs and one over.

Done again it changes nothing, as the story.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils.timezone import localdate

from benefits import approvals as asking
from benefits.models.coupons import CodesFrom, CouponBatch, CouponKind
from benefits.models.draws import Draw, PrizeKind
from benefits.models.items import Period
from benefits.operations import Who, coupons, draws
from common import approvals
from common.models import User
from members.queries import Identity
from membership.demo import story

REASON = "演示"
COUPON = "winter-care"
OVER, RUNS = "autumn-draw", "winter-draw"
LENGTH = timedelta(days=30)
# By position: who holds a coupon, who drew.
HOLDERS, DRAWERS = range(12), range(60)


def give(*, known: Mapping[int, Identity], writer: User, approver: User, at: datetime) -> None:
    """Put all of it there, as of `at`. `known`: the members by their position in the cast."""
    found = {place: one for place, one in known.items() if place not in AWAY}
    if not CouponBatch.objects.filter(code=COUPON).exists():
        _coupons([found[each] for each in HOLDERS if each in found], writer, approver, at)
    drawers = [found[each] for each in DRAWERS if each in found]
    for code, begun in ((OVER, at - 2 * LENGTH), (RUNS, at - timedelta(days=3))):
        if not Draw.objects.filter(code=code).exists():
            _draw(code, drawers, writer, approver, begun)


# They can take part in nothing.
AWAY = {*story.CLOSED, *story.FROZEN}


@transaction.atomic
def _coupons(holders: Iterable[Identity], writer: User, approver: User, at: datetime) -> None:
    day = localdate(at)
    content = coupons.BatchDraft(
        code=COUPON,
        names=_named("冬季保养券", "冬季保養券", "Winter care"),
        kind=CouponKind.AMOUNT,
        amount=Decimal(50),
        minimum_spend=Decimal(300),
        first_on=day,
        last_on=day + timedelta(days=90),
        total=500,
        codes_from=CodesFrom.MEMBERS,
        per_member=1,
    )
    batch = running_batch(content, writer=writer, approver=approver, at=at)
    for one in holders:
        coupons.issue(
            batch_id=batch.pk, member=one, reference=f"demo:{one.number}", at=at,
            who=Who(by=writer),
        )  # fmt: skip


def running_batch(
    content: coupons.BatchDraft, *, writer: User, approver: User, at: datetime
) -> CouponBatch:
    """A batch of coupons, drafted by one and approved by another."""
    batch = coupons.draft(content=content, at=at, by=writer)
    asked = coupons.ask_to_run(batch_id=batch.pk, reason=REASON, at=at, by=writer)
    approvals.approve(approval_id=asked.pk, by=approver, at=at)
    return batch


def running_draw(
    code: str, terms: draws.Terms, *, writer: User, approver: User, at: datetime
) -> Draw:
    """A prize draw, drafted by one and approved by another."""
    draw = draws.create(code=code, terms=terms, by=writer)
    asked = asking.submit_draw(
        draw_id=draw.pk, revision=draw.revision, at=at, reference=f"demo:{code}", by=writer,
        reason=REASON,
    )  # fmt: skip
    approvals.approve(approval_id=asked.pk, by=approver, at=at)
    return draw


@transaction.atomic
def _draw(
    code: str, drawers: Iterable[Identity], writer: User, approver: User, begun: datetime
) -> None:
    is_over = code == OVER
    names = ("秋季抽奖", "秋季抽獎", "Autumn") if is_over else ("冬季抽奖", "冬季抽獎", "Winter")
    terms = draws.Terms(
        names=_named(names[0], names[1], f"{names[2]} draw"),
        description=_named("每位会员每天可抽一次。", "每位會員每天可抽一次。", "Once a day."),
        opens_at=begun,
        closes_at=begun + LENGTH,
        limit_count=1,
        limit_period=Period.DAY,
        budget=Decimal(5000),
        prizes=PRIZES,
    )
    draw = running_draw(code, terms, writer=writer, approver=approver, at=begun)
    for nth, one in enumerate(drawers):
        at = begun + timedelta(hours=1, minutes=nth)
        draws.enter(member=one, draw_id=draw.pk, reference=f"demo:{code}:{one.number}", at=at)
    if is_over:
        draws.close(draw_id=draw.pk, by=approver, at=begun + LENGTH)


def _named(simplified: str, traditional: str, english: str) -> dict[str, str]:
    return {"zh-hans": simplified, "zh-hant": traditional, "en": english}


PRIZES = (
    draws.Prize(
        names=_named("行车记录仪", "行車記錄儀", "Dash cam"), kind=PrizeKind.THING,
        parts=5_000, pieces=3, cost=Decimal(399),
    ),
    draws.Prize(
        names=_named("品牌保温杯", "品牌保溫杯", "Thermos"), kind=PrizeKind.THING,
        parts=50_000, pieces=20, cost=Decimal(69),
    ),
    draws.Prize(
        names=_named("幸运积分", "幸運積分", "Lucky points"), kind=PrizeKind.POINTS, points=20,
        parts=400_000, pieces=900, cost=Decimal(2), is_consolation=True,
    ),
)  # fmt: skip
