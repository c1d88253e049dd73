"""What was measured: on the screen, in results.json and in docs/performance.*"""

import dataclasses
import json
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import picture, server
from benchmarks.measuring import Aim, Row
from benchmarks.options import Options
from benchmarks.rules import AIM_MS, Judging
from benchmarks.search import Figure

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results.json"
PAGE = PROJECT / "docs" / "performance.md"
RATIOS_PICTURE = PROJECT / "docs" / "performance.svg"
GROWTH_PICTURE = PROJECT / "docs" / "growth.svg"
# What stands between these in the page is rewritten.
PLACE = re.compile(r"(<!-- figures -->\n).*(<!-- /figures -->)", re.DOTALL)

SEARCH_AIM_MS = 1000.0


@dataclass
class Report:
    options: Options
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    judgings: list[Judging] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether nothing was found that must not be at all."""
        counts = [row.ratio for row in self.rows if row.aim and row.aim.ratio == 0]
        return not any(counts)

    def as_json(self) -> dict[str, dict]:
        document = {row.name: _row_as_json(row) for row in self.rows}
        for figure in self.figures:
            document[f"search by {figure.name}"] = {
                "milliseconds": round(figure.median_ms, 1),
                "worst": round(figure.worst_ms, 1),
                "aim": SEARCH_AIM_MS,
                "members": figure.members,
            }
        for judging in self.judgings:
            document[f"judging by {judging.name}"] = {
                "milliseconds": round(judging.median_ms, 3),
                "worst": round(judging.worst_ms, 3),
                "aim": AIM_MS,
                "rules": judging.rules,
            }
        return document

    def tables(self) -> str:
        """The figures as Markdown tables, which read well on a screen too."""
        parts = []
        if loads := [row for row in self.rows if row.per_second is not None]:
            parts.append(_table(LOAD_COLUMNS, map(_load_cells, loads)))
        if others := [row for row in self.rows if row.per_second is None]:
            cells = [(row.name, _ratio(row.ratio), _aim(row)) for row in others]
            parts.append(_table(("in the same run", "ratio", "aim"), cells))
        if self.figures:
            cells = [
                (f.name, f"{f.members:,}", f"{f.median_ms:.1f}", f"{f.worst_ms:.1f}")
                for f in self.figures
            ]
            parts.append(_table(("search by", "members", "median ms", "worst ms"), cells))
        if self.judgings:
            cells = [
                (j.name, f"{j.rules:,}", f"{j.median_ms:.3f}", f"{j.worst_ms:.3f}")
                for j in self.judgings
            ]
            title = "judging a purchase of two lines by"
            parts.append(_table((title, "rules", "median ms", "worst ms"), cells))
        return "\n".join(parts)

    def circumstances(self) -> str:
        return "".join(f"- {name}: {value}\n" for name, value in self.facts.items())

    def write(self) -> None:
        RESULTS.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n")
        RATIOS_PICTURE.write_text(picture.ratios(self.rows))
        GROWTH_PICTURE.write_text(picture.growth(self.rows))
        figures = f"{self.tables()}\n{self.circumstances()}"
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(PLACE.sub(lambda m: m[1] + figures + m[2], page), encoding="utf-8")


LOAD_COLUMNS = (
    "what", "ratio", "to", "aim", "lowest – highest", "per second", "PostgreSQL CPU µs",
    "yardstick's", "own CPU µs", "WAL bytes",
)  # fmt: skip


def circumstances(options: Options) -> dict[str, str]:
    """What the figures depend on, without the machine's name."""
    names = (
        "synchronous_commit", "fsync", "full_page_writes", "shared_buffers", "wal_compression",
        "max_wal_size", "checkpoint_timeout", "jit",
    )  # fmt: skip
    with server.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        version = cursor.fetchone()[0]
        settings = []
        for name in names:
            cursor.execute("SELECT current_setting(%s)", (name,))
            settings.append(f"{name} {cursor.fetchone()[0]}")
    changed = {
        item.name: getattr(options, item.name)
        for item in dataclasses.fields(options)
        if getattr(options, item.name) != item.default and item.name != "write"
    }
    words = "".join(f" {name}={value}" for name, value in changed.items())
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return {
        "command": f"`python3 dev.py bench{words}`",
        "data": f"{options.members:,} members with {options.lots} open lots and entries each",
        "turns": f"{options.rounds} of {options.seconds:g} s, {options.clients} clients",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}; clients, web servers and "
        "PostgreSQL share it",
        "beside": f"load average before the first turn {load}",
        "PostgreSQL": f"{version}, {', '.join(settings)}",
        "Python": platform.python_version(),
        "checkpoint": "where a line says “just after a checkpoint”, one before each turn; the "
        "others are warm: none since their pages were first changed"
        if server.is_ours()
        else "not under our control",
        "keys": "time-ordered, 18 digits, except where a line says random",
    }


def facts_after() -> dict[str, str]:
    """What the loads did to the tables."""
    with server.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_hot_upd::float / nullif(n_tup_upd, 0) FROM pg_stat_user_tables"
            " WHERE schemaname = 'public' AND relname = 'points_account'"
        )
        hot = cursor.fetchone()[0]
        cursor.execute("SELECT avg(cardinality(lot_seq)) FROM points_entry WHERE kind = 'REDEEM'")
        lots = cursor.fetchone()[0]
    facts = {}
    if hot is not None:
        facts["HOT updates of accounts"] = f"{hot:.1%}"
    if lots is not None:
        facts["lots per redemption"] = f"{lots:.2f}"
    return facts


def _row_as_json(row: Row) -> dict:
    """Name → ratio and aim, and what else is known of it."""
    aim = row.aim or Aim(0)
    document = {
        "ratio": round(row.ratio, 3),
        "aim": aim.ratio if row.aim else None,
        "at_most": aim.at_most,
        "to": row.to,
        "lowest": row.lowest and round(row.lowest, 3),
        "highest": row.highest and round(row.highest, 3),
        "per_second": _whole(row.per_second),
        "postgresql_cpu_us": _whole(row.server_cpu_us),
        "yardstick_postgresql_cpu_us": _whole(row.yardstick_cpu_us),
        "own_cpu_us": _whole(row.client_cpu_us),
        "wal_bytes": _whole(row.wal_bytes),
    }
    always = ("ratio", "aim")
    return {key: value for key, value in document.items() if value or key in always}


def _load_cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        _ratio(row.ratio),
        row.to,
        _aim(row),
        f"{row.lowest:.2f} – {row.highest:.2f}",
        _text(row.per_second),
        _text(row.server_cpu_us),
        _text(row.yardstick_cpu_us),
        _text(row.client_cpu_us),
        _text(row.wal_bytes),
    )


def _ratio(ratio: float) -> str:
    digits = 0 if ratio == 0 or ratio >= 10 else 2 if ratio >= 0.1 else 3
    return f"**{ratio:,.{digits}f}**"


def _aim(row: Row) -> str:
    if row.aim is None:
        return ""
    return f"{row.aim} {'✓' if row.aim.is_met(row.ratio) else '✗'}"


def _table(columns, rows) -> str:
    """A Markdown table, padded so that it can be read as it is."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(line[nth]) for line in lines) for nth in range(len(columns))]

    def written(line) -> str:
        first, *others = line
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        return f"| {' | '.join(cells)} |\n"

    rule = "-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])
    return written(lines[0]) + written(rule) + "".join(map(written, lines[1:]))


def _processor() -> str:
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def _whole(figure: float | None) -> int | None:
    return None if figure is None else round(figure)


def _text(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,.0f}"
