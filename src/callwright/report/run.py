"""The folder of a run, or of one evaluation -> its report.html and report.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callwright.report.card import card
from callwright.report.curves import curves
from callwright.report.html import Section, page
from callwright.report.misses import Listing, listing
from callwright.report.provenance import about, data_facts, environment_facts, time_table
from callwright.report.source import Scored, Source, read_source
from callwright.report.tables import (
    argument_matrix,
    arguments_table,
    confusion_matrix,
    metrics_table,
    modes_table,
    tasks_table,
    tools_table,
)
from callwright.report.words import verdict
from callwright.score.failures import write_atomically
from callwright.score.run import EXACT
from callwright.types import JsonObject


def write_run_report(folder: Path) -> Path:
    """Writes report.html and report.md, each whole or not at all, and gives the first's path. Raises RunError."""
    source = read_source(folder)
    write_atomically(folder / "report.md", card(source))
    write_atomically(folder / "report.html", run_page(source))
    return folder / "report.html"


def run_page(source: Source) -> str:
    """The page as text."""
    return page(source.folder.resolve().name, verdict(source), about(source), list(_sections(source)))


def _sections(source: Source) -> Iterator[Section]:
    if source.main is not None:
        yield from _scored(source, source.scored[source.main])
    charts = curves(source)
    if charts:
        yield Section("training", "Training", charts=charts)
    times = time_table(source)
    if times:
        yield Section("time", "Time", table=times)
    found = data_facts(source)
    if found:
        yield Section("data", "Data", facts=found)
    found = environment_facts(source)
    if found:
        yield Section("environment", "Environment", facts=found)
    if source.recipe:
        text = json.dumps(source.recipe, indent=2, ensure_ascii=False)
        yield Section("recipe", "Recipe", code=("recipe.json, with every default written out", text))


def _scored(source: Source, main: Scored) -> Iterator[Section]:
    aggregates = main.report.aggregates
    tasks = tasks_table(source)
    if tasks:
        yield Section("tasks", "Tasks", table=tasks)
    yield Section("metrics", "Metrics", table=metrics_table(source))
    tools = tools_table(source)
    if tools.rows:
        yield Section("tools", "Tools", table=tools)
    matrix = argument_matrix(aggregates)
    if matrix:
        more = ("Every argument with its interval", arguments_table(source))
        yield Section("arguments", "Arguments", matrix=matrix, more=more, note=f"{source.main}: percent right")
    confusion = confusion_matrix(aggregates)
    if confusion:
        note = f"{source.main}: which tools are called in place of others. A count off the diagonal lists its rows."
        yield Section("confusion", "Confusion", matrix=confusion, note=note)
    modes = modes_table(aggregates)
    if modes:
        yield Section("modes", "What is wrong", table=modes)
    if main.failures:
        yield misses_section(_misses(source, main), {"lost": f"only {source.other} was right"})


def misses_section(found: Listing, groups: JsonObject, heading: str = "Misses") -> Section:
    """The list of rows that can be searched. groups: what a row's group means, by its name."""
    note = ""
    if found.listed < found.total:
        note = f"The first {found.listed:,} of {found.total:,}; failures.jsonl has all."
    named = json.dumps(groups, ensure_ascii=False).replace("<", "\\u003c")
    return Section("misses", heading, rows=found.json, groups=named, note=note)


def _misses(source: Source, main: Scored) -> Listing:
    """The misses of the main run; those that the other one had right are a group."""
    right = _right(source.scored[source.other]) if source.other else set()
    rows = ((failure, {"group": "lost"} if key in right else {}) for key, failure in main.failures.items())
    return listing(rows, source.tools)


def _right(scored: Scored) -> set[str]:
    return {key for key, verdicts in scored.report.verdicts.items() if any(map(_is_exact, verdicts))}


def _is_exact(found: Any) -> bool:
    return found.metric == EXACT and found.value == 1
