-- End a hold: spend p_points of what was set aside and give the rest back to its lots.
--
-- Answers {seq of the redemption, seq of the release, balance}, either of them null; null as a whole
-- when the hold is over (also when its time is, swept or not); {-1, what it holds} when p_points
-- is more than that.
CREATE OR REPLACE FUNCTION points_end_hold(
    p_member bigint, p_hold integer, p_points bigint, p_at timestamptz, p_zone text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_note text DEFAULT NULL, p_lapses_on date DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    lapses date;
    hold record;
    part record;
    back record;
    rest bigint;
    balance bigint;
    entry_seq integer;
    redemption integer;
    release integer;
    spent_seq integer[] := '{}';
    spent_points bigint[] := '{}';
    spent_expires_on date[] := '{}';
    back_seq integer[] := '{}';
    back_points bigint[] := '{}';
    back_expires_on date[] := '{}';
    share bigint;
BEGIN
    SELECT a.lapses_on INTO lapses FROM points_account AS a
    WHERE a.member_id = p_member FOR NO KEY UPDATE;
    SELECT
        h.points, h.until, e.lot_seq, e.lot_points, e.lot_expires_on, e.version_id, e.group_id
    INTO hold
    FROM points_hold AS h JOIN points_entry AS e USING (member_id, seq)
    WHERE h.member_id = p_member AND h.seq = p_hold;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF p_points > hold.points THEN
        RETURN ARRAY[-1, hold.points];
    ELSIF p_points > 0 AND hold.until <= p_at THEN
        PERFORM points_end_hold(
            p_member, p_hold, 0, hold.until, p_zone, NULL, NULL, NULL, NULL, hold.version_id
        );
        RETURN NULL;
    END IF;

    -- What lapsed as a whole before must not take along what comes back.
    IF lapses < today THEN
        PERFORM points_expire(p_member, p_member, today, p_zone);
    END IF;
    IF p_points = hold.points THEN
        spent_seq := hold.lot_seq;
        spent_points := hold.lot_points;
        spent_expires_on := hold.lot_expires_on;
    ELSE
        -- In the order of spending: what is spent of a hold lapses soonest.
        rest := p_points;
        FOR part IN
            SELECT l.seq, -l.points AS points, l.expires_on
            FROM unnest(hold.lot_seq, hold.lot_points, hold.lot_expires_on)
                AS l (seq, points, expires_on)
        LOOP
            share := least(rest, part.points);
            rest := rest - share;
            IF share > 0 THEN
                spent_seq := spent_seq || part.seq;
                spent_points := spent_points || -share;
                spent_expires_on := spent_expires_on || part.expires_on;
            END IF;
            IF share < part.points THEN
                back_seq := back_seq || part.seq;
                back_points := back_points || part.points - share;
                back_expires_on := back_expires_on || part.expires_on;
            END IF;
        END LOOP;
    END IF;

    rest := hold.points - p_points;
    DELETE FROM points_hold AS h WHERE h.member_id = p_member AND h.seq = p_hold;
    UPDATE points_account AS a SET
        balance = a.balance + rest, held = a.held - hold.points,
        seq = a.seq + (p_points > 0)::integer + (rest > 0)::integer,
        lapses_on = CASE
            WHEN p_lapses_on IS NULL THEN a.lapses_on
            ELSE greatest(
                nullif(a.lapses_on, '9999-12-31'),
                points_late_last_day(p_member, p_lapses_on, p_zone)
            )
        END
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO entry_seq, balance;
    IF rest > 0 THEN
        release := entry_seq;
        entry_seq := entry_seq - 1;
    END IF;
    IF p_points > 0 THEN
        redemption := entry_seq;
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            reverses, lot_seq, lot_points, lot_expires_on, issuer_id, reference, store_id,
            client_id, version_id, note, group_id
        ) VALUES (
            p_member, redemption, 'REDEEM', 0, 0, -p_points, 0, balance - rest, p_at,
            p_hold, spent_seq, spent_points, spent_expires_on, p_issuer, p_reference, p_store,
            p_client, p_version, p_note, hold.group_id
        );
    END IF;
    IF rest > 0 THEN
        -- What lapsed meanwhile can be used until the end of the day it came back.
        back := points_put_back(
            p_member, back_seq, back_points, back_expires_on, today,
            least(rest, greatest(0, rest - balance))
        );
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            reverses, lot_seq, lot_points, lot_expires_on, issuer_id, reference, store_id,
            client_id, version_id
        ) VALUES (
            p_member, release, 'RELEASE', rest, 0, -rest, 0, balance, p_at,
            p_hold, back.lot_seq, back.lot_points, back.lot_expires_on, p_issuer, p_reference,
            p_store, p_client, p_version
        );
    END IF;
    RETURN ARRAY[redemption, release, balance];
END $$;

-- Give back what is still set aside by holds whose time is over: {members, holds, points}.
CREATE OR REPLACE FUNCTION points_release_overdue(
    p_low bigint, p_high bigint, p_at timestamptz, p_zone text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    hold record;
    members bigint := 0;
    holds bigint := 0;
    points bigint := 0;
    previous bigint;
BEGIN
    FOR hold IN
        SELECT h.member_id, h.seq, h.points, h.until, e.version_id
        FROM points_hold AS h JOIN points_entry AS e USING (member_id, seq)
        WHERE h.member_id BETWEEN p_low AND p_high AND h.until <= p_at
        ORDER BY h.member_id, h.seq
    LOOP
        CONTINUE WHEN points_end_hold(
            hold.member_id, hold.seq, 0, hold.until, p_zone, NULL, NULL, NULL, NULL, hold.version_id
        ) IS NULL;
        members := members + (hold.member_id IS DISTINCT FROM previous)::integer;
        previous := hold.member_id;
        holds := holds + 1;
        points := points + hold.points;
    END LOOP;
    RETURN ARRAY[members, holds, points];
END $$;
