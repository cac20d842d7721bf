"""`callwright eval MODEL --tasks FILE`: tasks of several turns, played with functions or recorded results."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callwright.pipeline.scoring import Asked
    from callwright.pipeline.tasks import Way
    from callwright.recipe import Eval
    from callwright.score.tasks import Played, Task, TaskScore
    from callwright.types import Report

_MOST = 20


@dataclass(frozen=True, slots=True)
class Playing:
    """As the options have it: how replies are written, where tools come from, whether they are run, and how far."""

    settings: Eval
    tools: str | None
    execute: bool
    steps: int


def evaluate_tasks(asked: Asked, playing: Playing, output: str | None, *, as_json: bool) -> None:
    """Plays what is not played yet, and prints and writes all of it."""
    from callwright.cli.console import err, out, print_json
    from callwright.pipeline.environment import digest, made_by
    from callwright.pipeline.tasks import scored
    from callwright.report.run import write_run_report
    from callwright.score.failures import write_report
    from callwright.score.run import failures_of
    from callwright.score.tasks_table import tasks_table

    tasks, way = _tasks_and_way(playing)
    rows = [task.row for task in tasks]
    key = {"model": asdict(asked), "settings": playing.settings.model_dump(mode="json"), "steps": playing.steps}
    key |= {"execute": playing.execute, "tools": playing.tools, "sha256": digest(rows)}
    started = time.monotonic()
    name, played = _play(asked, tasks, way, (Path(output), key) if output else None)
    scores = scored(tasks, played)
    made = _report(name, scores)
    if output:
        command = shlex.join(["callwright", *sys.argv[1:]])
        facts = made_by(command, playing.settings.data, rows, time.monotonic() - started)
        made = replace(made, made=facts)
        write_report(Path(output), made, failures_of([step for score in scores for step in score.steps]))
        err.print(f"report: {write_run_report(Path(output))}", markup=False)
    if as_json:
        print_json(made.aggregates)
        return
    missed = [score for score in scores if score.verdicts[0].value != 1]
    for score in missed[:_MOST]:
        out.print(f"{score.task.row.where or score.task.row.id}: {score.verdicts[0].why}", markup=False)
    if len(missed) > _MOST:
        out.print(f"{len(missed) - _MOST} more; --output keeps all", markup=False)
    out.print(tasks_table({name: made.aggregates["tasks"]}))


def _tasks_and_way(playing: Playing) -> tuple[list[Task], Way]:
    from callwright.errors import RecipeError
    from callwright.pipeline.tasks import Functions, Way, read_tasks
    from callwright.tools import load_tools

    if playing.execute and not playing.tools:
        raise RecipeError("--execute runs functions; name their file with --tools")
    tools = load_tools(playing.tools) if playing.tools else ()
    tasks = read_tasks(playing.settings.data, tools)
    checked = next((task for task in tasks if task.state), None)
    if checked and not playing.execute:
        raise RecipeError(f"{checked.row.where}: has a 'state' to look at; give --execute, and functions with --tools")
    others = dict.fromkeys(check.call.name for task in tasks for check in task.state)
    functions = Functions(playing.tools, tools, tuple(others)) if playing.execute and playing.tools else None
    return tasks, Way(playing.settings, playing.steps, functions)


def _play(
    asked: Asked, tasks: Sequence[Task], way: Way, kept: tuple[Path, dict[str, object]] | None
) -> tuple[str, list[Played]]:
    """The model's name, and all tasks as they were played, those of an earlier run with the same settings too."""
    from callwright.cli.console import Terminal, err
    from callwright.pipeline.played import TASKS, played_from_json, played_to_json
    from callwright.pipeline.results import Results
    from callwright.pipeline.scoring import opened_scorer
    from callwright.pipeline.tasks import play

    folder, settings = kept or (None, {})
    with Results(folder / TASKS if folder else None, settings) as results:
        played = [played_from_json(row["played"]) for row in results.rows.values()]
        if played:
            err.print(f"{len(played)} of {len(tasks)} tasks were played before", markup=False)
        name, score = opened_scorer(asked)
        watch = Terminal()
        for each in play(tasks[len(played) :], score, way):
            # two tasks may share an id
            results.add([{"id": str(len(played)), "played": played_to_json(each)}])
            played.append(each)
            watch.scoring("tasks", len(played), len(tasks))
        watch.close()
    return name, played


def _report(name: str, scores: Sequence[TaskScore]) -> Report:
    """The report of all steps, with the tasks' own verdicts and shares."""
    from callwright.score.run import build_report
    from callwright.score.tasks import task_aggregates

    made = build_report(name, [step for score in scores for step in score.steps])
    made.aggregates["tasks"] = task_aggregates(scores)
    return replace(made, verdicts=made.verdicts | {score.task.row.id: score.verdicts for score in scores})
