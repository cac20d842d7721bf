"""`callwright merge FOLDER...`: several trained models as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright merge runs/home=0.6 runs/office=0.4 --method ties --output runs/both"


def merge(  # noqa: PLR0913  # one argument an option
    folders: Annotated[list[str], typer.Argument(help="Runs, adapters or whole models; FOLDER=WEIGHT, 1 without it.")],
    output: Annotated[str, typer.Option("--output", help="A new folder for the merged adapter or model.")],
    method: Annotated[str, typer.Option("--method", help="linear, ties, dare_linear or dare_ties.")] = "linear",
    density: Annotated[float, typer.Option("--density", min=0.0, max=1.0, help="What ties and dare keep.")] = 0.5,
    model: Annotated[str | None, typer.Option("--model", help="The base, where adapters name none.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Held-out rows: each part and the result are scored.")
    ] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="For rows that declare none.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="Draw so many of them, with seed 1.")] = None,
    mergekit: Annotated[
        str, typer.Option("--mergekit", help="The program that merges whole models.")
    ] = "mergekit-yaml",
    as_json: AsJson = False,
) -> None:
    """Merge adapters of one base (PEFT), or whole models (mergekit), and score the result beside its parts."""
    from callwright.cli.console import err, out, print_json
    from callwright.errors import RecipeError, did_you_mean
    from callwright.export.merging import Method
    from callwright.pipeline import merging
    from callwright.pipeline.rows import declared_rows
    from callwright.score.stats import wilson

    if method not in get_args(Method):
        near = did_you_mean(method, get_args(Method))
        raise RecipeError(f"--method '{method}'{near}; known: {', '.join(get_args(Method))}")
    parts = merging.parts_of(folders, model)
    given = declared_rows(parts[0].trained.run, data, rows, tools) if data else []
    merging.merge(parts, merging.How(cast("Method", method), density, model, mergekit), Path(output))
    result: dict[str, object] = {"output": output, "method": method}
    if given and parts[0].trained.adapter is not None:
        places = [part.trained.notes for part in parts] + [Path(output)]
        say = lambda line: err.print(f"scoring {line}", markup=False)  # noqa: E731
        right = merging.exact_matches(parts[0].trained.model, places, given, say)
        result["rows"] = len(given)
        result["exact_match"] = {str(place): count for place, count in zip(places, right, strict=True)}
        if not as_json:
            for place, count in zip(places, right, strict=True):
                inside = wilson(count, len(given))
                told = f"{100 * count / len(given):.1f}% [{100 * inside.low:.1f}, {100 * inside.high:.1f}]"
                out.print(f"{place}: exact match {told}", markup=False)
    if as_json:
        print_json(result)
    else:
        out.print(f"merged: {output}", markup=False)
