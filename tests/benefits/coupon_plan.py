"""Batches of coupons that run, and coupons of them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benefits.coupons.discounts import Line
from benefits.models.coupon_lists import CouponList
from benefits.models.coupons import Coupon, CouponBatch
from benefits.operations import coupons
from common import approvals
from tests.factories import staff
from tests.tiers.ladder import noon

_numbers = count(1)
NOW = noon("2026-07-05")
FIRST, LAST = date(2026, 7, 1), date(2026, 7, 31)


def content(**more):
    """Thirty yuan off, for members, in July."""
    n = next(_numbers)
    given = {
        "code": f"batch-{n}",
        "names": {"zh-hans": f"券{n}", "en": f"Coupon {n}"},
        "kind": "AMOUNT",
        "amount": Decimal(30),
        "first_on": FIRST,
        "last_on": LAST,
        "total": 100,
        "codes_from": "MEMBERS",
        "stacking": "STACKS",
    } | more
    if given["kind"] != "AMOUNT":
        del given["amount"]
    return coupons.BatchDraft(**given)


def drafted(**more) -> CouponBatch:
    return coupons.draft(content=content(**more), at=NOW, by=staff())


def running(**more) -> CouponBatch:
    batch = drafted(**more)
    request = coupons.ask_to_run(batch_id=batch.pk, reason="July", at=NOW, by=batch.created_by)
    approvals.approve(approval_id=request.pk, by=staff(), at=NOW)
    batch.refresh_from_db()
    return batch


def generated(**more) -> tuple[CouponBatch, list[str]]:
    """A batch with its codes, taken away."""
    batch = running(**{"codes_from": "GENERATED", "total": 3} | more)
    coupons.work(clock=lambda: NOW)
    found = coupons.take_codes(batch_id=batch.pk, at=NOW, by=staff())
    batch.refresh_from_db()
    return batch, found


def issued(batch, of, at=NOW, reference="") -> Coupon:
    return coupons.issue(
        batch_id=batch.pk, member=of, reference=reference or f"test:{next(_numbers)}", at=at
    )


def listed(*members, batch=None, name="七月.csv", at=NOW) -> CouponList:
    """A file of members, read."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "members.csv")
        path.write_text("\n".join(["member", *(members or ["nobody"])]), encoding="utf-8")
        return coupons.read_list(
            batch_id=(batch or running()).pk, path=path, name=name, at=at, by=staff()
        )


def bill(*amounts, category="") -> list[Line]:
    return [Line(category, Decimal(str(each))) for each in amounts]


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
