"""
The proof of orders and stock: derive what must be there and compare (I15).

Of each order:
  debit   the ledger's entry that it names took as many points as it cost, or holds them while
          money is waited for
  taken   of what is counted, its pieces were taken out of stock, under its claim's reference
  back    what came back to the stock belongs to an order that was cancelled or taken back
  claim   its claim counts for limits unless it was cancelled or taken back
  money   it is to be paid as much money as its price says; it waits for it, or has it, or it has
          ended; what was paid for an order that has ended goes back, and only that
Of each place of an item:
  left    what is left is what was received, corrected, taken and came back
  named   what was taken for an order belongs to one
"""

from django.db import connection

ORDERS = """
    WITH known AS (
        SELECT o.id, o.state, o.points, e.kind, e.points + e.held AS paid, e.points AS set_aside,
            c.quantity, c.given_back_at, i.is_counted, m.taken, m.back,
            coalesce(y.amount, 0) AS asked, w.cash * c.quantity AS cash, y.state AS money,
            r.amount AS money_back,
            -- Of what ended before it was paid, the hold is all there was.
            o.state = 'PLACED' OR o.state = 'CANCELLED' AND e.kind = 'HOLD' AND y.id IS NOT NULL
                AS is_held
        FROM benefits_order AS o
        JOIN benefits_claim AS c ON c.id = o.claim_id
        JOIN benefits_item AS i ON i.id = c.item_id
        JOIN benefits_itemprice AS w ON w.id = c.price_id
        LEFT JOIN benefits_payment AS y ON y.order_id = o.id
        LEFT JOIN benefits_refund AS r ON r.payment_id = y.id
        LEFT JOIN points_entry AS e ON e.member_id = o.member_id AND e.seq = o.debit_seq
        LEFT JOIN LATERAL (
            SELECT
                coalesce(-sum(quantity) FILTER (WHERE kind = 'TAKEN'), 0) AS taken,
                coalesce(sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS back
            FROM benefits_stockmove WHERE reference = c.reference AND reference <> ''
        ) AS m ON true
        WHERE o.member_id BETWEEN %(low)s AND %(high)s
    ), judged AS (
        SELECT id, array_remove(ARRAY[
            CASE WHEN points > 0 AND CASE WHEN is_held
                THEN kind IS DISTINCT FROM 'HOLD' OR set_aside <> -points
                ELSE kind IS DISTINCT FROM 'REDEEM' OR paid <> -points
            END THEN 'debit' END,
            CASE WHEN is_counted AND taken <> quantity THEN 'taken' END,
            CASE WHEN back NOT IN (0, taken)
                OR back > 0 AND state NOT IN ('CANCELLED', 'RETURNED') THEN 'back' END,
            CASE WHEN (state IN ('CANCELLED', 'RETURNED')) <> (given_back_at IS NOT NULL)
                THEN 'claim' END,
            CASE WHEN asked <> cash
                OR cash > 0 AND money <> CASE
                    WHEN state = 'PLACED' THEN 'WAITING'
                    WHEN state = 'CANCELLED' AND money = 'CLOSED' THEN 'CLOSED'
                    ELSE 'PAID'
                END
                OR money_back IS DISTINCT FROM
                    CASE WHEN money = 'PAID' AND state IN ('CANCELLED', 'RETURNED') THEN asked END
                THEN 'money' END
        ], NULL) AS broken
        FROM known
    )
    SELECT count(*), coalesce(array_agg(
        array_to_string(broken, '+') || ',' || id ORDER BY id
    ) FILTER (WHERE broken <> '{}'), '{}') FROM judged
"""

STOCK = """
    WITH judged AS (
        SELECT s.id, s.remaining <> coalesce(m.sum, 0) AS is_wrong, coalesce(m.lost, 0) AS lost
        FROM benefits_stock AS s
        LEFT JOIN LATERAL (
            SELECT sum(quantity) AS sum, count(*) FILTER (
                WHERE reference LIKE 'order:%%' AND NOT EXISTS (
                    SELECT FROM benefits_claim AS c JOIN benefits_order AS o ON o.claim_id = c.id
                    WHERE c.reference = benefits_stockmove.reference
                )
            ) AS lost
            FROM benefits_stockmove WHERE stock_id = s.id
        ) AS m ON true
        WHERE s.item_id BETWEEN %(low)s AND %(high)s
    )
    SELECT count(*), coalesce(array_agg(
        CASE WHEN is_wrong THEN 'left,' ELSE 'named,' END || id ORDER BY id
    ) FILTER (WHERE is_wrong OR lost > 0), '{}') FROM judged
"""


def orders(*, low: int, high: int) -> tuple[int, list[str]]:
    """How many orders some members have, and what is wrong: equations and the order's id."""
    return _asked(ORDERS, low, high)


def stock(*, low: int, high: int) -> tuple[int, list[str]]:
    """How many places some items have, and what is wrong: the equation and the place's id."""
    return _asked(STOCK, low, high)


def _asked(sql: str, low: int, high: int) -> tuple[int, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"low": low, "high": high})
        counted, findings = cursor.fetchone()
    return counted, list(findings)
