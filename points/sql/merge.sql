-- Merge one member's account into another's: both ledgers stay, joined by transfers. Lots and what
-- waits keep their last days, payers and types; a debt and the qualifying points go along. From then
-- on nothing can be posted to the merged account.
--
-- Answers {seq of the entry that left}, or {null, why not}: -1 or -2 the one or the other account was
-- merged before, -3 points of it are held.
CREATE OR REPLACE FUNCTION points_merge_accounts(
    p_from bigint, p_into bigint, p_at timestamptz, p_zone text, p_issuer bigint,
    p_reference text, p_actor bigint, p_note text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    giver record;
    receiver record;
    lots record;
    lot record;
    take record;
    debt bigint;
    first_seq integer;
    out_seq integer;
    in_seq integer;
BEGIN
    INSERT INTO points_account (member_id)
    SELECT m.id FROM unnest(ARRAY[p_from, p_into]) AS m (id) ORDER BY m.id ON CONFLICT DO NOTHING;
    PERFORM FROM points_account AS a
    WHERE a.member_id IN (p_from, p_into) ORDER BY a.member_id FOR NO KEY UPDATE;
    SELECT * INTO giver FROM points_account AS a WHERE a.member_id = p_from;
    SELECT * INTO receiver FROM points_account AS a WHERE a.member_id = p_into;
    IF giver.merged_into_id IS NOT NULL THEN
        RETURN ARRAY[NULL, -1];
    ELSIF receiver.merged_into_id IS NOT NULL THEN
        RETURN ARRAY[NULL, -2];
    END IF;
    PERFORM points_settle(p_from, p_at, p_zone);
    PERFORM points_settle(p_into, p_at, p_zone);
    PERFORM points_expire(p_from, p_from, today, p_zone);
    PERFORM points_expire(p_into, p_into, today, p_zone);
    SELECT * INTO giver FROM points_account AS a WHERE a.member_id = p_from;
    SELECT a.seq + 1 INTO first_seq FROM points_account AS a WHERE a.member_id = p_into;
    IF giver.held > 0 THEN
        RETURN ARRAY[NULL, -3];
    END IF;

    WITH gone AS (
        DELETE FROM points_lot AS l WHERE l.member_id = p_from
        RETURNING l.seq, l.remaining, l.expires_on
    )
    SELECT
        coalesce(array_agg(g.seq ORDER BY g.expires_on, g.seq), '{}') AS seqs,
        coalesce(array_agg(-g.remaining ORDER BY g.expires_on, g.seq), '{}') AS points,
        coalesce(array_agg(g.expires_on ORDER BY g.expires_on, g.seq), '{}') AS days
    INTO lots FROM gone AS g;
    UPDATE points_account AS a SET
        balance = 0, pending = 0, qualifying = 0, seq = a.seq + 1, lapses_on = '9999-12-31',
        merged_into_id = p_into
    WHERE a.member_id = p_from RETURNING a.seq INTO out_seq;
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        lot_seq, lot_points, lot_expires_on, counterpart_id, issuer_id, reference, actor_id, note
    ) VALUES (
        p_from, out_seq, 'MERGE_OUT', -giver.balance, -giver.pending, 0, -giver.qualifying, 0, p_at,
        lots.seqs, lots.points, lots.days, p_into, p_issuer, p_reference, p_actor, p_note
    );

    FOR lot IN
        SELECT l.seq, -l.points AS points, l.expires_on
        FROM unnest(lots.seqs, lots.points, lots.days) AS l (seq, points, expires_on)
    LOOP
        PERFORM points_receive(
            p_into, p_from, 'MERGE_IN', lot.seq, lot.points, 0, lot.expires_on, p_at, p_zone,
            lot.seq, p_issuer, NULL, NULL, p_actor, p_note
        );
    END LOOP;
    FOR lot IN
        SELECT w.seq, sum(w.points)::bigint AS points, max(w.expires_on) AS expires_on
        FROM points_pending AS w WHERE w.member_id = p_from GROUP BY w.seq ORDER BY w.seq
    LOOP
        in_seq := points_receive(
            p_into, p_from, 'MERGE_IN', lot.seq, 0, lot.points, lot.expires_on, p_at, p_zone,
            lot.seq, p_issuer, NULL, NULL, p_actor, p_note
        );
        UPDATE points_pending AS w SET member_id = p_into, seq = in_seq
        WHERE w.member_id = p_from AND w.seq = lot.seq;
    END LOOP;
    debt := greatest(0, -giver.balance);
    IF debt > 0 OR giver.qualifying <> 0 THEN
        take := points_take(p_into, debt, today, NULL, true);
        UPDATE points_account AS a SET
            balance = a.balance - debt, qualifying = a.qualifying + giver.qualifying, seq = a.seq + 1
        WHERE a.member_id = p_into RETURNING a.seq, a.balance INTO receiver;
        INSERT INTO points_entry (
            member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
            lot_seq, lot_points, lot_expires_on, counterpart_id, issuer_id, actor_id, note
        ) VALUES (
            p_into, receiver.seq, 'MERGE_IN', -debt, 0, 0, giver.qualifying, receiver.balance, p_at,
            take.lot_seq, take.lot_points, take.lot_expires_on, p_from, p_issuer, p_actor, p_note
        );
    END IF;
    UPDATE points_account AS a SET lapses_on = CASE
        WHEN a.lapses_on = '9999-12-31' THEN giver.lapses_on
        WHEN giver.lapses_on = '9999-12-31' THEN a.lapses_on
        ELSE greatest(a.lapses_on, giver.lapses_on)
    END
    WHERE a.member_id = p_into RETURNING a.seq INTO in_seq;
    INSERT INTO points_merge (
        member_id, into_id, merged_at, out_seq, first_seq, last_seq, lapses_on, actor_id, note
    ) VALUES (
        p_from, p_into, p_at, out_seq, first_seq, in_seq, giver.lapses_on, p_actor, p_note
    );
    RETURN ARRAY[out_seq];
