-- Shares of those who pay: each positive, together all of it, no payer's purse named twice.
CREATE OR REPLACE FUNCTION points_funding_is_sound(
    p_organizations bigint[], p_shares integer[], p_budgets text[]
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT
        cardinality(p_organizations) = cardinality(p_shares)
        AND cardinality(p_organizations) = cardinality(p_budgets)
        AND 0 < ALL (p_shares)
        AND (SELECT sum(share) FROM unnest(p_shares) AS share) = 10000
        AND cardinality(p_organizations) = (
            SELECT count(DISTINCT (t.organization, t.budget))
            FROM unnest(p_organizations, p_budgets) AS t (organization, budget)
        )
$$;

ALTER TABLE points_funding ADD CONSTRAINT points_funding_is_sound CHECK (
    coalesce(points_funding_is_sound(organizations, shares, budgets), false)
);
