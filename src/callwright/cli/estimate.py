"""`callwright estimate RECIPE`: memory, hours and money before a training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson, Config, Overrides, RecipeArgument

EXAMPLE = "Example: callwright estimate recipes/hwu64_16.yaml --price 0.4"


def estimate(  # noqa: PLR0913  # one argument an option
    recipe: RecipeArgument,
    overrides: Overrides = None,
    config: Config = None,
    tflops: Annotated[
        float | None, typer.Option("--tflops", min=0, help="What another machine sustains: time by that, no probe.")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Time a few steps with the model itself.")] = True,
    price: Annotated[float | None, typer.Option("--price", min=0, help="Of an hour of the machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read the rows, count what they share, and say what training on them will take."""
    from dataclasses import asdict

    from callwright.cli.console import out, pairs, print_json
    from callwright.pipeline.estimate import estimate as estimated
    from callwright.pipeline.run import check_inputs
    from callwright.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    check_inputs(loaded)
    found = estimated(loaded, probe=probe, config=Path(config) if config else None, tflops=tflops)
    if as_json:
        print_json({**asdict(found), "total_bytes": found.total_bytes})
        return
    out.print(pairs(found.facts(price)))
