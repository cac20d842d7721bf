"""Options that say where work on rows is done."""

from __future__ import annotations

from typing import Annotated

import typer

EngineOption = Annotated[str, typer.Option("--engine", help="'local': processes. 'ray': Ray Data, over many machines.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Processes, or Ray actors; without it, one a core.")]
Shards = Annotated[
    str | None, typer.Option("--shards", help="For ray: a folder that all machines see, for the rows as Parquet.")
]
