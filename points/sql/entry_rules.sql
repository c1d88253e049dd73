-- What a line of the ledger must be, each rule under a name of its own.
--
-- One function, not one CHECK per rule: the server reads the text of a CHECK anew at every INSERT,
-- which for these four took a fifth of its time for an accrual (docs/performance.md).
CREATE OR REPLACE FUNCTION points_entry_is_sound(
    p_kind text, p_points bigint, p_expires_on date, p_lot_seq integer[], p_lot_points bigint[],
    p_issuer bigint, p_reference text, p_actor bigint, p_reason text
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    broken text;
BEGIN
    IF (p_kind = 'ADJUST') <> (p_reason IS NOT NULL) OR p_kind = 'ADJUST' AND p_actor IS NULL THEN
        broken := 'points_entry_adjustment_has_a_reason';
    ELSIF NOT (
        p_points > 0 AND p_expires_on IS NOT NULL AND p_lot_seq IS NULL
        OR p_points < 0 AND p_expires_on IS NULL
        AND p_lot_seq IS NOT NULL AND p_lot_points IS NOT NULL
    ) THEN
        broken := 'points_entry_credit_is_a_lot_debit_takes_some';
    ELSIF p_reference IS NOT NULL AND p_issuer IS NULL THEN
        broken := 'points_entry_reference_has_an_issuer';
    ELSIF NOT (
        p_kind = 'EARN' AND p_points > 0
        OR p_kind IN ('REDEEM', 'REVERSE', 'EXPIRE', 'FORFEIT') AND p_points < 0
        OR p_kind = 'ADJUST' AND p_points <> 0
    ) THEN
        broken := 'points_entry_sign_fits_kind';
    ELSE
        RETURN true;
    END IF;
    RAISE EXCEPTION 'a row for points_entry breaks the rule %', broken
        USING ERRCODE = 'check_violation', TABLE = 'points_entry', CONSTRAINT = broken;
END $$;

ALTER TABLE points_entry ADD CONSTRAINT points_entry_is_sound CHECK (
    points_entry_is_sound(
        kind, points, expires_on, lot_seq, lot_points, issuer_id, reference, actor_id, reason
    )
);
