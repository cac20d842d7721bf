"""`callwright run RECIPE`: from data or functions to a tuned and measured model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: callwright run examples/home/recipe.yaml train.steps=50 output=runs/short"

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file (YAML).", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value pairs that change the recipe.", metavar="KEY=VALUE")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


Config = Annotated[str | None, typer.Option("--config", help="A config.json, where the model itself is not at hand.")]


def run(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Try the recipe in a minute: a tiny random model of its kind, a few rows.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Walk every step: rows, lint, train, evaluate base and tuned, report. Finished steps are skipped."""
    if smoke:
        _smoke(recipe, overrides or (), config)
        return
    from callwright.cli.console import Terminal, err, out, print_json
    from callwright.pipeline.run import run as walk
    from callwright.recipe import load_recipe
    from callwright.score.table import comparison_table, tool_table

    watch = Terminal()
    try:
        outcome = walk(load_recipe(recipe, overrides or ()), watch)
    finally:
        watch.close()
    if as_json:
        print_json(outcome.summary)
        return
    if outcome.reports:
        aggregates = {name: made.aggregates for name, made in outcome.reports.items()}
        out.print(tool_table(aggregates))
        out.print(comparison_table(aggregates, outcome.summary.get("base_against_tuned")))
    if "tuned" in outcome.reports:
        err.print(f"misses:  {outcome.folder / 'tuned' / 'failures.jsonl'}")
    err.print(f"trained: {outcome.trained}\nreport:  {outcome.folder / 'report.html'}")


def _smoke(recipe: str, overrides: Sequence[str], config: str | None) -> None:
    """Walks the recipe in small in a temporary folder, which is gone afterwards."""
    import tempfile

    from callwright.cli.console import Terminal, err
    from callwright.pipeline.run import run as walk
    from callwright.pipeline.smoke import smoke
    from callwright.recipe import load_recipe

    loaded = load_recipe(recipe, overrides)
    with tempfile.TemporaryDirectory() as folder:
        watch = Terminal()
        try:
            walk(smoke(loaded, Path(folder), Path(config) if config else None), watch)
        finally:
            watch.close()
    err.print(f"{recipe}: every step ran")
