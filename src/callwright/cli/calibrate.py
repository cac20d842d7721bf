"""`callwright calibrate MODEL --data FILE`: when its calls may be run, when a person should be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright calibrate smollm2-135m --adapter runs/home/adapter --data dev.jsonl"


def calibrate(  # noqa: PLR0913  # one argument an option
    model: Annotated[str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'.")],
    data: Annotated[str, typer.Option("--data", help="Dev rows, neither trained on nor reported on.")],
    adapter: Annotated[str | None, typer.Option("--adapter", help="A trained adapter's folder.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    engine: Annotated[
        str, typer.Option("--engine", help="As `callwright serve` has it, which should serve by the same one.")
    ] = "auto",
    rows: Annotated[int | None, typer.Option("--rows", help="Draw so many rows, with seed 1.")] = None,
    precision: Annotated[float, typer.Option("--precision", help="Of the calls that are run at once.")] = 0.95,
    output: Annotated[
        str | None, typer.Option("--output", help="Where to write it; ADAPTER/calibration.json where not given.")
    ] = None,
    svg: Annotated[str | None, typer.Option("--svg", help="Draw the reliability diagram to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit probabilities of calls to what was right on dev rows, and print how well they hold on rows left out."""
    from callwright.cli.console import Terminal, out, print_json
    from callwright.errors import DataError, RecipeError
    from callwright.pipeline.calibrate import calibrated, judged_calls
    from callwright.pipeline.rows import held_out_rows
    from callwright.pipeline.serving import Wanted, engine_named, open_served
    from callwright.recipe import Eval
    from callwright.report.charts import reliability_diagram
    from callwright.score.calibration import CALIBRATION
    from callwright.score.table import reliability_table
    from callwright.tools import load_tools

    if not 0.5 <= precision < 1:
        raise RecipeError(f"--precision {precision:g}: give a share from 0.5 to less than 1")
    target = Path(output) if output else Path(adapter) / CALIBRATION if adapter else None
    if target is None:
        raise RecipeError("--output: say where to write the calibration; there is no adapter's folder to put it in")
    asked = held_out_rows(Eval(data=data, rows=rows), load_tools(tools) if tools else ())
    (served,) = open_served(Wanted(model, (adapter,) if adapter else (), dialect=dialect, engine=engine_named(engine)))
    watch = Terminal()
    judged = judged_calls(
        served.engine,
        asked,
        served.dialect,
        served.tokenizer,
        lambda done: watch.scoring(served.name, done, len(asked)),
    )
    watch.close()
    try:
        made = calibrated(judged, precision)
    except ValueError as error:
        raise DataError(data, f"nothing can be calibrated on these rows: {error}") from None
    made.calibration.save(target)
    if svg:
        Path(svg).write_text(reliability_diagram(made.bins_before, made.bins_after), encoding="utf-8")
    if as_json:
        print_json(made.to_json())
        return
    out.print(reliability_table(made.bins_before, made.bins_after))
    out.print(f"expected calibration error {made.error_before:.3f} before, {made.error_after:.3f} after")
    told = "none reaches it"
    if made.precision is not None:
        share = f"{made.acted_right / made.acted:.1%} [{made.precision.low:.1%}, {made.precision.high:.1%}]"
        told = f"{made.acted} reach it ({made.acted / made.calls:.1%}), {share} of these are right"
    out.print(f"act from {made.calibration.act:.3f} on: of {made.calls} calls {told}")
    out.print(f"confirm from {made.calibration.confirm:.3f} on; written to {target}")
