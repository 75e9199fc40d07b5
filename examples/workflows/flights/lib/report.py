"""The report of flights.yaml: a page that needs nothing but itself, with a chart.

It is well-formed XML, and follows the reader's choice of light or dark.
"""

from html import escape
from math import ceil, floor
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --dim: #59636e; --line: #d8dee4;
  --late: #c2410c; --early: #0f6fb8; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --dim: #9198a1;
  --line: #30363d; --late: #f0883e; --early: #58a6ff; } }
body { margin: 32px auto; max-width: 880px; padding: 0 16px; background: var(--page); color: var(--text);
  font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 8px; } h2 { font-size: 16px; margin: 32px 0 8px; }
.dim { color: var(--dim); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--dim); font-weight: 600; }
.n { text-align: right; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--text); font-variant-numeric: tabular-nums; }
svg .value { stroke: var(--page); stroke-width: 3px; paint-order: stroke; }
svg .dim { fill: var(--dim); } svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg line { stroke: var(--line); } svg .axis { stroke: var(--dim); }
.late { fill: var(--late); } .early { fill: var(--early); }
"""

# So many airports of each end are drawn; the table has them all.
EACH_END = 12


def write(
    file: str,
    by: str,
    late: float,
    min_flights: int,
    months: List[Dict[str, Any]],
    delays: Dict[str, Any],
    dropped: Dict[str, int],
    day: str,
) -> str:
    """Writes the report and returns its name."""
    ranked = delays["ranked"]
    parts = [
        "<h1>How late do flights arrive?</h1>",
        paragraph(summary(months, ranked, by)),
        "<h2>Mean delay on arrival</h2>",
        f'<div class="wide">{chart(ranked)}</div>',
        "<h2>Months</h2>",
        table(["Month", "Flights", *measures(late)], [[m["month"], *cells(m)] for m in months], 1),
        f"<h2>Airports of {by}</h2>",
        table(
            ["Code", "Airport", "City", "Flights", *measures(late)],
            [[a["airport"], a["name"], f"{a['city']}, {a['state']}", *cells(a)] for a in ranked],
            3,
        ),
        paragraph(footnote(delays["unranked"], min_flights, dropped, day), "dim"),
    ]
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page("How late do flights arrive?", parts), encoding="utf-8")
    return file


# Words.


def summary(months: List[Dict[str, Any]], ranked: List[Dict[str, Any]], by: str) -> str:
    """The report in a few sentences."""
    to = "to" if by == "destination" else "from"
    worst, best = ranked[0], ranked[-1]
    return (
        f"{count(sum(m['flights'] for m in months), 'flight')} in the USA, "
        f"{months[0]['month']} to {months[-1]['month']}. "
        f"In the mean, those {to} {city(worst)} arrive {lateness(worst['mean'])} "
        f"and those {to} {city(best)} {lateness(best['mean'])}; the others lie between."
    )


def lateness(minutes: float) -> str:
    return f"{abs(minutes):.1f} minutes {'early' if minutes < 0 else 'late'}"


def footnote(unranked: int, min_flights: int, dropped: Dict[str, int], day: str) -> str:
    """What is not in the figures, and where they come from."""
    reasons = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in dropped.items())
    return (
        f"Not ranked: {count(unranked, 'airport')} with fewer than {count(min_flights, 'flight')}. "
        f"Dropped: {count(sum(dropped.values()), 'flight')} ({reasons}). "
        "A negative delay is an early arrival. Source: U.S. Bureau of Transportation Statistics, "
        f"by way of vega-datasets. Made on {day}."
    )


def measures(late: float) -> List[str]:
    return ["Mean (min)", "Median (min)", f"> {late:g} min late"]


def cells(figures: Dict[str, Any]) -> List[str]:
    """The cells of a row that hold figures."""
    share = "" if figures["late"] is None else f"{figures['late']:.1f} %"
    return [f"{figures['flights']:,}", number(figures["mean"]), number(figures["median"]), share]


def number(x: Optional[float]) -> str:
    """A number with one place and a proper minus."""
    if x is None:
        return ""
    text = f"{x:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "\N{MINUS SIGN}")


def count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def city(airport: Dict[str, Any]) -> str:
    return f"{airport['city']} ({airport['airport']})"


# Markup.


def page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def paragraph(text: str, style: str = "") -> str:
    return f'<p class="{style}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def table(heads: List[str], rows: Iterable[List[str]], words: int) -> str:
    """A table whose first columns are words, and the others numbers."""

    def line(tag: str, values: List[str]) -> str:
        marks = ["" if i < words else ' class="n"' for i in range(len(values))]
        return "<tr>" + "".join(f"<{tag}{m}>{escape(v)}</{tag}>" for m, v in zip(marks, values)) + "</tr>"

    body = "\n".join(line("td", row) for row in rows)
    return f'<div class="wide"><table>\n<thead>{line("th", heads)}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


# The chart.

WIDTH, LEFT, RIGHT, TOP, ROW = 848, 190, 760, 28, 24


def chart(ranked: List[Dict[str, Any]]) -> str:
    """A bar for each airport; where there are too many, for those of both ends."""
    rows: List[Optional[Dict[str, Any]]] = list(ranked)
    between = len(ranked) - 2 * EACH_END
    if between > 1:
        rows = [*ranked[:EACH_END], None, *ranked[-EACH_END:]]
    ticks, low, high = scale([a["mean"] for a in ranked])

    def x(minutes: float) -> float:
        return LEFT + (minutes - low) / (high - low) * (RIGHT - LEFT)

    foot = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {foot + 8}" width="{WIDTH}" '
        f'height="{foot + 8}" role="img">',
        "<title>Mean delay on arrival, by airport, in minutes</title>",
    ]
    for tick in ticks:
        style = "axis" if tick == 0 else "grid"
        parts.append(f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{foot}" class="{style}"/>')
        label = f"{tick:g}".replace("-", "\N{MINUS SIGN}") + (" min" if tick == ticks[-1] else "")
        parts.append(words(x(tick), TOP - 8, "dim mid", label))
    for i, airport in enumerate(rows):
        top = TOP + i * ROW
        if airport is None:
            parts.append(words(LEFT - 10, top + 16, "dim end", f"{between} airports between"))
        else:
            parts += bar(airport, x(0), x(airport["mean"]), top)
    return "\n".join([*parts, "</svg>"])


def bar(airport: Dict[str, Any], zero: float, end: float, top: float) -> List[str]:
    """An airport's name, its bar, and the number at the bar's right end."""
    minutes = airport["mean"]
    tip = f"{airport['airport']}: {number(minutes)} min, {count(airport['flights'], 'flight')}"
    left, right = min(zero, end), max(zero, end)
    return [
        words(LEFT - 10, top + 16, "end", short(airport["city"], 20) + " " + airport["airport"]),
        f'<rect x="{left:.1f}" y="{top + 4}" width="{right - left:.1f}" height="{ROW - 8}" rx="2" '
        f'class="{"late" if minutes > 0 else "early"}"><title>{escape(tip)}</title></rect>',
        words(right + 6, top + 16, "value", number(minutes)),
    ]


def words(x: float, y: float, style: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(text)}</text>'


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def scale(values: List[float]) -> Tuple[List[float], float, float]:
    """Marks at round numbers, and the bounds that hold them, all values and 0."""
    low, high = min(0.0, *values), max(0.0, *values)
    step = 1.0
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if (high - low) / step <= 8:
            break
    first, last = floor(low / step), max(ceil(high / step), 1)
    ticks = [step * i for i in range(first, last + 1)]
    return ticks, ticks[0], ticks[-1]
