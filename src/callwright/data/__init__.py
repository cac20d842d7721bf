"""A data file -> Conversations: the container and the row format are known by their content, rows are streamed."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from callwright.data import (
    answer,
    bfcl,
    canonical,
    glaive,
    hermes,
    logs,
    openai,
    seal,
    sharegpt,
    table,
    toolace,
    toolalpaca,
    toolrl,
    trl,
    xlam,
)
from callwright.data.canonical import write
from callwright.data.fields import Fields
from callwright.data.files import RawRow
from callwright.data.sources import is_named, source_rows
from callwright.data.strict import printable, too_deep
from callwright.data.unread import Watched, watched
from callwright.errors import DataError, did_you_mean
from callwright.types import BadRow, Conversation, JsonObject

__all__ = ["READERS", "TO_WRITE", "Format", "Reading", "conversations", "raw", "read", "write"]

_HEAD = 20
"""Rows that are looked at to know the format."""

_UNWRITTEN = "is still to be written; 'callwright data review FILE' writes it"

TO_WRITE = "todo"
"""The key in `provenance` of a row that a person has yet to write; its value says what is to be written."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one row format is recognised, read and written. `from_row` raises DataError for a row it cannot read."""

    keys: tuple[str, ...]
    matches: Callable[[JsonObject], bool]
    from_row: Callable[[JsonObject, str, Fields], Conversation]
    to_row: Callable[[Conversation], JsonObject]
    expand: Callable[[JsonObject], Iterator[JsonObject]] | None = None
    """One raw row -> the rows in it, where a format keeps several together."""


