-- Vest the points that wait of one earn, or of one line of it: {seq of the entry, balance}, or null
-- when none wait there. A debt is paid first; points can be used at least on the day they vest.
CREATE OR REPLACE FUNCTION points_vest(
    p_member bigint, p_earn integer, p_line text, p_at timestamptz, p_zone text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    vested record;
    account record;
    lots record;
BEGIN
    PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    WITH gone AS (
        DELETE FROM points_pending AS w
        WHERE w.member_id = p_member AND w.seq = p_earn AND (p_line IS NULL OR w.line = p_line)
        RETURNING w.points, w.expires_on
    )
    SELECT sum(g.points)::bigint AS points, max(g.expires_on) AS expires_on INTO vested
    FROM gone AS g;
    IF vested.points IS NULL THEN
        RETURN NULL;
    END IF;
    -- What lapsed as a whole before must not take these along.
    PERFORM points_clear_lapsed(p_member, today, p_zone);
    UPDATE points_account AS a SET
        balance = a.balance + vested.points, pending = a.pending - vested.points, seq = a.seq + 1
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    lots := points_put_back(
        p_member, ARRAY[p_earn], ARRAY[vested.points], ARRAY[vested.expires_on], today,
        least(vested.points, greatest(0, vested.points - account.balance))
    );
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        reverses, line, lot_seq, lot_points, lot_expires_on, issuer_id, reference, store_id,
        client_id, version_id
    ) VALUES (
        p_member, account.seq, 'VEST', vested.points, -vested.points, 0, 0, account.balance, p_at,
        p_earn, p_line, lots.lot_seq, lots.lot_points, lots.lot_expires_on, p_issuer, p_reference,
        p_store, p_client, p_version
    );
    RETURN ARRAY[account.seq, account.balance];
END $$;

-- Vest everything that is due by p_on, for the members p_low … p_high: {members, earns, points}.
-- One entry per earn and day, effective at the first moment of that day. Where an account lapsed as
-- a whole in between, what vested until then lapses with it, and what vests later does not.
CREATE OR REPLACE FUNCTION points_vest_due(
    p_low bigint, p_high bigint, p_on date, p_zone text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    locked bigint[];
    lapsed record;
    early bigint[];
    earlier bigint[] := ARRAY[0, 0];
    done bigint[];
BEGIN
    -- Accounts first and in order, as every operation does: no deadlock with the tills.
    SELECT array_agg(due.member_id) INTO locked FROM (
        SELECT a.member_id FROM points_account AS a
        WHERE a.member_id BETWEEN p_low AND p_high AND a.pending > 0 AND EXISTS (
            SELECT FROM points_pending AS w
            WHERE w.member_id = a.member_id AND w.vests_on <= p_on
        )
        ORDER BY a.member_id FOR NO KEY UPDATE
    ) AS due;

    FOR lapsed IN
        SELECT a.member_id, a.lapses_on FROM points_account AS a
        WHERE a.member_id = ANY (locked) AND a.lapses_on < p_on
    LOOP
        early := points_vest_due(lapsed.member_id, lapsed.member_id, lapsed.lapses_on, p_zone);
        earlier := ARRAY[earlier[1] + early[2], earlier[2] + early[3]];
        PERFORM points_expire(lapsed.member_id, lapsed.member_id, lapsed.lapses_on + 1, p_zone);
    END LOOP;

    -- A second statement on purpose: it sees what waits as it is now that the accounts are held.
    WITH gone AS (
        DELETE FROM points_pending AS w
        WHERE w.member_id = ANY (locked) AND w.vests_on <= p_on
        RETURNING w.member_id, w.seq, w.vests_on, w.expires_on, w.points
    ), vest AS (
        SELECT
            g.member_id, g.seq, g.vests_on, sum(g.points)::bigint AS points,
            greatest(max(g.expires_on), g.vests_on) AS expires_on,
            row_number() OVER member AS nth,
            (sum(sum(g.points)) OVER member)::bigint AS running
        FROM gone AS g GROUP BY g.member_id, g.seq, g.vests_on
        WINDOW member AS (PARTITION BY g.member_id ORDER BY g.vests_on, g.seq)
    ), gain AS (
        SELECT v.member_id, sum(v.points)::bigint AS points, count(*)::integer AS entries
        FROM vest AS v GROUP BY v.member_id
    ), account AS (
        UPDATE points_account AS a SET
            balance = a.balance + gain.points, pending = a.pending - gain.points,
            seq = a.seq + gain.entries
        FROM gain WHERE a.member_id = gain.member_id
        RETURNING a.member_id, a.balance - gain.points AS before, a.seq - gain.entries AS seq
    ), told AS (
        SELECT
            v.*, account.seq + v.nth AS entry_seq, account.before + v.running AS balance_after,
            greatest(0, least(v.points, account.before + v.running)) AS usable, e.version_id
        FROM vest AS v JOIN account USING (member_id)
        JOIN points_entry AS e ON e.member_id = v.member_id AND e.seq = v.seq
    ), lot AS (
        INSERT INTO points_lot AS l (member_id, expires_on, seq, remaining)
        SELECT t.member_id, t.expires_on, t.seq, sum(t.usable)
        FROM told AS t GROUP BY t.member_id, t.expires_on, t.seq HAVING sum(t.usable) > 0
        ON CONFLICT (member_id, expires_on, seq) DO UPDATE
        SET remaining = l.remaining + excluded.remaining
    ), entry AS (
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            reverses, lot_seq, lot_points, lot_expires_on, version_id
        )
        SELECT
            t.member_id, t.entry_seq, 'VEST', t.points, -t.points, 0, 0, t.balance_after,
            t.vests_on::timestamp AT TIME ZONE p_zone, t.seq,
            CASE WHEN t.usable > 0 THEN ARRAY[t.seq] ELSE '{}' END,
            CASE WHEN t.usable > 0 THEN ARRAY[t.usable] ELSE '{}' END,
            CASE WHEN t.usable > 0 THEN ARRAY[t.expires_on] ELSE '{}' END, t.version_id
        FROM told AS t
    )
    SELECT ARRAY[
        coalesce(cardinality(locked), 0), earlier[1] + count(*),
        earlier[2] + coalesce(sum(v.points), 0)::bigint
    ] INTO done FROM vest AS v;
    RETURN done;
END $$;
