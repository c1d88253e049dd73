-- Write into the journal what a member did and credit the points found to be due, in one round trip.
-- As points_post_purchase, whose answer it gives.
--
-- The entry is named by the journal's row, not by the reference: a till may number its check-ins as it
-- numbers its receipts, and both are earns.
CREATE OR REPLACE FUNCTION points_post_activity(
    p_member bigint, p_code text, p_points bigint, p_expires_on date, p_at timestamptz, p_zone text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_funding bigint, p_fingerprint bytea, p_explanation jsonb, p_lapses_on date, p_rolls boolean
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    posted bigint;
    credited bigint[];
BEGIN
    INSERT INTO points_activity (
        kind, code, member_id, issuer_id, reference, store_id, client_id, version_id, occurred_at,
        amount, points, fingerprint, lines, explanation
    )
    SELECT
        'ACTIVITY', p_code, p_member, p_issuer, p_reference, p_store, p_client, p_version, p_at,
        0, p_points, p_fingerprint, '[]', p_explanation
    WHERE NOT EXISTS (
        SELECT FROM points_account AS a
        WHERE a.member_id = p_member AND a.merged_into_id IS NOT NULL
    )
    ON CONFLICT DO NOTHING RETURNING id INTO posted;

    IF posted IS NULL OR p_points = 0 THEN
        RETURN ARRAY[posted, NULL, NULL];
    END IF;
    credited := points_credit(
        p_member, p_points, p_expires_on, p_at, p_zone, 'EARN', 'ACTIVITY', p_issuer, NULL,
        p_store, p_client, p_version, p_funding, 0, posted, NULL, p_lapses_on, p_rolls
    );
    IF credited IS NULL THEN
        -- Only just now: undoes the journal's row as well.
        RAISE EXCEPTION 'the account of member % was merged into another', p_member
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN posted || credited;
END $$;
