-- Take points out of lots in the order of spending: earliest expiry first, then oldest.
-- Lots past their last day are passed over whether or not the night has swept them; so are lots
-- credited at p_until or later, unless that is null. The caller holds the account's row.
--
-- When the lots hold too little, p_partly says whether to take that or nothing at all.
CREATE OR REPLACE FUNCTION points_take(
    p_member bigint, p_points bigint, p_on date, p_until timestamptz, p_partly boolean,
    OUT lot_seq integer[], OUT lot_points bigint[], OUT missing bigint
) LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    -- The lot that was enough, or the last there was: a loop that ends by itself need not keep it.
    final record;
    taken bigint := 0;
    emptied integer[];
BEGIN
    lot_seq := '{}';
    lot_points := '{}';
    missing := p_points;
    IF p_points = 0 THEN
        RETURN;
    END IF;

    -- A loop, because it stops at the lot that is enough.
    FOR lot IN
        SELECT l.expires_on, l.seq, l.remaining FROM points_lot AS l
        WHERE l.member_id = p_member AND l.expires_on >= p_on
            AND (p_until IS NULL OR points_credited_before(p_member, l.seq, p_until))
        ORDER BY l.expires_on, l.seq
    LOOP
        final := lot;
        taken := least(lot.remaining, missing);
        lot_seq := lot_seq || lot.seq;
        lot_points := lot_points || taken;
        missing := missing - taken;
        EXIT WHEN missing = 0;
    END LOOP;
    IF lot_seq = '{}' OR missing > 0 AND NOT p_partly THEN
        RETURN;
    END IF;

    emptied := lot_seq;
    IF taken < final.remaining THEN
        UPDATE points_lot AS l SET remaining = l.remaining - taken
        WHERE l.member_id = p_member AND l.expires_on = final.expires_on AND l.seq = final.seq;
        emptied := trim_array(lot_seq, 1);
    END IF;
    -- An empty lot's row goes: the working set stays small, and no index on a column that changes
    -- is needed to pass over it.
    IF emptied <> '{}' THEN
        -- A range with a test on its rows. By `= ANY` the server would plan anew at each call, hoping
        -- for a shorter array than the last; that took a third of the whole redemption.
        DELETE FROM points_lot AS l
        WHERE l.member_id = p_member AND l.expires_on >= p_on
            AND (l.expires_on, l.seq) <= (final.expires_on, final.seq)
            AND array_position(emptied, l.seq) IS NOT NULL;
    END IF;
END $$;

-- Whether an entry took effect before a moment.
CREATE OR REPLACE FUNCTION points_credited_before(
    p_member bigint, p_seq integer, p_until timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT e.effective_at < p_until FROM points_entry AS e
    WHERE e.member_id = p_member AND e.seq = p_seq
$$;

-- Debit points a member can spend on p_on: {seq of the entry, balance}, or null when there are too
-- few.
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
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    entry_seq integer;
    balance bigint;
    take record;
    lots bigint;
BEGIN
    UPDATE points_account AS a SET balance = a.balance - p_points, seq = a.seq + 1
    WHERE a.member_id = p_member AND a.balance >= p_points
    RETURNING a.seq, a.balance INTO entry_seq, balance;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    -- Told of as it happens, there is nothing later: the till is spared the look.
    IF p_until > now() THEN
        p_until := NULL;
    END IF;
    take := points_take(p_member, p_points, p_on, p_until, false);
    IF take.missing > 0 THEN
        -- The balance also counts lots past their last day that the night has not swept, and
        -- lots credited later.
        SELECT coalesce(sum(l.remaining), 0) INTO lots FROM points_lot AS l
        WHERE l.member_id = p_member;
        IF lots <> balance + p_points THEN
            RAISE EXCEPTION 'member %: the lots hold % points, the balance says %',
                p_member, lots, balance + p_points;
        END IF;
        UPDATE points_account AS a SET balance = a.balance + p_points, seq = a.seq - 1
        WHERE a.member_id = p_member;
        RETURN NULL;
    END IF;

    INSERT INTO points_entry (
        member_id, seq, kind, points, balance_after, effective_at, lot_seq, lot_points,
        issuer_id, reference, store_id, client_id, version_id, activity_id, actor_id, reason, note
    ) VALUES (
        p_member, entry_seq, p_kind, -p_points, balance, p_at, take.lot_seq,
        take.lot_points, p_issuer, p_reference, p_store, p_client, p_version, p_activity,
        p_actor, p_reason, p_note
    );
    RETURN ARRAY[entry_seq, balance];
END $$;
