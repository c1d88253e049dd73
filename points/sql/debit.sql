-- Debit points a member can spend: {seq of the entry, balance}, or null when there are too few.
-- A debit told of late must not spend what was earned since its day.
--
-- With p_hold_until the points are set aside until then instead of spent.
--
-- A function, not one statement with CTEs, because the lots must be read after the account's row
-- is locked: under READ COMMITTED a statement that waits for the lock still sees the lots as they
-- were before it waited, and points would be spent twice (tests/concurrency/test_redeem.py).
CREATE OR REPLACE FUNCTION points_debit(
    p_member bigint, p_points bigint, p_at timestamptz, p_zone text, p_kind text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_note text DEFAULT NULL, p_hold_until timestamptz DEFAULT NULL, p_lapses_on date DEFAULT NULL,
    p_actor bigint DEFAULT NULL, p_reason text DEFAULT NULL, p_counterpart bigint DEFAULT NULL,
    p_group bigint DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    until timestamptz := (today + 1)::timestamp AT TIME ZONE p_zone;
    aside bigint := CASE WHEN p_hold_until IS NULL THEN 0 ELSE p_points END;
    entry_seq integer;
    balance bigint;
    take record;
    lots bigint;
BEGIN
    UPDATE points_account AS a
    SET balance = a.balance - p_points, held = a.held + aside, seq = a.seq + 1
    WHERE a.member_id = p_member AND a.balance >= p_points
        -- Nothing that the hours may have settled since.
        AND a.pending = 0 AND a.held = 0 AND a.lapses_on >= today AND a.merged_into_id IS NULL
    RETURNING a.seq, a.balance INTO entry_seq, balance;
    IF NOT FOUND THEN
        IF NOT points_settle(p_member, p_at, p_zone) THEN
            RETURN NULL;
        END IF;
        UPDATE points_account AS a
        SET balance = a.balance - p_points, held = a.held + aside, seq = a.seq + 1
        WHERE a.member_id = p_member AND a.balance >= p_points AND a.merged_into_id IS NULL
        RETURNING a.seq, a.balance INTO entry_seq, balance;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;

    -- Told of as it happens, there is nothing later: the till is spared the look.
    IF until > now() THEN
        until := NULL;
    END IF;
    take := points_take(p_member, p_points, today, until, false);
    IF take.missing > 0 THEN
        -- The balance also counts lots past their last day that the night has not swept, and
        -- lots credited later.
        SELECT coalesce(sum(l.remaining), 0) INTO lots FROM points_lot AS l
        WHERE l.member_id = p_member;
        IF lots <> balance + p_points THEN
            RAISE EXCEPTION 'member %: the lots hold % points, the balance says %',
                p_member, lots, balance + p_points;
        END IF;
        UPDATE points_account AS a
        SET balance = a.balance + p_points, held = a.held - aside, seq = a.seq - 1
        WHERE a.member_id = p_member;
        RETURN NULL;
    END IF;

    IF p_lapses_on IS NOT NULL THEN
        p_lapses_on := points_late_last_day(p_member, p_lapses_on, p_zone);
        UPDATE points_account AS a
        SET lapses_on = greatest(nullif(a.lapses_on, '9999-12-31'), p_lapses_on)
        WHERE a.member_id = p_member;
    END IF;
    IF p_hold_until IS NOT NULL THEN
        INSERT INTO points_hold (member_id, seq, points, until)
        VALUES (p_member, entry_seq, p_points, p_hold_until);
    END IF;
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        lot_seq, lot_points, lot_expires_on, issuer_id, reference, store_id, client_id,
        version_id, actor_id, reason, note, counterpart_id, until, group_id
    ) VALUES (
        p_member, entry_seq, p_kind, -p_points, 0, aside, 0, balance, p_at,
        take.lot_seq, take.lot_points, take.lot_expires_on, p_issuer, p_reference, p_store, p_client,
        p_version, p_actor, p_reason, p_note, p_counterpart, p_hold_until, p_group
    );
    RETURN ARRAY[entry_seq, balance];
END $$;

-- Do to one account what the hours have made due, before somebody is told there is too little:
-- vest what is due, end holds that are over, clear what lapsed as a whole.
-- False: there is no account, or it was merged into another.
CREATE OR REPLACE FUNCTION points_settle(
    p_member bigint, p_at timestamptz, p_zone text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    account record;
    vests boolean;
    ends boolean;
BEGIN
    -- Without a lock, for most have nothing to settle and a refusal should write nothing.
    SELECT a.pending, a.held, a.lapses_on, a.merged_into_id INTO account
    FROM points_account AS a WHERE a.member_id = p_member;
    IF NOT FOUND OR account.merged_into_id IS NOT NULL THEN
        RETURN false;
    END IF;
    vests := account.pending > 0 AND EXISTS (
        SELECT FROM points_pending AS w WHERE w.member_id = p_member AND w.vests_on <= today
    );
    ends := account.held > 0 AND EXISTS (
        SELECT FROM points_hold AS h WHERE h.member_id = p_member AND h.until <= p_at
    );
    IF vests OR ends OR account.lapses_on < today THEN
        PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
        IF vests THEN
            PERFORM points_vest_due(p_member, p_member, today, p_zone);
        END IF;
        IF ends THEN
            PERFORM points_release_overdue(p_member, p_member, p_at, p_zone);
        END IF;
        IF account.lapses_on < today THEN
            PERFORM points_expire(p_member, p_member, today, p_zone);
        END IF;
    END IF;
    RETURN true;
END $$;
