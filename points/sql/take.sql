-- Take points out of lots in the order of spending: earliest expiry first, then oldest.
-- Lots past their last day are passed over whether or not the night has swept them; so are lots
-- credited at p_until or later, unless that is null. The caller holds the account's row.
--
-- When the lots hold too little, p_partly says whether to take that or nothing at all.
-- lot_points are negative: what became of each lot.
CREATE OR REPLACE FUNCTION points_take(
    p_member bigint, p_points bigint, p_on date, p_until timestamptz, p_partly boolean,
    OUT lot_seq integer[], OUT lot_points bigint[], OUT lot_expires_on date[], OUT missing bigint
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
    lot_expires_on := '{}';
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
        lot_points := lot_points || -taken;
        lot_expires_on := lot_expires_on || lot.expires_on;
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
            AND array_position(emptied, l.seq) IS NOT NULL
            -- A credit may have two lots, one of them given back with a later last day.
            AND NOT (
                taken < final.remaining AND l.expires_on = final.expires_on AND l.seq = final.seq
            );
    END IF;
END $$;

-- Whether a lot was there to be spent before a moment: all of it, also what was given back to it.
CREATE OR REPLACE FUNCTION points_credited_before(
    p_member bigint, p_seq integer, p_until timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT e.effective_at < p_until AND NOT EXISTS (
        SELECT FROM points_entry AS g, unnest(g.lot_seq, g.lot_points) AS l (seq, points)
        WHERE g.member_id = p_member AND g.seq > p_seq AND g.effective_at >= p_until
            AND g.kind <> 'EXTEND' AND l.seq = p_seq AND l.points > 0
    )
    FROM points_entry AS e WHERE e.member_id = p_member AND e.seq = p_seq
$$;

-- Take up to p_points out of some credits' own lots, soonest to lapse first.
CREATE OR REPLACE FUNCTION points_take_own(
    p_member bigint, p_seqs integer[], p_points bigint,
    OUT lot_seq integer[], OUT lot_points bigint[], OUT lot_expires_on date[], OUT missing bigint
) LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    taken bigint;
BEGIN
    lot_seq := '{}';
    lot_points := '{}';
    lot_expires_on := '{}';
    missing := p_points;
    FOR lot IN
        SELECT l.expires_on, l.seq, l.remaining FROM points_lot AS l
        WHERE l.member_id = p_member AND l.seq = ANY (p_seqs) ORDER BY l.expires_on, l.seq
    LOOP
        EXIT WHEN missing = 0;
        taken := least(lot.remaining, missing);
        IF taken = lot.remaining THEN
            DELETE FROM points_lot AS l
            WHERE l.member_id = p_member AND l.expires_on = lot.expires_on AND l.seq = lot.seq;
        ELSE
            UPDATE points_lot AS l SET remaining = l.remaining - taken
            WHERE l.member_id = p_member AND l.expires_on = lot.expires_on AND l.seq = lot.seq;
        END IF;
        lot_seq := lot_seq || lot.seq;
        lot_points := lot_points || -taken;
        lot_expires_on := lot_expires_on || lot.expires_on;
        missing := missing - taken;
    END LOOP;
END $$;

-- Give points back to the lots they came from, the first p_debt of them to nobody: a debt ate them.
-- None lapses before p_floor. The caller holds the account's row.
CREATE OR REPLACE FUNCTION points_put_back(
    p_member bigint, p_seqs integer[], p_points bigint[], p_expires_on date[], p_floor date,
    p_debt bigint,
    OUT lot_seq integer[], OUT lot_points bigint[], OUT lot_expires_on date[]
) LANGUAGE plpgsql AS $$
DECLARE
    eaten bigint;
    given bigint;
    last_day date;
BEGIN
    lot_seq := '{}';
    lot_points := '{}';
    lot_expires_on := '{}';
    FOR i IN 1 .. cardinality(p_seqs) LOOP
        eaten := least(p_debt, p_points[i]);
        p_debt := p_debt - eaten;
        given := p_points[i] - eaten;
        CONTINUE WHEN given = 0;
        last_day := greatest(p_expires_on[i], p_floor);
        INSERT INTO points_lot AS l (member_id, expires_on, seq, remaining)
        VALUES (p_member, last_day, p_seqs[i], given)
        ON CONFLICT (member_id, expires_on, seq)
        DO UPDATE SET remaining = l.remaining + excluded.remaining;
        lot_seq := lot_seq || p_seqs[i];
        lot_points := lot_points || given;
        lot_expires_on := lot_expires_on || last_day;
    END LOOP;
END $$;
