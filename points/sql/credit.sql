-- Credit points: lock and raise the account, make a lot of what is above a debt, write the entry.
--
-- A debt is paid by itself: below zero there are no open lots, so the new lot holds only what
-- lifts the balance above zero. One call, one round trip, one row lock.
--
-- Answers {seq of the entry, balance}: an array, because columns out of a function in FROM cost
-- the server a tenth more of its time (docs/performance.md).
CREATE OR REPLACE FUNCTION points_credit(
    p_member bigint, p_points bigint, p_expires_on date, p_at timestamptz,
    p_kind text, p_type text, p_issuer bigint, p_reference text,
    p_store bigint, p_client bigint, p_version bigint, p_activity bigint,
    p_actor bigint, p_reason text, p_note text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    entry_seq integer;
    balance bigint;
BEGIN
    LOOP
        UPDATE points_account AS a SET balance = a.balance + p_points, seq = a.seq + 1
        WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO entry_seq, balance;
        EXIT WHEN FOUND;
        -- The member's first points. Two at once: the second waits, then finds the row.
        INSERT INTO points_account (member_id, balance, seq) VALUES (p_member, 0, 0)
        ON CONFLICT DO NOTHING;
    END LOOP;

    IF balance > 0 THEN
        INSERT INTO points_lot (member_id, expires_on, seq, points, remaining)
        VALUES (p_member, p_expires_on, entry_seq, p_points, least(p_points, balance));
    END IF;

    INSERT INTO points_entry (
        member_id, seq, kind, type, points, balance_after, effective_at, expires_on,
        issuer_id, reference, store_id, client_id, version_id, activity_id, actor_id, reason, note
    ) VALUES (
        p_member, entry_seq, p_kind, p_type, p_points, balance, p_at, p_expires_on,
        p_issuer, p_reference, p_store, p_client, p_version, p_activity, p_actor, p_reason, p_note
    );
    RETURN ARRAY[entry_seq, balance];
END $$;