END $$;

-- A member, and whoever's account is merged into theirs now, directly or with another's.
CREATE OR REPLACE FUNCTION points_guests(p_member bigint) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    WITH RECURSIVE guest (member_id) AS (
        SELECT p_member
        UNION
        SELECT m.member_id FROM guest AS g JOIN points_merge AS m ON m.into_id = g.member_id
        WHERE m.unmerged_at IS NULL
    )
    SELECT array_agg(g.member_id) FROM guest AS g
$$;

-- Take a merge apart: what is left of what came over goes back to its own lots, with the debt and
-- the qualifying points; what the other's debt had swallowed of it counts as spent.
--
-- What is missing of it has lapsed, or was taken back with returns of what the one who came over had
-- bought, or else the other has spent it: then by p_policy that is taken from the other's own points
-- and then a debt, or written off, or a reason to refuse. Have those returns taken more than is
-- missing, it is a debt of theirs. What was given back to them meanwhile stays with the other.
--
-- Answers {seq of the entry that came back, points that had been spent}, or {null, why not}: 0 points
-- have been spent, -2 the other account was merged on, -3 points of it are held. Null: not merged.
CREATE OR REPLACE FUNCTION points_unmerge_accounts(
    p_from bigint, p_at timestamptz, p_zone text, p_policy text, p_issuer bigint,
    p_reference text, p_actor bigint, p_note text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    merge record;
    left_entry record;
    receiver record;
    returned record;
    came record;
    own record;
    take record;
    refund record;
    back record;
    short record;
    missing bigint;
    spent bigint;
    given bigint := 0;
    unvested bigint := 0;
    borne bigint;
    debt bigint;
    standing bigint;
    all_seq integer[] := '{}';
    all_points bigint[] := '{}';
    all_expires_on date[] := '{}';
    back_seq integer[] := '{}';
    back_points bigint[] := '{}';
    back_expires_on date[] := '{}';
BEGIN
    SELECT * INTO merge FROM points_merge AS m
    WHERE m.member_id = p_from AND m.unmerged_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM FROM points_account AS a
    WHERE a.member_id IN (p_from, merge.into_id) ORDER BY a.member_id FOR NO KEY UPDATE;
    SELECT * INTO receiver FROM points_account AS a WHERE a.member_id = merge.into_id;
    IF receiver.merged_into_id IS NOT NULL THEN
        RETURN ARRAY[NULL, -2];
    END IF;
    PERFORM points_settle(merge.into_id, p_at, p_zone);
    PERFORM points_expire(merge.into_id, merge.into_id, today, p_zone);
    SELECT * INTO receiver FROM points_account AS a WHERE a.member_id = merge.into_id;
    IF receiver.held > 0 THEN
        RETURN ARRAY[NULL, -3];
    END IF;
    SELECT * INTO STRICT left_entry FROM points_entry AS e
    WHERE e.member_id = p_from AND e.seq = merge.out_seq;

    SELECT coalesce(sum(points_missing_of(merge.into_id, e.seq, e.points + e.pending)), 0)
    INTO missing FROM points_merged_credits(merge.into_id, merge.first_seq, merge.last_seq) AS e;
    returned := points_returned_since(p_from, merge.id);
    spent := greatest(0, missing - returned.points);
    IF p_policy = 'refuse' AND spent > 0 THEN
        RETURN ARRAY[NULL, 0];
    END IF;

    borne := returned.points;
    FOR came IN
        SELECT e.seq, e.counterpart_seq, e.points + e.pending AS points, e.expires_on
        FROM points_merged_credits(merge.into_id, merge.first_seq, merge.last_seq) AS e
        ORDER BY e.seq
    LOOP
        missing := points_missing_of(merge.into_id, came.seq, came.points);
        own := points_take_own(merge.into_id, ARRAY[came.seq], came.points);
        back_seq := back_seq || array_fill(came.counterpart_seq, ARRAY[cardinality(own.lot_seq)]);
        back_points := back_points || ARRAY(SELECT -p FROM unnest(own.lot_points) AS p);
        back_expires_on := back_expires_on || own.lot_expires_on;
        all_seq := all_seq || own.lot_seq;
        all_points := all_points || own.lot_points;
        all_expires_on := all_expires_on || own.lot_expires_on;
        unvested := unvested + (
            SELECT coalesce(sum(w.points), 0) FROM points_pending AS w
            WHERE w.member_id = merge.into_id AND w.seq = came.seq
        );
        UPDATE points_pending AS w SET member_id = p_from, seq = came.counterpart_seq
        WHERE w.member_id = merge.into_id AND w.seq = came.seq;
        IF p_policy = 'debt' AND missing > borne THEN
            back_seq := back_seq || came.counterpart_seq;
            back_points := back_points || missing - borne;
            back_expires_on := back_expires_on || greatest(came.expires_on, today);
        END IF;
        borne := greatest(0, borne - missing);
    END LOOP;
    IF p_policy = 'debt' THEN
        take := points_take(merge.into_id, spent, today, NULL, true);
        all_seq := all_seq || take.lot_seq;
        all_points := all_points || take.lot_points;
        all_expires_on := all_expires_on || take.lot_expires_on;
    END IF;
    given := (SELECT coalesce(sum(p), 0) FROM unnest(back_points) AS p);

    debt := greatest(0, left_entry.points) + borne;
    standing := -left_entry.qualifying - returned.qualifying;
    UPDATE points_account AS a SET
        balance = a.balance - given + debt, pending = a.pending - unvested,
        qualifying = a.qualifying - standing, seq = a.seq + 1
    WHERE a.member_id = merge.into_id RETURNING a.seq, a.balance INTO receiver;
    IF debt > 0 THEN
        -- What paid the debt that came over returns to its lots. Had it made one of the other's, later
        -- points paid it: those come back as a new lot, and so do what the returns took.
        SELECT
            coalesce(array_agg(l.seq), '{}') AS seqs, coalesce(array_agg(-l.points), '{}') AS points,
            coalesce(array_agg(l.expires_on), '{}') AS days,
            coalesce(-sum(l.points), 0)::bigint AS total
        INTO refund
        FROM points_entry AS e, unnest(e.lot_seq, e.lot_points, e.lot_expires_on)
            AS l (seq, points, expires_on)
        WHERE e.member_id = merge.into_id AND e.seq = merge.last_seq;
        SELECT greatest(receiver.balance, 0) - coalesce(sum(l.remaining), 0) AS points,
            coalesce(max(l.expires_on), today) AS last_day
        INTO short FROM points_lot AS l WHERE l.member_id = merge.into_id;
        back := points_put_back(
            merge.into_id, refund.seqs || receiver.seq,
            refund.points || greatest(0, short.points - refund.total)::bigint,
            refund.days || short.last_day, today, greatest(0, refund.total - short.points)::bigint
        );
        all_seq := all_seq || back.lot_seq;
        all_points := all_points || back.lot_points;
        all_expires_on := all_expires_on || back.lot_expires_on;
    END IF;
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        lot_seq, lot_points, lot_expires_on, counterpart_id, issuer_id, actor_id, note
    ) VALUES (
        merge.into_id, receiver.seq, 'MERGE_OUT', debt - given, -unvested, 0, -standing,
        receiver.balance, p_at, all_seq, all_points, all_expires_on, p_from, p_issuer, p_actor,
        p_note
    );

    UPDATE points_account AS a SET
        balance = a.balance + given - debt, pending = a.pending + unvested,
        qualifying = a.qualifying + standing, seq = a.seq + 1,
        -- What it had said, or today if that has passed: it must not lapse before it is back.
        lapses_on = greatest(merge.lapses_on, today), merged_into_id = NULL
    WHERE a.member_id = p_from RETURNING a.seq, a.balance INTO receiver;
    back := points_put_back(
        p_from, back_seq, back_points, back_expires_on, today,
        least(given, greatest(0, given - receiver.balance))
    );
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        lot_seq, lot_points, lot_expires_on, counterpart_id, issuer_id, reference, actor_id, note
    ) VALUES (
        p_from, receiver.seq, 'MERGE_IN', given - debt, unvested, 0, standing,
        receiver.balance, p_at, back.lot_seq, back.lot_points, back.lot_expires_on, merge.into_id,
        p_issuer, p_reference, p_actor, p_note
    );
    UPDATE points_merge AS m SET unmerged_at = p_at, unmerged_by_id = p_actor
    WHERE m.id = merge.id;
    RETURN ARRAY[receiver.seq, spent];
