"""`callwright eval MODEL --data FILE`: score a model, or a model with an adapter, on held-out rows."""

from __future__ import annotations

import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from callwright.cli.run import AsJson

EXAMPLE = (
    "Example: callwright eval smollm2-135m --adapter runs/home/adapter "
    "--tools examples/home/tools.py --data examples/home/holdout.jsonl"
)


def evaluate(  # noqa: PLR0913  # one argument an option
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'; with --endpoint, its name there.")
    ],
    data: Annotated[str, typer.Option("--data", help="Held-out rows, in any format that can be read.")],
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
    output: Annotated[str | None, typer.Option("--output", help="Write the report and its failures there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score exact match, names, arguments, strict JSON, schema-valid rate and abstention, with 95% intervals."""
    from callwright.cli.console import Terminal, err, out, print_json
    from callwright.errors import RecipeError
    from callwright.pipeline.environment import made_by
    from callwright.pipeline.evaluate import at_endpoint, open_subject, report
    from callwright.pipeline.evaluate import evaluate as score
    from callwright.pipeline.rows import held_out_rows
    from callwright.pipeline.serving import Wanted, engine_named, served_scorer
    from callwright.recipe import Eval
    from callwright.report.run import write_run_report
    from callwright.score.run import build_report, failures_of
    from callwright.score.table import comparison_table, failures_table, tool_table
    from callwright.tools import load_tools

    if mode not in ("auto", "forced"):
        raise RecipeError(f"--mode '{mode}': give 'auto' or 'forced'")
    if rendered and not endpoint:
        raise RecipeError("--rendered says how prompts for an --endpoint are written; there is none")
    if constrain and endpoint:
        raise RecipeError("--constrain holds what this process writes; a server of --endpoint holds its own")
    if engine and endpoint:
        raise RecipeError("--engine says what computes here; with --endpoint, a server does")
    by = engine_named(engine or "auto")
    chosen: Literal["auto", "forced"] = "forced" if mode == "forced" else "auto"
    settings = Eval(data=data, rows=rows, mode=chosen, constrain=constrain)
    held_out = held_out_rows(settings, load_tools(tools) if tools else ())
    watch = Terminal()
    folder = Path(adapter) if adapter else None
    if endpoint:
        name, score_all = model, at_endpoint(endpoint, model, rendered, folder, dialect)
    elif engine or model.endswith(".gguf"):
        wanted = Wanted(model, (adapter,) if adapter else (), dialect=dialect, engine=by)
        name, score_all = "tuned" if adapter else "base", served_scorer(wanted)
    else:
        subject = open_subject(model, folder, dialect)
        name, score_all = subject.name, partial(score, subject)
    started = time.monotonic()
    scores = score_all(held_out, settings, lambda done: watch.scoring(name, done, len(held_out)))
    watch.close()
    made = build_report(name, scores)
    if output:
        command = shlex.join(["callwright", *sys.argv[1:]])
        made = report(name, scores, Path(output), made_by(command, data, held_out, time.monotonic() - started))
        err.print(f"report: {write_run_report(Path(output))}", markup=False)
    if as_json:
        print_json(made.aggregates)
        return
    out.print(failures_table(failures_of(scores)))
    out.print(tool_table({name: made.aggregates}))
    out.print(comparison_table({name: made.aggregates}))
