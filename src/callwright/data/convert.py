"""A data file -> the same rows in another format, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from callwright.data import READERS, Reading, canonical, raw
from callwright.data.fields import Fields
from callwright.data.packed import pack, unpack
from callwright.errors import DataError, did_you_mean
from callwright.scale import Engine, Function, Local
from callwright.types import BadRow, Conversation


@dataclass(frozen=True, slots=True)
class Converted:
    """How many rows were written, and those that were left out with the reason."""

    rows: int
    skipped: tuple[BadRow, ...]


def convert(
    source: str,
    output: str,
    to: str,
    *,
    limit: int | None = None,
    skip_bad: bool = False,
    engine: Engine | None = None,
) -> Converted:
    """Writes `output` by its name's ending. Raises DataError for a bad row, or one that `to` cannot hold.

    `skip_bad` leaves such rows out and reports them. `engine` does the work, this process without one.
    """
    if to not in READERS:
        raise DataError(output, f"unknown format '{to}'{did_you_mean(to, READERS)}; known are {', '.join(READERS)}")
    reading, rows = raw(source)
    done = (engine or Local()).map(_Converting(reading, to), (pack(row) for row in reading.first(rows, limit)))
    written = 0
    skipped: list[BadRow] = []
    with canonical.row_writer(output) as put:
        for where, row, why, text in islice(chain.from_iterable(done), limit):
            if row is not None:
                put(row, where)
                written += 1
            elif skip_bad:
                skipped.append(BadRow(where, why, text))
            else:
                raise DataError(where, why)
    return Converted(written, tuple(skipped))


@dataclass(frozen=True, slots=True)
class _Converting:
    """Packed raw rows -> for each of the rows in them: where it stood and its new form, or why it has none."""

    reading: Reading
    to: str

    def start(self) -> Function:
        fields = Fields()

        def run(chunk: list[Any]) -> list[Any]:
            return [[self._one(row) for row in self.reading.rows(unpack(packed), fields)] for packed in chunk]

        return run

    def _one(self, row: Conversation | BadRow) -> list[Any]:
        if isinstance(row, BadRow):
            return [row.where, None, row.why, row.text]
        try:
            return [row.where, READERS[self.to].to_row(row), "", ""]
        except DataError as error:
            return [row.where, None, error.what, ""]