READERS: dict[str, Format] = {
    # the narrower signs stand first: a row of openai's or with an answer apart is also one of ours by its keys
    "logs": Format(logs.KEYS, logs.matches, logs.from_row, logs.to_row),
    "answer": Format(answer.KEYS, answer.matches, answer.from_row, answer.to_row),
    "openai": Format(openai.KEYS, openai.matches, openai.from_row, openai.to_row),
    "canonical": Format(canonical.KEYS, canonical.matches, canonical.from_row, canonical.to_row),
    "xlam": Format(xlam.KEYS, xlam.matches, xlam.from_row, xlam.to_row),
    "csv": Format(table.KEYS, table.matches, table.from_row, table.to_row),
    "seal": Format(seal.KEYS, seal.matches, seal.from_row, seal.to_row),
    "toolace": Format(toolace.KEYS, toolace.matches, toolace.from_row, toolace.to_row),
    "hermes": Format(hermes.KEYS, hermes.matches, hermes.from_row, hermes.to_row),
    "glaive": Format(glaive.KEYS, glaive.matches, glaive.from_row, glaive.to_row),
    "toolalpaca": Format(
        toolalpaca.KEYS, toolalpaca.matches, toolalpaca.from_row, toolalpaca.to_row, toolalpaca.expand
    ),
    "toolrl": Format(toolrl.KEYS, toolrl.matches, toolrl.from_row, toolrl.to_row),
    "bfcl": Format(bfcl.KEYS, bfcl.matches, bfcl.from_row, bfcl.to_row),
    "trl": Format(trl.KEYS, trl.matches, trl.from_row, trl.to_row),
    "sharegpt": Format(sharegpt.KEYS, sharegpt.matches, sharegpt.from_row, sharegpt.to_row),
}


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    limit: int | None = None,
    lenient: bool = False,
    todo: bool = False,
    unread: list[str] | None = None,
) -> Iterator[Conversation | BadRow]:
    """The rows of a file in order, at most `limit` of them; a row that cannot be read is a BadRow, and reading goes on.

    Reads JSON arrays, JSON lines, CSV and Parquet, plain or gzipped, in constant memory; also `hub:OWNER/NAME` and
    `bfcl:CATEGORY`. `format` is a key of READERS; without it the first rows tell. `lenient` decodes fields that were
    encoded as JSON more than once. A row that a person has yet to write is a BadRow too, unless `todo` asks for those.
    A row without an id is named after the file and its number. To the list `unread` are added, before a row is given,
    those of its keys that the reader passed over.

    Raises DataError for what ends the file: it is missing, empty, cut short, not UTF-8, a broken JSON array, or of no
    known format.
    """
    fields = Fields(lenient=lenient)
    reading, rows = raw(path, format=format, todo=todo)
    return itertools.islice((found for row in rows for found in reading.rows(row, fields, unread)), limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the raw rows of one source become conversations; small, so that it can be sent to other processes.

    todo: whether rows that a person has yet to write are read too.
    """

    source: str
    format: str
    todo: bool = False

    def rows(
        self, row: RawRow | BadRow, fields: Fields, unread: list[str] | None = None
    ) -> Iterator[Conversation | BadRow]:
        """What is in a raw row: one conversation, or as many as its format keeps together."""
        if isinstance(row, BadRow):
            yield row
            return
        reader = READERS[self.format]
        if row.value.get("id") in (None, ""):
            row.value["id"] = f"{self._stem}-{row.number}"
        for value in reader.expand(row.value) if reader.expand else (row.value,):
            seen = watched(value) if unread is not None else value
            try:
                conversation = reader.from_row(seen, row.where, fields)
                _refuse_deep(conversation)
            except DataError as error:
                yield BadRow(row.where, printable(error.what), row.text)
                continue
            except RecursionError:
                yield BadRow(row.where, "the row is nested too deeply", row.text)
                continue
            if TO_WRITE in conversation.provenance and not self.todo:
                yield BadRow(row.where, _UNWRITTEN, row.text)
                continue
            if unread is not None and isinstance(seen, Watched):
                unread += seen.unread()
            notes = fields.notes(conversation.tools)
            yield dataclasses.replace(conversation, notes=notes) if notes else conversation

    def first(self, rows: Iterator[RawRow | BadRow], limit: int | None) -> Iterator[RawRow | BadRow]:
        """No more raw rows than the first `limit` rows stand in."""
        return rows if READERS[self.format].expand else itertools.islice(rows, limit)

    @property
    def _stem(self) -> str:
        named = self.source.rpartition(":")[2] if is_named(self.source) else self.source
        return Path(named).name.split(".")[0]


def raw(
    path: str | os.PathLike[str], *, format: str | None = None, todo: bool = False
) -> tuple[Reading, Iterator[RawRow | BadRow]]:
    """The first half of `read`: the format, known from the first rows, and the rows before they are in it.

    Raises DataError as `read` does.
    """
    name = str(path)
    if format is not None and format not in READERS:
        raise DataError(name, f"unknown format '{format}'{did_you_mean(format, READERS)}; known are {_known()}")
    if not is_named(name) and not Path(path).exists():
        raise DataError(name, "there is no such file")
    rows = source_rows(name)
    head = list(itertools.islice(rows, _HEAD))
    return Reading(name, format or _detect(head, name), todo), itertools.chain(head, rows)


def conversations(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    limit: int | None = None,
    bad: list[BadRow] | None = None,
) -> Iterator[Conversation]:
    """The readable rows of a file. A bad row goes to the list `bad`; without one it raises DataError.

    Raises DataError also for all that `read` raises it for.
    """
    for row in read(path, format=format, limit=limit):
        if isinstance(row, Conversation):
            yield row
        elif bad is None:
            raise DataError(row.where, row.why)
        else:
            bad.append(row)


def _refuse_deep(conversation: Conversation) -> None:
    for message in conversation.messages:
        for call in message.calls:
            if why := too_deep(call.arguments):
                raise DataError(conversation.where, f"the arguments of '{call.name}' are {why}")
    if conversation.provenance and (why := too_deep(conversation.provenance)):
        raise DataError(conversation.where, f"'provenance' is {why}")


def _detect(head: list[RawRow | BadRow], name: str) -> str:
    values = [row.value for row in head if isinstance(row, RawRow)]
    for format, reader in READERS.items():
        if any(reader.matches(value) for value in values):
            return format
    bad = next((row for row in head if isinstance(row, BadRow)), None)
    if not values and bad:
        raise DataError(name, f"none of the first {len(head)} rows can be read; {bad.where}: {bad.why}")
    keys = dict.fromkeys(key for value in values for key in value)
    raise DataError(name, f"unknown row format with the keys {', '.join(keys) or '(none)'}; known are {_known()}")


def _known() -> str:
    return "; ".join(f"{name} ({', '.join(reader.keys)})" for name, reader in READERS.items())
