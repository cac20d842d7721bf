"""`callwright data split`: a file in two, without leaks between the sides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from callwright.data.groups import By

EXAMPLE = "Example: callwright data split all.jsonl --train train.jsonl --held-out dev.jsonl --share 0.1 --by dialogue"


def split(  # noqa: PLR0913  # one argument an option
    file: Annotated[str, typer.Argument(help="Rows in any known format.")],
    train: Annotated[str, typer.Option("--train", help="Where the larger part goes.")],
    held_out: Annotated[str, typer.Option("--held-out", help="Where the held-out part goes.")],
    share: Annotated[float | None, typer.Option("--share", help="The held-out share, as 0.1.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="The number of held-out rows, instead of a share.")] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="What may not stand on both sides: 'row', 'dialogue', 'template', 'tool' (offered or called), or "
            "'called': no held-out row calls a tool that training rows show.",
        ),
    ] = "row",
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another split.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Split a file in two, the same way every time, without leaks."""
    from callwright.cli.console import err, print_json
    from callwright.data.split import Outputs
    from callwright.data.split import split as divide
    from callwright.errors import DataError

    if (share is None) == (rows is None):
        raise DataError(file, "give either --share or --rows")
    size = rows if rows is not None else share
    assert size is not None
    counts = divide(file, Outputs(Path(train), Path(held_out)), size, seed=seed, by=cast("By", by))
    if as_json:
        stripped = {"stripped": counts.stripped} if by == "called" else {}
        print_json({"train": counts.train, "held_out": counts.held_out} | stripped)
        return
    err.print(f"{counts.train} rows in {train}, {counts.held_out} in {held_out}")
    if counts.stripped:
        err.print(f"{counts.stripped} training rows offered a tool that held-out rows call, and no longer do")
