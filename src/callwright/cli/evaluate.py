"""`callwright eval MODEL --data FILE`: score a model, or a model with an adapter, on held-out rows or a benchmark."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from callwright.pipeline.held_out import Found

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
    shots: Annotated[
        int, typer.Option("--shots", min=0, help="So many rows of --shots-from before each, as worked examples.")
    ] = 0,
    shots_from: Annotated[
        str | None, typer.Option("--shots-from", help="Rows that examples are drawn from, none that are scored.")
    ] = None,
    timed: Annotated[
        int, typer.Option("--latency", min=0, help="Ask so many rows again, one at a time, and time them.")
    ] = 0,
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
    from callwright.cli.console import Terminal, err, print_json
    from callwright.cli.tasks import Playing, evaluate_tasks
    from callwright.errors import RecipeError
    from callwright.pipeline.held_out import Wanted, score_held_out
    from callwright.pipeline.scoring import Asked
    from callwright.recipe import Eval
    from callwright.report.run import write_run_report

    if mode not in ("auto", "forced"):
        raise RecipeError(f"--mode '{mode}': give 'auto' or 'forced'")
    if constrain and endpoint:
        raise RecipeError("--constrain holds what this process writes; a server of --endpoint holds its own")
    if samples > 1 and temperature == 0:
        raise RecipeError(f"--samples {samples}: the likeliest reply is the same each time; give a --temperature")
    of_data = bool(slices or samples > 1 or shots or timed)
    _one_of(data, bench_name, tasks)
    if bench_name is not None and (of_data or tools or temperature):
        raise RecipeError("--tools, --temperature, --samples, --slices, --shots and --latency go with --data")
    if bench_name is None and (base or train_tools is not None):
        raise RecipeError("--base and --train-tools go with --bench")
    if tasks is not None and (of_data or rows):
        raise RecipeError("--tasks are played alone; leave out --rows, --samples, --slices, --shots and --latency")
    if bool(shots) != (shots_from is not None):
        raise RecipeError("--shots and --shots-from go together: how many worked examples, and of which rows")
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
    watch, wanted = Terminal(), Wanted(tools, samples, slices, shots, shots_from, timed)
    command = shlex.join(["callwright", *sys.argv[1:]])
    try:
        found = score_held_out(asked, settings, wanted, watch, (where, command) if where else None)
    finally:
        watch.close()
    if where:
        err.print(f"report: {write_run_report(where)}", markup=False)
    if as_json:
        print_json(found.report.aggregates)
    else:
        _print(found)


def _one_of(data: str | None, bench_name: str | None, tasks: str | None) -> None:
    """What is asked is one thing. Raises RecipeError."""
    from callwright.errors import RecipeError

    if sum(one is not None for one in (data, bench_name, tasks)) != 1:
        raise RecipeError("give --data with held-out rows, or --bench bfcl, or --tasks with rows to play")


def _print(found: Found) -> None:
    from callwright.cli.console import out
    from callwright.score import table
    from callwright.score.run import failures_of
    from callwright.score.slices_table import flakiness_table, skipped_lines, slices_table

    made = found.report
    runs = {found.name: made.aggregates}
    out.print(table.failures_table(failures_of(found.scores)))
    if made.aggregates["by_mode"]:
        out.print(table.modes_table(made.aggregates))
    if (confused := table.confusion_table(made.aggregates)).row_count:
        out.print(confused)
    out.print(table.tool_table(runs))
    out.print(table.comparison_table(runs))
    if "latency" in made.aggregates:
        told = made.aggregates["latency"]
        out.print(f"one at a time: {told['median']:,.0f} ms median, {told['p95']:,.0f} ms p95, of {told['n']:,.0f}")
    if "flakiness" in made.aggregates:
        out.print(flakiness_table(made.aggregates["flakiness"]))
    if "slices" in made.aggregates:
        out.print(slices_table(made.aggregates["slices"]))
        for line in skipped_lines(made.aggregates["slices"]):
            out.print(line)
