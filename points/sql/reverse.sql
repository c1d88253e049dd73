-- Take back what an earn gave beyond p_keep points: what still waits of it first (lines named in
-- p_lines before others), then its own lots, then the other lots in the order of spending, then by
-- policy a debt, a write-off or a refusal.
--
-- Stated as what the purchase is still worth, not as what to take, so the result depends neither
-- on how many partial returns came before nor on their order, nor on whether the night has run: what
-- has vested or come back from a hold by then counts. Points of the earn that have expired or were
-- forfeited are gone already and are not taken a second time. What an earlier return wrote
-- off stays written off: a later one takes no more than p_less, its own share. Qualifying points go
-- by what was bought alone, whatever became of the points.
--
-- p_owner is whose earn it is; p_member who has its points now, which differ after a merge.
--
-- Answers {1 if refused, seq of the entry or null when nothing was left to take, points taken,
-- balance}; null when p_member's account was merged into another.
CREATE OR REPLACE FUNCTION points_reverse(
    p_member bigint, p_owner bigint, p_earn integer, p_keep bigint, p_keep_qualifying bigint,
    p_less bigint, p_policy text, p_lines text[], p_at timestamptz, p_zone text, p_issuer bigint,
    p_reference text, p_store bigint, p_client bigint, p_version bigint, p_activity bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    today date := (p_at AT TIME ZONE p_zone)::date;
    account record;
    earn record;
    seqs integer[] := ARRAY[p_earn];
    gone bigint;
    before record;
    available bigint;
    waiting bigint;
    wanted bigint;
    unvested bigint;
    less_qualifying bigint;
    wait record;
    own record;
    take record;
BEGIN
    SELECT a.merged_into_id INTO account FROM points_account AS a
    WHERE a.member_id = p_member FOR NO KEY UPDATE;
    IF account.merged_into_id IS NOT NULL THEN
        RETURN NULL;
    END IF;
    PERFORM points_settle(p_member, p_at, p_zone);
    -- A debt leaves no open lots behind, so what has lapsed must be off the books first.
    PERFORM points_expire(p_member, p_member, today, p_zone);

    SELECT e.points + e.pending AS points, e.qualifying INTO STRICT earn FROM points_entry AS e
    WHERE e.member_id = p_owner AND e.seq = p_earn AND e.kind = 'EARN';
    IF p_member <> p_owner THEN
        SELECT coalesce(array_agg(h.seq ORDER BY h.seq), '{}') INTO seqs
        FROM points_heirs(p_owner, p_earn) AS h WHERE h.member_id = p_member;
    END IF;
    gone := points_gone_of(p_owner, p_earn);
    SELECT
        coalesce(-sum(e.points + e.pending), 0) AS points,
        coalesce(-sum(e.qualifying), 0) AS qualifying
    INTO before FROM points_about(p_owner, p_earn, 'REVERSE') AS e;
    SELECT coalesce(sum(l.remaining), 0) INTO available FROM points_lot AS l
    WHERE l.member_id = p_member;
    SELECT coalesce(sum(w.points), 0) INTO waiting FROM points_pending AS w
    WHERE w.member_id = p_member AND w.seq = ANY (seqs);

    wanted := greatest(0, earn.points - p_keep - gone - before.points);
    less_qualifying := greatest(0, earn.qualifying - p_keep_qualifying - before.qualifying);
    IF p_policy = 'refuse' AND available + waiting < wanted THEN
        RETURN ARRAY[1, NULL, 0, 0];
    ELSIF p_policy = 'write_off' THEN
        wanted := least(wanted, available + waiting, p_less);
    END IF;
    unvested := least(wanted, waiting);
    wanted := wanted - unvested;
    IF wanted + unvested + less_qualifying = 0 THEN
        RETURN ARRAY[0, NULL, 0, (
            SELECT a.balance FROM points_account AS a WHERE a.member_id = p_member
        )];
    END IF;

    waiting := unvested;
    FOR wait IN
        SELECT w.seq, w.line, w.points FROM points_pending AS w
        WHERE w.member_id = p_member AND w.seq = ANY (seqs)
        ORDER BY w.line = ANY (p_lines) DESC, w.seq, w.line
    LOOP
        EXIT WHEN waiting = 0;
        IF wait.points <= waiting THEN
            DELETE FROM points_pending AS w
            WHERE w.member_id = p_member AND w.seq = wait.seq AND w.line = wait.line;
        ELSE
            UPDATE points_pending AS w SET points = w.points - waiting
            WHERE w.member_id = p_member AND w.seq = wait.seq AND w.line = wait.line;
        END IF;
        waiting := waiting - least(waiting, wait.points);
    END LOOP;
    own := points_take_own(p_member, seqs, wanted);
    take := points_take(p_member, own.missing, today, NULL, true);

    UPDATE points_account AS a SET
        balance = a.balance - wanted, pending = a.pending - unvested,
        qualifying = a.qualifying - less_qualifying, seq = a.seq + 1
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    INSERT INTO points_entry (
        member_id, seq, kind, points, pending, held, qualifying, balance_after, effective_at,
        reverses, counterpart_id, counterpart_seq, lot_seq, lot_points, lot_expires_on, issuer_id,
        reference, store_id, client_id, version_id, activity_id
    ) VALUES (
        p_member, account.seq, 'REVERSE', -wanted, -unvested, 0, -less_qualifying, account.balance,
        p_at, CASE WHEN p_member = p_owner THEN p_earn ELSE seqs[1] END,
        CASE WHEN p_member <> p_owner THEN p_owner END,
        CASE WHEN p_member <> p_owner THEN p_earn END,
        own.lot_seq || take.lot_seq, own.lot_points || take.lot_points,
        own.lot_expires_on || take.lot_expires_on, p_issuer, p_reference, p_store, p_client,
        p_version, p_activity
    );
    RETURN ARRAY[0, account.seq, wanted + unvested, account.balance];
END $$;

-- What became of a credit wherever merges took it: itself, and the entries that brought it there.
CREATE OR REPLACE FUNCTION points_heirs(
    p_owner bigint, p_seq integer
) RETURNS TABLE (member_id bigint, seq integer) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE heir (member_id, seq) AS (
        SELECT p_owner, p_seq
        UNION
        SELECT e.member_id, e.seq FROM heir AS h
        JOIN points_merge AS m ON m.member_id = h.member_id
        JOIN points_entry AS e ON e.member_id = m.into_id
            AND e.seq BETWEEN m.first_seq AND m.last_seq AND e.counterpart_seq = h.seq
    )
    SELECT h.member_id, h.seq FROM heir AS h
$$;

-- What was posted about an entry, in its own ledger and in those its account was ever merged into.
CREATE OR REPLACE FUNCTION points_about(
    p_owner bigint, p_entry integer, p_kind text
) RETURNS SETOF points_entry LANGUAGE sql STABLE AS $$
    WITH RECURSIVE way (member_id) AS (
        SELECT p_owner
        UNION
        SELECT m.into_id FROM way AS w JOIN points_merge AS m ON m.member_id = w.member_id
    )
    SELECT e.* FROM points_entry AS e
    WHERE e.member_id = p_owner AND e.reverses = p_entry AND e.kind = p_kind
        AND e.counterpart_id IS NULL
    UNION ALL
    SELECT e.* FROM way AS w JOIN points_entry AS e ON e.member_id = w.member_id
    WHERE w.member_id <> p_owner AND e.counterpart_id = p_owner AND e.counterpart_seq = p_entry
        AND e.kind = p_kind
$$;
