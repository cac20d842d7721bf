"""`callwright data verify`: the checks that made rows must pass, for rows from anywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli.mixing import must_not_exist
from callwright.cli.run import AsJson
from callwright.cli.scale import EngineOption, Shards, Workers

EXAMPLE = "Example: callwright data verify made.jsonl --output verified.jsonl"

_SHOWN = 10


def verify(  # noqa: PLR0913  # one argument an option
    file: Annotated[str, typer.Argument(help="Rows in any known format, hub:OWNER/NAME or bfcl:CATEGORY.")],
    output: Annotated[str | None, typer.Option("--output", help="Write the rows that pass to this file.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    phrases: Annotated[
        str | None, typer.Option("--phrases", help="A phrasebook that says which words mean which value of --tools.")
    ] = None,
    engine: EngineOption = "local",
    workers: Workers = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """Check that calls fit their tools, that every argument was said, and that no request stands twice.

    Exits with 1 where a row fails. A value that no word of the user or of a result leads to fails, also where a person
    would know it.
    """
    from callwright.cli.console import err, print_json
    from callwright.errors import ToolError
    from callwright.scale import engine_for
    from callwright.synth import load_phrasebook, verify_file
    from callwright.tools import load_tools

    if output:
        must_not_exist(output)
    if phrases and not tools:
        raise ToolError(f"{phrases}: a phrasebook is read with the tools that it names; give them with --tools")
    given = load_tools(tools) if tools else ()
    book = load_phrasebook(phrases, given) if phrases else None
    chosen = engine_for(engine, workers, shards)
    found = verify_file(file, tools=given, book=book, output=output, engine=chosen)
    if as_json:
        print_json(found.to_json())
    else:
        for where, why in found.failed[:_SHOWN]:
            err.print(f"{where}: {why}", soft_wrap=True, markup=False)
        if len(found.failed) > _SHOWN:
            err.print(f"... and {len(found.failed) - _SHOWN} more; --json lists all")
        counts = ", ".join(f"{count} {check}" for check, count in found.by_check.most_common())
        err.print(f"{found.kept} of {found.rows} rows pass" + (f"; failed: {counts}" if counts else ""))
    raise typer.Exit(1 if found.failed else 0)
