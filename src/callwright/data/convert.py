"""A data file -> the same rows in another format, with a list of what that format cannot hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from callwright.data import READERS, canonical, raw
from callwright.data.fields import Fields
from callwright.data.packed import OfRow, map_rows
from callwright.errors import DataError, did_you_mean
from callwright.scale import Engine
from callwright.types import BadRow, Conversation

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"\d+")
_TURNS = re.compile(r"\bthe turns [^:]*:")


@dataclass(slots=True)
class Loss:
    """How many rows a reason or a field concerns, and where the first of them stands."""

    rows: int
    first: str


@dataclass
class Losses:
    """What a conversion loses: whole rows by reason, and of rows that are written, fields by name."""

    refused: dict[str, Loss] = field(default_factory=dict)
    dropped: dict[str, Loss] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that are refused."""
        return sum(loss.rows for loss in self.refused.values())

    def refuse(self, what: str, where: str) -> None:
        """Counts a row that cannot be written."""
        _count(self.refused, reason_of(what), where)

    def drop(self, fields: list[str], where: str) -> None:
        """Counts the fields that a written row loses."""
        for name in fields:
            _count(self.dropped, name, where)


def _count(losses: dict[str, Loss], name: str, where: str) -> None:
    if name in losses:
        losses[name].rows += 1
    else:
        losses[name] = Loss(1, where)


def reason_of(what: str) -> str:
    """An error's words without the row's own details, so that equal reasons are counted together.

    >>> reason_of("csv cannot hold the turns system, user, user: only one user, one assistant")
    'csv cannot hold these turns: only one user, one assistant'
    """
    what = _TURNS.sub("these turns:", what)
    return _NUMBER.sub("N", _QUOTED.sub("'...'", what))


def convert(  # noqa: PLR0913  # one argument an option of the verb
    source: str,
    output: str,
    to: str,
    *,
    limit: int | None = None,
    skip_bad: bool = False,
    losses: Losses | None = None,
    engine: Engine | None = None,
) -> int:
    """Writes `output`, of the kind that its name's ending says, and gives the number of rows.

    Every row that cannot be read, or that `to` cannot hold, is counted in `losses`, and so is every field that a row
    loses which is written: ids, provenance, columns that the reader of the source does not know. Raises DataError, and
    writes nothing, where there are rows to refuse; with `skip_bad` they are left out. `engine` does the work, this
    process without one.
    """
    if to not in READERS:
        raise DataError(output, f"unknown format '{to}'{did_you_mean(to, READERS)}; known are {', '.join(READERS)}")
    found = losses if losses is not None else Losses()
    reading, rows = raw(source)
    done = map_rows(engine, reading, _Converting(to), reading.first(rows, limit), watch=True)
    with canonical.row_writer(output) as put:
        written = 0
        for where, row, why, dropped in islice(done, limit):
            if row is None:
                found.refuse(why, where)
                continue
            found.drop(dropped, where)
            if skip_bad or not found.refused:
                put(row, where)
                written += 1
        if found.refused and not skip_bad:
            reason, loss = next(iter(found.refused.items()))
            more = f"; {found.rows} rows in all cannot be written" if found.rows > 1 else ""
            raise DataError(loss.first, f"{reason}{more}: leave them out with --skip-bad, or choose another format")
    return written


@dataclass(frozen=True, slots=True)
class _Converting:
    """A row -> where it stood, its new form or why it has none, what it loses."""

    to: str

    def start(self, fields: Fields) -> OfRow:
        def convert_one(row: Conversation | BadRow, unread: Sequence[str]) -> list[Any]:
            if isinstance(row, BadRow):
                return [row.where, None, row.why, []]
            try:
                missing = lost_fields(row, self.to, fields)
                return [row.where, READERS[self.to].to_row(row), "", [*unread, *missing]]
            except DataError as error:
                return [row.where, None, error.what, []]

        return convert_one


def lost_fields(row: Conversation, to: str, fields: Fields) -> list[str]:
    """What a row does not have any more once it is written in a format and read back.

    Raises DataError for a row that the format cannot hold, also where its writer does not say so itself.
    """
    shape = READERS[to]
    again = shape.from_row(shape.to_row(row), row.where, fields)
    if _content(again) != _content(row):
        raise DataError(row.where, f"{to} cannot hold this row: it would read back as another")
    calls = [call.id for message in row.messages for call in message.calls]
    calls_again = [call.id for message in again.messages for call in message.calls]
    names, names_again = ([m.name for m in each.messages if m.role == "tool"] for each in (row, again))
    pairs: list[tuple[str, Sequence[object], Sequence[object]]] = [
        ("id", [row.id], [again.id]),
        ("source", [row.source], [again.source]),
        ("provenance", [row.provenance], [again.provenance]),
        ("ids of calls", calls, calls_again),
        ("ids of results", [m.call_id for m in row.messages], [m.call_id for m in again.messages]),
        ("names of results", names, names_again),
    ]
    return [name for name, before, after in pairs if any(b and b != a for b, a in zip(before, after, strict=True))]


def _content(row: Conversation) -> object:
    """What no format may change."""
    return row.tools, [(m.role, m.text, m.train, [(c.name, c.arguments) for c in m.calls]) for m in row.messages]
