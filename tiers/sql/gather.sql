-- Adds what a member gathered to the day it happened on, and holds the member's standing until the
-- transaction ends: of two that cross a threshold at once, the second sees what the first did.
--
-- p_level: the base of the ladder, for a standing that begins here. p_firsts: first days of windows
-- that end on the day; null: from the last change of tier on. Answers the standing and the sums of
-- each window, measure by measure; without what guests of the standing gathered.
--
-- Two statements on purpose: sums are read after the standing is held.
CREATE OR REPLACE FUNCTION tiers_gather(
    p_member bigint, p_day date, p_level text, p_points bigint, p_spend numeric, p_purchases integer,
    p_interactions integer, p_events integer, p_referrals integer, p_firsts date[],
    OUT level text, OUT earned text, OUT since date, OUT period_from date, OUT valid_until date,
    OUT manual text, OUT manual_until date, OUT review_on date, OUT judged_on date,
    OUT guests bigint[], OUT sums numeric[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    standing record;
BEGIN
    SELECT s.* INTO standing FROM tiers_standing AS s
    WHERE s.member_id = p_member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO tiers_standing AS s (member_id, level, earned, manual)
        VALUES (p_member, p_level, p_level, '')
        ON CONFLICT (member_id) DO NOTHING;
        SELECT s.* INTO STRICT standing FROM tiers_standing AS s
        WHERE s.member_id = p_member FOR NO KEY UPDATE;
    END IF;

    IF standing.judged_on IS NULL OR standing.judged_on < p_day THEN
        UPDATE tiers_standing AS s SET judged_on = p_day WHERE s.member_id = p_member;
    END IF;

    INSERT INTO tiers_gathered AS g (
        member_id, day, points, spend, purchases, interactions, events, referrals
    ) VALUES (
        p_member, p_day, p_points, p_spend, p_purchases, p_interactions, p_events, p_referrals
    )
    ON CONFLICT (member_id, day) DO UPDATE SET
        points = g.points + excluded.points, spend = g.spend + excluded.spend,
        purchases = g.purchases + excluded.purchases,
        interactions = g.interactions + excluded.interactions,
        events = g.events + excluded.events, referrals = g.referrals + excluded.referrals;

    SELECT array_agg(t.total ORDER BY w.nth, t.place) INTO sums
    FROM unnest(p_firsts) WITH ORDINALITY AS w (first, nth)
    CROSS JOIN LATERAL (
        SELECT sum(g.points) AS points, sum(g.spend) AS spend, sum(g.purchases) AS purchases,
            sum(g.interactions) AS interactions, sum(g.events) AS events,
            sum(g.referrals) AS referrals
        FROM tiers_gathered AS g
        WHERE g.member_id = p_member AND g.day <= p_day
            AND g.day >= coalesce(w.first, standing.period_from, '-infinity')
    ) AS s
    CROSS JOIN LATERAL (
        VALUES (1, s.points::numeric), (2, s.spend), (3, s.purchases::numeric),
            (4, s.interactions::numeric), (5, s.events::numeric), (6, s.referrals::numeric)
    ) AS t (place, total);

    level := standing.level;
    earned := standing.earned;
    since := standing.since;
    period_from := standing.period_from;
    valid_until := standing.valid_until;
    manual := standing.manual;
    manual_until := standing.manual_until;
    review_on := standing.review_on;
    judged_on := greatest(standing.judged_on, p_day);
    guests := standing.guests;
END $$;
