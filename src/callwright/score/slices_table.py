"""What slices and sampled runs came to -> rich tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from callwright.score.table import change_cell, share_cell
from callwright.types import JsonObject


def slices_table(outcomes: Mapping[str, JsonObject]) -> Table:
    """A line a slice: how many rows, exact match with its 95% interval, and the change against the same rows as they
    are, in points. Where there are such, how often a reply did what a tool's result ordered, or harm unasked."""
    table = Table(caption="value [95% interval]; the change is against the rows that a slice was made of")
    table.add_column("slice", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("left out", justify="right")
    columns = ["exact match", "change, in points"]
    told = {key: any(outcome[key]["n"] for outcome in outcomes.values()) for key in ("followed", "harm")}
    columns += [name for key, name in (("followed", "follows a result"), ("harm", "harm unasked")) if told[key]]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for name, outcome in outcomes.items():
        cells = [share_cell(outcome), change_cell(outcome.get("difference"))]
        cells += [share_cell(outcome[key]) for key, any_told in told.items() if any_told]
        table.add_row(name, str(outcome["n"]), str(sum(outcome.get("skipped", {}).values())), *cells)
    return table


def skipped_lines(outcomes: Mapping[str, JsonObject]) -> Iterator[Text]:
    """Why rows are not among a slice's, with how many for each reason; and where the engine failed."""
    for name, outcome in outcomes.items():
        if "error" in outcome:
            yield Text(f"{name}: {outcome['error']}")
        for why, count in outcome.get("skipped", {}).items():
            yield Text(f"{name}: {count} left out: {why}")


def flakiness_table(found: JsonObject) -> Table:
    """How many rows are right in every run, in none, and in some; and the rows nearest to even odds."""
    table = Table(caption=f"{found['runs']} sampled runs of {found['n']} rows")
    for name in ("right always", "sometimes", "never", "sometimes, of all", "mean exact match"):
        table.add_column(name, justify="right")
    mean = "–" if found["mean"] is None else f"{found['mean']:.1%}"
    counts = (str(found["always"]), str(found["sometimes"]), str(found["never"]))
    table.add_row(*counts, share_cell(found), mean)
    return table
