"""What a higher tier gets in the shop that a lower one does not: items that open, lower prices."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from common.localized import localized

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Better:
    """
    An item and a price of the higher tier.

    `before_points`, `before_cash`: what the lower tier pays; None where it cannot have the item.
    """

    code: str
    names: dict[str, str]
    points: int
    cash: Decimal
    before_points: int | None
    before_cash: Decimal | None

    @property
    def name(self) -> str:
        return localized(self.names)


@dataclass(frozen=True, slots=True)
class Openings:
    """At most EXAMPLES of each, and how many there are. What saves most points comes first."""

    opened: list[Better]
    opened_count: int
    cheaper: list[Better]
    cheaper_count: int

    def __bool__(self) -> bool:
        return bool(self.opened or self.cheaper)


# A tier with prices of its own pays only these (`benefits.models.ItemPrice`). A price is lower only
# if no price of the lower tier asks as little: fewer points for more money are none.
BETTER = """
    WITH concerned AS (
        SELECT i.id, i.code, i.listed_at, l.id AS listing_id, l.names,
            l.tiers = '{}' OR %(own)s = ANY (l.tiers) AS is_for_own,
            CASE WHEN %(own)s = ANY (priced.tiers) THEN %(own)s ELSE '' END AS own_tier,
            CASE WHEN %(higher)s = ANY (priced.tiers) THEN %(higher)s ELSE '' END AS higher_tier
        FROM benefits_item AS i
        JOIN benefits_listing AS l ON l.id = i.live_id
        CROSS JOIN LATERAL (
            SELECT array_agg(DISTINCT p.tier::text) AS tiers
            FROM benefits_itemprice AS p WHERE p.listing_id = l.id
        ) AS priced
        WHERE i.state = 'LISTED'
            AND (l.on_sale_until IS NULL OR l.on_sale_until > %(at)s)
            AND (l.tiers = '{}' OR %(higher)s = ANY (l.tiers))
            AND (l.tiers <> '{}' OR priced.tiers && ARRAY[%(own)s, %(higher)s]::text[])
            AND (l.tags = '{}' OR l.tags && ARRAY(
                SELECT t.tag_id FROM members_tagging AS t JOIN members_tag AS g ON g.id = t.tag_id
                WHERE t.member_id = %(member)s AND g.is_active
            ))
            AND (NOT i.is_counted OR EXISTS (
                SELECT FROM benefits_stock AS s WHERE s.item_id = i.id AND s.remaining > 0
            ))
    ), better AS (
        SELECT c.id, c.code, c.listed_at, c.names, best.*
        FROM concerned AS c
        CROSS JOIN LATERAL (
            SELECT h.points, h.cash, o.points AS before_points, o.cash AS before_cash
            FROM benefits_itemprice AS h
            LEFT JOIN benefits_itemprice AS o
                ON c.is_for_own AND o.listing_id = c.listing_id AND o.tier = c.own_tier
            WHERE h.listing_id = c.listing_id AND h.tier = c.higher_tier
                AND (o.id IS NULL OR h.points <= o.points AND h.cash <= o.cash AND NOT EXISTS (
                    SELECT FROM benefits_itemprice AS p
                    WHERE p.listing_id = c.listing_id AND p.tier = c.own_tier
                        AND p.points <= h.points AND p.cash <= h.cash
                ))
            ORDER BY o.points - h.points DESC, o.cash - h.cash DESC, h.points, h.cash
            LIMIT 1
        ) AS best
    ), numbered AS (
        SELECT *, before_points IS NULL AS is_opened,
            count(*) OVER (PARTITION BY before_points IS NULL) AS of_kind,
            row_number() OVER (
                PARTITION BY before_points IS NULL
                ORDER BY before_points - points DESC, before_cash - cash DESC, listed_at DESC, id
            ) AS nth
        FROM better
    )
    SELECT is_opened, of_kind, code, names, points, cash, before_points, before_cash
    FROM numbered WHERE nth <= %(examples)s ORDER BY nth
"""


def openings(member_id: int, *, own: str, higher: str, at: datetime) -> Openings:
    """
    What of the shop a tier has that a lower one has not, for a member: in one query. What is sold
    out, or for others' tags, is none of it.

    :param own: the code of a tier, as `higher`
    """
    found: dict[bool, list[Better]] = {True: [], False: []}
    counts = {True: 0, False: 0}
    with connection.cursor() as cursor:
        cursor.execute(
            BETTER,
            {"member": member_id, "own": own, "higher": higher, "at": at, "examples": EXAMPLES},
        )
        for is_opened, of_kind, code, names, *prices in cursor.fetchall():
            counts[is_opened] = of_kind
            found[is_opened].append(Better(code, json.loads(names), *prices))
    return Openings(found[True], counts[True], found[False], counts[False])
