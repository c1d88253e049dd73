"""
Work for each job of the night, in several chunks, and what the database holds afterwards.

A job that is declared and has no work here fails tests/concurrency/test_killed_nights.py.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from benefits import operations as benefits
from benefits.models import Right
from benefits.models.coupons import Coupon, CouponBatch
from benefits.models.items import Item
from benefits.operations import stock
from campaigns import segments
from campaigns.models import MemberImport, MemberImportPart, MemberImportProblem
from common.models import Approval, IdempotencyRecord, JobChunk, JobRun
from members import operations as members
from members import queries
from members.models import (
    Application,
    DataExport,
    Erasure,
    Member,
    RefusalReason,
    TagSource,
)
from messaging.models import SandboxCode
from points import operations
from points.models import NEVER
from points.queries import start_of_day
from programme.queries import rulebook_on
from tests.benefits.buying import order
from tests.benefits.plan import service
from tests.benefits.shop import listed
from tests.factories import brand, buy, identity, lot, member, message, rulebook, source, staff
from tests.factories.activities import do, kind, named, rewarding
from tests.factories.groups import family
from tests.factories.points import NOON
from tests.tiers.ladder import simple

DAY = date(2026, 7, 1)
NEW_YEAR = date(2027, 1, 1)
FIRST_OF_TIERS = date(2026, 4, 1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=NOON.tzinfo)
# Ids this far apart lie in chunks of their own.
APART = 10_000
# Ten points make t1 for a month.
TIERS = {"tiers": simple(10, months=1, warn_days=[7])}


def _lapsed_lots() -> None:
    for n in range(5):
        one = identity()
        lot(one, 10 + n, expires_on=DAY - timedelta(days=1))
        lot(one, 5, expires_on=DAY - timedelta(days=40), at=LONG_AGO)
        lot(one, 7, expires_on=DAY)


def _holds_overdue() -> None:
    for n in range(5):
        one = identity()
        lot(one, 10 + n)
        for reference, day in [("H", 10), ("J", 20), ("K", 30)]:
            operations.hold(
                member=one,
                points=2,
                at=NOON,
                until=NOON + timedelta(days=day),
                reference=f"{reference}-{one.id}",
                source=source(),
            )


def _fetched_and_not_spent() -> None:
    """
    Holds gave back what they had fetched of others' points; one still has it.

    Long ago: the rulebooks that other work here brings begin later, and offer no families.
    """
    for n in range(5):
        people = [member(), member()]
        family(*people)
        spender, giver = (identity(each) for each in people)
        lot(giver, 10 + n, at=LONG_AGO)
        for reference, until in [
            ("H", LONG_AGO + timedelta(days=1)),
            ("J", NOON + timedelta(days=60)),
        ]:
            operations.hold(
                member=spender,
                points=2,
                at=LONG_AGO,
                until=until,
                reference=f"{reference}-{spender.id}",
                source=source(),
                pooled=True,
            )
    operations.release_overdue(low=0, high=2**62, at=NOON + timedelta(days=2))


def _pending_points() -> None:
    for n in range(5):
        operations.earn(
            member=identity(),
            points=1,
            at=NOON,
            expires_on=date(2027, 6, 30),
            reference=f"pending-{n}",
            source=source(),
            pending=[
                operations.PendingLine("1", 10 + n, DAY),
                operations.PendingLine("2", 5, DAY - timedelta(days=1)),
                operations.PendingLine("3", 7, DAY + timedelta(days=1)),
            ],
        )


def _clocks_not_started() -> None:
    """The points came in while the member was being activated, so the event found none."""
    version = rulebook(clock="activation", valid_from="2026-06-01", sections=TIERS)
    for n in range(6):
        one = identity(active=False)
        operations.earn(
            member=one,
            points=10 + n,
            at=NOON,
            expires_on=NEVER,
            reference=f"waiting-{n}",
            source=source(version_id=version.pk),
        )
        if n < 5:
            Member.objects.filter(pk=one.id).update(status="ACTIVE", activated_at=NOON)


def _lots_to_announce() -> None:
    notices = {"before": [{"days": 30}, {"days": 7}]}
    rulebook(notices=notices, valid_from="2026-06-03", sections=TIERS)
    for n in range(5):
        one = identity()
        lot(one, 10 + n, expires_on=DAY + timedelta(days=30))
        lot(one, 5, expires_on=DAY + timedelta(days=3))
        lot(one, 7, expires_on=DAY + timedelta(days=31))


def _lots_nobody_announced() -> None:
    rulebook(
        notices={"before": [{"days": 7}], "required": True, "extension_days": 20},
        valid_from="2026-06-02",
        sections=TIERS,
    )
    for n in range(6):
        one = identity()
        lot(one, 10 + n, expires_on=DAY)
        lot(one, 7, expires_on=DAY + timedelta(days=1))
        if n == 5:
            due = operations.windows(rulebook_on(DAY).policies.notices, day=DAY - timedelta(days=2))
            operations.announce(low=one.id, high=one.id, due=due, at=NOON)


def _messages_nobody_could_read() -> None:
    late = [member(active=False) for _ in range(6)]
    for one in late:
        message(one)
    for one in late[:5]:
        members.activate(member_id=one.pk, activated_at=NOON)


def _accounts() -> None:
    for n in range(5):
        lot(identity(), 10 + n)


def _bought_before_tiers() -> None:
    """Enough, or too little for a tier; and one who did nothing."""
    rulebook(valid_from="2026-02-01")
    for n in range(6):
        one = identity()
        if n < 5:
            amount = "100.00" if n % 2 else "90.00"
            buy(one, amount, at=datetime(2026, 3, 20, 4, tzinfo=NOON.tzinfo))
    rulebook(valid_from=FIRST_OF_TIERS.isoformat(), sections=TIERS)


def _tiers_that_end() -> None:
    """Some have earned theirs again, some have not, and one has time left."""
    rulebook(valid_from="2026-05-01", sections=TIERS)
    for n in range(6):
        one = identity()
        buy(one, "100.00", at=datetime(2026, 5, 20 if n < 5 else 31, 4, tzinfo=NOON.tzinfo))
        if n % 2:
            buy(one, "100.00", at=datetime(2026, 6, 10, 4, tzinfo=NOON.tzinfo))


def _tiers_about_to_end() -> None:
    rulebook(valid_from="2026-05-01", sections=TIERS)
    for n in range(6):
        buy(identity(), "100.00", at=datetime(2026, 6, 5 if n < 5 else 20, 4, tzinfo=NOON.tzinfo))


def _spend_of_last_year() -> None:
    gift = {"code": "last-year", "names": {"zh-hans": "last-year"}, "when": "year_end"}
    gifts = [gift | {"points": "1", "per_amount": "10"}]
    rewarding(gifts=gifts, tiers=TIERS["tiers"], valid_from="1900-01-03")
    for n in range(6):
        buy(identity(), "100.00", at=NOON if n < 5 else LONG_AGO)


def _budgets_spent() -> None:
    codes = [f"budget-{n}" for n in range(5)]
    rewarding(
        kinds=[kind("share", 7)],
        budgets=[named(code, of=["share"], points=100) for code in codes],
        valid_from="2026-01-03",
        # The nights before have put members on its levels.
        tiers=TIERS["tiers"],
    )
    do(identity(), "share", at=datetime(2026, 1, 10, 4, tzinfo=NOON.tzinfo))


def _rights_to_lapse() -> None:
    version = rulebook(valid_from="1900-01-04", sections=TIERS)
    for n in range(5):
        one = identity()
        for ordinal, last_on in enumerate([DAY - timedelta(days=1), DAY, None], start=1):
            Right.objects.create(
                member_id=one.id, benefit=f"b{n}", period="2026-06", ordinal=ordinal, level="t1",
                version=version, granted_on=LONG_AGO.date(), last_on=last_on,
            )  # fmt: skip


def _orders() -> None:
    """Five should have been picked long ago, and one today."""
    item, last = listed(), identity()
    for one in [identity() for _ in range(5)]:
        lot(one, 1000)
        order(one, item, at=NOON)
    lot(last, 1000)
    order(last, item, at=start_of_day(DAY) - timedelta(days=3))


def _stock() -> None:
    clerk = staff()
    for n in range(1, 4):
        item = Item.objects.create(
            pk=n * APART, code=f"stocked-{n}", created_at=NOON, created_by=clerk
        )
        stock.receive(item_id=item.pk, quantity=n, by=clerk, at=NOON)


def _coupons_of_may(**more: Any) -> None:
    """Six of a batch end the day before, six on DAY, six go on; each member has one."""
    days = enumerate(
        [DAY - timedelta(days=1), DAY, DAY + timedelta(days=9)], start=CouponBatch.objects.count()
    )
    batches = [
        CouponBatch.objects.create(
            code=f"may-{n}", names={"en": f"May {n}"}, kind="AMOUNT", amount=5, stacking="STACKS",
            first_on=LONG_AGO.date(), last_on=last_on, codes_from="MEMBERS", total=9, issued=6,
            created_at=LONG_AGO, created_by=staff(), **more,
        )
        for n, last_on in days
    ]  # fmt: skip
    for batch in batches:
        approval = Approval.objects.create(
            kind="benefits.coupons", payload={}, target=batch.code, reason="May",
            reference=batch.code, requested_by=batch.created_by, requested_at=LONG_AGO,
        )  # fmt: skip
        CouponBatch.objects.filter(pk=batch.pk).update(state="RUNNING", approval=approval)
        for nth in range(6):
            Coupon.objects.create(
                batch=batch, digest=f"{batch.pk} {nth}".encode(), member_id=identity().id,
                issued_on=LONG_AGO.date(), first_on=LONG_AGO.date(), last_on=batch.last_on,
            )  # fmt: skip


def _coupons_that_lapse_soon() -> None:
    _coupons_of_may(remind_days=9)


def _rights_lapsing_soon() -> None:
    version = rulebook(valid_from="1900-01-05", sections=TIERS)
    last_on = benefits.last_day_told_on(DAY)
    for n in range(5):
        one = identity()
        for ordinal, granted_on in enumerate([LONG_AGO.date(), LONG_AGO.date(), DAY], start=1):
            Right.objects.create(
                member_id=one.id, benefit=f"b{n}", period="2026-07", ordinal=ordinal, level="t1",
                version=version, granted_on=granted_on, last_on=last_on,
            )  # fmt: skip


def _rights_to_grant() -> None:
    """July begins; one is not active, one has theirs already."""
    for n in range(6):
        identity(active=n > 0)
    wash = service("wash", regular=2)
    rulebook(valid_from="2026-05-02", sections=TIERS | {"benefits": {"of_tiers": [wash]}})
    last = Member.objects.latest("pk").pk
    benefits.grant(member_ids=[last], day=DAY, at=NOON)


def _tags_that_follow() -> None:
    """Some get one, one has left, and one has it by hand."""
    by = staff()
    women = {"members": {"match": "all", "conditions": [{"sex": ["FEMALE"]}]}}
    segments.create(name="women", definition=women, tag="women", at=NOON, by=by)
    found = [member(sex="FEMALE" if n < 5 else "MALE") for n in range(7)]
    members.tag_many(names={found[5].pk: ["women"]}, source=TagSource.RULE, at=LONG_AGO)
    members.tag_many(names={found[6].pk: ["women"]}, source=TagSource.HAND, at=LONG_AGO)


def _members_to_recognize() -> None:
    """Some are new, and one was looked at before."""
    for n in range(6):
        one = member(email=f"n{n}@example.com")
    members.take_fingerprints(low=one.pk, high=one.pk)


def _people_who_are_two_members() -> None:
    for facts in ({"id_number": "110101199003070000"}, {"email": "wang@example.com"}):
        found = [member(**facts) for _ in range(3)]
        members.take_fingerprints(low=found[0].pk, high=found[-1].pk)
    member(email="li@example.com")


def _old_answers() -> None:
    for n in range(1, 4):
        for nth, at in enumerate([LONG_AGO, timezone.now()]):
            record = IdempotencyRecord.objects.create(
                pk=n * APART + nth, client_id=1, key=f"{n}-{nth}", fingerprint=b"", status=200,
                body=b"",
            )  # fmt: skip
            IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=at)


def _old_codes() -> None:
    for n in range(1, 4):
        SandboxCode.objects.create(pk=n * APART, phone=f"{n}", code="1", sent_at=LONG_AGO)
        SandboxCode.objects.create(pk=n * APART + 1, phone=f"{n}", code="2", sent_at=timezone.now())


def _old_chunks() -> None:
    old = JobRun.objects.create(name=OF_OTHER_NIGHTS[0], day=LONG_AGO.date(), finished_at=LONG_AGO)
    young = JobRun.objects.create(name=OF_OTHER_NIGHTS[1], day=DAY, finished_at=timezone.now())
    for n in range(1, 4):
        JobChunk.objects.create(pk=n * APART, run=old, low=n, high=n, done_at=LONG_AGO)
        JobChunk.objects.create(pk=n * APART + 1, run=young, low=n, high=n, done_at=LONG_AGO)


def _wishes_to_be_forgotten() -> None:
    """Some are due, one is not, one was taken back."""
    clerk = staff()
    for n in range(8):
        one = member(email=f"m{n}@example.com")
        wanted = members.request_erasure(member_id=one.pk, at=LONG_AGO, by=clerk)
        if n == 6:
            members.withdraw_erasure(member_id=one.pk, at=LONG_AGO, by=clerk)
        if n == 7:
            Erasure.objects.filter(pk=wanted.pk).update(due_on=DAY + timedelta(days=1))


def _forgotten() -> None:
    """Nothing personal is left of them, as nothing was known."""
    clerk = staff()
    for n in range(1, 4):
        one = member()
        Erasure.objects.create(
            pk=n * APART, member=one, asked_at=LONG_AGO, asked_by=clerk, due_on=LONG_AGO.date(),
            erased_at=LONG_AGO,
        )  # fmt: skip


def _old_copies() -> None:
    for n in range(1, 4):
        one = member()
        for nth, at in enumerate([LONG_AGO, timezone.now()]):
            DataExport.objects.create(
                pk=n * APART + nth, member=one, asked_at=at, language="en", made_at=at, content="x"
            )


def _applied(*times: datetime, first: int = 1) -> list[Application]:
    return [
        Application.objects.create(
            pk=n * APART, state="APPLIED", applied_at=at, channel="WEB", phone=phone,
            phone_index=queries.phone_index(phone),
        )
        for n, at in enumerate(times, start=first)
        for phone in [f"+8613800138{n:03}"]
    ]  # fmt: skip


def _applications() -> None:
    """Three that waited for too long, and one that may wait on."""
    rulebook(
        joining="approved_by_brand", application_days=30, valid_from="2026-01-02", sections=TIERS
    )
    _applied(LONG_AGO, LONG_AGO, LONG_AGO, NOON + timedelta(days=10))


def _applications_ended() -> None:
    """Three long ago, one lately; and one waits."""
    clerk = staff()
    times = (LONG_AGO, LONG_AGO, LONG_AGO, timezone.now(), LONG_AGO)
    for made in _applied(*times, first=11)[:4]:
        members.refuse_application(
            application_id=made.pk, reason=RefusalReason.OTHER, words="x", by=clerk,
            at=made.applied_at,
        )  # fmt: skip


def _old_member_files() -> None:
    for n in range(1, 4):
        for pk, at in ((n * APART, LONG_AGO), (n * APART + 1, timezone.now())):
            run = MemberImport.objects.create(
                pk=pk,
                name=f"{pk}.csv",
                state="HANDED_IN",
                is_kept=True,
                organization=brand(),
                created_at=at,
            )
            MemberImportPart.objects.create(run=run, nth=0, content="")
            MemberImportProblem.objects.create(
                run=run, row=2, code="invalid_phone", is_refused=True
            )


# For each job, what there is to do on the night of DAY: three chunks or more, and something that
# must be left alone.
WORK: dict[str, Callable[[], None]] = {
    "points.start_waiting_clocks": _clocks_not_started,
    "points.release_overdue_holds": _holds_overdue,
    "points.send_home": _fetched_and_not_spent,
    "points.vest_due_points": _pending_points,
    "messaging.deliver_in_app": _messages_nobody_could_read,
    "points.announce_expiry": _lots_to_announce,
    "points.keep_unnoticed_lots": _lots_nobody_announced,
    "points.expire_due_lots": _lapsed_lots,
    "members.take_fingerprints": _members_to_recognize,
    "members.find_duplicates": _people_who_are_two_members,
    "points.verify_ledger": _accounts,
    "tiers.take_up": _bought_before_tiers,
    "tiers.review_standings": _tiers_that_end,
    "tiers.warn_of_downgrades": _tiers_about_to_end,
    "tiers.verify_counters": _tiers_about_to_end,
    "benefits.warn_of_lapse": _rights_lapsing_soon,
    "benefits.follow_orders": _orders,
    "benefits.lapse_rights": _rights_to_lapse,
    "benefits.grant_rights": _rights_to_grant,
    "benefits.lapse_coupons": _coupons_of_may,
    "benefits.remind_of_coupons": _coupons_that_lapse_soon,
    "campaigns.convert_spend": _spend_of_last_year,
    "campaigns.tag_by_segments": _tags_that_follow,
    "campaigns.verify_budgets": _budgets_spent,
    "benefits.verify_orders": _orders,
    "benefits.verify_stock": _stock,
    "members.erase_due": _wishes_to_be_forgotten,
    "members.check_erasures": _forgotten,
    "members.forget_exports": _old_copies,
    "members.expire_applications": _applications,
    "members.forget_applications": _applications_ended,
    "common.forget_old_answers": _old_answers,
    "messaging.forget_old_codes": _old_codes,
    "common.forget_old_chunks": _old_chunks,
    "campaigns.forget_member_files": _old_member_files,
}

# Jobs that have something to do in other nights only.
ON = {"campaigns.convert_spend": NEW_YEAR, "tiers.take_up": FIRST_OF_TIERS}

OF_OTHER_NIGHTS = ("room.old", "room.young")
BOOKKEEPING = {"django_migrations", "django_session", "django_content_type", "auth_permission"}


def everything() -> dict[str, list[dict[str, Any]]]:
    """
    Return every row of every table, without what two equal nights may differ in.

    That is ids given by a sequence, times of recording, and how the night itself was done.
    """
    tables = set(connection.introspection.table_names()) - BOOKKEEPING
    with connection.cursor() as cursor:
        return {table: _rows(cursor, table) for table in sorted(tables)}


def _rows(cursor: Any, table: str) -> list[dict[str, Any]]:
    cursor.execute(f'SELECT * FROM "{table}"')
    columns = [column.name for column in cursor.description]
    rows = [dict(zip(columns, map(_plain, row), strict=True)) for row in cursor.fetchall()]
    if table == "common_jobrun":
        rows = [row for row in rows if row["name"] in OF_OTHER_NIGHTS]
    if table == "common_jobchunk":
        others = JobRun.objects.filter(name__in=OF_OTHER_NIGHTS).values_list("pk", flat=True)
        rows = [row for row in rows if row["run_id"] in set(others)]
    began = timezone.now() - timedelta(hours=1)
    told = [
        {
            name: value
            for name, value in row.items()
            if name not in ("id", "message_id", "right_id")
            and not (isinstance(value, datetime) and value > began)
        }
        for row in rows
    ]
    return sorted(told, key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        # What an event tells of a decision goes by its id.
        return re.sub(r'"decision_id": \d+', '"decision_id": 0', value)
    return bytes(value) if isinstance(value, memoryview) else value
