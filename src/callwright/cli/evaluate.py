"""`callwright eval MODEL --data FILE`: score a model, or a model with an adapter, on held-out rows or a benchmark."""

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
    from callwright.pipeline.scoring import Asked
    from callwright.pipeline.slices import Outcome
    from callwright.recipe import Eval
    from callwright.score.run import RowScore
    from callwright.types import Conversation, Report

EXAMPLE = (
    "Example: callwright eval smollm2-135m --adapter runs/home/adapter "
    "--tools examples/home/tools.py --data examples/home/holdout.jsonl\n\n"
    "Example: callwright eval smollm2-135m --adapter runs/home/adapter --base "
    "--bench bfcl:non_live,live --output runs/bfcl"
)


def evaluate(  # noqa: PLR0913  # one argument an option
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'; with --endpoint, its name there.")
    ],
    data: Annotated[str | None, typer.Option("--data", help="Held-out rows, in any format that can be read.")] = None,
    bench_name: Annotated[
        str | None,
        typer.Option(
            "--bench",
            metavar="bfcl[:CATEGORY,...]",
            help="Instead: the Berkeley leaderboard's rows. non_live, live and multi_turn are categories too.",
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="A trained adapter's folder.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    base: Annotated[bool, typer.Option("--base", help="With --bench: the model without its adapter too.")] = False,
    rows: Annotated[
        int | None, typer.Option("--rows", help="Draw so many rows, with seed 1; of each category with --bench.")
    ] = None,
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
    longest: Annotated[
        int | None, typer.Option("--max-new-tokens", min=1, help="Of a reply: 256 without this, 512 with --bench.")
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
        str | None, typer.Option("--tasks", help="Instead: rows of several turns, played to their end.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="With --tasks: run the functions of --tools; else results in the rows.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="With --tasks: replies to one turn at most.")] = 8,
    train_tools: Annotated[
        str | None,
        typer.Option("--train-tools", help="With --bench: a run or file; rows that share its functions apart."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", help="Write the report there; what of --bench or --tasks was stopped goes on from there."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score exact match, names, arguments, strict JSON, schema-valid rate and abstention, with 95% intervals."""
    from callwright.cli.bench import MOST_TOKENS, Wish, bench
    from callwright.cli.console import print_json
    from callwright.cli.tasks import Playing, evaluate_tasks
    from callwright.errors import RecipeError
    from callwright.pipeline.scoring import Asked
    from callwright.recipe import Eval

    if mode not in ("auto", "forced"):
        raise RecipeError(f"--mode '{mode}': give 'auto' or 'forced'")
    if constrain and endpoint:
        raise RecipeError("--constrain holds what this process writes; a server of --endpoint holds its own")
    if samples > 1 and temperature == 0:
        raise RecipeError(f"--samples {samples}: the likeliest reply is the same each time; give a --temperature")
    of_data = bool(slices or samples > 1)
    _one_of(data, bench_name, tasks)
    if bench_name is not None and (of_data or tools or temperature):
        raise RecipeError("--tools, --temperature, --samples and --slices go with --data")
    if bench_name is None and (base or train_tools is not None):
        raise RecipeError("--base and --train-tools go with --bench")
    if tasks is not None and (of_data or rows):
        raise RecipeError("--tasks are played alone; leave out --rows, --samples and --slices")
    if tasks is None and execute:
        raise RecipeError("--execute goes with --tasks")
    chosen: Literal["auto", "forced"] = "forced" if mode == "forced" else "auto"
    most = longest or (256 if bench_name is None else MOST_TOKENS)
    settings = Eval(
        data=data or tasks or "",
        rows=rows,
        mode=chosen,
        constrain=constrain,
        temperature=temperature,
        max_new_tokens=most,
    )
    asked = Asked(model, adapter, dialect, engine, endpoint, rendered)
    where = Path(output) if output else None
    if bench_name is not None:
        bench(Wish(bench_name, asked, base, where, train_tools), settings, as_json)
        return
    if tasks is not None:
        evaluate_tasks(asked, Playing(settings, tools, execute, steps), output, as_json=as_json)
        return
    name, made, scores = _score(asked, settings, tools, (samples, slices), where)
    if as_json:
        print_json(made.aggregates)
    else:
        _print(name, made, scores)


def _one_of(data: str | None, bench_name: str | None, tasks: str | None) -> None:
    """What is asked is one thing. Raises RecipeError."""
    from callwright.errors import RecipeError

    if sum(one is not None for one in (data, bench_name, tasks)) != 1:
        raise RecipeError("give --data with held-out rows, or --bench bfcl, or --tasks with rows to play")


def _score(
    asked: Asked, settings: Eval, tools: str | None, more: tuple[int, str | None], output: Path | None
) -> tuple[str, Report, list[RowScore]]:
    """Held-out rows scored, and their slices; the report with both, written to `output`.

    more: how many samples, and the slices' names.
    """
    from callwright.cli.console import Terminal, err
    from callwright.pipeline.environment import made_by
    from callwright.pipeline.evaluate import report
    from callwright.pipeline.rows import held_out_rows
    from callwright.pipeline.scoring import opened_scorer
    from callwright.pipeline.slices import score_slices
    from callwright.report.run import write_run_report
    from callwright.score.run import build_report
    from callwright.score.sampling import flakiness
    from callwright.score.slices import apart, slice_names
    from callwright.tools import load_tools

    samples, slices = more
    names = slice_names(slices) if slices else []
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
        made = report(name, runs[0], output, made_by(command, settings.data, held_out, time.monotonic() - started))
    if samples > 1:
        made.aggregates["flakiness"] = flakiness(runs)
    if outcomes:
        made.aggregates["slices"] = {one: outcome.facts for one, outcome in outcomes.items()}
    if output:
        _keep(output, made, runs[0], outcomes)
        err.print(f"report: {write_run_report(output)}", markup=False)
    return name, made, runs[0]


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
