-- Move points from one member to another. They keep their last days, their payers and their type:
-- the receiver gets one entry, and so one lot, for each lot they came out of.
--
-- Limits, all null or of equal length: over the last p_days[i] days the giver may make p_counts[i]
-- transfers of together p_sums[i] points, this one included; null is no limit.
--
-- p_lapses_on: the last day of the giver's account, p_begins_on of the receiver's, as points_debit and
-- points_credit have it.
--
-- Answers {seq of the giver's entry, the giver's balance}, or {null, why not}: 0 too few points,
-- i > 0 the i-th limit, -1 or -2 the giver's or the receiver's account was merged into another.
CREATE OR REPLACE FUNCTION points_transfer(
    p_from bigint, p_to bigint, p_points bigint, p_at timestamptz, p_zone text,
    p_issuer bigint, p_reference text, p_store bigint, p_client bigint, p_version bigint,
    p_actor bigint, p_note text, p_days integer[], p_counts bigint[], p_sums bigint[],
    p_lapses_on date DEFAULT NULL, p_begins_on date DEFAULT NULL, p_rolls boolean DEFAULT false
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    merged record;
    made record;
    sent bigint[];
BEGIN
    INSERT INTO points_account (member_id) VALUES (p_to) ON CONFLICT DO NOTHING;
    -- In the order of members, so that two transfers both ways at once do not deadlock.
    PERFORM FROM points_account AS a
    WHERE a.member_id IN (p_from, p_to) ORDER BY a.member_id FOR NO KEY UPDATE;
    SELECT
        bool_or(a.member_id = p_from AND a.merged_into_id IS NOT NULL) AS giver,
        bool_or(a.member_id = p_to AND a.merged_into_id IS NOT NULL) AS receiver
    INTO merged FROM points_account AS a WHERE a.member_id IN (p_from, p_to);
    IF merged.giver THEN
        RETURN ARRAY[NULL, -1];
    ELSIF merged.receiver THEN
        RETURN ARRAY[NULL, -2];
    END IF;

    FOR i IN 1 .. coalesce(cardinality(p_days), 0) LOOP
        SELECT count(*) AS times, coalesce(-sum(e.points), 0) AS points INTO made
        FROM points_entry AS e
        WHERE e.member_id = p_from AND e.kind = 'TRANSFER_OUT'
            AND e.effective_at > p_at - make_interval(days => p_days[i]);
        IF made.times + 1 > p_counts[i] OR made.points + p_points > p_sums[i] THEN
            RETURN ARRAY[NULL, i];
        END IF;
    END LOOP;

    sent := points_debit(
        p_from, p_points, p_at, p_zone, 'TRANSFER_OUT', p_issuer, p_reference, p_store, p_client,
        p_version, p_note, NULL, p_lapses_on, p_actor, NULL, p_to
    );
    IF sent IS NULL THEN
        RETURN ARRAY[NULL, 0];
    END IF;
    PERFORM points_receive(
        p_to, p_from, 'TRANSFER_IN', l.seq, -l.points, 0, l.expires_on, p_at, p_zone,
        sent[1]::integer, p_issuer, p_store, p_client, p_actor, p_note
    )
    FROM points_entry AS e,
        unnest(e.lot_seq, e.lot_points, e.lot_expires_on)
            WITH ORDINALITY AS l (seq, points, expires_on, nth)
    WHERE e.member_id = p_from AND e.seq = sent[1] ORDER BY l.nth;
    IF p_begins_on IS NOT NULL THEN
        p_begins_on := points_late_last_day(p_to, p_begins_on, p_zone);
        UPDATE points_account AS a
        SET lapses_on = greatest(nullif(a.lapses_on, '9999-12-31'), p_begins_on)
        WHERE a.member_id = p_to AND (p_rolls OR a.lapses_on = '9999-12-31');
    END IF;
    RETURN sent;
END $$;

-- Credit what came out of one lot of another member, as a lot with its last day, payers and type.
-- The account is held. Returns the seq of the entry.
CREATE OR REPLACE FUNCTION points_receive(
    p_member bigint, p_from bigint, p_kind text, p_lot integer, p_points bigint, p_pending bigint,
    p_expires_on date, p_at timestamptz, p_zone text, p_counterpart_seq integer, p_issuer bigint,
    p_store bigint, p_client bigint, p_actor bigint, p_note text
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    origin record;
    account record;
BEGIN
    SELECT e.type, e.funding_id, e.version_id INTO STRICT origin FROM points_entry AS e
    WHERE e.member_id = p_from AND e.seq = p_lot;
    -- The whole that lapsed before is cleared first, or it would come to life again.
    UPDATE points_account AS a SET
        balance = a.balance + p_points, pending = a.pending + p_pending, seq = a.seq + 1
    WHERE a.member_id = p_member
        AND (a.lapses_on = '9999-12-31' OR a.lapses_on >= (p_at AT TIME ZONE p_zone)::date)
    RETURNING a.seq, a.balance INTO account;
    IF NOT FOUND THEN
        PERFORM points_expire(p_member, p_member, (p_at AT TIME ZONE p_zone)::date, p_zone);
        UPDATE points_account AS a SET
            balance = a.balance + p_points, pending = a.pending + p_pending, seq = a.seq + 1
        WHERE a.member_id = p_member RETURNING a.seq, a.balance INTO account;
    END IF;
    IF account.balance > 0 AND p_points > 0 THEN
        INSERT INTO points_lot (member_id, expires_on, seq, remaining)
        VALUES (p_member, p_expires_on, account.seq, least(p_points, account.balance));
    END IF;
    INSERT INTO points_entry (
        member_id, seq, kind, type, points, pending, held, qualifying, balance_after, effective_at,
        expires_on, counterpart_id, counterpart_seq, issuer_id, store_id, client_id, version_id,
        funding_id, actor_id, note
    ) VALUES (
        p_member, account.seq, p_kind, origin.type, p_points, p_pending, 0, 0, account.balance, p_at,
        p_expires_on, p_from, p_counterpart_seq, p_issuer, p_store, p_client, origin.version_id,
        origin.funding_id, p_actor, p_note
    );
    RETURN account.seq;
END $$;
