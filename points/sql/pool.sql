-- Spend or hold points of a member and, where these are too few, of those who share theirs with the
-- member (docs/decisions/0019). What is missing is fetched from whatever lapses soonest among them,
-- lot by lot with last day, payers and type; then it is an ordinary debit of the whole.
--
-- p_spenders: which roles of which kind of group may spend, as FAMILY:OWNER. p_since: where the month
-- began that each one's limit is for. The rest is points_debit's, and so is the answer; for who shares
-- with nobody, or may not spend, it is the same.
CREATE OR REPLACE FUNCTION points_spend_pooled(
    p_member bigint, p_points bigint, p_at timestamptz, p_zone text, p_kind text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_spenders text[], p_since timestamptz,
    p_note text DEFAULT NULL, p_hold_until timestamptz DEFAULT NULL, p_lapses_on date DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    until timestamptz := (today + 1)::timestamp AT TIME ZONE p_zone;
    pool bigint;
    fetched bigint;
    givers bigint[];
    each bigint;
    missing bigint;
    part record;
    sent bigint[];
BEGIN
    -- Whoever leaves, or stops sharing, holds this row: before that it is spent, after it is not.
    PERFORM FROM members_group AS g JOIN members_groupmember AS m ON m.group_id = g.id
    WHERE m.member_id = p_member AND m.shares FOR SHARE OF g;
    -- In a statement of its own, which sees what that one waited for.
    SELECT m.group_id INTO pool FROM members_groupmember AS m
    WHERE m.member_id = p_member AND m.shares AND m.kind || ':' || m.role = ANY (p_spenders);
    IF NOT FOUND THEN
        RETURN points_debit(
            p_member, p_points, p_at, p_zone, p_kind, p_issuer, p_reference, p_store, p_client,
            p_version, p_note, p_hold_until, p_lapses_on
        );
    END IF;
    SELECT coalesce(array_agg(m.member_id ORDER BY m.member_id), '{}') INTO givers
    FROM members_groupmember AS m JOIN members_member AS who ON who.id = m.member_id
    WHERE m.group_id = pool AND m.shares AND m.member_id <> p_member AND who.status = 'ACTIVE';

    INSERT INTO points_account (member_id) VALUES (p_member) ON CONFLICT DO NOTHING;
    -- In the order of members, as everywhere.
    PERFORM FROM points_account AS a
    WHERE a.member_id = p_member OR a.member_id = ANY (givers)
    ORDER BY a.member_id FOR NO KEY UPDATE;
    FOREACH each IN ARRAY p_member || givers LOOP
        PERFORM points_settle(each, p_at, p_zone);
    END LOOP;
    -- A debt is the member's own: nobody pays it by sharing.
    PERFORM FROM points_account AS a
    WHERE a.member_id = p_member AND a.balance >= 0 AND a.merged_into_id IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    IF until > now() THEN
        until := NULL;
    END IF;
    SELECT p_points - coalesce(sum(l.remaining), 0) INTO missing FROM points_lot AS l
    WHERE l.member_id = p_member AND l.expires_on >= today
        AND (until IS NULL OR points_credited_before(l.member_id, l.seq, until));
    IF missing > 0 THEN
        FOR part IN
            SELECT p.member_id, p.points, sum(p.points) OVER () AS total
            FROM points_pool_plan(pool, givers, missing, today, until, p_since) AS p
            ORDER BY p.member_id
        LOOP
            EXIT WHEN part.total < missing;
            fetched := pool;
            sent := points_debit(
                part.member_id, part.points, p_at, p_zone, 'POOL_OUT', p_issuer, NULL, p_store,
                p_client, NULL, p_note, NULL, NULL, NULL, NULL, p_member, pool
            );
            IF sent IS NULL THEN
                RAISE EXCEPTION 'member %: % points were there and are not',
                    part.member_id, part.points;
            END IF;
            PERFORM points_receive(
                p_member, part.member_id, 'POOL_IN', l.seq, -l.points, 0, l.expires_on, p_at,
                p_zone, sent[1]::integer, p_issuer, p_store, p_client, NULL, NULL
            )
            FROM points_entry AS e,
                unnest(e.lot_seq, e.lot_points, e.lot_expires_on)
                    WITH ORDINALITY AS l (seq, points, expires_on, nth)
            WHERE e.member_id = part.member_id AND e.seq = sent[1] ORDER BY l.nth;
        END LOOP;
        IF fetched IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN points_debit(
        p_member, p_points, p_at, p_zone, p_kind, p_issuer, p_reference, p_store, p_client,
        p_version, p_note, p_hold_until, p_lapses_on, NULL, NULL, NULL, fetched
    );
END $$;

-- How many points others may still spend of a member's in a month.
CREATE OR REPLACE FUNCTION points_pool_allowance(
    p_group bigint, p_member bigint, p_since timestamptz
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN m.monthly_points IS NULL THEN 9223372036854775807 ELSE greatest(0,
        m.monthly_points + (
            SELECT coalesce(sum(e.points), 0) FROM points_entry AS e
            WHERE e.member_id = p_member AND e.effective_at >= p_since
                AND (e.kind = 'POOL_OUT' OR e.kind = 'POOL_BACK' AND e.points > 0)
        )
    )::bigint END
    FROM members_groupmember AS m
    WHERE m.group_id = p_group AND m.member_id = p_member AND m.shares
$$;

-- Of whom to take how many, so that what lapses soonest goes first: at most p_points, and of each no
-- more than the month's limit leaves. The accounts are held.
CREATE OR REPLACE FUNCTION points_pool_plan(
    p_group bigint, p_givers bigint[], p_points bigint, p_on date, p_until timestamptz,
    p_since timestamptz, OUT member_id bigint, OUT points bigint
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    WITH giver AS MATERIALIZED (
        SELECT g.id, points_pool_allowance(p_group, g.id, p_since) AS allowed
        FROM unnest(p_givers) AS g (id)
    ), lot AS (
        -- Before each lot, what the same giver has that lapses sooner: the limit cuts the rest off.
        SELECT
            l.member_id, least(l.expires_on, a.lapses_on) AS last_day, l.seq, l.remaining, g.allowed,
            sum(l.remaining) OVER (
                PARTITION BY l.member_id ORDER BY l.expires_on, l.seq
            ) - l.remaining AS sooner
        FROM giver AS g JOIN points_account AS a ON a.member_id = g.id
        JOIN points_lot AS l ON l.member_id = g.id
        WHERE l.expires_on >= p_on AND a.merged_into_id IS NULL
            AND (p_until IS NULL OR points_credited_before(l.member_id, l.seq, p_until))
    ), part AS (
        SELECT
            l.member_id, l.last_day, l.seq,
            greatest(0, least(l.remaining, l.allowed - l.sooner)) AS points
        FROM lot AS l
    ), run AS (
        SELECT
            p.member_id, p.points,
            sum(p.points) OVER (ORDER BY p.last_day, p.member_id, p.seq) - p.points AS before
        FROM part AS p WHERE p.points > 0
    )
    SELECT r.member_id, sum(least(r.points, p_points - r.before))::bigint
    FROM run AS r WHERE r.before < p_points GROUP BY r.member_id
$$;

-- Hold the accounts of a member and of those whose points an entry of the member had fetched.
CREATE OR REPLACE FUNCTION points_hold_pool(
    p_member bigint, p_entry integer
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    givers bigint[];
BEGIN
    SELECT coalesce(array_agg(DISTINCT c.counterpart_id), '{}') INTO givers
    FROM points_entry AS e JOIN points_entry AS c
        ON c.member_id = e.member_id AND c.seq = ANY (e.lot_seq)
    WHERE e.member_id = p_member AND e.seq = p_entry AND c.kind = 'POOL_IN';
    IF givers <> '{}' THEN
        PERFORM FROM points_account AS a
        WHERE a.member_id = p_member OR a.member_id = ANY (givers)
        ORDER BY a.member_id FOR NO KEY UPDATE;
    END IF;
    RETURN givers;
END $$;

-- What was fetched and is open again was given back: it returns to the lots it came from. None of it
-- lapses sooner than it would here. Where an owner's account was merged into another, it goes there.
--
-- For the members p_low … p_high: {members, points}.
CREATE OR REPLACE FUNCTION points_send_home(
    p_low bigint, p_high bigint, p_at timestamptz, p_zone text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    spender bigint;
    giver bigint;
    owed record;
    home bigint;
    account record;
    put record;
    members bigint := 0;
    points bigint := 0;
    out_seq integer;
BEGIN
    -- All at once and in the order of members.
    PERFORM FROM points_account AS a WHERE a.member_id IN (
        SELECT unnest(ARRAY[f.member_id, points_holder(f.giver_id)])
        FROM points_fetched_and_open(p_low, p_high) AS f
    ) ORDER BY a.member_id FOR NO KEY UPDATE;
    FOR spender IN
        SELECT DISTINCT f.member_id FROM points_fetched_and_open(p_low, p_high) AS f ORDER BY 1
    LOOP
        members := members + 1;
        FOR giver IN
            SELECT DISTINCT f.giver_id FROM points_fetched_and_open(spender, spender) AS f ORDER BY 1
        LOOP
            home := points_holder(giver);
            SELECT
                array_agg(f.seq ORDER BY f.expires_on, f.seq) AS seqs,
                array_agg(-f.remaining ORDER BY f.expires_on, f.seq) AS taken,
                array_agg(f.expires_on ORDER BY f.expires_on, f.seq) AS days,
                -- Elsewhere than where it came from it is a lot of the new entry's.
                array_agg(f.home_seq ORDER BY f.expires_on, f.seq) AS homes,
                array_agg(f.remaining ORDER BY f.expires_on, f.seq) AS given,
                sum(f.remaining)::bigint AS total, max(f.out_seq) AS out_seq
            INTO owed FROM points_fetched_and_open(spender, spender) AS f
            WHERE f.giver_id = giver;
            DELETE FROM points_lot AS l WHERE l.member_id = spender AND l.seq = ANY (owed.seqs);
            UPDATE points_account AS a SET balance = a.balance - owed.total, seq = a.seq + 1
            WHERE a.member_id = spender RETURNING a.seq, a.balance INTO account;
            out_seq := account.seq;
            INSERT INTO points_entry (
                member_id, seq, kind, points, pending, held, qualifying, balance_after,
                effective_at, counterpart_id, lot_seq, lot_points, lot_expires_on
            ) VALUES (
                spender, out_seq, 'POOL_BACK', -owed.total, 0, 0, 0, account.balance,
                p_at, home, owed.seqs, owed.taken, owed.days
            );

            -- A debt leaves no open lots behind, so what has lapsed must be off the books first.
            PERFORM points_expire(home, home, (p_at AT TIME ZONE p_zone)::date, p_zone);
            UPDATE points_account AS a SET balance = a.balance + owed.total, seq = a.seq + 1
            WHERE a.member_id = home RETURNING a.seq, a.balance INTO account;
            IF home <> giver THEN
                owed.homes := array_fill(account.seq, ARRAY[cardinality(owed.homes)]);
            END IF;
            put := points_put_back(
                home, owed.homes, owed.given, owed.days, (p_at AT TIME ZONE p_zone)::date,
                least(owed.total, greatest(0, owed.total - account.balance))
            );
            INSERT INTO points_entry (
                member_id, seq, kind, points, pending, held, qualifying, balance_after,
                effective_at, counterpart_id, counterpart_seq, reverses,
                lot_seq, lot_points, lot_expires_on
            ) VALUES (
                home, account.seq, 'POOL_BACK', owed.total, 0, 0, 0, account.balance,
                p_at, spender, out_seq, CASE WHEN home = giver THEN owed.out_seq END,
                put.lot_seq, put.lot_points, put.lot_expires_on
            );
            points := points + owed.total;
            -- A membership that has ended takes along what comes back to it.
            IF EXISTS (SELECT FROM members_member AS m WHERE m.id = home AND m.status = 'CLOSED') THEN
                PERFORM points_forfeit(home, p_at, p_zone);
            END IF;
        END LOOP;
    END LOOP;
    RETURN ARRAY[members, points];
END $$;

-- The open lots that were fetched, with whose points they are and which lot of theirs they came from.
CREATE OR REPLACE FUNCTION points_fetched_and_open(
    p_low bigint, p_high bigint,
    OUT member_id bigint, OUT seq integer, OUT expires_on date, OUT remaining bigint,
    OUT giver_id bigint, OUT out_seq integer, OUT home_seq integer
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT
        l.member_id, l.seq, l.expires_on, l.remaining, c.counterpart_id, c.counterpart_seq,
        -- The lots stand in the giver's entry in the order in which they came.
        o.lot_seq[1 + (
            SELECT count(*) FROM points_entry AS s
            WHERE s.member_id = c.member_id AND s.seq < c.seq AND s.kind = 'POOL_IN'
                AND s.counterpart_id = c.counterpart_id AND s.counterpart_seq = c.counterpart_seq
        )]
    FROM points_lot AS l
    JOIN points_entry AS c ON c.member_id = l.member_id AND c.seq = l.seq
    JOIN points_entry AS o ON o.member_id = c.counterpart_id AND o.seq = c.counterpart_seq
    WHERE l.member_id BETWEEN p_low AND p_high AND c.kind = 'POOL_IN'
$$;

-- Who has a member's points now: the member, or where merges have taken them.
CREATE OR REPLACE FUNCTION points_holder(p_member bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH RECURSIVE way (member_id, into_id) AS (
        SELECT a.member_id, a.merged_into_id FROM points_account AS a WHERE a.member_id = p_member
        UNION
        SELECT a.member_id, a.merged_into_id
        FROM way AS w JOIN points_account AS a ON a.member_id = w.into_id
    )
    SELECT w.member_id FROM way AS w WHERE w.into_id IS NULL
$$;
