"""The pictures of docs/performance.md."""

from collections.abc import Sequence
from html import escape
from math import log10

from benchmarks.measuring import Row

WIDTH = 860
# Readable on a light page and on a dark one.
STYLE = (
    "<style>text{fill:#333}.faint{stroke:#999;opacity:.5}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>"
)
BAR, AIM = "#1f5eff", "#e5484d"


def ratios(rows: Sequence[Row]) -> str:
    """Bars of rates, with a mark where the aim is. What is beyond 1 has a bar of full length."""
    left, step = 430, 26
    scale = WIDTH - left - 70
    bars = []
    shown = [row for row in rows if row.per_second is not None and row.members is None]
    for nth, row in enumerate(shown):
        y = 26 + nth * step
        length = min(row.ratio, 1.0) * scale
        label = escape(f"{row.name} / {row.to}")
        bars.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}</text>\n'
            f'<rect x="{left}" y="{y + 3}" width="{length:.0f}" height="16" fill="{BAR}"/>\n'
            f'<text x="{WIDTH - 10}" y="{y + 15}" text-anchor="end">{_short(row.ratio)}</text>\n'
        )
        if row.aim and row.aim.ratio <= 1:
            x = f"{left + row.aim.ratio * scale:.0f}"
            bars.append(
                f'<line x1="{x}" x2="{x}" y1="{y}" y2="{y + 22}" stroke="{AIM}"'
                ' stroke-width="2"/>\n'
            )
    title = "ratio to the yardstick of the same run; the line is the aim"
    body = f'<text x="{left}" y="16">{title}</text>\n{"".join(bars)}'
    return _picture(step * len(shown) + 34, body)


def growth(rows: Sequence[Row]) -> str:
    """What an earn costs PostgreSQL over the number of members, beside a raw transaction."""
    left, top, height = 90, 40, 220
    points = [row for row in rows if row.members and row.server_cpu_us]
    if len(points) < 2:
        return _picture(60, '<text x="20" y="30">Growth was not measured.</text>\n')
    first, last = log10(points[0].members), log10(points[-1].members)
    most = max(row.server_cpu_us for row in points) * 1.15

    def x(row: Row) -> float:
        return left + (log10(row.members) - first) / (last - first) * (WIDTH - left - 90)

    def y(cpu_us: float) -> float:
        return top + height - cpu_us / most * height

    title = "PostgreSQL CPU µs per transaction, just after a checkpoint; over members"
    floor = f'x1="{left}" x2="{WIDTH - 60}" y1="{top + height}" y2="{top + height}"'
    body = [
        f'<text x="{left - 60}" y="20">{title}</text>\n',
        f'<line {floor} class="faint"/>\n',
    ]
    series = (
        ("earn", BAR, [(x(row), row.server_cpu_us) for row in points]),
        ("raw", "#999", [(x(row), row.yardstick_cpu_us) for row in points]),
    )
    for name, color, line in series:
        path = " ".join(f"{at:.0f},{y(cpu):.0f}" for at, cpu in line)
        body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>\n')
        body += [
            f'<circle cx="{at:.0f}" cy="{y(cpu):.0f}" r="4" fill="{color}"/>'
            f'<text x="{at:.0f}" y="{y(cpu) - 10:.0f}" text-anchor="middle">{cpu:.0f}</text>\n'
            for at, cpu in line
        ]
        at, cpu = line[-1]
        body.append(f'<text x="{at + 10:.0f}" y="{y(cpu) + 5:.0f}">{name}</text>\n')
    body += [
        f'<text x="{x(row):.0f}" y="{top + height + 20}" text-anchor="middle">'
        f"{row.members:,}</text>\n"
        for row in points
    ]
    return _picture(top + height + 34, "".join(body))


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _picture(height: int, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' font-family="sans-serif" font-size="13">\n{STYLE}\n{body}</svg>\n'
    )
