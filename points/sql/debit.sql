-- Take points out of lots in the order of spending: earliest expiry first, then oldest.
-- Lots past their last day are passed over whether or not the night has swept them; so are lots
-- credited at p_until or later, unless that is null. The caller holds the account's row.
CREATE OR REPLACE FUNCTION points_take(
    p_member bigint, p_points bigint, p_on date, p_until timestamptz,
    OUT lot_seq integer[], OUT lot_points bigint[], OUT missing bigint
) LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    taken bigint;
BEGIN
    lot_seq := '{}';
    lot_points := '{}';
    missing := p_points;
    FOR lot IN
        SELECT l.expires_on, l.seq, l.remaining FROM points_lot AS l
        WHERE l.member_id = p_member AND l.expires_on >= p_on
            AND (p_until IS NULL OR points_credited_before(p_member, l.seq, p_until))
        ORDER BY l.expires_on, l.seq
    LOOP
        EXIT WHEN missing = 0;
        taken := least(lot.remaining, missing);
        IF taken = lot.remaining THEN
            -- An empty lot's row goes: the working set stays small, and no index on a column
            -- that changes is needed to pass over it.
            DELETE FROM points_lot AS l
            WHERE l.member_id = p_member AND l.expires_on = lot.expires_on AND l.seq = lot.seq;
        ELSE
            UPDATE points_lot AS l SET remaining = l.remaining - taken
            WHERE l.member_id = p_member AND l.expires_on = lot.expires_on AND l.seq = lot.seq;
        END IF;
        lot_seq := lot_seq || lot.seq;
        lot_points := lot_points || taken;
        missing := missing - taken;
    END LOOP;
END $$;

-- Whether an entry took effect before a moment.
CREATE OR REPLACE FUNCTION points_credited_before(
    p_member bigint, p_seq integer, p_until timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT e.effective_at < p_until FROM points_entry AS e
    WHERE e.member_id = p_member AND e.seq = p_seq
$$;

-- Debit points a member can spend on p_on. No row comes back when there are too few.
-- p_until is the end of that day: a debit told of late must not spend what was earned since.
--
-- A function, not one statement with CTEs, because the lots must be read after the account's row
-- is locked: under READ COMMITTED a statement that waits for the lock still sees the lots as they
-- were before it waited, and points would be spent twice (tests/concurrency/test_redeem.py).
CREATE OR REPLACE FUNCTION points_debit(
    p_member bigint, p_points bigint, p_on date, p_at timestamptz,
    p_kind text, p_issuer bigint, p_reference text,
    p_store bigint, p_client bigint, p_version bigint, p_activity bigint,
    p_actor bigint, p_reason text, p_note text, p_until timestamptz DEFAULT NULL
) RETURNS TABLE (entry_seq integer, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    account record;
    spendable bigint;
    take record;
BEGIN
    UPDATE points_account AS a SET balance = a.balance - p_points, seq = a.seq + 1
    WHERE a.member_id = p_member AND a.balance >= p_points
    RETURNING a.seq, a.balance INTO account;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- Told of as it happens, there is nothing later: the till is spared the look.
    IF p_until > now() THEN
        p_until := NULL;
    END IF;
    -- The balance still counts lots whose last day has passed but which the night has not swept.
    IF p_until IS NOT NULL OR EXISTS (
        SELECT FROM points_lot AS l WHERE l.member_id = p_member AND l.expires_on < p_on
    ) THEN
        SELECT coalesce(sum(l.remaining), 0) INTO spendable FROM points_lot AS l
        WHERE l.member_id = p_member AND l.expires_on >= p_on
            AND (p_until IS NULL OR points_credited_before(p_member, l.seq, p_until));
        IF spendable < p_points THEN
            UPDATE points_account AS a SET balance = a.balance + p_points, seq = a.seq - 1
            WHERE a.member_id = p_member;
            RETURN;
        END IF;
    END IF;

    SELECT * INTO take FROM points_take(p_member, p_points, p_on, p_until);
    IF take.missing > 0 THEN
        RAISE EXCEPTION 'member %: the lots hold % points less than the balance',
            p_member, take.missing;
    END IF;

    INSERT INTO points_entry (
        member_id, seq, kind, points, balance_after, effective_at, lot_seq, lot_points,
        issuer_id, reference, store_id, client_id, version_id, activity_id, actor_id, reason, note
    ) VALUES (
        p_member, account.seq, p_kind, -p_points, account.balance, p_at, take.lot_seq,
        take.lot_points, p_issuer, p_reference, p_store, p_client, p_version, p_activity,
        p_actor, p_reason, p_note
    );
    RETURN QUERY SELECT account.seq, account.balance;
END $$;
