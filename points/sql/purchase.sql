-- Write a purchase into the journal and credit what it is worth, in one round trip.
--
-- No look before the leap: the unique reference decides who was first. A repeat finds its row
-- taken and credits nothing; the caller then reads the first answer.
--
-- Answers {id of the activity, seq of the entry, balance}: no id when it is a repeat or the account
-- was merged into another, no entry when the purchase is worth nothing.
CREATE OR REPLACE FUNCTION points_post_purchase(
    p_member bigint, p_points bigint, p_expires_on date, p_at timestamptz, p_zone text,
    p_amount numeric, p_issuer bigint, p_reference text, p_store bigint, p_client bigint,
    p_version bigint, p_funding bigint, p_qualifying bigint, p_worth bigint, p_fingerprint bytea,
    p_lines jsonb, p_explanation jsonb, p_pending jsonb DEFAULT NULL,
    p_lapses_on date DEFAULT NULL, p_rolls boolean DEFAULT false
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    posted bigint;
    credited bigint[];
BEGIN
    INSERT INTO points_activity (
        kind, member_id, issuer_id, reference, store_id, client_id, version_id, occurred_at,
        amount, points, fingerprint, lines, explanation
    )
    SELECT
        'PURCHASE', p_member, p_issuer, p_reference, p_store, p_client, p_version, p_at,
        p_amount, p_worth, p_fingerprint, p_lines, p_explanation
    WHERE NOT EXISTS (
        SELECT FROM points_account AS a
        WHERE a.member_id = p_member AND a.merged_into_id IS NOT NULL
    )
    ON CONFLICT DO NOTHING RETURNING id INTO posted;

    IF posted IS NULL OR p_worth = 0 THEN
        RETURN ARRAY[posted, NULL, NULL];
    END IF;
    credited := points_credit(
        p_member, p_points, p_expires_on, p_at, p_zone, 'EARN', 'CONSUMPTION', p_issuer,
        p_reference, p_store, p_client, p_version, p_funding, p_qualifying, posted, p_pending,
        p_lapses_on, p_rolls
    );
    IF credited IS NULL THEN
        -- Only just now: undoes the journal's row as well.
        RAISE EXCEPTION 'the account of member % was merged into another', p_member
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN posted || credited;
END $$;

-- As points_post_purchase for many of one issuer, set by set: the accounts are held in the order of
-- members, so batches and the night wait for each other without a deadlock.
--
-- Answers a row for each new purchase, by its place in the arrays. Repeats, and purchases of accounts
-- that were merged into others, have none.
CREATE OR REPLACE FUNCTION points_post_purchases(
    p_members bigint[], p_points bigint[], p_expires_on date[], p_at timestamptz[], p_zone text,
    p_amounts numeric[], p_issuer bigint, p_references text[], p_stores bigint[], p_client bigint,
    p_versions bigint[], p_fundings bigint[], p_qualifying bigint[], p_worths bigint[],
    p_fingerprints bytea[], p_lines jsonb[], p_explanations jsonb[], p_pending jsonb[],
    p_lapses_on date[], p_rolls boolean
) RETURNS TABLE (nth bigint, activity bigint, entry_seq integer, balance bigint)
LANGUAGE plpgsql AS $$
DECLARE
    merged bigint[] := points_lock_accounts(p_members);
    posted record;
BEGIN
    WITH given AS (
        SELECT t.* FROM unnest(
            p_members, p_at, p_amounts, p_references, p_stores, p_versions, p_worths,
            p_fingerprints, p_lines, p_explanations
        ) WITH ORDINALITY AS t (
            member, at, amount, reference, store, version, worth, fingerprint, line, explanation, nth
        )
        WHERE t.member <> ALL (merged)
    ), activity AS (
        INSERT INTO points_activity (
            kind, member_id, issuer_id, reference, store_id, client_id, version_id, occurred_at,
            amount, points, fingerprint, lines, explanation
        )
        SELECT
            'PURCHASE', g.member, p_issuer, g.reference, g.store, p_client, g.version, g.at,
            g.amount, g.worth, g.fingerprint, g.line, g.explanation
        FROM given AS g ORDER BY g.nth
        ON CONFLICT DO NOTHING RETURNING id, reference
    ), fresh AS (
        -- Twice in one batch: the first of them counts.
        SELECT min(g.nth) AS nth, a.id FROM activity AS a JOIN given AS g USING (reference)
        GROUP BY a.id
    )
    SELECT
        coalesce(array_agg(f.nth ORDER BY f.nth), '{}') AS nths,
        coalesce(array_agg(f.id ORDER BY f.nth), '{}') AS ids
    INTO posted FROM fresh AS f;

    RETURN QUERY
    WITH fresh AS (
        SELECT f.nth, f.id FROM unnest(posted.nths, posted.ids) AS f (nth, id)
    ), worth AS (
        SELECT
            array_agg(f.nth ORDER BY f.nth) AS nths,
            array_agg(p_members[f.nth] ORDER BY f.nth) AS members,
            array_agg(p_points[f.nth] ORDER BY f.nth) AS points,
            array_agg(p_expires_on[f.nth] ORDER BY f.nth) AS expires_on,
            array_agg(p_at[f.nth] ORDER BY f.nth) AS ats,
            array_agg(p_references[f.nth] ORDER BY f.nth) AS refs,
            array_agg(p_stores[f.nth] ORDER BY f.nth) AS stores,
            array_agg(p_versions[f.nth] ORDER BY f.nth) AS versions,
            array_agg(p_fundings[f.nth] ORDER BY f.nth) AS fundings,
            array_agg(p_qualifying[f.nth] ORDER BY f.nth) AS qualifying,
            array_agg(f.id ORDER BY f.nth) AS activities,
            array_agg(p_pending[f.nth] ORDER BY f.nth) AS pending,
            array_agg(p_lapses_on[f.nth] ORDER BY f.nth) AS lapses_on
        FROM fresh AS f WHERE p_worths[f.nth] > 0
    ), credited AS (
        SELECT w.nths[c.nth] AS nth, c.entry_seq, c.balance FROM worth AS w, points_credit_locked(
            w.members, w.points, w.expires_on, w.ats, p_zone, 'EARN', 'CONSUMPTION', p_issuer,
            w.refs, w.stores, p_client, w.versions, w.fundings, w.qualifying, w.activities,
            w.pending, w.lapses_on, p_rolls, NULL, NULL
        ) AS c WHERE w.nths IS NOT NULL
    )
    SELECT f.nth, f.id, c.entry_seq, c.balance FROM fresh AS f LEFT JOIN credited AS c USING (nth);
END $$;
