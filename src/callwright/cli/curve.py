"""`callwright curve RECIPE`: exact match by the number of rows trained on, and whether more rows would help."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli.run import AsJson, Overrides, RecipeArgument

EXAMPLE = "Example: callwright curve recipes/hwu64_16.yaml --sizes 50,100,200,400 --seeds 3 --output runs/curve"


def curve(  # noqa: PLR0913  # one argument an option
    recipe: RecipeArgument,
    overrides: Overrides = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Numbers of rows, with commas.")] = "50,100,200,400,800",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each size, each on rows of its own.")] = 3,
    epochs: Annotated[float, typer.Option("--epochs", min=0.1, help="How often each row is seen.")] = 3.0,
    output: Annotated[str | None, typer.Option("--output", help="The curve's folder; else the recipe's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train and score on more and more rows of a recipe. What is finished is kept; run it again with more sizes."""
    from callwright.cli.console import Terminal, err, out, print_json
    from callwright.errors import RecipeError
    from callwright.pipeline.curve import Plan, learning_curve
    from callwright.recipe import load_recipe
    from callwright.score.curve import advice, as_row, size_as_json, sizes_of
    from callwright.score.curve_table import curve_table

    try:
        wanted = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        wanted = ()
    if not wanted or min(wanted) < 1:
        raise RecipeError(f"--sizes {sizes}: give numbers of rows with commas, as 50,100,200")
    loaded = load_recipe(recipe, [*(overrides or ()), *([f"output={output}"] if output else [])])
    watch = Terminal()
    try:
        points = learning_curve(loaded, Plan(wanted, tuple(range(seeds)), epochs), watch)
    finally:
        watch.close()
    told = advice(points)
    if as_json:
        found = {
            "points": [as_row(point) for point in points],
            "sizes": [size_as_json(size) for size in sizes_of(points)],
            "advice": {"kind": told.kind, "text": told.text} if told else None,
        }
        print_json(found)
        return
    out.print(curve_table(points))
    if told:
        out.print(told.text, markup=False)
    err.print(f"report: {loaded.output}/report.html", markup=False)
