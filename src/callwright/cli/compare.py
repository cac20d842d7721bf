"""`callwright compare A B`: two evaluations of the same rows, against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from rich.table import Table as Shown

    from callwright.report.tables import Table

EXAMPLE = "Example: callwright compare runs/first runs/second --output compared.html"

_MOST = 10
_COLUMNS = (0, 2, 3, 6, 7)


def compare(
    first: Annotated[str, typer.Argument(help="A report.json, or a folder that holds one.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The same, of the other.", metavar="B")],
    others: Annotated[
        list[str] | None, typer.Argument(help="More of them: all side by side, each against A.", metavar="C...")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", help="Also write a page with all rows won or lost.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pair two evaluations by their rows: differences with 95% intervals, exact McNemar tests, rows won and lost."""
    from callwright.cli.console import err, out, print_json
    from callwright.errors import RecipeError
    from callwright.report.paired import pair_up, paired_page, paired_table
    from callwright.score.failures import write_atomically

    if others:
        if output:
            raise RecipeError("--output writes a page of two evaluations; there are more")
        _side_by_side([first, second, *others], as_json)
        return
    if output:
        from callwright.cli.mixing import must_not_exist

        must_not_exist(output)
    pair = pair_up(Path(first), Path(second))
    if output:
        write_atomically(Path(output), paired_page(pair))
        err.print(f"page written to {output}", markup=False)
    if as_json:
        print_json(pair.as_json())
        return
    for name, rows in (("won", pair.won), ("lost", pair.lost)):
        for row in rows[:_MOST]:
            out.print(f"{name}  {row.request or row.key}\n      {row.why}", markup=False)
        if len(rows) > _MOST:
            out.print(f"{name}  {len(rows) - _MOST} more; --output lists all", markup=False)
    out.print(_shown(paired_table(pair)))
    out.print(pair.verdict, markup=False)


def _side_by_side(given: list[str], as_json: bool) -> None:
    """Every evaluation in a column, and what each changed against the first, over the rows that both have."""
    from callwright.cli.console import out, print_json
    from callwright.report.paired import pair_up
    from callwright.report.words import change
    from callwright.score.run import EXACT
    from callwright.score.table import comparison_table

    # each under its folder's name, where that tells them apart
    names = [Path(one).name for one in given]
    names = names if len(set(names)) == len(names) else given
    pairs = [pair_up(Path(given[0]), Path(other)) for other in given[1:]]
    reports = [pairs[0].scored[0].report, *(pair.scored[1].report for pair in pairs)]
    if as_json:
        against = dict(zip(names[1:], (pair.as_json()["metrics"] for pair in pairs), strict=True))
        runs = {name: made.aggregates for name, made in zip(names, reports, strict=True)}
        print_json({"runs": runs, "against": names[0], "metrics": against})
        return
    out.print(comparison_table({name: made.aggregates for name, made in zip(names, reports, strict=True)}))
    for name, pair in zip(names[1:], pairs, strict=True):
        found = pair.metrics[EXACT]
        out.print(f"{name} less {names[0]}, of the same {found.rows:,} rows: {change(found)}", markup=False)


def _shown(table: Table) -> Shown:
    from rich.table import Table as Shown
    from rich.text import Text

    made = Shown(caption=table.note)
    for place in _COLUMNS:
        made.add_column(Text(table.columns[place]), justify="left" if place == 0 else "right", no_wrap=True)
    for row in table.rows:
        # a terminal of 80 columns has no room for the intervals of A and of B
        texts = [row[place].text for place in _COLUMNS]
        made.add_row(*(Text(text.partition(" [")[0] if place in (1, 2) else text) for place, text in enumerate(texts)))
    return made
