-- Take back what an earn gave beyond p_keep points: the returned purchase's own lot first, then
-- the other lots in the order of spending, then by policy a debt, a write-off or a refusal.
--
-- Stated as what the purchase is still worth, not as what to take, so the result depends neither
-- on how many partial returns came before nor on their order. Points of the earn that have expired
-- or were forfeited are gone already and are not taken a second time. What an earlier return wrote
-- off stays written off: a later one takes no more than p_less, its own share.
--
-- Answers one row: refused; or entry_seq null when there was nothing left to take.
CREATE OR REPLACE FUNCTION points_reverse(
    p_member bigint, p_earn integer, p_keep bigint, p_less bigint, p_policy text, p_on date,
    p_at timestamptz, p_zone text, p_issuer bigint, p_reference text, p_store bigint, p_client bigint,
    p_version bigint, p_activity bigint
) RETURNS TABLE (refused boolean, entry_seq integer, taken bigint, balance bigint)
LANGUAGE plpgsql AS $$
DECLARE
    earn record;
    gone bigint;
    before bigint;
    wanted bigint;
    available bigint;
    own bigint;
    take record;
    account record;
BEGIN
    PERFORM FROM points_account AS a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    -- A debt leaves no open lots behind, so what has lapsed must be off the books first.
    PERFORM points_expire(p_member, p_member, p_on, p_zone);

    SELECT e.points, e.expires_on INTO STRICT earn FROM points_entry AS e
    WHERE e.member_id = p_member AND e.seq = p_earn AND e.kind = 'EARN';
    SELECT coalesce(sum(used.points), 0) INTO gone
    FROM points_entry AS e, unnest(e.lot_seq, e.lot_points) AS used (seq, points)
    WHERE e.member_id = p_member AND e.kind IN ('EXPIRE', 'FORFEIT')
        AND used.seq = p_earn;
    SELECT coalesce(-sum(e.points), 0) INTO before FROM points_entry AS e
    WHERE e.member_id = p_member AND e.reverses = p_earn;
    SELECT coalesce(sum(l.remaining), 0) INTO available FROM points_lot AS l
    WHERE l.member_id = p_member;

    wanted := greatest(0, earn.points - p_keep - gone - before);
    IF p_policy = 'refuse' AND available < wanted THEN
        RETURN QUERY SELECT true, NULL::integer, 0::bigint, 0::bigint;
        RETURN;
    ELSIF p_policy = 'write_off' THEN
        wanted := least(wanted, available, p_less);
    END IF;
    IF wanted = 0 THEN
        RETURN QUERY SELECT false, NULL::integer, 0::bigint, a.balance
        FROM points_account AS a WHERE a.member_id = p_member;
        RETURN;
    END IF;

    -- The earn's own lot, if something of it is left.
    SELECT least(l.remaining, wanted) INTO own FROM points_lot AS l
    WHERE l.member_id = p_member AND l.expires_on = earn.expires_on AND l.seq = p_earn;
    own := coalesce(own, 0);
    DELETE FROM points_lot AS l
    WHERE l.member_id = p_member AND l.expires_on = earn.expires_on AND l.seq = p_earn
        AND l.remaining = own;
    UPDATE points_lot AS l SET remaining = l.remaining - own
    WHERE l.member_id = p_member AND l.expires_on = earn.expires_on AND l.seq = p_earn
        AND own > 0;
    SELECT * INTO take FROM points_take(p_member, wanted - own, p_on, NULL, true);
    IF own > 0 THEN
        take.lot_seq := p_earn || take.lot_seq;
        take.lot_points := own || take.lot_points;
    END IF;

    UPDATE points_account AS a SET balance = a.balance - wanted, seq = a.seq + 1
    WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    INSERT INTO points_entry (
        member_id, seq, kind, points, balance_after, effective_at, reverses, lot_seq, lot_points,
        issuer_id, reference, store_id, client_id, version_id, activity_id
    ) VALUES (
        p_member, account.seq, 'REVERSE', -wanted, account.balance, p_at, p_earn, take.lot_seq,
        take.lot_points, p_issuer, p_reference, p_store, p_client, p_version, p_activity
    );
    RETURN QUERY SELECT false, account.seq, wanted, account.balance;
END $$;
