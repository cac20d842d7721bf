"""What tasks came to -> a rich table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from callwright.score.table import share_cell
from callwright.score.tasks import TASK_LABELS
from callwright.types import JsonObject


def tasks_table(runs: Mapping[str, JsonObject]) -> Table:
    """Run name -> `task_aggregates`: a line for each metric, with how many tasks it was asked of."""
    table = Table(caption="value [95% interval]; n: tasks that it was asked of")
    table.add_column("of tasks", no_wrap=True)
    table.add_column("n", justify="right")
    for name in runs:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for metric, label in TASK_LABELS.items():
        found = [aggregates[metric] for aggregates in runs.values()]
        table.add_row(label, str(max(one["n"] for one in found)), *map(share_cell, found))
    return table
