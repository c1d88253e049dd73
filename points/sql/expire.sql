-- Write off every lot whose last day is before p_on, for the members p_low … p_high. The last day of
-- a lot is its own or the account's, whichever comes first: {members, lots, points}.
--
-- One entry per member and last day, effective at the first moment after that day, so that a
-- balance as of any day is right whenever the sweep ran.
CREATE OR REPLACE FUNCTION points_expire(
    p_low bigint, p_high bigint, p_on date, p_zone text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    locked bigint[];
    lapsed bigint[];
    lapsed_on date[];
    done bigint[];
BEGIN
    -- Accounts first and in order, as every operation does: no deadlock with the tills.
    SELECT
        array_agg(due.member_id), array_agg(due.member_id) FILTER (WHERE due.lapses_on < p_on),
        array_agg(due.lapses_on) FILTER (WHERE due.lapses_on < p_on)
    INTO locked, lapsed, lapsed_on FROM (
        SELECT a.member_id, a.lapses_on FROM points_account AS a
        WHERE a.member_id BETWEEN p_low AND p_high AND (
            a.lapses_on < p_on
            -- Each by its key: with EXISTS the server may go through all lots that are due.
            OR (SELECT min(l.expires_on) FROM points_lot AS l WHERE l.member_id = a.member_id) < p_on
        )
        ORDER BY a.member_id FOR NO KEY UPDATE
    ) AS due;

    -- A second statement on purpose: it sees the lots as they are now that the accounts are held.
    WITH gone AS (
        DELETE FROM points_lot AS l
        WHERE l.member_id = ANY (locked) AND (l.expires_on < p_on OR l.member_id = ANY (lapsed))
        RETURNING l.member_id, l.expires_on, l.seq, l.remaining
    ), dated AS (
        -- Joined with the accounts, the server would go through all there are.
        SELECT g.*, least(g.expires_on, a.lapses_on) AS last_day
        FROM gone AS g LEFT JOIN unnest(lapsed, lapsed_on) AS a (member_id, lapses_on)
            USING (member_id)
    ), lapse AS (
        SELECT
            g.member_id, g.last_day, sum(g.remaining)::bigint AS points, count(*) AS lots,
            array_agg(g.seq ORDER BY g.expires_on, g.seq) AS lot_seq,
            array_agg(-g.remaining ORDER BY g.expires_on, g.seq) AS lot_points,
            array_agg(g.expires_on ORDER BY g.expires_on, g.seq) AS lot_expires_on,
            row_number() OVER member AS nth,
            (sum(sum(g.remaining)) OVER member)::bigint AS running
        FROM dated AS g GROUP BY g.member_id, g.last_day
        WINDOW member AS (PARTITION BY g.member_id ORDER BY g.last_day)
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
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            lot_seq, lot_points, lot_expires_on
        )
        SELECT
            l.member_id, account.seq + l.nth, 'EXPIRE', -l.points, 0, 0, 0,
            account.before - l.running, (l.last_day + 1)::timestamp AT TIME ZONE p_zone,
            l.lot_seq, l.lot_points, l.lot_expires_on
        FROM lapse AS l JOIN account USING (member_id)
    )
    SELECT ARRAY[
        count(DISTINCT l.member_id), coalesce(sum(l.lots), 0)::bigint,
        coalesce(sum(l.points), 0)::bigint
    ] INTO done FROM lapse AS l;
    IF lapsed IS NOT NULL THEN
        -- The next point begins anew.
        UPDATE points_account AS a SET lapses_on = '9999-12-31' WHERE a.member_id = ANY (lapsed);
    END IF;
    RETURN done;
END $$;

-- Clear an account whose own last day is before a day; nothing else. The caller holds it.
CREATE OR REPLACE FUNCTION points_clear_lapsed(
    p_member bigint, p_on date, p_zone text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM points_account AS a WHERE a.member_id = p_member AND a.lapses_on < p_on
    ) THEN
        PERFORM points_expire(p_member, p_member, p_on, p_zone);
    END IF;
END $$;

