-- Credit points: lock and raise the account, make a lot of what is above a debt, write the entry.
--
-- A debt is paid by itself: below zero there are no open lots, so the new lot holds only what
-- lifts the balance above zero. One call, one round trip, one row lock.
--
-- p_pending: points that wait, by line: [{"line": "1", "points": 5, "vests_on": null}, …]; those
-- without a day vest when somebody says so.
-- p_lapses_on: the last day of everything on the account, where validity is a cycle (it begins with
-- the first point and stands) or ends by inactivity (p_rolls: each activity moves it on).
--
-- Answers {seq of the entry, balance}: an array, because columns out of a function in FROM cost
-- the server a tenth more of its time (docs/performance.md). Null: the account was merged away.
CREATE OR REPLACE FUNCTION points_credit(
    p_member bigint, p_points bigint, p_expires_on date, p_at timestamptz, p_zone text,
    p_kind text, p_type text, p_issuer bigint, p_reference text, p_store bigint, p_client bigint,
    p_version bigint, p_funding bigint, p_qualifying bigint DEFAULT 0,
    p_activity bigint DEFAULT NULL, p_pending jsonb DEFAULT NULL, p_lapses_on date DEFAULT NULL,
    p_rolls boolean DEFAULT false, p_actor bigint DEFAULT NULL, p_reason text DEFAULT NULL,
    p_note text DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    entry_seq integer;
    balance bigint;
    waiting bigint := 0;
BEGIN
    IF p_pending IS NOT NULL THEN
        SELECT sum(w.points) INTO waiting FROM jsonb_to_recordset(p_pending) AS w (points bigint);
    END IF;
    IF p_lapses_on IS NOT NULL THEN
        p_lapses_on := points_late_last_day(p_member, p_lapses_on, p_zone);
    END IF;
    LOOP
        UPDATE points_account AS a SET
            balance = a.balance + p_points, pending = a.pending + waiting,
            qualifying = a.qualifying + p_qualifying, seq = a.seq + 1,
            lapses_on = CASE
                WHEN p_lapses_on IS NULL OR NOT p_rolls AND a.lapses_on < '9999-12-31'
                    THEN a.lapses_on
                ELSE greatest(nullif(a.lapses_on, '9999-12-31'), p_lapses_on)
            END
        WHERE a.member_id = p_member AND a.merged_into_id IS NULL
            AND (a.lapses_on = '9999-12-31' OR a.lapses_on >= (p_at AT TIME ZONE p_zone)::date)
        RETURNING a.seq, a.balance INTO entry_seq, balance;
        EXIT WHEN FOUND;
        IF NOT points_open_account(p_member, p_at, p_zone) THEN
            RETURN NULL;
        END IF;
    END LOOP;

    IF balance > 0 AND p_points > 0 THEN
        INSERT INTO points_lot (member_id, expires_on, seq, remaining)
        VALUES (p_member, p_expires_on, entry_seq, least(p_points, balance));
    END IF;
    IF waiting > 0 THEN
        INSERT INTO points_pending (member_id, seq, line, points, expires_on, vests_on)
        SELECT p_member, entry_seq, w.line, w.points, p_expires_on, w.vests_on
        FROM jsonb_to_recordset(p_pending) AS w (line text, points bigint, vests_on date);
    END IF;

    INSERT INTO points_entry (
        member_id, seq, kind, type, points, pending, held, qualifying, balance_after,
        effective_at, expires_on, issuer_id, reference, store_id, client_id, version_id,
        funding_id, activity_id, actor_id, reason, note
    ) VALUES (
        p_member, entry_seq, p_kind, p_type, p_points, waiting, 0, p_qualifying, balance,
        p_at, p_expires_on, p_issuer, p_reference, p_store, p_client, p_version,
        p_funding, p_activity, p_actor, p_reason, p_note
    );
    RETURN ARRAY[entry_seq, balance];
END $$;

-- The last day of the whole account as something told of late may set it: not before the latest of
-- the points came, or they would lapse before they were there.
CREATE OR REPLACE FUNCTION points_late_last_day(
    p_member bigint, p_lapses_on date, p_zone text
) RETURNS date LANGUAGE plpgsql AS $$
BEGIN
    IF p_lapses_on >= (now() AT TIME ZONE p_zone)::date THEN
        RETURN p_lapses_on;
    END IF;
    PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    RETURN greatest(p_lapses_on, (
        SELECT (max(e.effective_at) AT TIME ZONE p_zone)::date FROM points_entry AS e
        WHERE e.member_id = p_member AND e.points > 0
    ));
END $$;

-- Make an account ready for a credit: open it, or clear what lapsed as a whole before that day.
-- False: it was merged into another.
CREATE OR REPLACE FUNCTION points_open_account(
    p_member bigint, p_at timestamptz, p_zone text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    account record;
BEGIN
    SELECT a.merged_into_id INTO account FROM points_account AS a
    WHERE a.member_id = p_member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- The member's first points. Two at once: the second waits, then finds the row.
        INSERT INTO points_account (member_id) VALUES (p_member) ON CONFLICT DO NOTHING;
        RETURN true;
    END IF;
    IF account.merged_into_id IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM points_expire(p_member, p_member, (p_at AT TIME ZONE p_zone)::date, p_zone);
    RETURN true;
END $$;
