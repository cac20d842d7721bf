"""DataStats -> one HTML page with charts, which opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callwright.data.language import SURE
from callwright.data.stats import CATEGORIES, DataStats
from callwright.data.tally import Lengths
from callwright.report.charts import bars, histogram
from callwright.score.failures import write_atomically

_MOST_BARS = 25
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Chart:
    """A titled picture with a sentence below it."""

    title: str
    svg: str
    note: str = ""


def data_page(stats: DataStats, title: str, notes: Sequence[str] = ()) -> str:
    """The page as text. `notes` stand under the title: which dialect and model the tokens are of, rows left out."""
    # Here and not above: it is asked for once in a while.
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(Path(__file__).with_name("data.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        notes=notes,
        stats=stats,
        charts=_charts(stats),
        meanings=CATEGORIES,
        coverage=_coverage_rows(stats),
        tools=[*stats.coverage_by_tool.items()][:_MOST_ROWS],
        gaps=stats.gaps[:_MOST_ROWS],
    )


def write_data_page(stats: DataStats, path: Path, title: str, notes: Sequence[str] = ()) -> None:
    """Writes the page whole or not at all."""
    write_atomically(path, data_page(stats, title, notes))


def _charts(stats: DataStats) -> list[Chart]:
    called = [(name, count) for name, count in stats.calls_by_tool if count]
    more = f" of {len(called)}" if len(called) > _MOST_BARS else ""
    charts = [
        Chart("Categories", bars(stats.categories, "categories")),
        Chart(
            "Calls by tool",
            bars(called[:_MOST_BARS], "calls"),
            f"The {min(len(called), _MOST_BARS)} most called{more}; {len(stats.never_called)} are never called.",
        ),
    ]
    charts += [
        Chart(name.capitalize() + " per row", histogram(found.bins, name, _marks(found)), _sentence(found))
        for name, found in stats.lengths.items()
        if found.rows
    ]
    counts: dict[str, tuple[Sequence[tuple[str, int]], str]] = {
        "Argument types": (stats.argument_types, "Values given in calls."),
        "Languages": (stats.languages, f"Of the user's text; 'unsure' is a probability below {SURE}."),
        "Sources": (stats.sources, ""),
    }
    counts |= {f"Provenance: {key}": (values, "") for key, values in stats.provenance.items() if key != "provenance"}
    charts += [
        Chart(name, bars(found[:_MOST_BARS], name), _cut(found, note))
        for name, (found, note) in counts.items()
        if found
    ]
    return charts


def _cut(found: Sequence[Any], note: str) -> str:
    return f"{note} The first {_MOST_BARS} of {len(found)}.".strip() if len(found) > _MOST_BARS else note


def _marks(found: Lengths) -> list[tuple[str, int]]:
    return [("p50", found.p50), ("p95", found.p95)] if found.most > found.least else []


def _sentence(found: Lengths) -> str:
    return (
        f"Mean {found.mean:,.1f}; least {found.least:,}, p50 {found.p50:,}, p90 {found.p90:,}, p95 {found.p95:,}, "
        f"p99 {found.p99:,}, most {found.most:,}."
    )


def _coverage_rows(stats: DataStats) -> list[tuple[str, int, int]]:
    """(what, shown, declared)."""
    return [(name.replace("_", " "), each["shown"], each["declared"]) for name, each in stats.coverage.items()]
