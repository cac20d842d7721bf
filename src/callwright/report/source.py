"""The folder of a run, or of one evaluation -> everything that a report tells, as it was written there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callwright.errors import RunError
from callwright.score.failures import read_failures, read_report
from callwright.score.run import EXACT
from callwright.score.stats import Comparison, compare
from callwright.tools import tool_from_json
from callwright.types import JsonObject, Report, Tool


@dataclass(frozen=True)
class Scored:
    """A report, and the rows that were not exact, as `failures.jsonl` has them, by their keys in its verdicts."""

    report: Report
    failures: dict[str, JsonObject]


@dataclass(frozen=True)
class Source:
    """What a folder holds. `scored` by name, "base" before "tuned"; the rest is empty where the folder lacks it.

    metrics, scores: a training's steps, and its exact match on dev rows. curve: `{"rows", "seed", "exact", "n"}`, exact
    a share of n rows. facts: of lint and of retention.
    """

    folder: Path
    scored: dict[str, Scored] = field(default_factory=dict)
    recipe: JsonObject = field(default_factory=dict)
    environment: JsonObject = field(default_factory=dict)
    seconds: float | None = None
    rows: JsonObject = field(default_factory=dict)
    lint: JsonObject = field(default_factory=dict)
    retention: JsonObject = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    metrics: tuple[JsonObject, ...] = ()
    scores: tuple[JsonObject, ...] = ()
    curve: tuple[JsonObject, ...] = ()

    @property
    def main(self) -> str | None:
        """The name of what the report is about: the last that was scored."""
        return next(reversed(self.scored), None)

    @property
    def other(self) -> str | None:
        """The name of what it is compared with."""
        return next(iter(self.scored)) if len(self.scored) > 1 else None

    def paired(self, metric: str) -> Comparison | None:
        """The main one against the other; None where there is no other, or no row that both were judged on."""
        if self.main is None or self.other is None:
            return None
        pair = compare(self.scored[self.other].report, self.scored[self.main].report, metric)
        return pair if pair.rows else None


def read_source(folder: Path) -> Source:
    """Reads a run's folder, or one that holds a report.json. Raises RunError where it is neither."""
    if (folder / "recipe.json").is_file():
        return _run(folder)
    if (folder / "report.json").is_file():
        return _alone(folder)
    raise RunError(
        f"{folder}: holds no recipe.json and no report.json; give the folder of `callwright run`, or that of "
        "`callwright eval --output`"
    )


def read_scored(folder: Path) -> Scored:
    """`report.json` and `failures.jsonl` of a folder; no failures where the second is absent. Raises RunError."""
    report = read_report(folder / "report.json")
    file = folder / "failures.jsonl"
    failures = read_failures(file) if file.is_file() else []
    # build_report and failures_of keep the order of the rows, and two rows may share an id
    missed = [row for row, verdicts in report.verdicts.items() if _missed(verdicts)]
    if failures and len(failures) != len(missed):
        raise RunError(f"{file}: has {len(failures)} rows, report.json has {len(missed)} misses; score the run again")
    return Scored(report, dict(zip(missed, failures, strict=False)))


def _missed(verdicts: Any) -> bool:
    return any(verdict.metric == EXACT and verdict.value != 1 for verdict in verdicts)


def _run(folder: Path) -> Source:
    recipe = _object(folder / "recipe.json")
    names = [name for name in ("base", "tuned") if (folder / name / "report.json").is_file()]
    # an evaluation of another recipe may have left a base behind that this one does not score
    if not (recipe.get("eval") or {}).get("base", True) and "tuned" in names:
        names = ["tuned"]
    summary = _object(folder / "report.json")
    scored = {name: read_scored(folder / name) for name in names}
    # what was scored before, on another machine, is told as it was there
    made = scored[names[-1]].report.made if names else {}
    tools = folder / "data" / "tools.json"
    return Source(
        folder,
        scored=scored,
        recipe=recipe,
        environment=made.get("environment") or summary.get("environment") or {},
        seconds=summary.get("seconds"),
        rows=_object(folder / "data" / "rows.json"),
        lint=_object(folder / "lint.json"),
        retention=_object(folder / "retention.json"),
        tools=tuple(tool_from_json(tool, str(tools)) for tool in _list(tools)),
        metrics=tuple(_lines(folder / "metrics.jsonl")),
        scores=tuple(_lines(folder / "scores.jsonl")),
        curve=tuple(_list(folder / "curve.json")),
    )


def _alone(folder: Path) -> Source:
    scored = read_scored(folder)
    made = scored.report.made
    return Source(
        folder,
        scored={scored.report.run: scored},
        environment=made.get("environment") or {},
        curve=tuple(_list(folder / "curve.json")),
    )


def _object(file: Path) -> JsonObject:
    found = _json(file)
    return found if isinstance(found, dict) else {}


def _list(file: Path) -> list[JsonObject]:
    found = _json(file)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _json(file: Path) -> Any:
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: not JSON that can be read ({error}); run the recipe again") from error


def _lines(file: Path) -> Iterator[JsonObject]:
    """A training's log; what a killed run left of its last line is passed over."""
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n") if file.is_file() else ():
        try:
            row = json.loads(line) if line else None
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            yield row
