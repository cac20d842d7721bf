"""`callwright verify ARTEFACT...`: whether what was exported is asked, answers and scores as the run did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from callwright.pipeline.verify import Parity

EXAMPLE = (
    "Example: callwright verify exports/home/merged exports/home/gguf/home-q8_0.gguf --run runs/home "
    "--data examples/home/holdout.jsonl"
)


def verify(  # noqa: PLR0913  # one argument an option
    artefacts: Annotated[list[str], typer.Argument(help="Folders, .gguf files, or addresses as http://HOST:PORT/v1.")],
    run: Annotated[str, typer.Option("--run", help="What it was exported from: a run's folder, or an adapter's.")],
    data: Annotated[str, typer.Option("--data", help="Held-out rows, in any format that can be read.")],
    rows: Annotated[int | None, typer.Option("--rows", help="Draw so many rows, with seed 1.")] = None,
    tools: Annotated[
        str | None, typer.Option("--tools", help="For rows that declare none; the run's otherwise.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The base, where the adapter names none.")] = None,
    name: Annotated[str, typer.Option("--name", help="Of the model at an address; else the first that it lists.")] = "",
    longest: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Of a reply.")] = 128,
    as_json: AsJson = False,
) -> None:
    """Compare prompts byte for byte and token for token, replies, and exact match row by row.

    Exits with 1 where prompts differ from training's, or fewer rows are right than chance explains (p < 0.05).
    """
    from callwright.cli.console import err, out, print_json
    from callwright.pipeline.rows import declared_rows
    from callwright.pipeline.trained import find_trained
    from callwright.pipeline.verify import verify as compared

    trained = find_trained(Path(run), model)
    given = declared_rows(trained.run, data, rows, tools)
    found = compared(
        trained, artefacts, given, longest=longest, name=name, say=lambda line: err.print(line, markup=False)
    )
    if as_json:
        print_json([parity.to_json() for parity in found])
    else:
        out.print(_table(found))
        for parity in found:
            told = f"{_short(parity.name)}: {parity.verdict}"
            out.print(told + (f"; {parity.first}" if parity.first else ""), markup=False, soft_wrap=True)
    raise typer.Exit(1 if any(parity.failed for parity in found) else 0)


def _table(found: list[Parity]) -> Table:
    from rich.table import Table

    table = Table(caption=f"of {found[0].rows} rows; difference to the run in points, p is McNemar's")
    for title in ("artefact", "bytes", "tokens", "replies", "exact match", "difference"):
        table.add_column(title, justify="left" if title == "artefact" else "right", no_wrap=True)
    run = found[0]
    table.add_row("the run", "", "", "", _share(run.before, run.rows), "")
    for one in found:
        points = 100 * (one.right - one.before) / one.rows
        counts = ["not told" if count is None else f"{count}" for count in (one.bytes, one.tokens)]
        change = f"{points:+.1f}, p = {one.p_value:.2g}"
        table.add_row(_short(one.name), *counts, str(one.same), _share(one.right, one.rows), change)
    return table


def _short(name: str) -> str:
    """An address whole, of a path the end.

    >>> _short("exports/home/merged"), _short("http://127.0.0.1:8000/v1")
    ('merged', 'http://127.0.0.1:8000/v1')
    """
    return name if "://" in name else Path(name).name


def _share(right: int, rows: int) -> str:
    from callwright.score.stats import wilson

    inside = wilson(right, rows)
    return f"{100 * right / rows:.1f}% [{100 * inside.low:.1f}, {100 * inside.high:.1f}]"
