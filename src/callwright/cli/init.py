"""`callwright init SOURCE...`: from tools to a folder with all that a run needs, and requests to write by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright init my_tools.py --folder mine"


def init(
    sources: Annotated[
        list[str],
        typer.Argument(help="my_tools.py, api.yaml#tag=orders, schema.graphql, mcp:SERVER.", metavar="SOURCE..."),
    ],
    folder: Annotated[str, typer.Option("--folder", help="Where the files go; none is overwritten.")] = "my-model",
    model: Annotated[str, typer.Option("--model", help="The model to tune.")] = "smollm2-135m",
    requests: Annotated[int, typer.Option("--requests", min=1, help="Held-out requests a tool.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Write a commented recipe, the tools as JSON, and a held-out file whose requests you write."""
    from callwright.cli.console import err, print_json
    from callwright.pipeline.start import start
    from callwright.tools import load_tools

    tools = tuple(tool for source in sources for tool in load_tools(source))
    made = start(Path(folder), tools, sources, model, requests)
    if as_json:
        paths = {"recipe": str(made.recipe), "tools": str(made.tools), "holdout": str(made.holdout)}
        print_json({**paths, "todo": made.todo})
        return
    err.print(
        f"{made.recipe}: the recipe\n{made.tools}: {len(tools)} tools\n{made.holdout}: {made.todo} requests to write\n"
        f"next: callwright data review {made.holdout}\nthen: callwright run {made.recipe}",
        soft_wrap=True,
    )
