-- Give back points of a redemption that was cancelled, or that expired, to their own lots.
--
-- p_points: null for all that has not been given back yet. A part goes back to the lots that were
-- taken last, as if the redemption had been for less from the start. None of them lapses before
-- p_floor; what had expired gets that day. A debt is paid first.
--
-- p_owner is whose entry it is; p_member who gets the points, which differ after a merge: then they
-- become lots of the new entry.
--
-- Answers {seq of the entry, balance, points}; {null, what could be given back} when p_points is more
-- than that or it is nothing; null when p_member's account was merged into another.
CREATE OR REPLACE FUNCTION points_reinstate(
    p_member bigint, p_owner bigint, p_entry integer, p_points bigint, p_floor date,
    p_at timestamptz, p_zone text, p_issuer bigint, p_reference text, p_store bigint,
    p_client bigint, p_version bigint, p_actor bigint DEFAULT NULL, p_note text DEFAULT NULL
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    original record;
    part record;
    account record;
    lots record;
    skip bigint;
    left_over bigint;
    wanted bigint;
    given bigint;
    back_seq integer[] := '{}';
    back_points bigint[] := '{}';
    back_expires_on date[] := '{}';
BEGIN
    SELECT a.merged_into_id INTO account FROM points_account AS a
    WHERE a.member_id = p_member FOR NO KEY UPDATE;
    IF account.merged_into_id IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- A debt leaves no open lots behind, so what has lapsed must be off the books first.
    PERFORM points_expire(p_member, p_member, (p_at AT TIME ZONE p_zone)::date, p_zone);

    SELECT
        e.kind, -(e.points + e.held) AS points, e.lot_seq, e.lot_points, e.lot_expires_on
    INTO STRICT original FROM points_entry AS e
    WHERE e.member_id = p_owner AND e.seq = p_entry
        AND e.kind IN ('REDEEM', 'EXPIRE', 'FORFEIT');
    SELECT coalesce(sum(e.points), 0) INTO skip
    FROM points_about(p_owner, p_entry, 'REINSTATE') AS e;
    left_over := original.points - skip;
    wanted := coalesce(p_points, left_over);
    IF wanted > left_over OR wanted <= 0 THEN
        RETURN ARRAY[NULL, left_over];
    END IF;

    UPDATE points_account AS a SET balance = a.balance + wanted, seq = a.seq + 1
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    -- From the lot taken last, passing over what was given back before.
    left_over := wanted;
    FOR part IN
        SELECT l.seq, -l.points AS points, l.expires_on FROM unnest(
            original.lot_seq, original.lot_points, original.lot_expires_on
        ) WITH ORDINALITY AS l (seq, points, expires_on, nth) ORDER BY l.nth DESC
    LOOP
        given := greatest(0, least(part.points - skip, left_over));
        skip := greatest(0, skip - part.points);
        CONTINUE WHEN given = 0;
        left_over := left_over - given;
        back_seq := CASE WHEN p_member = p_owner THEN part.seq ELSE account.seq END || back_seq;
        back_points := given || back_points;
        back_expires_on := CASE
            WHEN original.kind = 'REDEEM' THEN part.expires_on ELSE p_floor
        END || back_expires_on;
    END LOOP;
    lots := points_put_back(
        p_member, back_seq, back_points, back_expires_on, p_floor,
        least(wanted, greatest(0, wanted - account.balance))
    );
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        reverses, counterpart_id, counterpart_seq, lot_seq, lot_points, lot_expires_on, issuer_id,
        reference, store_id, client_id, version_id, actor_id, note
    ) VALUES (
        p_member, account.seq, 'REINSTATE', wanted, 0, 0, 0, account.balance, p_at,
        CASE WHEN p_member = p_owner THEN p_entry END,
        CASE WHEN p_member <> p_owner THEN p_owner END,
        CASE WHEN p_member <> p_owner THEN p_entry END,
        lots.lot_seq, lots.lot_points, lots.lot_expires_on, p_issuer, p_reference, p_store,
        p_client, p_version, p_actor, p_note
    );
    RETURN ARRAY[account.seq, account.balance, wanted];
END $$;

-- How much of what a credit brought has lapsed or was forfeited, wherever merges had taken it, less
-- what was given back of that: of each debit, what was taken last.
CREATE OR REPLACE FUNCTION points_gone_of(
    p_owner bigint, p_seq integer
) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH heir AS MATERIALIZED (
        SELECT h.member_id, h.seq FROM points_heirs(p_owner, p_seq) AS h
    ), lost AS (
        SELECT
            e.member_id, e.seq, e.lot_seq, e.lot_points, (
                SELECT coalesce(sum(b.points), 0)
                FROM points_about(e.member_id, e.seq, 'REINSTATE') AS b
            ) AS given_back
        FROM (SELECT h.member_id, array_agg(h.seq) AS seqs FROM heir AS h GROUP BY h.member_id) AS h
        JOIN points_entry AS e USING (member_id)
        WHERE e.kind IN ('EXPIRE', 'FORFEIT') AND e.lot_seq && h.seqs
    ), part AS (
        SELECT
            l.member_id, p.seq, -p.points AS points,
            l.given_back - p.points + sum(p.points) OVER (
                PARTITION BY l.member_id, l.seq ORDER BY p.nth DESC
            ) AS given_back
        FROM lost AS l, unnest(l.lot_seq, l.lot_points) WITH ORDINALITY AS p (seq, points, nth)
    ), waited AS (
        SELECT -e.pending AS points FROM heir AS h JOIN points_entry AS e
            ON e.member_id = h.member_id AND e.reverses = h.seq AND e.kind = 'FORFEIT'
    )
    SELECT (
        coalesce(sum(p.points - least(p.points, greatest(0, p.given_back))), 0)
        + (SELECT coalesce(sum(w.points), 0) FROM waited AS w)
    )::bigint
    FROM part AS p JOIN heir AS h ON h.member_id = p.member_id AND h.seq = p.seq
$$;
