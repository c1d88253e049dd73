"""A programme as a file: what is refused, and that the refusal is one."""

import time

import pytest
from django.utils import translation

from programme import documents
from tests.factories.programme import PLAIN

TEXT = PLAIN.read_text()


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


def refusal_of(text):
    with pytest.raises(documents.InvalidProgramme) as refusal:
        documents.parse(text)
    assert refusal.value.code == "invalid_programme"
    assert refusal.value.sentence
    return refusal.value.details


def test_the_shipped_programme_is_valid():
    assert documents.parse(TEXT)["programme"]["code"] == "plain"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "1",
        "just words",
        "format: 1",
        "a: b: c",
        "\tformat: 1",
        "{unclosed",
        "--- 1\n--- 2",
        "!!python/object/apply:os.system ['true']",
        "? [a, b]\n: c",
        "1: 2\nfalse: 3",
        "\x00",
        "format: !!timestamp 'x'",
        "format: !!bool 'x'",
        "format: !!int 'x'",
        "format: !!float 'x'",
        f"format: {'9' * 5000}",
        "[" * 5000,
        "{a: " * 3000,
        TEXT + "surplus: 1\n",
    ],
)
def test_what_is_no_programme(text):
    refusal_of(text)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("format: 1", "format: 2"),
        ("format: 1", "format: true"),
        ("format: 1", "format: '1'"),
        ("code: plain", "code: Plain"),
        ("code: plain", "code: ''"),
        ("code: plain", 'code: "plain\\n"'),
        ("currency: CNY", 'currency: "CNY\\n"'),
        ("currency: CNY", "currency: yuan"),
        ("points_per_currency_unit: 10", "points_per_currency_unit: 0"),
        ("points_per_currency_unit: 10", "points_per_currency_unit: 10.5"),
        ("points_per_currency_unit: 10", "points_per_currency_unit: true"),
        ("points_per_currency_unit: 10", "points_per_currency_unit: 1000001"),
        ("'#1f5eff'", "blue"),
        ("'#1f5eff'", "'#1f5eff;}'"),
        ("'1900-01-01'", "'2026-02-29'"),
        ("'1900-01-01'", "'20260101'"),
        ("'1900-01-01'", "2026-1-1"),
        ("'1900-01-01'", "never"),
        ("months: 12", "months: 0"),
        ("months: 12", "months: 1201"),
        ("months: 12", "months: '12'"),
        ("until: month_end", "until: month"),
        ("mode: down", "mode: bankers"),
        ("per: document", "per: purchase"),
        ("return_after_spending: debt", "return_after_spending: negative"),
        ("    until: month_end\n", ""),
        ("zh-hans: 简明积分", "zh-hans: ''"),
        ("zh-hans: 简明积分", 'zh-hans: "\\0"'),
        ("zh-hans: 简明积分", 'zh-hans: "\\uD800"'),
        ("zh-hans: 简明积分", f"zh-hans: {'长' * 201}"),
        ("note: 1", 'note: "\\0"\nx: 1'),
    ],
)
def test_each_place_is_checked(good, bad):
    assert TEXT.count(good) >= 1

    refusal_of(TEXT.replace(good, bad, 1))


def test_a_day_needs_no_quotes():
    text = TEXT.replace("'1900-01-01'", "1900-01-01")

    assert documents.parse(text)["valid_from"] == "1900-01-01"


def test_a_key_given_twice_is_refused():
    """YAML would silently keep the second."""
    why = refusal_of(TEXT.replace("  mode: down", "  mode: down\n  mode: up".replace("  ", "    ")))

    assert "“mode” twice" in why["why"] or why["where"] == "YAML"


def test_a_rate_given_twice_is_refused():
    why = refusal_of(TEXT + "    per_amount: '1'\n")

    assert why["why"] == "“per_amount” twice"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    "text", [BOMB, "a: &a [*a]", "a: &a {x: 1}\nb:\n  <<: *a", TEXT + "x: &x 1\ny: *x\n"]
)
def test_aliases_are_refused_at_once(text):
    """A few lines of them stand for gigabytes, in memory or in the message of the refusal."""
    started = time.monotonic()

    why = refusal_of(text)

    assert why["why"] == "aliases are not allowed"
    assert time.monotonic() - started < 30  # expanded, it would be 9 to the power of 9


def test_a_refusal_is_short_whatever_was_wrong():
    why = refusal_of(TEXT.replace("code: plain", f"code: {'x' * 100_000}"))

    assert len(why["why"]) <= documents.WHY_MAX


def test_a_file_is_no_longer_than_a_file():
    assert "more than" in refusal_of(TEXT + "#" * documents.TEXT_MAX)["why"]


@pytest.mark.parametrize(
    "name", ["长" * 200, "👨‍👩‍👧‍👦", "𠮷㑇", "<b>&amp;</b>", "'\"", "- x: y #z", "~", "012", "1e3"]
)
def test_names_come_back_as_they_were(name):
    document = documents.parse(TEXT)
    document["programme"]["names"]["en"] = name

    assert documents.parse(documents.render(document)) == document
