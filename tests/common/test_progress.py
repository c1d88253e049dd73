from io import StringIO

import pytest

from common import progress


class Terminal(StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    out = StringIO()

    with progress.progress(total=1000, unit="rows", stream=out) as advance:
        advance(250)
        advance(250)

    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "500/1000" in lines[1]
    assert "rows/s" in lines[1]


def test_without_a_terminal_a_short_command_says_nothing():
    out = StringIO()

    with progress.progress(total=1000, unit="rows", stream=out) as advance:
        advance(1000)

    assert out.getvalue() == ""


@pytest.mark.parametrize("total", [1000, None])
def test_a_terminal_has_a_bar_with_what_an_earlier_start_has_done(total):
    out = Terminal()

    with progress.progress(total=total, unit="rows", done=400, stream=out) as advance:
        advance(200)

    assert "600" in out.getvalue()
    assert "\r" in out.getvalue()
