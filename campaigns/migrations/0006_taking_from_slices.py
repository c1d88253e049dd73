from django.db import migrations

TAKE = """
-- Take points from a slice of a purse that nobody uses now; false if none of those has enough.
--
-- A slice somebody has just taken from still looks full to whoever began before that: it is locked
-- first and found too small then. Ending the block by an exception lets go of such locks. Who kept
-- them and went to wait for other slices would stand in a circle with who waits for these.
CREATE OR REPLACE FUNCTION campaigns_take_from_slice(
    p_code text, p_points bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- SKIP LOCKED finds the newest version of a row or none, so what it takes is there.
    WITH free AS MATERIALIZED (
        SELECT s.nth FROM campaigns_budgetslice AS s
        WHERE s.purse_id = p_code AND s.remaining >= p_points
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE campaigns_budgetslice AS s SET remaining = s.remaining - p_points
    FROM free WHERE s.purse_id = p_code AND s.nth = free.nth;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found';
    END IF;
    RETURN true;
EXCEPTION WHEN no_data_found THEN
    RETURN false;
END $$;
"""


class Migration(migrations.Migration):
    """Who waits for the last points of a budget holds none of its slices meanwhile."""

    dependencies = [("campaigns", "0005_segments")]
    operations = [
        migrations.RunSQL(TAKE, "DROP FUNCTION campaigns_take_from_slice(text, bigint)"),
    ]