END $$;

-- The credits that came into an account by a merge.
CREATE OR REPLACE FUNCTION points_merged_credits(
    p_into bigint, p_first integer, p_last integer
) RETURNS SETOF points_entry LANGUAGE sql STABLE AS $$
    SELECT e.* FROM points_entry AS e
    WHERE e.member_id = p_into AND e.seq BETWEEN p_first AND p_last
        AND e.counterpart_seq IS NOT NULL
$$;

-- How much is missing of what a credit brought: not left, not waiting, not lapsed nor forfeited.
CREATE OR REPLACE FUNCTION points_missing_of(
    p_member bigint, p_seq integer, p_points bigint
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(0, p_points
        - (SELECT coalesce(sum(l.remaining), 0) FROM points_lot AS l
            WHERE l.member_id = p_member AND l.seq = p_seq)
        - (SELECT coalesce(sum(w.points), 0) FROM points_pending AS w
            WHERE w.member_id = p_member AND w.seq = p_seq)
        - points_gone_of(p_member, p_seq)
    )::bigint
$$;

-- What returns have taken back since a merge of what was bought by the one who came over, or by
-- those who had come to them; also where the account they came to was merged on.
CREATE OR REPLACE FUNCTION points_returned_since(
    p_from bigint, p_merge bigint, OUT points bigint, OUT qualifying bigint
) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE place (merge_id, member_id, after) AS (
        SELECT m.id, m.into_id, m.last_seq FROM points_merge AS m WHERE m.id = p_merge
        UNION
        SELECT m.id, m.into_id, m.last_seq FROM place AS p
        JOIN points_merge AS m ON m.member_id = p.member_id AND m.id > p.merge_id
    ), entry AS (
        SELECT DISTINCT e.member_id, e.seq, e.points + e.pending AS points, e.qualifying
        FROM place AS p JOIN points_entry AS e ON e.member_id = p.member_id AND e.seq > p.after
        WHERE e.kind = 'REVERSE' AND e.counterpart_id = ANY (points_guests(p_from))
    )
    SELECT coalesce(-sum(e.points), 0)::bigint, coalesce(-sum(e.qualifying), 0)::bigint
    FROM entry AS e
$$;
