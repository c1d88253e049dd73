-- Hold many accounts in the order of members, opening those that are missing. Answers those of them
-- that were merged into others.
CREATE OR REPLACE FUNCTION points_lock_accounts(
    p_members bigint[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    merged bigint[];
BEGIN
    INSERT INTO points_account (member_id)
    SELECT DISTINCT m.id FROM unnest(p_members) AS m (id)
    -- Each by its key: with NOT EXISTS the server may go through all accounts there are.
    WHERE (SELECT a.member_id FROM points_account AS a WHERE a.member_id = m.id) IS NULL
    ORDER BY m.id ON CONFLICT DO NOTHING;
    SELECT coalesce(array_agg(l.member_id) FILTER (WHERE l.merged_into_id IS NOT NULL), '{}')
    INTO merged FROM (
        SELECT a.member_id, a.merged_into_id FROM points_account AS a
        WHERE a.member_id = ANY (p_members) ORDER BY a.member_id FOR NO KEY UPDATE
    ) AS l;
    RETURN merged;
END $$;

-- Credit many, in the order of the arrays: one lot and one entry each. The accounts are held.
-- Answers a row each, by its place in the arrays.
CREATE OR REPLACE FUNCTION points_credit_locked(
    p_members bigint[], p_points bigint[], p_expires_on date[], p_at timestamptz[], p_zone text,
    p_kind text, p_type text, p_issuer bigint, p_references text[], p_stores bigint[],
    p_client bigint, p_versions bigint[], p_fundings bigint[], p_qualifying bigint[],
    p_activities bigint[], p_pending jsonb[], p_lapses_on date[], p_rolls boolean, p_actor bigint,
    p_note text
) RETURNS TABLE (nth bigint, entry_seq integer, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    one bigint[];
BEGIN
    -- Each account by its key: joined, the server would go through all there are.
    IF NOT EXISTS (
        SELECT FROM (
            SELECT
                t.member, min(t.lapses_on) AS lapses_on,
                (max(t.at) AT TIME ZONE p_zone)::date AS latest
            FROM unnest(p_members, p_at, p_lapses_on) AS t (member, at, lapses_on)
            GROUP BY t.member
        ) AS m
        WHERE m.lapses_on < greatest(m.latest, (now() AT TIME ZONE p_zone)::date) OR m.latest > (
            SELECT a.lapses_on FROM points_account AS a WHERE a.member_id = m.member
        )
    ) THEN
        RETURN QUERY SELECT c.* FROM points_credit_sets(
            p_members, p_points, p_expires_on, p_at, p_kind, p_type, p_issuer, p_references,
            p_stores, p_client, p_versions, p_fundings, p_qualifying, p_activities, p_pending,
            p_lapses_on, p_rolls, p_actor, p_note
        ) AS c;
        RETURN;
    END IF;
    -- An account lapses as a whole between two of them, or had by now: it matters what came when.
    FOR i IN 1 .. cardinality(p_members) LOOP
        one := points_credit(
            p_members[i], p_points[i], p_expires_on[i], p_at[i], p_zone, p_kind, p_type, p_issuer,
            p_references[i], p_stores[i], p_client, p_versions[i], p_fundings[i], p_qualifying[i],
            p_activities[i], p_pending[i], p_lapses_on[i], p_rolls, p_actor, NULL, p_note
        );
        RETURN QUERY SELECT i::bigint, one[1]::integer, one[2];
    END LOOP;
END $$;

-- As points_credit_locked, set by set, for accounts that lapse between none of them.
CREATE OR REPLACE FUNCTION points_credit_sets(
    p_members bigint[], p_points bigint[], p_expires_on date[], p_at timestamptz[], p_kind text,
    p_type text, p_issuer bigint, p_references text[], p_stores bigint[], p_client bigint,
    p_versions bigint[], p_fundings bigint[], p_qualifying bigint[], p_activities bigint[],
    p_pending jsonb[], p_lapses_on date[], p_rolls boolean, p_actor bigint, p_note text
) RETURNS TABLE (nth bigint, entry_seq integer, balance bigint) LANGUAGE sql AS $$
    WITH given AS MATERIALIZED (
        SELECT
            t.*,
            coalesce((
                SELECT sum(w.points) FROM jsonb_to_recordset(t.pending) AS w (points bigint)
            ), 0)::bigint AS waiting,
            row_number() OVER member AS step, (sum(t.points) OVER member)::bigint AS running
        FROM unnest(
            p_members, p_points, p_expires_on, p_at, p_references, p_stores, p_versions, p_fundings,
            p_qualifying, p_activities, p_pending, p_lapses_on
        ) WITH ORDINALITY AS t (
            member, points, expires_on, at, reference, store, version, funding, qualifying, activity,
            pending, lapses_on, nth
        )
        WINDOW member AS (PARTITION BY t.member ORDER BY t.nth ROWS UNBOUNDED PRECEDING)
    ), gain AS (
        SELECT
            g.member, sum(g.points)::bigint AS points, sum(g.waiting)::bigint AS waiting,
            sum(g.qualifying)::bigint AS qualifying, count(*)::integer AS entries,
            CASE WHEN p_rolls THEN max(g.lapses_on) ELSE min(g.lapses_on) END AS lapses_on
        FROM given AS g GROUP BY g.member
    ), account AS (
        UPDATE points_account AS a SET
            balance = a.balance + gain.points, pending = a.pending + gain.waiting,
            qualifying = a.qualifying + gain.qualifying, seq = a.seq + gain.entries,
            lapses_on = CASE
                WHEN gain.lapses_on IS NULL OR NOT p_rolls AND a.lapses_on < '9999-12-31'
                    THEN a.lapses_on
                ELSE greatest(nullif(a.lapses_on, '9999-12-31'), gain.lapses_on)
            END
        FROM gain WHERE a.member_id = gain.member
        RETURNING a.member_id, a.balance - gain.points AS before, a.seq - gain.entries AS seq
    ), told AS MATERIALIZED (
        SELECT
            g.*, (account.seq + g.step)::integer AS entry_seq,
            account.before + g.running AS balance_after
        FROM given AS g JOIN account ON account.member_id = g.member
    ), lot AS (
        INSERT INTO points_lot (member_id, expires_on, seq, remaining)
        SELECT t.member, t.expires_on, t.entry_seq, least(t.points, t.balance_after)
        FROM told AS t WHERE t.balance_after > 0 AND t.points > 0
    ), wait AS (
        INSERT INTO points_pending (member_id, seq, line, points, expires_on, vests_on)
        SELECT t.member, t.entry_seq, w.line, w.points, t.expires_on, w.vests_on
        FROM told AS t, jsonb_to_recordset(t.pending) AS w (line text, points bigint, vests_on date)
        WHERE t.waiting > 0
    ), entry AS (
        INSERT INTO points_entry (
            member_id, seq, kind, type, points, pending, held, qualifying, balance_after,
            effective_at, expires_on, issuer_id, reference, store_id, client_id, version_id,
            funding_id, activity_id, actor_id, note
        )
        SELECT
            t.member, t.entry_seq, p_kind, p_type, t.points, t.waiting, 0, t.qualifying,
            t.balance_after, t.at, t.expires_on, p_issuer, t.reference, t.store, p_client, t.version,
            t.funding, t.activity, p_actor, p_note
        FROM told AS t
    )
    SELECT t.nth, t.entry_seq, t.balance_after FROM told AS t
$$;

-- Grant to many: those whose reference was used before, and accounts that were merged, have no row
-- in the answer.
CREATE OR REPLACE FUNCTION points_grant(
    p_members bigint[], p_points bigint[], p_expires_on date[], p_at timestamptz[], p_zone text,
    p_type text, p_issuer bigint, p_references text[], p_store bigint, p_client bigint,
    p_version bigint, p_funding bigint, p_qualifying bigint[], p_lapses_on date[], p_rolls boolean,
    p_actor bigint, p_note text
) RETURNS TABLE (nth bigint, entry_seq integer, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    merged bigint[] := points_lock_accounts(p_members);
    new record;
BEGIN
    SELECT
        array_agg(t.nth ORDER BY t.nth) AS nths, array_agg(t.member ORDER BY t.nth) AS members,
        array_agg(t.points ORDER BY t.nth) AS points,
        array_agg(t.expires_on ORDER BY t.nth) AS expires_on,
        array_agg(t.at ORDER BY t.nth) AS ats, array_agg(t.reference ORDER BY t.nth) AS refs,
        array_agg(t.qualifying ORDER BY t.nth) AS qualifying,
        array_agg(t.lapses_on ORDER BY t.nth) AS lapses_on
    INTO new FROM (
        SELECT g.*, row_number() OVER (PARTITION BY g.reference ORDER BY g.nth) AS time
        FROM unnest(
            p_members, p_points, p_expires_on, p_at, p_references, p_qualifying, p_lapses_on
        ) WITH ORDINALITY
            AS g (member, points, expires_on, at, reference, qualifying, lapses_on, nth)
    ) AS t
    WHERE t.time = 1 AND t.member <> ALL (merged) AND NOT EXISTS (
        SELECT FROM points_entry AS e
        WHERE e.issuer_id = p_issuer AND e.kind = 'EARN' AND e.reference = t.reference
    );
    IF new.nths IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT new.nths[c.nth], c.entry_seq, c.balance FROM points_credit_locked(
        new.members, new.points, new.expires_on, new.ats, p_zone, 'EARN', p_type, p_issuer,
        new.refs, array_fill(p_store, ARRAY[cardinality(new.nths)]), p_client,
        array_fill(p_version, ARRAY[cardinality(new.nths)]),
        array_fill(p_funding, ARRAY[cardinality(new.nths)]), new.qualifying,
        array_fill(NULL::bigint, ARRAY[cardinality(new.nths)]),
        array_fill(NULL::jsonb, ARRAY[cardinality(new.nths)]), new.lapses_on, p_rolls, p_actor,
        p_note
    ) AS c;
END $$;
