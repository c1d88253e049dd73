-- Write a purchase into the journal and credit what it is worth, in one round trip.
--
-- No look before the leap: the unique reference decides who was first. A repeat finds its row
-- taken and credits nothing; the caller then reads the first answer.
--
-- Answers {id of the activity, seq of the entry, balance}: no id when it is a repeat, no entry when
-- the purchase is worth nothing.
CREATE OR REPLACE FUNCTION points_post_purchase(
    p_member bigint, p_points bigint, p_expires_on date, p_at timestamptz, p_amount numeric,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_fingerprint bytea, p_lines jsonb, p_explanation jsonb
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    posted bigint;
BEGIN
    INSERT INTO points_activity (
        kind, member_id, issuer_id, reference, store_id, client_id, version_id, occurred_at,
        amount, points, fingerprint, lines, explanation
    ) VALUES (
        'PURCHASE', p_member, p_issuer, p_reference, p_store, p_client, p_version, p_at,
        p_amount, p_points, p_fingerprint, p_lines, p_explanation
    )
    ON CONFLICT DO NOTHING RETURNING id INTO posted;

    IF posted IS NULL OR p_points = 0 THEN
        RETURN ARRAY[posted, NULL, NULL];
    END IF;
    RETURN posted || points_credit(
        p_member, p_points, p_expires_on, p_at, 'EARN', 'CONSUMPTION', p_issuer, p_reference,
        p_store, p_client, p_version, posted, NULL, NULL, NULL
    );
END $$;
