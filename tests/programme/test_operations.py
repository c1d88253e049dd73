"""Loading a programme, and which version judges which day."""

from datetime import UTC, date, datetime

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from common.models import AuditRecord
from programme import documents, operations, queries
from programme.models import Programme, Version
from tests.factories import plain, rulebook
from tests.factories.programme import PLAIN

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, tzinfo=UTC)


def document(**changes):
    found = documents.parse(PLAIN.read_text())
    for name, value in changes.items():
        found[name] = found[name] | value if isinstance(value, dict) else value
    return found


def load(**changes):
    return operations.load(document=document(**changes), published_at=NOW)


class TestLoad:
    def test_installs_and_publishes(self):
        loaded = load()

        assert not loaded.unchanged
        assert (loaded.version.number, loaded.version.published_at) == (1, NOW)
        assert Programme.objects.get().code == "plain"
        assert AuditRecord.objects.get(action="version.published").target == "plain v1"

    def test_the_same_again_changes_nothing(self):
        first = load()

        again = load()

        assert (again.version, again.unchanged) == (first.version, True)
        assert Version.objects.count() == AuditRecord.objects.count() == 1

    def test_a_change_is_a_new_version(self):
        load()

        second = load(valid_from="2026-07-01", note="Rounded up", policies={"validity": "never"})

        assert second.version.number == 2
        assert Version.objects.exclude(published_at=None).count() == 2

    def test_no_two_versions_start_on_one_day(self):
        load()

        with pytest.raises(operations.VersionTaken) as refusal:
            load(note="other")

        assert refusal.value.details == {"day": date(1900, 1, 1)}
        assert Version.objects.count() == 1

    def test_another_programme_is_refused(self):
        load()

        with pytest.raises(operations.AnotherProgramme) as refusal:
            load(programme={"code": "other"}, valid_from="2026-07-01")

        assert refusal.value.details == {"installed": "plain", "given": "other"}
        assert (Programme.objects.get().code, Version.objects.count()) == ("plain", 1)

    def test_refused_it_leaves_the_programme_as_it_was(self):
        load()

        with pytest.raises(operations.VersionTaken):
            load(programme={"color": "#000000"}, note="other")

        assert Programme.objects.get().color == "#1f5eff"

    def test_a_new_colour_needs_no_new_rules(self):
        load()

        assert load(programme={"color": "#000000"}).unchanged
        assert Programme.objects.get().color == "#000000"


def owner_does(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


class TestPublished:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE programme_version SET valid_from = '2030-01-01'",
            "UPDATE programme_version SET policies = '{}'",
            "UPDATE programme_version SET published_at = NULL",
            "DELETE FROM programme_version",
        ],
    )
    def test_it_cannot_change_even_for_the_owner(self, statement):
        plain()

        with pytest.raises(IntegrityError, match="version 1 is published and cannot be changed"):
            owner_does(statement)

    def test_a_draft_can(self):
        draft = Version.objects.create(number=9, valid_from="2030-01-01", policies={})

        draft.valid_from = "2031-01-01"
        draft.save()
        draft.delete()

        assert not Version.objects.exists()

    def test_there_is_one_programme(self):
        plain()

        with pytest.raises(IntegrityError, match="programme_programme_only_one"):
            Programme.objects.create(code="second", names={})


class TestRulebookOn:
    def test_each_day_has_the_version_that_had_started(self):
        rulebook(valid_from="2026-07-01")
        rulebook(valid_from="2020-01-01")

        assert queries.rulebook_on(date(2026, 6, 30)).number == 2
        assert queries.rulebook_on(date(2026, 7, 1)).number == 1
        assert queries.rulebook_on(date.max).number == 1
        with pytest.raises(queries.NoRulebook) as refusal:
            queries.rulebook_on(date(2019, 12, 31))
        assert refusal.value.details == {"day": date(2019, 12, 31)}

    def test_a_draft_judges_nothing(self):
        published = plain()
        Version.objects.create(number=9, valid_from="2026-01-01", policies=published.policies)
        queries.forget_cached()

        assert queries.rulebook_on(date(2026, 6, 1)).number == 1

    def test_by_its_id(self):
        first = rulebook(valid_from="2020-01-01")
        rulebook(valid_from="2026-07-01")

        assert queries.rulebook(first.pk).number == 1
        with pytest.raises(queries.NoRulebook):
            queries.rulebook(10**9)

    @pytest.mark.usefixtures("_forgets_in_time")
    def test_is_asked_of_the_database_every_five_seconds(
        self, django_assert_num_queries, monkeypatch
    ):
        plain()
        now = [1000.0]
        monkeypatch.setattr(queries.time, "monotonic", lambda: now[0])
        queries.forget_cached()

        with django_assert_num_queries(1):
            for _ in range(3):
                queries.rulebook_on(date(2026, 6, 15))
        # Another process publishes: nothing tells this one.
        published = load(valid_from="2026-06-01", note="x").version
        now[0] += 4.9
        assert queries.rulebook_on(date(2026, 6, 15)).number == 1
        now[0] += 0.2
        assert queries.rulebook_on(date(2026, 6, 15)).number == published.number

    def test_who_published_it_sees_it_at_once(self, django_capture_on_commit_callbacks):
        plain()
        queries.rulebook_on(date(2026, 6, 15))

        with django_capture_on_commit_callbacks(execute=True):
            load(valid_from="2026-06-01", note="x")

        assert queries.rulebook_on(date(2026, 6, 15)).number == 2


class TestCommands:
    def test_load_by_name_then_export_then_load_the_file(self, tmp_path, capsys):
        call_command("load_programme", "plain")
        assert "plain v1: published, valid from 1900-01-01" in capsys.readouterr().out

        call_command("export_programme")
        exported = capsys.readouterr().out
        assert exported == PLAIN.read_text()

        file = tmp_path / "mine.yaml"
        file.write_text(exported, encoding="utf-8")
        call_command("load_programme", str(file))
        assert "nothing changed" in capsys.readouterr().out
