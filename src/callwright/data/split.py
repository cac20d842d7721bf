"""A data file -> two files, so that no row, dialogue, template or tool stands on both sides."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from callwright.data import conversations
from callwright.data.canonical import writer
from callwright.data.groups import KEYS, By, Groups, called_keys
from callwright.errors import DataError, did_you_mean
from callwright.types import Conversation

Rows = Callable[[], Iterator[Conversation]]

_RANGE = 1 << 64


@dataclass(frozen=True, slots=True)
class Outputs:
    """The two files that a split writes; each must be new."""

    train: str | os.PathLike[str]
    held_out: str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Rows written to each side, and training rows that lost tools which only the held-out side may show."""

    train: int
    held_out: int
    stripped: int = 0


def split(
    path: str | os.PathLike[str],
    outputs: Outputs,
    held_out: float | int,
    *,
    seed: int = 0,
    by: By = "row",
    format: str | None = None,
) -> SplitCounts:
    """Send each row to one of two files, in its order, whole groups together; memory grows with groups, not with text.

    `held_out` is a share between 0 and 1 (a float) or a number of rows (an int). `by` says what may not stand on both
    sides:

    - "row": a row. The side depends on the id and the seed alone, so that with a share a file that grows keeps its rows
      where they were. Rows that an augmentation made stay with the rows they were made of.
    - "dialogue": rows cut from one dialogue, which the provenance names or the opening shows.
    - "template": rows of one template, which the provenance names or the request without its values shows.
    - "tool": a tool, offered or called. Rows joined over others by common tools are one group.
    - "called": a tool that the held-out rows call. Training rows that offer such a tool, and do not call it, lose it.

    With groups of several rows the held-out side comes as near to the size as whole groups allow, never over it.
    Raises DataError where an output exists, at the first bad row, and where a side would be empty.
    """
    name = str(path)
    if by not in KEYS:
        raise DataError(name, f"cannot split by '{by}'{did_you_mean(by, KEYS)}; known are {', '.join(KEYS)}")
    for output in (outputs.train, outputs.held_out):
        if Path(output).exists():
            raise DataError(str(output), "exists already; remove it or choose another name")
    if Path(outputs.train).absolute() == Path(outputs.held_out).absolute():
        raise DataError(str(outputs.train), "is named for both sides; give two names")
    _check_size(held_out, name)

    def rows() -> Iterator[Conversation]:
        return conversations(path, format=format)

    groups = Groups(by, seed)
    for row in rows():
        groups.add(row)
    plan = _Plan(_sides(rows, groups, held_out, name), groups)
    if by == "called":
        plan.find_held_tools(rows())
    counts = Counter[bool]()
    with writer(outputs.train) as add_train, writer(outputs.held_out) as add_held_out:
        for row in rows():
            side = plan.is_held_out(row)
            (add_held_out if side else add_train)(row if side else plan.stripped(row))
            counts[side] += 1
        if not counts[True] or not counts[False]:
            total = counts.total()
            raise DataError(name, f"one side would be empty: {counts[True]} of {total} rows held out; change the size")
    return SplitCounts(train=counts[False], held_out=counts[True], stripped=plan.changed)


def _check_size(held_out: float | int, name: str) -> None:
    fits = 0 < held_out < 1 if isinstance(held_out, float) else held_out > 0 and not isinstance(held_out, bool)
    if not fits:
        raise DataError(name, f"cannot hold out {held_out!r}; give a share between 0 and 1, or a number of rows")


@dataclass
class _Plan:
    """Which groups are held out, and which tools a training row may not show."""

    holds: Callable[[int], bool]
    groups: Groups
    held_tools: set[str] = field(default_factory=set)
    changed: int = 0

    def is_held_out(self, row: Conversation) -> bool:
        return self.holds(self.groups.of(row))

    def find_held_tools(self, rows: Iterator[Conversation]) -> None:
        for row in rows:
            if self.is_held_out(row):
                self.held_tools.update(called_keys(row))

    def stripped(self, row: Conversation) -> Conversation:
        tools = tuple(tool for tool in row.tools if tool.name not in self.held_tools)
        if len(tools) == len(row.tools):
            return row
        self.changed += 1
        return replace(row, tools=tools)


def _sides(rows: Rows, groups: Groups, held_out: float | int, name: str) -> Callable[[int], bool]:
    """Whether a group, by its place, is held out."""
    if groups.by == "row" and isinstance(held_out, float):
        border = int(held_out * _RANGE)
        return lambda place: place < border
    if groups.by == "row" and isinstance(held_out, int) and not groups.linked:
        last = max(heapq.nsmallest(held_out, map(groups.of, rows())), default=0)
        return lambda place: place <= last
    sizes = Counter(map(groups.of, rows()))
    wanted = round(held_out * sizes.total()) if isinstance(held_out, float) else held_out
    chosen: set[int] = set()
    left = wanted
    for place in sorted(sizes):
        if sizes[place] <= left:
            chosen.add(place)
            left -= sizes[place]
    if not chosen and sizes:
        hint = "; 'called' or 'dialogue' may tell them apart" if groups.by == "tool" else ""
        raise DataError(
            name,
            f"{wanted} of {sizes.total()} rows cannot be held out by {groups.by}: the rows fall into {len(sizes)} "
            f"groups, the smallest of {min(sizes.values())} rows; hold out more, or split by less{hint}",
        )
    return lambda place: place in chosen
