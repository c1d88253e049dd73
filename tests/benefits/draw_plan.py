"""Prize draws, brought there as staff bring them: by one, approved by another."""

import itertools
from datetime import timedelta
from decimal import Decimal

from django.db import connection, transaction

from benefits import approvals as asking
from benefits import drawing
from benefits.models.draws import Draw
from benefits.operations import draws
from common import approvals
from tests.factories import staff
from tests.factories.points import NOON
from tests.factories.programme import plain

_numbers = itertools.count(1)


def prize(name, parts, pieces, *, points=0, cost="1.00", **more):
    return draws.Prize(
        names={"zh-hans": name}, kind=_kind(points, more.get("batch_id")), parts=parts,
        pieces=pieces, cost=Decimal(cost), points=points, **more,
    )  # fmt: skip


def _kind(points, batch_id):
    return "COUPON" if batch_id else "POINTS" if points else "THING"


def terms(*prizes, **more):
    said = {"budget": Decimal("100000"), "opens_at": NOON, "closes_at": NOON + timedelta(days=30)}
    return draws.Terms(
        names={"zh-hans": "夏日抽奖"},
        prizes=prizes or [prize("茶杯", 500_000, 5)],
        **(said | more),
    )


def published(*prizes, code="summer", seed=None, **more):
    plain()
    return approved(*prizes, code=code, seed=seed, **more)


def approved(*prizes, code, seed=None, **more):
    """As `published`, under the rulebook that is there."""
    draw = draws.create(code=code, terms=terms(*prizes, **more), by=staff())
    wish = asking.submit_draw(
        draw_id=draw.pk, revision=1, at=NOON, reference=code, by=staff(), reason="夏天"
    )
    approvals.approve(approval_id=wish.pk, by=staff(), at=NOON)
    if seed is not None:
        plant_seed(draw, seed)
    draw.refresh_from_db()
    return draw


def certain(pieces=3, **more):
    return prize("积分", 1_000_000, pieces, points=20, **more)


def drafted(*prizes, by=None, **more):
    return draws.create(
        code=f"draw-{next(_numbers)}", terms=terms(*prizes, **more), by=by or staff()
    )


def plant_seed(draw, seed):
    """A draw whose seed is known, so that what comes of it can be said beforehand."""
    with transaction.atomic():
        _triggers("DISABLE")
        Draw.objects.filter(pk=draw.pk).update(seed=seed, seed_hash=drawing.commitment(seed))
        _triggers("ENABLE")


def _triggers(how):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE benefits_draw {how} TRIGGER stays")
