"""A learning curve -> a rich table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from callwright.score.curve import Point, gain, size_as_json, sizes_of
from callwright.score.table import NO_VALUE, share_cell


def curve_table(points: Sequence[Point]) -> Table:
    """A line for each number of rows: exact match, and what it gained on the line above, in points."""
    n = len(points[0].right)
    table = Table(caption=f"value [95% interval], of {n:,} held-out rows and the seeds together")
    for name in ("rows", "seeds", "exact match", "gain, in points"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for size in sizes_of(points):
        told = _gained(points, before, size.rows) if before is not None else NO_VALUE
        table.add_row(f"{size.rows:,}", str(size.seeds), share_cell(size_as_json(size) | {"n": n}), Text(told))
        before = size.rows
    return table


def _gained(points: Sequence[Point], before: int, rows: int) -> str:
    found = gain(points, before, rows)
    return f"{100 * found.difference:+.1f} [{100 * found.interval.low:+.1f}, {100 * found.interval.high:+.1f}]"
