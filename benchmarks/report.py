"""What was measured: on the screen, in results.json and in docs/performance.*"""

import dataclasses
import json
import os
import platform
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from benchmarks import server
from benchmarks.measuring import Result
from benchmarks.options import Options
from benchmarks.search import Figure

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "benchmarks" / "results.json"
PAGE = PROJECT / "docs" / "performance.md"
PICTURE = PROJECT / "docs" / "performance.svg"
# What stands between these in the page is rewritten.
PLACE = re.compile(r"(<!-- figures -->\n).*(<!-- /figures -->)", re.DOTALL)

SEARCH_AIM_MS = 1000.0
OVER_ORM_AIM = 10.0


@dataclass
class Report:
    options: Options
    results: list[Result] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    differences: int = 0
    facts: dict[str, str] = field(default_factory=dict)

    # --- Ratios between loads that had the same yardstick -----------------------------------------

    def over_plain_orm(self) -> dict[str, float]:
        """How many times faster our operations are than the same by plain ORM."""
        ratios = {result.name: result.ratio for result in self.results}
        return {
            f"{verb}, Python, to plain ORM": ratios[f"{verb}, Python"]
            / ratios[f"{verb}, plain ORM"]
            for verb in ("earn", "redeem")
            if f"{verb}, plain ORM" in ratios
        }

    def to_framework(self) -> dict[str, float]:
        """How near our requests come to the floor of the framework they are built on."""
        ratios = {result.name: result.ratio for result in self.results}
        floor = ratios.get("bare DRF view")
        return {
            f"{name}, to bare DRF": ratio / floor
            for name, ratio in ratios.items()
            if name.startswith("POST") and floor
        }

    # --- Writing it down --------------------------------------------------------------------------

    def as_json(self) -> dict[str, dict]:
        document: dict[str, dict] = {
            result.name: {
                "ratio": round(result.ratio, 3),
                "aim": result.aim,
                "to": result.yardstick,
                "lowest": round(min(result.ratios), 3),
                "highest": round(max(result.ratios), 3),
                "per_second": round(result.per_second),
                "postgresql_cpu_us": _rounded(result.server_cpu_us),
                "own_cpu_us": _rounded(result.client_cpu_us),
                "wal_bytes": round(result.wal_bytes),
            }
            for result in self.results
        }
        for name, ratio in self.over_plain_orm().items():
            document[name] = {"ratio": round(ratio, 1), "aim": OVER_ORM_AIM}
        for name, ratio in self.to_framework().items():
            document[name] = {"ratio": round(ratio, 3), "aim": None}
        for figure in self.figures:
            document[f"search by {figure.name}"] = {
                "milliseconds": round(figure.median_ms, 1),
                "worst": round(figure.worst_ms, 1),
                "aim": SEARCH_AIM_MS,
                "members": figure.members,
            }
        document["differences in the ledger"] = {"count": self.differences, "aim": 0}
        return document

    def tables(self) -> str:
        """The figures as Markdown tables, which read well on a screen too."""
        parts = []
        if self.results:
            parts.append(_table(RESULT_COLUMNS, map(_result_row, self.results)))
        between = self.over_plain_orm() | self.to_framework()
        if between:
            rows = [(name, f"{ratio:.2f}") for name, ratio in between.items()]
            parts.append(_table(("in the same run", "ratio"), rows))
        if self.figures:
            rows = [
                (f.name, f"{f.members:,}", f"{f.median_ms:.1f}", f"{f.worst_ms:.1f}")
                for f in self.figures
            ]
            parts.append(_table(("search by", "members", "median ms", "worst ms"), rows))
        parts.append(f"Differences `verify_ledger` found after each part: **{self.differences}**\n")
        return "\n".join(parts)

    def circumstances(self) -> str:
        return "".join(f"- {name}: {value}\n" for name, value in self.facts.items())

    def write(self) -> None:
        RESULTS.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n")
        PICTURE.write_text(picture(self.results))
        figures = f"{self.tables()}\n{self.circumstances()}"
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(PLACE.sub(lambda m: m[1] + figures + m[2], page), encoding="utf-8")


RESULT_COLUMNS = (
    "what", "ratio", "to", "aim", "lowest – highest", "per second", "PostgreSQL CPU µs",
    "own CPU µs", "WAL bytes",
)  # fmt: skip


def circumstances(options: Options, *, checkpointed: bool) -> dict[str, str]:
    """What the figures depend on, without the machine's name."""
    with server.connect().cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        version = cursor.fetchone()[0]
        names = ("synchronous_commit", "shared_buffers", "wal_compression", "max_wal_size", "jit")
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
        "checkpoint": "one just before the first turn; each load warms up for a second"
        if checkpointed
        else "not under our control",
        "keys": "time-ordered, 18 digits",
    }


def facts_after() -> dict[str, str]:
    """What the loads did to the tables."""
    with server.connect().cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_hot_upd::float / nullif(n_tup_upd, 0) FROM pg_stat_user_tables"
            " WHERE relname = 'points_account'"
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


def picture(results: list[Result]) -> str:
    """Bars of ratios, with a mark where the aim is."""
    width, left, row = 720, 290, 26
    scale = width - left - 50
    bars = []
    for nth, result in enumerate(results):
        y = 26 + nth * row
        length = min(result.ratio, 1.0) * scale
        label = escape(f"{result.name} / {result.yardstick}")
        bars.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}</text>\n'
            f'<rect x="{left}" y="{y + 3}" width="{length:.0f}" height="16" fill="#1f5eff"/>\n'
            f'<text x="{left + length + 6:.0f}" y="{y + 15}">{result.ratio:.2f}</text>\n'
        )
        if result.aim:
            x = f"{left + result.aim * scale:.0f}"
            bars.append(
                f'<line x1="{x}" x2="{x}" y1="{y}" y2="{y + 22}" stroke="#e5484d"'
                ' stroke-width="2"/>\n'
            )
    height = row * len(results) + 34
    title = "ratio to the yardstick of the same run; the line is the aim"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13">\n'
        "<style>text{fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>\n"
        f'<text x="{left}" y="16">{title}</text>\n{"".join(bars)}</svg>\n'
    )


def _result_row(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        f"**{result.ratio:.2f}**" if result.ratio >= 0.1 else f"**{result.ratio:.3f}**",
        result.yardstick,
        f"{result.aim:.2f}" if result.aim else "",
        f"{min(result.ratios):.2f} – {max(result.ratios):.2f}",
        f"{result.per_second:,.0f}",
        _text(result.server_cpu_us),
        _text(result.client_cpu_us),
        f"{result.wal_bytes:,.0f}",
    )


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


def _rounded(figure: float | None) -> int | None:
    return None if figure is None else round(figure)


def _text(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,.0f}"
