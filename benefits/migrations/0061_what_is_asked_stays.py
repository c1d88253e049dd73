from django.db import migrations

# What members are asked is theirs to answer as it was asked; before that, it is a draft.
RULES = """
    CREATE FUNCTION benefits_question_is_asked() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        one bigint;
    BEGIN
        IF TG_TABLE_NAME = 'benefits_question' THEN
            one := CASE WHEN TG_OP = 'DELETE' THEN OLD.survey_id ELSE NEW.survey_id END;
        ELSE
            SELECT survey_id INTO one FROM benefits_question
            WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.question_id ELSE NEW.question_id END;
        END IF;
        IF (SELECT state FROM benefits_survey WHERE id = one) <> 'DRAFT' THEN
            RAISE EXCEPTION 'survey % is asked: its questions do not change', one
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER asked BEFORE INSERT OR UPDATE OR DELETE ON benefits_question
        FOR EACH ROW EXECUTE FUNCTION benefits_question_is_asked();
    CREATE TRIGGER asked BEFORE INSERT OR UPDATE OR DELETE ON benefits_option
        FOR EACH ROW EXECUTE FUNCTION benefits_question_is_asked();
    SELECT common_keep_rows('benefits_candidate');
    SELECT common_keep_rows('benefits_survey');
    SELECT common_keep_rows('benefits_answer');
    SELECT common_keep_rows('benefits_assessment');
"""

UNDO = """
    DROP TRIGGER asked ON benefits_option;
    DROP TRIGGER asked ON benefits_question;
    DROP FUNCTION benefits_question_is_asked();
"""


class Migration(migrations.Migration):
    """Let what members are asked never change once they are asked, and their answers stay."""

    dependencies = [("benefits", "0060_research"), ("common", "0002_append_only")]
    operations = [migrations.RunSQL(RULES, UNDO)]
