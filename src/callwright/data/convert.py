"""A data file -> the same rows in another format, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callwright.data import READERS, canonical, read
from callwright.errors import DataError, did_you_mean
from callwright.types import BadRow, Conversation


@dataclass(frozen=True, slots=True)
class Converted:
    """How many rows were written, and those that were left out with the reason."""

    rows: int
    skipped: tuple[BadRow, ...]


def convert(source: str, output: str, to: str, *, limit: int | None = None, skip_bad: bool = False) -> Converted:
    """Writes `output` by its name's ending. Raises DataError for a bad row, or one that `to` cannot hold.

    `skip_bad` leaves such rows out and reports them.
    """
    if to not in READERS:
        raise DataError(output, f"unknown format '{to}'{did_you_mean(to, READERS)}; known are {', '.join(READERS)}")
    skipped: list[BadRow] = []
    row_of = None if to == "canonical" else READERS[to].to_row
    held = _held(source, to, limit, skipped if skip_bad else None)
    return Converted(canonical.write(output, held, row_of), tuple(skipped))


def _held(source: str, to: str, limit: int | None, skipped: list[BadRow] | None) -> Iterator[Conversation]:
    """The rows that the format can hold; it is asked once more when the row is written, which is cheap."""
    for row in read(source, limit=limit):
        if isinstance(row, Conversation):
            try:
                READERS[to].to_row(row)
            except DataError as error:
                bad = BadRow(row.where, error.what)
            else:
                yield row
                continue
        else:
            bad = row
        if skipped is None:
            raise DataError(bad.where, bad.why)
        skipped.append(bad)
