"""What `dev.py` concludes from what it sees."""

from datetime import date

import pytest

from local.example import Checks, last_day_of_points
from local.test import closing_line


@pytest.mark.parametrize(
    ("earned_on", "last_day"),
    [
        (date(2026, 11, 22), date(2027, 11, 30)),
        (date(2027, 2, 1), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2029, 2, 28)),
        (date(2026, 12, 31), date(2027, 12, 31)),
    ],
)
def test_last_day_of_the_examples_points(earned_on, last_day):
    assert last_day_of_points(earned_on) == last_day


def test_one_wrong_figure_fails_the_example(capsys):
    checks = Checks()
    checks.equal("balance", 26, 26)
    assert checks.done()

    checks.equal("balance", 26, 27)
    assert not checks.done()
    assert "expected 26" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        "===== 123 passed in 45.01s =====",
        "===== 1 failed, 122 passed, 2 warnings in 125.01s (0:02:05) =====",
        "===== no tests ran in 0.01s =====",
    ],
)
def test_closing_line_of_pytest(line):
    assert closing_line(f"....\n\x1b[32m{line}\x1b[0m\n") == line


def test_no_closing_line_when_pytest_was_killed():
    assert closing_line("collecting ...") == ""