-- Move the last day of some lots and of what waits of the same credits, and say so in the ledger:
-- {seq of the entry, balance}, or null when none of them is there any more.
CREATE OR REPLACE FUNCTION points_extend(
    p_member bigint, p_seqs integer[], p_from date[], p_to date[], p_at timestamptz,
    p_issuer bigint, p_reference text, p_version bigint, p_actor bigint, p_note text,
    p_lapses_on date DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    left_over bigint;
    waits boolean := false;
    account record;
    moved_seq integer[] := '{}';
    moved_points bigint[] := '{}';
    moved_expires_on date[] := '{}';
BEGIN
    PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    FOR i IN 1 .. cardinality(p_seqs) LOOP
        UPDATE points_pending AS w SET expires_on = p_to[i]
        WHERE w.member_id = p_member AND w.seq = p_seqs[i] AND w.expires_on = p_from[i];
        waits := waits OR FOUND;
        DELETE FROM points_lot AS l
        WHERE l.member_id = p_member AND l.seq = p_seqs[i] AND l.expires_on = p_from[i]
        RETURNING l.remaining INTO left_over;
        CONTINUE WHEN NOT FOUND;
        PERFORM points_put_back(
            p_member, ARRAY[p_seqs[i]], ARRAY[left_over], ARRAY[p_to[i]], p_to[i], 0
        );
        moved_seq := moved_seq || p_seqs[i] || p_seqs[i];
        moved_points := moved_points || -left_over || left_over;
        moved_expires_on := moved_expires_on || p_from[i] || p_to[i];
    END LOOP;
    IF moved_seq = '{}' AND NOT waits AND p_lapses_on IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE points_account AS a SET seq = a.seq + 1, lapses_on = coalesce(p_lapses_on, a.lapses_on)
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        lot_seq, lot_points, lot_expires_on, issuer_id, reference, version_id, actor_id, note
    ) VALUES (
        p_member, account.seq, 'EXTEND', 0, 0, 0, 0, account.balance, p_at,
        moved_seq, moved_points, moved_expires_on, p_issuer, p_reference, p_version, p_actor, p_note
    );
    RETURN ARRAY[account.seq, account.balance];
END $$;

-- End everything on an account whose membership has ended: what is spendable, what waits and what is
-- set aside. A debt stays. What waits has an entry for each earn, which it names, so that a later
-- return does not take it once more. {seq of the latest entry, balance}, or null: nothing was left.
CREATE OR REPLACE FUNCTION points_forfeit(
    p_member bigint, p_at timestamptz, p_zone text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    hold record;
    account record;
    lots record;
    next_seq integer;
BEGIN
    PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    PERFORM points_settle(p_member, p_at, p_zone);
    FOR hold IN SELECT h.seq FROM points_hold AS h WHERE h.member_id = p_member ORDER BY h.seq LOOP
        PERFORM points_end_hold(p_member, hold.seq, 0, p_at, p_zone, NULL, NULL, NULL, NULL, NULL);
    END LOOP;
    PERFORM points_expire(p_member, p_member, (p_at AT TIME ZONE p_zone)::date, p_zone);

    SELECT a.balance, a.pending, a.seq INTO account
    FROM points_account AS a WHERE a.member_id = p_member;
    IF NOT FOUND OR account.balance <= 0 AND account.pending = 0 THEN
        RETURN NULL;
    END IF;
    WITH gone AS (
        DELETE FROM points_lot AS l WHERE l.member_id = p_member
        RETURNING l.seq, l.remaining, l.expires_on
    )
    SELECT
        coalesce(array_agg(g.seq ORDER BY g.expires_on, g.seq), '{}') AS seqs,
        coalesce(array_agg(-g.remaining ORDER BY g.expires_on, g.seq), '{}') AS points,
        coalesce(array_agg(g.expires_on ORDER BY g.expires_on, g.seq), '{}') AS days
    INTO lots FROM gone AS g;
    next_seq := account.seq;
    IF account.balance > 0 THEN
        next_seq := next_seq + 1;
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            lot_seq, lot_points, lot_expires_on
        ) VALUES (
            p_member, next_seq, 'FORFEIT', -account.balance, 0, 0, 0, 0, p_at,
            lots.seqs, lots.points, lots.days
        );
    END IF;
    WITH gone AS (
        DELETE FROM points_pending AS w WHERE w.member_id = p_member RETURNING w.seq, w.points
    ), entry AS (
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            reverses, lot_seq, lot_points, lot_expires_on
        )
        SELECT
            p_member, next_seq + row_number() OVER (ORDER BY g.seq), 'FORFEIT', 0, -sum(g.points),
            0, 0, least(account.balance, 0), p_at, g.seq, '{}', '{}', '{}'
        FROM gone AS g GROUP BY g.seq
        RETURNING seq
    )
    SELECT next_seq + count(*) INTO next_seq FROM entry;
    UPDATE points_account AS a SET
        balance = least(a.balance, 0), pending = 0, seq = next_seq, lapses_on = '9999-12-31'
    WHERE a.member_id = p_member RETURNING a.balance INTO account;
    RETURN ARRAY[next_seq, account.balance];
END $$;
