"""`callwright tools ...`: look at tools from anywhere, check them, compare them."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli import toolshow
from callwright.cli.run import AsJson

app = typer.Typer(
    no_args_is_help=True,
    help="Tools: read them from anywhere, look at them, check and compare them.",
    rich_markup_mode=None,
)


app.command("show", epilog=toolshow.EXAMPLE)(toolshow.show)


@app.command("lint", epilog="Example: callwright tools lint examples/home/tools.py")
def lint(source: Annotated[str, typer.Argument(help="Tools, as for 'tools show'.")], as_json: AsJson = False) -> None:
    """Warn of what makes a model choose or fill tools badly. Exits with 1 where there are warnings."""
    from rich.markup import escape

    from callwright.cli.console import out, print_json
    from callwright.tools import load_tools
    from callwright.tools.lint import lint_tools

    tools = load_tools(source)
    found = lint_tools(tools)
    if as_json:
        rows = [{"tool": p.tool, "parameter": p.parameter, "kind": p.kind, "why": p.why} for p in found]
        print_json({"tools": len(tools), "warnings": rows})
    else:
        for p in found:
            place = f"{p.tool}.{p.parameter}" if p.parameter else p.tool
            out.print(f"[bold]{escape(place)}[/bold]: {p.kind}: {escape(p.why)}")
        out.print(f"{len(tools)} tools, {len(found)} warnings")
    raise typer.Exit(1 if found else 0)


@app.command("diff", epilog="Example: callwright tools diff v1.json v2.json --data train.jsonl")
def diff(
    old: Annotated[str, typer.Argument(help="The tools as they were.")],
    new: Annotated[str, typer.Argument(help="The tools as they are.")],
    data: Annotated[
        str | None, typer.Option("--data", help="Rows written for the old tools: which of them break?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed between two sets of tools, and which rows of a data set the change breaks."""
    from rich.markup import escape

    from callwright.cli.console import out, print_json
    from callwright.data import conversations
    from callwright.data.migrate import Migration
    from callwright.tools import load_tools

    migration = Migration.between(load_tools(old), load_tools(new))
    broken, rows = [], 0
    for row in conversations(data) if data else ():
        rows += 1
        done = migration.migrate(row)
        if done.broken or done.repaired:
            broken.append(
                {"where": row.where or row.id, "repairable": not done.broken, "why": [*done.broken, *done.repaired]}
            )
    if as_json:
        changes = [{"text": str(change), "breaks": change.breaks} for change in migration.changes]
        print_json({"changes": changes, "rows": rows, "breaking_rows": broken})
        return
    for change in migration.changes:
        out.print(f"{'[red]breaks[/red] ' if change.breaks else '       '}{escape(str(change))}")
    if data:
        repairable = sum(1 for entry in broken if entry["repairable"])
        out.print(f"{rows} rows, {len(broken)} of them break; 'callwright data migrate' repairs {repairable}")
