from datetime import date, datetime
from decimal import Decimal

import pytest
from django.utils.translation import override

from messaging import templates
from tests.factories import plain
from tests.factories.messaging import LAPSING, PLURAL, said_in

KEPT = {"points": 1200, "last_day": "2026-12-31"}


class TestFill:
    @pytest.mark.parametrize(
        ("language", "subject", "body"),
        [
            ("zh-hans", "1,200 积分即将到期", "最后可用日：2026年12月31日。"),
            ("zh-hant", "1,200 點積分即將到期", "最後可用日：2026年12月31日。"),
            ("en", "1,200 points expire soon", "Last day: Dec. 31, 2026."),
        ],
    )
    def test_writes_words_numbers_and_days_in_the_readers_language(self, language, subject, body):
        with override(language):
            assert templates.template(LAPSING).fill(KEPT) == templates.Text(subject, body)

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("points", "subject"),
        [(1, "one point, 12.50 yuan"), (1200, "1,200 points, 12.50 yuan")],
    )
    def test_chooses_the_plural_and_tells_money_in_the_programmes_currency(self, points, subject):
        plain()
        kept = {"points": points, "worth": "12.50", "store": "总店"}

        with override("en"):
            text = templates.template(PLURAL).fill(kept)

        assert text == templates.Text(subject, "总店 100%")


class TestKeep:
    def test_keeps_values_as_json(self):
        kept = templates.template(PLURAL).keep(
            {"points": 5, "worth": Decimal("12.50"), "store": "总店"}
        )

        assert kept == {"points": 5, "worth": "12.50", "store": "总店"}

    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"points": 5},
            {"points": 5, "last_day": date(2026, 12, 31), "name": "王小明"},
            {"points": "5", "last_day": date(2026, 12, 31)},
            {"points": True, "last_day": date(2026, 12, 31)},
            {"points": 5, "last_day": "2026-12-31"},
            {"points": 5, "last_day": datetime(2026, 12, 31)},
        ],
    )
    def test_refuses_what_is_missing_not_declared_or_of_another_kind(self, variables):
        with pytest.raises(templates.WrongVariables):
            templates.template(LAPSING).keep(variables)

    @pytest.mark.parametrize(
        "changed",
        [
            {"worth": 12.5},
            {"worth": Decimal("NaN")},
            {"store": ""},
            {"store": "x" * 501},
            {"store": "a\0b"},
            {"store": "a\ud800b"},
        ],
    )
    def test_refuses_what_the_database_could_not_keep_exactly(self, changed):
        good = {"points": 5, "worth": Decimal("12.50"), "store": "总店"}

        with pytest.raises(templates.WrongVariables):
            templates.template(PLURAL).keep(good | changed)


class TestRegister:
    @pytest.fixture(autouse=True)
    def _forget(self, monkeypatch):
        monkeypatch.setattr(templates, "_templates", dict(templates._templates))

    def test_a_placeholder_that_nothing_fills_is_found_at_once(self):
        with pytest.raises(KeyError, match="day"):
            templates.register("tests.x", subject="x", body="until %(day)s", variables={})

        with pytest.raises(templates.UnknownTemplate):
            templates.template("tests.x")

    def test_a_name_is_given_once(self):
        with pytest.raises(AssertionError):
            templates.register(LAPSING, subject="x", body="x", variables={})

    def test_what_no_release_knows_any_more_still_has_a_place_on_the_page(self, caplog):
        with override("en"):
            text = templates.shown("tests.gone", {})

        assert text == templates.Text("Message", "This message can no longer be shown.")
        assert "tests.gone" in caplog.text

    def test_a_template_that_wants_more_than_was_kept_still_has_a_place_on_the_page(self):
        more = {"points": templates.NUMBER}
        templates.register("tests.more", subject=said_in(en="%(points)s"), body="", variables=more)

        with override("en"):
            assert templates.shown("tests.more", {}).subject == "Message"
