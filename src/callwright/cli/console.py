"""What verbs print with: tables to stdout, progress to stderr, JSON for machines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    # torch, which a verb that only prints would wait seconds for
    from callwright.train.progress import Progress as Step

# of several processes that were started together, the first speaks; errors come from all
_silent = os.environ.get("RANK", "0") != "0"
# a file or a pipe has no width of its own, and 80 columns would cut what tables say
_width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140
out = Console(soft_wrap=False, highlight=False, quiet=_silent, width=_width)
err = Console(stderr=True, highlight=False, quiet=_silent)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    if not _silent:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def pairs(facts: dict[str, str]) -> Table:
    """Names and values, side by side, without lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def findings_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Names, values and, dimmed behind them, what they mean. The values may hold brackets."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value, advice in rows:
        table.add_row(name, Text.assemble(value, "  ", (advice, "dim")) if advice else Text(value))
    return table


class Terminal:
    """Shows a run as it goes: a bar on a terminal, a line every half minute in a log file."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last = 0.0
        self._scored, self._first = "", (0, 0.0)

    def step(self, name: str, skipped: bool) -> None:
        self.close()
        err.print(f"[bold]{name}[/bold]" + (" [dim](done before)[/dim]" if skipped else ""))

    def facts(self, facts: dict[str, str]) -> None:
        err.print(pairs(facts))

    def training(self, progress: Step) -> None:
        rate = progress.tokens / progress.seconds
        left = time.strftime("%H:%M:%S", time.gmtime(progress.seconds_left))
        rows = progress.rows / progress.seconds
        text = f"loss {progress.loss:.4f}  {rate:,.0f} tokens/s  {rows:.1f} rows/s  {left} left"
        self._show("step", progress.step, progress.steps, text)

    def chosen(self, step: int, score: float) -> None:
        err.print(f"  step {step}: exact match on dev rows {score:.1%}")

    def scoring(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if name != self._scored or done < self._first[0]:
            # what was done before is not done at this speed
            self._scored, self._first = name, (done, now)
        begun, at = self._first
        left = (total - done) * (now - at) / (done - begun) if done > begun else 0.0
        text = f"{time.strftime('%H:%M:%S', time.gmtime(left))} left" if done > begun else ""
        self._show("row", done, total, text)

    def close(self) -> None:
        """Ends the bar of a step."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def _show(self, unit: str, done: int, total: int, text: str) -> None:
        if not err.is_terminal:
            now = time.monotonic()
            if now - self._last > 30 or done == total:
                self._last = now
                err.print(f"  {unit} {done}/{total}  {text}")
            return
        if self._bar is None:
            columns: list[Any] = [
                TextColumn("  {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
            ]
            self._bar = Progress(*columns, console=err)
            self._bar.start()
            self._task = self._bar.add_task("", total=total, text="")
        assert self._task is not None
        self._bar.update(self._task, completed=done, text=text)
        if done == total:
            self.close()
