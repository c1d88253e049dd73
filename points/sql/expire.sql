-- Write off every lot whose last day is before p_on, for the members p_low … p_high.
--
-- One entry per member and last day, effective at the first moment after that day, so that a
-- balance as of any day is right whenever the sweep ran.
CREATE OR REPLACE FUNCTION points_expire(
    p_low bigint, p_high bigint, p_on date, p_zone text
) RETURNS TABLE (members bigint, lots bigint, points bigint) LANGUAGE plpgsql AS $$
DECLARE
    locked bigint[];
BEGIN
    -- Accounts first and in order, as every operation does: no deadlock with the tills.
    SELECT array_agg(due.member_id) INTO locked FROM (
        SELECT a.member_id FROM points_account AS a
        WHERE a.member_id BETWEEN p_low AND p_high AND EXISTS (
            SELECT FROM points_lot AS l WHERE l.member_id = a.member_id AND l.expires_on < p_on
        )
        ORDER BY a.member_id FOR NO KEY UPDATE
    ) AS due;

    -- A second statement on purpose: it sees the lots as they are now that the accounts are held.
    RETURN QUERY
    WITH gone AS (
        DELETE FROM points_lot AS l
        WHERE l.member_id = ANY (locked) AND l.expires_on < p_on
        RETURNING l.member_id, l.expires_on, l.seq, l.remaining
    ), lapse AS (
        SELECT
            g.member_id, g.expires_on, sum(g.remaining)::bigint AS points, count(*) AS lots,
            array_agg(g.seq ORDER BY g.seq) AS lot_seq,
            array_agg(g.remaining ORDER BY g.seq) AS lot_points,
            row_number() OVER member AS nth,
            (sum(sum(g.remaining)) OVER member)::bigint AS running
        FROM gone AS g GROUP BY g.member_id, g.expires_on
        WINDOW member AS (PARTITION BY g.member_id ORDER BY g.expires_on)
    ), loss AS (
        SELECT l.member_id, sum(l.points)::bigint AS points, count(*)::integer AS entries
        FROM lapse AS l GROUP BY l.member_id
    ), account AS (
        UPDATE points_account AS a
        SET balance = a.balance - loss.points, seq = a.seq + loss.entries
        FROM loss WHERE a.member_id = loss.member_id
        RETURNING a.member_id, a.balance + loss.points AS before, a.seq - loss.entries AS seq
    ), entry AS (
        INSERT INTO points_entry (
            member_id, seq, kind, points, balance_after, effective_at, lot_seq, lot_points
        )
        SELECT
            l.member_id, account.seq + l.nth, 'EXPIRE', -l.points, account.before - l.running,
            (l.expires_on + 1)::timestamp AT TIME ZONE p_zone, l.lot_seq, l.lot_points
        FROM lapse AS l JOIN account USING (member_id)
    )
    SELECT
        count(DISTINCT l.member_id), coalesce(sum(l.lots), 0)::bigint,
        coalesce(sum(l.points), 0)::bigint
    FROM lapse AS l;
END $$;
