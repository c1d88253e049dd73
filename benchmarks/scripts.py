"""
The SQL operations by pgbench: what PostgreSQL can do, without Python in the way.

Every load draws its member at random from all of them, and names each fact by a new, time-ordered
reference, as document numbers and UUIDv7 are.
"""

import json
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from benchmarks.options import REDEMPTION_POINTS
from campaigns import operations as campaigns
from campaigns.earning import Line
from members.numbers import member_number
from members.queries import Identity
from partners.models import Store
from points.operations import JudgedPurchase, Source

# The limit: one narrow row updated by its key and one narrow row inserted, in one round trip.
RAW = """\
\\set member random(1, :members)
\\set points random(1, 100)
WITH account AS (
    UPDATE benchmark_raw_account SET balance = balance + :points WHERE id = :member RETURNING id
)
INSERT INTO benchmark_raw_entry (account_id, points) SELECT id, :points FROM account;
"""

REFERENCE = """\
\\set i :i + 1
\\set reference :base + :i * 64 + :client_id
"""

# As UUIDv4 keys are: each goes to another page of the index.
RANDOM_REFERENCE = "\\set reference random(100000000000000000, 999999999999999999)\n"

EARN = """\
\\set member random(1, :members)
\\set points random(1, 100)
SELECT points_credit(
    :member, :points, date '{expires_on}', now(), '{zone}', 'EARN', 'CONSUMPTION', {issuer},
    :reference::text, {store}, NULL, {version}, {funding}, :points
);
"""

REDEEM = """\
\\set member random(1, :members)
\\set points random({least}, {most})
SELECT points_debit(
    :member, :points, now(), '{zone}', 'REDEEM', {issuer}, :reference::text, {store}, NULL,
    {version}
);
"""

PURCHASE = """\
\\set member random(1, :members)
SELECT points_post_purchase(
    :member, {worth}, date '{expires_on}', now(), '{zone}', {amount}, {issuer}, :reference::text,
    {store}, NULL, {version}, {funding}, {worth}, {worth}, '\\x{fingerprint}', '{lines}',
    '{explanation}'
);
"""

# So many earns in one call, of as many members drawn at random.
GRANTS = 500
GRANT = """\
SELECT count(*) FROM points_grant(
    ARRAY(SELECT 1 + floor(random() * :members)::bigint FROM generate_series(1, {grants})),
    array_fill(50::bigint, ARRAY[{grants}]), array_fill(date '{expires_on}', ARRAY[{grants}]),
    array_fill(now(), ARRAY[{grants}]), '{zone}', 'ACTIVITY', {issuer},
    ARRAY(SELECT :reference || '-' || i FROM generate_series(1, {grants}) AS i),
    {store}, NULL, {version}, {funding}, array_fill(0::bigint, ARRAY[{grants}]),
    array_fill(NULL::date, ARRAY[{grants}]), false, NULL, NULL
);
"""

BALANCE = """\
\\set member random(1, :members)
SELECT balance FROM points_account WHERE member_id = :member;
"""

SPENDABLE = """\
\\set member random(1, :members)
SELECT coalesce(sum(remaining), 0) FROM points_lot
WHERE member_id = :member AND expires_on >= date '{today}';
"""

NOTHING = "SELECT 1;\n"


def scripts(store: Store) -> dict[str, str]:
    """The scripts with this programme's ids and a purchase as its rules judge it."""
    purchase = judged_purchase(store)
    facts = {
        "issuer": store.organization_id,
        "store": store.pk,
        "version": purchase.source.version_id,
        "funding": purchase.source.funding_id or "NULL",
        "zone": settings.TIME_ZONE,
        "today": timezone.localdate().isoformat(),
        "expires_on": purchase.expires_on.isoformat(),
        "least": REDEMPTION_POINTS[0],
        "most": REDEMPTION_POINTS[1],
        "grants": GRANTS,
        "worth": purchase.points,
        "amount": purchase.amount,
        "fingerprint": purchase.fingerprint.hex(),
        "lines": json.dumps(purchase.lines),
        "explanation": json.dumps(purchase.explanation),
    }
    named = {
        "raw": RAW,
        "earn": REFERENCE + EARN,
        "earn by random keys": RANDOM_REFERENCE + EARN,
        "redeem": REFERENCE + REDEEM,
        "purchase": REFERENCE + PURCHASE,
        "grant": REFERENCE + GRANT,
        "balance": BALANCE,
        "spendable": SPENDABLE,
        "nothing": NOTHING,
    }
    return {name: script.format(**facts) for name, script in named.items()}


def judged_purchase(store: Store) -> JudgedPurchase:
    """A service visit: labour and parts."""
    now = timezone.now()
    purchase = campaigns.Purchase(
        member=Identity(1, member_number(1), "ACTIVE"),
        reference="sample",
        at=now - timedelta(seconds=1),
        amount=Decimal("268.00"),
        lines=[Line("1", "labour", Decimal("120.00")), Line("2", "parts", Decimal("148.00"))],
        source=Source(issuer_id=store.organization_id, store_id=store.pk),
    )
    [judged] = campaigns.judged_many(purchases=[purchase], now=now)
    assert isinstance(judged, JudgedPurchase), judged
    return judged
