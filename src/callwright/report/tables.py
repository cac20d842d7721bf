"""Aggregates of one run or two -> tables that the page and the model card both write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.report.source import Source
from callwright.report.words import NO_VALUE, p_value, percent, points, share
from callwright.score.abstain import ASKED
from callwright.score.run import EXACT
from callwright.score.table import LABELS
from callwright.score.tasks import TASK_LABELS
from callwright.types import JsonObject

MOST_TOOLS = 300
"""Rows of a table by tool or argument; the most frequent ones, where there are more."""
MOST_IN_MATRIX = 40
"""Rows and columns of a matrix."""

_LEVELS = 10


@dataclass(frozen=True)
class Cell:
    """text: what is read. key: what is sorted by ("" goes last). level: 0 (bad) to 10 (good), None for no colour."""

    text: str
    key: float | str = ""
    level: int | None = None
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Columns and rows; the first cell of a row names it. number: whether a column holds numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Whether each column is sorted by number, greatest first."""
        return tuple(
            any(isinstance(row[place].key, (int, float)) for row in self.rows) for place in range(len(self.columns))
        )


@dataclass(frozen=True)
class Matrix:
    """A heat map. corner: what the rows are, and the columns; diagonal: whether its cells are the good ones."""

    corner: tuple[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    note: str = ""
    diagonal: bool = False


def metrics_table(source: Source) -> Table:
    """A row for each metric and, under exact match, for each category: every run with its interval, and the change."""
    runs = {name: scored.report.aggregates for name, scored in source.scored.items()}
    columns = ["metric", "n", *runs, *(["change, in points", "p"] if source.other else [])]
    rows: list[tuple[Cell, ...]] = []
    for metric, label in LABELS.items():
        found = [aggregates.get(metric) for aggregates in runs.values()]
        # few test sets know which value a request lacks
        if metric == ASKED and not any(one and one["n"] for one in found):
            continue
        rows.append((Cell(label, label), _n(found), *map(share_cell, found), *_changes(source, metric)))
        if metric == EXACT:
            rows += _categories(list(runs.values()), blank=2 if source.other else 0)
    return Table(tuple(columns), tuple(rows), "value [95% interval]; parse failures are better when fewer")


def tools_table(source: Source) -> Table:
    """A row for each tool: its gold calls, which share of them was made exactly, and calls that nobody asked for."""
    runs = {name: scored.report.aggregates.get("by_tool") or {} for name, scored in source.scored.items()}
    columns = ["tool", "n", *(f"{name}, exact" for name in runs), "spurious"]
    names, note = _most(list(runs.values()), "tools")
    rows = []
    for name in names:
        found = [breakdown.get(name) for breakdown in runs.values()]
        spurious = (found[-1] or {}).get("spurious", 0)
        cells = [share_cell(one, heat=True) for one in found]
        rows.append((Cell(name, name), _n(found), *cells, Cell(f"{spurious:,}", spurious)))
    return Table(tuple(columns), tuple(rows), note or "spurious: calls that no gold call asked for")


def arguments_table(source: Source) -> Table:
    """A row for each "tool.argument": how often it was due, and which share was right."""
    runs = {name: scored.report.aggregates.get("by_argument") or {} for name, scored in source.scored.items()}
    names, note = _most(list(runs.values()), "arguments")
    rows = []
    for name in names:
        found = [breakdown.get(name) for breakdown in runs.values()]
        rows.append((Cell(name, name), _n(found), *(share_cell(one, heat=True) for one in found)))
    return Table(("argument", "n", *(f"{name}, right" for name in runs)), tuple(rows), note)


def tasks_table(source: Source) -> Table | None:
    """A row for each metric of whole tasks, where a report has such."""
    runs = {name: scored.report.aggregates.get("tasks") or {} for name, scored in source.scored.items()}
    if not any(runs.values()):
        return None
    rows = []
    for metric, label in TASK_LABELS.items():
        found = [run.get(metric) for run in runs.values()]
        rows.append((Cell(label, label), _n(found), *map(share_cell, found)))
    note = "shares of tasks, each played to its end; the metrics of rows are of their steps"
    return Table(("of tasks", "n", *runs), tuple(rows), note)


def modes_table(aggregates: Mapping[str, Any]) -> Table | None:
    """How rows failed, where the report counts that: by their first mode, and by all of them."""
    modes = aggregates.get("by_mode") or {}
    if not modes:
        return None
    total = sum(_count(found, "n") for found in modes.values())
    rows = [
        (
            Cell(mode.replace("_", " "), mode),
            Cell(f"{_count(found, 'n'):,}", _count(found, "n")),
            Cell(percent(_count(found, "n") / total) if total else NO_VALUE, _count(found, "n")),
            Cell(f"{_count(found, 'rows'):,}", _count(found, "rows")),
        )
        for mode, found in modes.items()
    ]
    note = "rows: where it is the first thing wrong, so that these sum up to the misses"
    return Table(("mode", "rows", "share", "rows with it"), tuple(rows), note)


def argument_matrix(aggregates: Mapping[str, Any]) -> Matrix | None:
    """Tools by their arguments' names: the share that is right. None where no call has an argument."""
    found: dict[tuple[str, str], JsonObject] = {}
    tools = aggregates.get("by_tool") or {}
    for name, one in (aggregates.get("by_argument") or {}).items():
        # a tool's own name may hold dots, and so may an argument's
        tool = max((each for each in tools if name.startswith(each + ".")), key=len, default=name.partition(".")[0])
        found[tool, name[len(tool) + 1 :]] = one
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for key, one in found.items():
        for counter, part in zip(counts, key, strict=True):
            counter[part] += one["n"]
    if not found:
        return None
    names, arguments = ([name for name, _ in counter.most_common(MOST_IN_MATRIX)] for counter in counts)
    rows = []
    for tool in sorted(names):
        cells = [_matrix_cell(f"{tool}.{key}", found.get((tool, key))) for key in arguments]
        rows.append((tool, tuple(cells)))
    return Matrix(("tool", "argument"), tuple(arguments), tuple(rows), _cut(counts))


def confusion_matrix(aggregates: Mapping[str, Any]) -> Matrix | None:
    """Due tool by called tool: how often. None where the report does not count it."""
    counted = aggregates.get("confusion") or {}
    if not counted:
        return None
    due: Counter[str] = Counter({name: sum(row.values()) for name, row in counted.items()})
    called: Counter[str] = Counter()
    for row in counted.values():
        called.update(row)
    names = [name for name, _ in (due + called).most_common(MOST_IN_MATRIX)]
    # what is no tool goes last
    names.sort(key=lambda name: (name.startswith("("), name))
    rows = []
    for name in (one for one in names if due[one]):
        row = counted[name]
        cells = [_count_cell(name, other, row.get(other, 0), due[name]) for other in names if called[other]]
        rows.append((name, tuple(cells)))
    columns = tuple(name for name in names if called[name])
    return Matrix(("due", "called"), columns, tuple(rows), _cut((due, called)), diagonal=True)


def share_cell(found: JsonObject | None, *, heat: bool = False) -> Cell:
    """A share with its interval, coloured where `heat` says so."""
    if not found or found.get("value") is None:
        return Cell(NO_VALUE)
    value = found["value"]
    return Cell(share(found), value, level(value) if heat else None, f"of {found['n']:,}")


def level(value: float) -> int:
    """Of ten steps between bad and good.

    >>> level(0.0), level(0.52), level(1.0)
    (0, 5, 10)
    """
    return min(_LEVELS, max(0, round(value * _LEVELS)))


def _categories(runs: Sequence[Mapping[str, Any]], blank: int) -> list[tuple[Cell, ...]]:
    breakdowns = [aggregates.get("by_category") or {} for aggregates in runs]
    names = sorted({name for breakdown in breakdowns for name in breakdown})
    return [
        (
            Cell(f"exact match: {name}", f"{LABELS[EXACT]}: {name}"),
            _n([breakdown.get(name) for breakdown in breakdowns]),
            *(share_cell(breakdown.get(name)) for breakdown in breakdowns),
            *[Cell("")] * blank,
        )
        for name in names
    ]


def _changes(source: Source, metric: str) -> list[Cell]:
    if not source.other:
        return []
    pair = source.paired(metric)
    if pair is None:
        return [Cell(NO_VALUE), Cell(NO_VALUE)]
    counts = f"{pair.only_tuned:,} rows only {source.main}, {pair.only_base:,} only {source.other}"
    return [Cell(points(pair), pair.difference, title=counts), Cell(p_value(pair.p_value), pair.p_value, title=counts)]


def _n(found: Sequence[JsonObject | None]) -> Cell:
    n = max((one["n"] for one in found if one), default=0)
    return Cell(f"{n:,}", n)


def _count(found: Any, key: str) -> int:
    """A mode's count, also where a report holds it as a plain number."""
    return int(found[key] if isinstance(found, dict) else found)


def _most(breakdowns: Sequence[JsonObject], what: str) -> tuple[list[str], str]:
    """The most frequent names in their order, and a sentence where there are others."""
    counts: Counter[str] = Counter()
    for breakdown in breakdowns:
        for name, one in breakdown.items():
            counts[name] = max(counts[name], one["n"])
    names = sorted(name for name, _ in counts.most_common(MOST_TOOLS))
    return names, f"The {MOST_TOOLS} most frequent of {len(counts):,} {what}." if len(counts) > MOST_TOOLS else ""


def _cut(counts: tuple[Counter[str], Counter[str]]) -> str:
    most = max(map(len, counts))
    return f"The {MOST_IN_MATRIX} most frequent of {most:,}; report.json has all." if most > MOST_IN_MATRIX else ""


def _matrix_cell(name: str, found: JsonObject | None) -> Cell | None:
    if not found or found.get("value") is None:
        return None
    value = found["value"]
    return Cell(f"{100 * value:.0f}", value, level(value), f"{name}: {share(found)} of {found['n']:,}")


def _count_cell(due: str, called: str, count: int, total: int) -> Cell | None:
    if not count:
        return None
    part = count / total
    # a good cell is on the diagonal: the fuller the better; beside it, the fuller the worse
    step = 5 + round(part * 5) if due == called else 4 - round(part * 4)
    return Cell(f"{count:,}", count, step, f"{due} due, {called} called: {count:,} of {total:,} ({percent(part)})")
