"""Rows of a file through an engine: packed as JSON values for the way, read where the work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from callwright.data import Reading
from callwright.data.fields import Fields
from callwright.data.files import RawRow
from callwright.scale import Engine, Function, Local, Task
from callwright.types import BadRow, Conversation

OfRow = Callable[[Conversation | BadRow, Sequence[str]], list[Any]]
"""A row, and the columns of it that its reader does not know -> what is kept of it, as JSON values.

The columns are empty where nobody watches for them."""


class RowTask(Protocol):
    """Work on single rows that can be sent to another process: a picklable object, such as a frozen dataclass."""

    def start(self, fields: Fields) -> OfRow:
        """The function, with what is costly to build built: called once a worker. `fields` are those of its rows."""
        ...


def map_rows(
    engine: Engine | None, reading: Reading, task: RowTask, rows: Iterable[RawRow | BadRow], *, watch: bool = False
) -> Iterator[list[Any]]:
    """One result for each of the rows that stand in raw rows, in order; this process does it where `engine` is None.

    `watch` looks for the columns that the reader does not know.
    """
    return map_packed(engine, _EachRow(reading, task, watch), rows)


def map_packed(engine: Engine | None, task: Task, rows: Iterable[RawRow | BadRow]) -> Iterator[list[Any]]:
    """For a task that takes packed raw rows and gives each a list of results: all of these, in order."""
    return chain.from_iterable((engine or Local()).map(task, map(pack, rows)))


def pack(row: RawRow | BadRow) -> list[Any]:
    """A row as the file gave it."""
    return [row.where, row.number, row.value, row.text] if isinstance(row, RawRow) else [row.where, row.why, row.text]


def unpack(packed: list[Any]) -> RawRow | BadRow:
    """What `pack` was given."""
    return RawRow(*packed) if len(packed) == 4 else BadRow(*packed)


@dataclass(frozen=True, slots=True)
class _EachRow:
    reading: Reading
    task: RowTask
    watch: bool

    def start(self) -> Function:
        fields = Fields()
        of_row = self.task.start(fields)

        def results(packed: list[Any]) -> Iterator[list[Any]]:
            unread: list[str] = []
            for row in self.reading.rows(unpack(packed), fields, unread if self.watch else None):
                yield of_row(row, unread)
                unread.clear()

        return lambda chunk: [list(results(packed)) for packed in chunk]
