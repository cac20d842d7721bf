"""Two reports of the same rows -> their differences, the rows that were won and lost, and a page of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callwright.errors import RunError
from callwright.report.html import Section, page
from callwright.report.misses import listing
from callwright.report.run import misses_section
from callwright.report.source import Scored, read_scored
from callwright.report.tables import Cell, Table, share_cell
from callwright.report.words import change, p_value, percent, points
from callwright.score.run import EXACT
from callwright.score.stats import Comparison, compare, wilson
from callwright.score.table import LABELS
from callwright.score.tasks import TASK_LABELS
from callwright.types import JsonObject

_LABELS = LABELS | TASK_LABELS


@dataclass(frozen=True)
class Changed:
    """A row that only one of two runs got right: its request and why the other one missed, where failures say so."""

    key: str
    request: str
    why: str
    failure: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two scored runs by the rows that both judged. won: only the second was exact; lost: only the first was."""

    names: tuple[str, str]
    scored: tuple[Scored, Scored]
    metrics: dict[str, Comparison]
    won: tuple[Changed, ...]
    lost: tuple[Changed, ...]

    @property
    def verdict(self) -> str:
        """The sentence on exact match."""
        pair = self.metrics[EXACT]
        (first, second), (before, after) = self.names, _right(self, EXACT)
        told = f"B ({second}) {percent(after / pair.rows)} exact, A ({first}) {percent(before / pair.rows)}"
        counts = f"{pair.only_tuned:,} won, {pair.only_base:,} lost"
        return f"{told}, of the same {pair.rows:,} rows: {change(pair)}; {counts}"

    def as_json(self) -> JsonObject:
        """For machines: every metric's comparison, and the keys of the rows."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "verdict": self.verdict,
            "metrics": {
                metric: {
                    "rows": pair.rows,
                    "only_a_right": pair.only_base,
                    "only_b_right": pair.only_tuned,
                    "mcnemar_p": pair.p_value,
                    "difference": pair.difference,
                    "low": pair.interval.low,
                    "high": pair.interval.high,
                }
                for metric, pair in self.metrics.items()
            },
            "won": [{"row": row.key, "request": row.request, "why_a_missed": row.why} for row in self.won],
            "lost": [{"row": row.key, "request": row.request, "why_b_missed": row.why} for row in self.lost],
        }


def pair_up(first: Path, second: Path) -> Pair:
    """Two report.json, or folders that hold one, as pairs of rows. Raises RunError where they share no row."""
    folders = _scored_folder(first), _scored_folder(second)
    before, after = read_scored(folders[0]), read_scored(folders[1])
    metrics = {metric: pair for metric in _LABELS if (pair := compare(before.report, after.report, metric)).rows}
    if EXACT not in metrics:
        raise RunError(f"{first} and {second} share no row; compare evaluations of the same held-out rows")
    exact = tuple({key: _is_right(scored, key) for key in scored.report.verdicts} for scored in (before, after))
    shared = [key for key in exact[0] if key in exact[1]]
    won = tuple(_changed(before, key) for key in shared if exact[1][key] and not exact[0][key])
    lost = tuple(_changed(after, key) for key in shared if exact[0][key] and not exact[1][key])
    return Pair((str(folders[0]), str(folders[1])), (before, after), metrics, won, lost)


def paired_table(pair: Pair) -> Table:
    """A row for each metric: both runs' shares of the shared rows that are wholly right, and their difference."""
    rows = []
    for metric, found in pair.metrics.items():
        cells = [_share(right, found.rows) for right in _right(pair, metric)]
        counts = [Cell(f"{count:,}", count) for count in (found.only_tuned, found.only_base)]
        tail = (Cell(points(found), found.difference), Cell(p_value(found.p_value), found.p_value))
        rows.append((Cell(_LABELS[metric]), Cell(f"{found.rows:,}", found.rows), *cells, *counts, *tail))
    columns = ("metric", "n", "A", "B", "only B", "only A", "B less A", "p")
    note = (
        "The share of rows that are wholly right, parse failures the share that failed [95% interval]; B less A in "
        "points; p is McNemar's, exact and two-sided"
    )
    return Table(columns, tuple(rows), note)


def paired_page(pair: Pair) -> str:
    """The page as text: the table, and every row won or lost, as the run that missed it wrote it."""
    sections = [Section("metrics", "Metrics", table=paired_table(pair))]
    rows = [*_listed(pair.won, "won"), *_listed(pair.lost, "lost")]
    if rows:
        found = listing(rows, ())
        meanings = {"won": "won: only B is right, A's reply is shown", "lost": "lost: only A is right, B's is shown"}
        sections.append(misses_section(found, meanings, "Rows won and lost"))
    absent = len(pair.won) + len(pair.lost) - len(rows)
    about = {"A": pair.names[0], "B": pair.names[1]}
    if absent:
        about["not listed"] = f"{absent:,} rows won or lost, because there is no failures.jsonl beside a report.json"
    return page("callwright compare", pair.verdict, about, sections)


def _scored_folder(path: Path) -> Path:
    """The folder of a report.json with verdicts: itself, that of a file, or a run's, whose tuned model counts."""
    if path.is_file():
        return path.parent
    inner = next((path / name for name in ("tuned", "base") if (path / name / "report.json").is_file()), path)
    if not (inner / "report.json").is_file():
        raise RunError(f"{path}: holds no report.json; give a folder of `callwright run` or `eval --output`")
    return inner


def _is_right(scored: Scored, key: str, metric: str = EXACT) -> bool:
    return any(found.metric == metric and found.value == 1 for found in scored.report.verdicts[key])


def _right(pair: Pair, metric: str) -> tuple[int, int]:
    """How many of the rows that both judged each of them got right."""
    judged = [
        {key for key, found in scored.report.verdicts.items() if any(map(_judges(metric), found))}
        for scored in pair.scored
    ]
    shared = judged[0] & judged[1]
    before, after = (sum(_is_right(scored, key, metric) for key in shared) for scored in pair.scored)
    return before, after


def _judges(metric: str) -> Any:
    return lambda found: found.metric == metric and found.value is not None


def _share(right: int, rows: int) -> Cell:
    interval = wilson(right, rows)
    return share_cell({"n": rows, "value": right / rows, "low": interval.low, "high": interval.high})


def _changed(missed: Scored, key: str) -> Changed:
    failure = missed.failures.get(key, {})
    return Changed(key, failure.get("request") or "", failure.get("why") or "", failure)


def _listed(rows: tuple[Changed, ...], group: str) -> Iterator[tuple[JsonObject, JsonObject]]:
    return ((row.failure, {"group": group}) for row in rows if row.failure)
