"""`callwright run RECIPE`: from data or functions to a tuned and measured model."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLE = "Example: callwright run examples/home/recipe.yaml train.steps=50 output=runs/short"

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file (YAML).", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value pairs that change the recipe.", metavar="KEY=VALUE")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def run(recipe: RecipeArgument, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Walk every step: rows, lint, train, evaluate base and tuned, report. Finished steps are skipped."""
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
        out.print(comparison_table(aggregates))
    if "tuned" in outcome.reports:
        err.print(f"misses:  {outcome.folder / 'tuned' / 'failures.jsonl'}")
    err.print(f"adapter: {outcome.adapter}\nreport:  {outcome.folder / 'report.json'}")
