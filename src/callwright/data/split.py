"""A data file -> two files, each row on the side that the hash of its id (or of its tool names) says."""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from callwright.data import conversations
from callwright.data.canonical import writer
from callwright.errors import DataError
from callwright.types import Conversation

By = Literal["row", "tools"]
Place = Callable[[Conversation], int]

_RANGE = 1 << 64


@dataclass(frozen=True, slots=True)
class Outputs:
    """The two files that a split writes; each must be new."""

    train: str | os.PathLike[str]
    held_out: str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Rows written to each side."""

    train: int
    held_out: int


def split(
    path: str | os.PathLike[str],
    outputs: Outputs,
    held_out: float | int,
    *,
    seed: int = 0,
    by: By = "row",
    format: str | None = None,
) -> SplitCounts:
    """Send each row to one of two files, in its order and in constant memory per tool set or held-out row.

    `held_out` is a share between 0 and 1 (a float) or a number of rows (an int). The side depends on the row's id and
    the seed alone, so that a file that grows keeps its rows where they were when a share is given. `by="tools"` keeps
    rows with equal sets of tool names together and comes as near to the size as whole sets allow, never over it.

    Raises DataError where an output exists, at the first bad row, and where a side would be empty.
    """
    for output in (outputs.train, outputs.held_out):
        if Path(output).exists():
            raise DataError(str(output), "exists already; remove it or choose another name")
    if Path(outputs.train).absolute() == Path(outputs.held_out).absolute():
        raise DataError(str(outputs.train), "is named for both sides; give two names")
    _check_size(held_out, str(path))

    def rows() -> Iterator[Conversation]:
        return conversations(path, format=format)

    place = _placer(by, seed)
    is_held_out = _by_tools(rows, place, held_out, str(path)) if by == "tools" else _by_row(rows, place, held_out)
    counts = Counter[bool]()
    with writer(outputs.train) as add_train, writer(outputs.held_out) as add_held_out:
        for conversation in rows():
            side = is_held_out(place(conversation))
            (add_held_out if side else add_train)(conversation)
            counts[side] += 1
        if not counts[True] or not counts[False]:
            total = counts.total()
            raise DataError(
                str(path), f"one side would be empty: {counts[True]} of {total} rows held out; change the size"
            )
    return SplitCounts(train=counts[False], held_out=counts[True])


def _check_size(held_out: float | int, name: str) -> None:
    fits = 0 < held_out < 1 if isinstance(held_out, float) else held_out > 0 and not isinstance(held_out, bool)
    if not fits:
        raise DataError(name, f"cannot hold out {held_out!r}; give a share between 0 and 1, or a number of rows")


def _placer(by: By, seed: int) -> Place:
    """Where a row falls in [0, 2**64)."""

    def place(conversation: Conversation) -> int:
        names = sorted({tool.name for tool in conversation.tools})
        key = "\x00".join(names) if by == "tools" else conversation.id
        digest = hashlib.blake2b(f"{seed}\x00{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest)

    return place


def _by_row(rows: Callable[[], Iterator[Conversation]], place: Place, held_out: float | int) -> Callable[[int], bool]:
    if isinstance(held_out, float):
        border = int(held_out * _RANGE)
    else:
        border = max(heapq.nsmallest(held_out, map(place, rows())), default=0) + 1
    return lambda at: at < border


def _by_tools(
    rows: Callable[[], Iterator[Conversation]], place: Place, held_out: float | int, name: str
) -> Callable[[int], bool]:
    sizes = Counter(map(place, rows()))
    wanted = round(held_out * sizes.total()) if isinstance(held_out, float) else held_out
    chosen: set[int] = set()
    left = wanted
    for at in sorted(sizes):
        if sizes[at] <= left:
            chosen.add(at)
            left -= sizes[at]
    if not chosen:
        smallest = min(sizes.values())
        what = f"{wanted} rows cannot be held out by tools: the smallest of {len(sizes)} tool sets has {smallest} rows"
        raise DataError(name, f"{what}; hold out more, or split by row")
    return lambda at: at in chosen
