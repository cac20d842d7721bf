"""`callwright data convert`: a file in another row format, and all that the other format cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.mixing import Output, must_not_exist
from callwright.cli.run import AsJson
from callwright.cli.scale import EngineOption, Shards, Workers

if TYPE_CHECKING:
    from callwright.data.convert import Losses

EXAMPLE = "Example: callwright data convert xlam.json.gz train.jsonl --to openai"
# written out, because help must not load the readers; a test compares it with them
FORMATS = (
    "canonical, openai, trl, xlam, sharegpt, hermes, glaive, toolace, toolalpaca, toolrl, seal, bfcl, answer, logs, csv"
)


def convert(  # noqa: PLR0913  # one argument an option
    file: Annotated[str, typer.Argument(help="Rows in any known format, hub:OWNER/NAME or bfcl:CATEGORY.")],
    output: Output,
    to: Annotated[str, typer.Option("--to", help=f"One of {FORMATS}.")] = "canonical",
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first N rows.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be converted.")] = False,
    engine: EngineOption = "local",
    workers: Workers = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """Write a file in another row format. What it cannot hold is listed by reason, with the first file and line.

    Where there are such rows, nothing is written without --skip-bad. Fields that are lost from rows that are written,
    such as ids or provenance, are listed too.
    """
    from callwright.cli.console import err, print_json
    from callwright.data.convert import Losses
    from callwright.data.convert import convert as write_as
    from callwright.scale import engine_for

    must_not_exist(output)
    losses = Losses()
    try:
        chosen = engine_for(engine, workers, shards)
        written = write_as(file, output, to, limit=limit, skip_bad=skip_bad, losses=losses, engine=chosen)
    finally:
        if not as_json:
            _print(losses, to)
    if as_json:
        named = {"refused": ("reason", losses.refused), "dropped": ("field", losses.dropped)}
        print_json(
            {"rows": written}
            | {
                kind: [{name: key, "rows": loss.rows, "first": loss.first} for key, loss in listed.items()]
                for kind, (name, listed) in named.items()
            }
        )
        return
    err.print(f"{written} rows written to {output}, {losses.rows} left out", soft_wrap=True)


def _print(losses: Losses, to: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from callwright.cli.console import err

    for title, listed in (
        (f"rows that {to} cannot hold", losses.refused),
        (f"lost from rows that {to} holds", losses.dropped),
    ):
        if listed:
            table = Table(title=title, title_justify="left")
            table.add_column("reason" if listed is losses.refused else "field", overflow="fold")
            table.add_column("rows", justify="right")
            table.add_column("first", overflow="fold")
            for name, loss in sorted(listed.items(), key=lambda item: -item[1].rows):
                table.add_row(escape(name), f"{loss.rows:,}", escape(loss.first))
            err.print(table)
