"""`callwright train RECIPE`: the training part of a run alone."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli.run import AsJson, Overrides, RecipeArgument

EXAMPLE = "Example: callwright train recipes/hwu64_16.yaml --resume"


def train(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read or make the rows, check them, and train an adapter."""
    from callwright.cli.console import Terminal, err, print_json
    from callwright.errors import RunError
    from callwright.pipeline.run import check_inputs, enter, train_steps
    from callwright.pipeline.trained import TRAINED
    from callwright.recipe import load_recipe
    from callwright.train.checkpoint import latest

    loaded = load_recipe(recipe, overrides or ())
    check_inputs(loaded)
    workshop, folder = enter(loaded)
    if latest(folder.path / "checkpoints") and not resume:
        raise RunError(f"{folder.path}: holds a started run; pass --resume to go on, or use output=ANOTHER_FOLDER")
    watch = Terminal()
    try:
        train_steps(loaded, workshop, folder, watch, resume=resume)
    finally:
        watch.close()
    trained = folder.path / TRAINED[loaded.method]
    if as_json:
        print_json({trained.name: str(trained), "metrics": str(folder.path / "metrics.jsonl")})
    else:
        err.print(f"trained: {trained}")
