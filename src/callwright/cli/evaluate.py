"""`callwright eval MODEL --data FILE`: score a model, or a model with an adapter, on held-out rows."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from callwright.pipeline.slices import Outcome
    from callwright.score.run import RowScore
    from callwright.types import Conversation, Report

EXAMPLE = (
    "Example: callwright eval smollm2-135m --adapter runs/home/adapter "
    "--tools examples/home/tools.py --data examples/home/holdout.jsonl"
)


def evaluate(  # noqa: PLR0913  # one argument an option
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'; with --endpoint, its name there.")
    ],
    data: Annotated[str | None, typer.Option("--data", help="Held-out rows, in any format that can be read.")] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="A trained adapter's folder.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    rows: Annotated[int | None, typer.Option("--rows", help="Draw so many rows, with seed 1.")] = None,
    mode: Annotated[str, typer.Option("--mode", help="'auto', or 'forced' to begin with a call.")] = "auto",
    constrain: Annotated[bool, typer.Option("--constrain", help="Hold replies to the tools' schemas.")] = False,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="As `callwright serve` has it: as fast, and in its precision; else torch."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="An OpenAI-compatible server that is asked, tools sent natively.")
    ] = None,
    rendered: Annotated[
        str | None, typer.Option("--rendered", help="With --endpoint: write its prompts here, as for this model.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", min=1, help="Ask so many times at --temperature: which rows are right sometimes?"),
    ] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: the likeliest reply.")] = 0.0,
    slices: Annotated[
        str | None, typer.Option("--slices", help="'all', or names with commas: the rows made harder, beside them.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Instead of --data: rows of several turns, played to their end.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="With --tasks: run the functions of --tools; else results in the rows.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="With --tasks: replies to one turn at most.")] = 8,
    output: Annotated[str | None, typer.Option("--output", help="Write the report and its failures there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score exact match, names, arguments, strict JSON, schema-valid rate and abstention, with 95% intervals."""
    from callwright.cli.console import Terminal, err, print_json
    from callwright.cli.tasks import Playing, evaluate_tasks
    from callwright.errors import RecipeError
    from callwright.pipeline.environment import made_by
    from callwright.pipeline.evaluate import report
    from callwright.pipeline.rows import held_out_rows
    from callwright.pipeline.scoring import Asked, opened_scorer
    from callwright.pipeline.slices import score_slices
    from callwright.recipe import Eval
    from callwright.report.run import write_run_report
    from callwright.score.run import build_report
    from callwright.score.sampling import flakiness
    from callwright.score.slices import apart, slice_names
    from callwright.tools import load_tools

    if mode not in ("auto", "forced"):
        raise RecipeError(f"--mode '{mode}': give 'auto' or 'forced'")
    if constrain and endpoint:
        raise RecipeError("--constrain holds what this process writes; a server of --endpoint holds its own")
    if samples > 1 and temperature == 0:
        raise RecipeError(f"--samples {samples}: the likeliest reply is the same each time; give a --temperature")
    asked = Asked(model, adapter, dialect, engine, endpoint, rendered)
    chosen: Literal["auto", "forced"] = "forced" if mode == "forced" else "auto"
    if tasks:
        if data or slices or rows or samples > 1:
            raise RecipeError("--tasks are played alone; leave out --data, --rows, --samples and --slices")
        playing = Eval(data=tasks, mode=chosen, constrain=constrain, temperature=temperature)
        evaluate_tasks(asked, Playing(playing, tools, execute, steps), output, as_json=as_json)
        return
    if data is None:
        raise RecipeError("nothing to score; give held-out rows with --data, or --tasks")
    names = slice_names(slices) if slices else []
    settings = Eval(data=data, rows=rows, mode=chosen, constrain=constrain, temperature=temperature)
    held_out = apart(held_out_rows(settings, load_tools(tools) if tools else ()))
    watch = Terminal()
    name, score_all = opened_scorer(asked)

    def score(what: str, some: Sequence[Conversation], run: int = 0) -> list[RowScore]:
        drawn = settings.model_copy(update={"seed": settings.seed + run})
        return score_all(some, drawn, lambda done: watch.scoring(what, done, len(some)))

    started = time.monotonic()
    runs = [score(name if samples == 1 else f"{name} {run + 1}", held_out, run) for run in range(samples)]
    outcomes = score_slices(runs[0], names, score) if names else {}
    watch.close()
    made = build_report(name, runs[0])
    if output:
        command = shlex.join(["callwright", *sys.argv[1:]])
        made = report(name, runs[0], Path(output), made_by(command, data, held_out, time.monotonic() - started))
    if samples > 1:
        made.aggregates["flakiness"] = flakiness(runs)
    if outcomes:
        made.aggregates["slices"] = {one: outcome.facts for one, outcome in outcomes.items()}
    if output:
        _keep(Path(output), made, runs[0], outcomes)
        err.print(f"report: {write_run_report(Path(output))}", markup=False)
    if as_json:
        print_json(made.aggregates)
    else:
        _print(name, made, runs[0])


def _keep(folder: Path, made: Report, scores: Sequence[RowScore], outcomes: Mapping[str, Outcome]) -> None:
    """The report with what was added to it, and each slice's own."""
    from callwright.pipeline.evaluate import report
    from callwright.pipeline.slices import PLAIN
    from callwright.score.failures import write_report
    from callwright.score.run import failures_of

    write_report(folder, made, failures_of(scores))
    for name, outcome in outcomes.items():
        if name != PLAIN and outcome.scores:
            report(name, outcome.scores, folder / "slices" / name)


def _print(name: str, made: Report, scores: Sequence[RowScore]) -> None:
    from callwright.cli.console import out
    from callwright.score import table
    from callwright.score.run import failures_of
    from callwright.score.slices_table import flakiness_table, skipped_lines, slices_table

    runs = {name: made.aggregates}
    out.print(table.failures_table(failures_of(scores)))
    if made.aggregates["by_mode"]:
        out.print(table.modes_table(made.aggregates))
    if (confused := table.confusion_table(made.aggregates)).row_count:
        out.print(confused)
    out.print(table.tool_table(runs))
    out.print(table.comparison_table(runs))
    if "flakiness" in made.aggregates:
        out.print(flakiness_table(made.aggregates["flakiness"]))
    if "slices" in made.aggregates:
        out.print(slices_table(made.aggregates["slices"]))
        for line in skipped_lines(made.aggregates["slices"]):
            out.print(line)
