"""Coupons: verified and used over HTTP, and their codes made, beside what they are made of."""

import random
import time
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.timezone import localdate

from benchmarks import server
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.web import HttpLoad, WebServer, token
from benefits.models.coupons import CodesFrom, CouponBatch, CouponKind, Stacking
from benefits.operations import coupons
from common import approvals
from common.models import User
from partners.models import Store

OVER_BARE_DRF = Aim(0.3)
VERIFY = "/api/v1/coupons/verify/"
CONSUME = "/api/v1/coupons/consume/"
# Of a turn in which codes are made; those that are verified; and more than can be used.
CODES = 100_000
VERIFIED = 10_000
USES_PER_SECOND = 4_000

BARE = "CREATE TABLE IF NOT EXISTS benchmark_bare_coupon (LIKE benefits_coupon INCLUDING ALL)"
INSERT = """
    INSERT INTO benchmark_bare_coupon (
        batch_id, digest, code, reference, state, issued_on, first_on, last_on, steps, receipt
    )
    SELECT 1, decode(md5(g::text), 'hex'), '', '', 'OPEN', %(day)s, %(day)s, %(day)s, 0, ''
    FROM generate_series(1, %(codes)s) AS g
"""


class BareInsert:
    """As many rows with the same indexes, of a cheap hash, and nobody who could read a code."""

    name = "one INSERT of as many rows with the same indexes"

    def run(self, seconds: float) -> Run:
        """Once, however long it takes."""
        with server.cursor() as cursor:
            start = time.monotonic()
            cursor.execute(INSERT, {"day": localdate(), "codes": CODES})
            elapsed = time.monotonic() - start
            cursor.execute("TRUNCATE benchmark_bare_coupon")
        return Run(CODES, elapsed)


class Making:
    name = "codes of coupons made, as a worker does"

    def run(self, seconds: float) -> Run:
        """Once, a batch, however long it takes."""
        batch = _approved(CODES)
        start, worked = time.monotonic(), time.process_time()
        _make()
        elapsed, worked = time.monotonic() - start, time.process_time() - worked
        batch.refresh_from_db()
        if batch.issued != CODES:
            raise SystemExit(f"Only {batch.issued:,} codes were made")
        return Run(CODES, elapsed, worked)


def measure(bench: Bench, store: Store) -> list[Row]:
    with server.cursor() as cursor:
        cursor.execute(BARE)
    making = bench.take_turns(yardstick=BareInsert(), loads=[(Making(), None)], warm=False)
    return [*(result.row() for result in making), *_over_http(bench, store)]


def _over_http(bench: Bench, store: Store) -> list[Row]:
    options = bench.options
    uses = int(USES_PER_SECOND * (options.seconds * options.rounds + 1))
    codes = _codes(VERIFIED + uses)
    good, unused = codes[:VERIFIED], iter(codes[VERIFIED:])
    chance = random.Random(3)

    def bill(code: str) -> dict:
        return {"code": code, "store": store.code, "amount": "268.00"}

    def verify(_reference: str) -> dict:
        return bill(chance.choice(good))

    def consume(reference: str) -> dict:
        return bill(next(unused)) | {"receipt": reference}

    def hello(reference: str) -> dict:
        return verify(reference) | {"reference": reference}

    with (
        WebServer("benchmarks.yardsticks.bare_drf:application") as framework,
        WebServer("membership.wsgi:application") as platform,
    ):
        clients, till = options.clients, f"Bearer {token(platform, store)}"
        results = bench.take_turns(
            yardstick=HttpLoad("bare DRF view", framework, hello, clients=clients),
            loads=[
                (
                    HttpLoad(
                        "POST coupon to be verified", platform, verify, clients=clients,
                        path=VERIFY, authorization=till,
                    ),
                    OVER_BARE_DRF,
                ),
                (
                    HttpLoad(
                        "POST coupon to be used", platform, consume, clients=clients,
                        path=CONSUME, authorization=till,
                    ),
                    None,
                ),
            ],
        )  # fmt: skip
    return [result.row() for result in results]


def _codes(count: int) -> list[str]:
    """A batch's codes, as an office takes them away."""
    batch = _approved(count)
    _make()
    return coupons.take_codes(batch_id=batch.pk, at=timezone.now(), by=approving())


def _make() -> None:
    coupons.work(clock=timezone.now, pieces=1000)


def _approved(total: int) -> CouponBatch:
    """A batch that a second person let run: thirty yuan off, good everywhere this month."""
    now, author = timezone.now(), drafting()
    batch = coupons.draft(
        content=coupons.BatchDraft(
            code=f"benchmark-{time.time_ns()}",
            names={"zh-hans": "券", "en": "Coupon"},
            kind=CouponKind.AMOUNT,
            amount=Decimal(30),
            first_on=localdate(now),
            last_on=localdate(now) + timedelta(days=30),
            total=total,
            codes_from=CodesFrom.GENERATED,
            stacking=Stacking.STACKS,
        ),
        at=now,
        by=author,
    )
    request = coupons.ask_to_run(batch_id=batch.pk, reason="benchmark", at=now, by=author)
    approvals.approve(approval_id=request.pk, by=approving(), at=now)
    return batch


def drafting() -> User:
    """Who writes what somebody else approves."""
    return _user("drafts")


def approving() -> User:
    return _user("approves")


def _user(what: str) -> User:
    user, _made = User.objects.get_or_create(
        username=f"benchmark-{what}", defaults={"is_staff": True, "is_superuser": True}
    )
    return user
