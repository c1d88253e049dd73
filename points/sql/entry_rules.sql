-- What a line of the ledger must be, each rule under a name of its own.
--
-- One function, not one CHECK per rule: the server reads the text of a CHECK anew at every INSERT,
-- which for four of them took a fifth of its time for an accrual (docs/performance.md).
CREATE OR REPLACE FUNCTION points_entry_is_sound(
    p_kind text, p_points bigint, p_pending bigint, p_held bigint, p_qualifying bigint,
    p_expires_on date, p_lot_seq integer[], p_lot_points bigint[], p_lot_expires_on date[],
    p_reverses integer, p_counterpart bigint, p_issuer bigint, p_reference text, p_actor bigint,
    p_reason text
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    broken text;
BEGIN
    IF (p_kind = 'ADJUST') <> (p_reason IS NOT NULL) OR p_kind = 'ADJUST' AND p_actor IS NULL THEN
        broken := 'points_entry_adjustment_has_a_reason';
    ELSIF p_reference IS NOT NULL AND p_issuer IS NULL THEN
        broken := 'points_entry_reference_has_an_issuer';
    ELSIF NOT (CASE p_kind
        WHEN 'EARN' THEN
            p_points >= 0 AND p_pending >= 0 AND p_points + p_pending > 0 AND p_held = 0
        WHEN 'VEST' THEN p_points > 0 AND p_pending = -p_points AND p_held = 0
        WHEN 'REDEEM' THEN p_pending = 0 AND (p_points < 0 AND p_held = 0 OR p_points = 0 AND p_held < 0)
        WHEN 'HOLD' THEN p_points < 0 AND p_held = -p_points AND p_pending = 0
        WHEN 'RELEASE' THEN p_points > 0 AND p_held = -p_points AND p_pending = 0
        WHEN 'REVERSE' THEN
            p_points <= 0 AND p_pending <= 0 AND p_qualifying <= 0 AND p_held = 0
            AND p_points + p_pending + p_qualifying < 0
        WHEN 'REINSTATE' THEN p_points > 0 AND p_pending = 0 AND p_held = 0
        WHEN 'ADJUST' THEN p_points <> 0 AND p_pending = 0 AND p_held = 0
        WHEN 'EXPIRE' THEN p_points < 0 AND p_pending = 0 AND p_held = 0
        WHEN 'FORFEIT' THEN p_points <= 0 AND p_pending <= 0 AND p_points + p_pending < 0 AND p_held = 0
        WHEN 'TRANSFER_OUT' THEN p_points < 0 AND p_pending = 0 AND p_held = 0
        WHEN 'TRANSFER_IN' THEN p_points > 0 AND p_pending = 0 AND p_held = 0
        WHEN 'EXTEND' THEN p_points = 0 AND p_pending = 0 AND p_held = 0
        ELSE p_kind IN ('MERGE_OUT', 'MERGE_IN') AND p_held = 0
    END)
    OR p_qualifying <> 0 AND p_kind NOT IN ('EARN', 'REVERSE', 'MERGE_OUT', 'MERGE_IN') THEN
        broken := 'points_entry_sign_fits_kind';
    ELSIF NOT (CASE
        WHEN p_kind IN ('EARN', 'TRANSFER_IN') OR p_kind = 'ADJUST' AND p_points > 0 THEN
            p_expires_on IS NOT NULL AND p_lot_seq IS NULL
        WHEN p_kind = 'MERGE_IN' AND p_lot_seq IS NULL THEN p_expires_on IS NOT NULL
        ELSE
            p_expires_on IS NULL AND p_lot_seq IS NOT NULL
            AND cardinality(p_lot_seq) IS NOT DISTINCT FROM cardinality(p_lot_points)
            AND cardinality(p_lot_seq) IS NOT DISTINCT FROM cardinality(p_lot_expires_on)
    END) THEN
        broken := 'points_entry_credit_is_a_lot_others_name_theirs';
    ELSIF p_kind IN ('VEST', 'RELEASE') AND p_reverses IS NULL
        OR p_kind IN ('REVERSE', 'REINSTATE') AND p_reverses IS NULL AND p_counterpart IS NULL
        OR p_kind IN ('TRANSFER_OUT', 'TRANSFER_IN', 'MERGE_OUT', 'MERGE_IN')
        AND p_counterpart IS NULL
    THEN
        broken := 'points_entry_names_what_it_is_about';
    ELSE
        RETURN true;
    END IF;
    RAISE EXCEPTION 'a row for points_entry breaks the rule %', broken
        USING ERRCODE = 'check_violation', TABLE = 'points_entry', CONSTRAINT = broken;
END $$;

ALTER TABLE points_entry ADD CONSTRAINT points_entry_is_sound CHECK (
    points_entry_is_sound(
        kind, points, pending, held, qualifying, expires_on, lot_seq, lot_points, lot_expires_on,
        reverses, counterpart_id, issuer_id, reference, actor_id, reason
    )
);
