"""Callwright's own row <-> Conversation, and the writers of JSON lines, JSON and Parquet files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from callwright.data.chat import read_messages
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import place_of
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("messages", "tools")

Add = Callable[[Conversation], None]
RowOf = Callable[[Conversation], JsonObject]
Put = Callable[[JsonObject, str], None]
"""Adds a row that is in its format already; the text says where it stood, for errors."""


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "messages" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of ours. `messages`, `tools` and `arguments` may be JSON strings. Raises DataError."""
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where),
        messages=read_messages(row.get("messages"), where, fields),
        source=text(row.get("source"), "'source'", where),
        where=where,
        provenance=_provenance(row.get("provenance"), where, fields),
    )


def _provenance(raw: Any, where: str, fields: Fields) -> JsonObject:
    """An object, or a JSON string of one as Parquet holds it."""
    value = fields.decoded(raw, "'provenance'", where) if isinstance(raw, str) else raw
    if value is not None and not isinstance(value, dict):
        raise DataError(where, f"'provenance' is {kind_of(value)}; it must be an object")
    return value or {}


def to_row(conversation: Conversation) -> JsonObject:
    """The row that `from_row` reads; keys without a value are left out of messages and calls.

    >>> from callwright.types import Message
    >>> to_row(Conversation("a", (), (Message("user", "hi"),)))
    {'id': 'a', 'source': '', 'messages': [{'role': 'user', 'content': 'hi'}], 'tools': []}
    """
    return {
        "id": conversation.id,
        "source": conversation.source,
        "messages": [_message_row(message) for message in conversation.messages],
        "tools": tools_json(conversation.tools),
        **({"provenance": conversation.provenance} if conversation.provenance else {}),
    }


def _message_row(message: Message) -> JsonObject:
    row: JsonObject = {"role": message.role, "content": message.text}
    if message.thinking:
        row["thinking"] = message.thinking
    if message.calls:
        row["tool_calls"] = [_call_row(call) for call in message.calls]
    if message.call_id:
        row["tool_call_id"] = message.call_id
    if message.name:
        row["name"] = message.name
    if message.train is not None:
        row["train"] = message.train
    return row


def _call_row(call: ToolCall) -> JsonObject:
    own = {"id": call.id} if call.id else {}
    return {**own, "name": call.name, "arguments": call.arguments}


def write(
    path: str | os.PathLike[str],
    conversations: Iterable[Conversation],
    row_of: RowOf | None = None,
) -> int:
    """Write a file of the kind that its name says, and give the number of rows. `row_of` writes another row format.

    The file appears whole or not at all, and replaces an older one. Raises DataError for an unknown ending, a place
    that cannot be written, and values that JSON cannot hold.
    """
    count = 0
    with writer(path, row_of) as add:
        for conversation in conversations:
            add(conversation)
            count += 1
    return count


@contextmanager
def writer(path: str | os.PathLike[str], row_of: RowOf | None = None) -> Iterator[Add]:
    """A function that adds one conversation to a file; the file is in place when the block ends without an error."""
    written = row_of or to_row
    with row_writer(path) as put:
        yield lambda conversation: put(written(conversation), place_of(conversation))


@contextmanager
def row_writer(path: str | os.PathLike[str]) -> Iterator[Put]:
    """`writer` for rows that are in their format already."""
    target = Path(path)
    opened = next((sink for ending, sink in _SINKS.items() if target.name.lower().endswith(ending)), None)
    if opened is None:
        raise DataError(str(path), f"the name must end in one of {', '.join(_SINKS)}")
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            with opened(file) as put:
                yield put
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise DataError(str(path), f"cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encoded(value: Any, where: str) -> bytes:
    line = dump(value, where)
    try:
        return line.encode()
    except UnicodeEncodeError:
        # a lone surrogate has no UTF-8 form, but it has an escape
        return json.dumps(value).encode()


@contextmanager
def _lines(file: IO[bytes]) -> Iterator[Put]:
    yield lambda row, where: _write(file, _encoded(row, where), b"\n")


@contextmanager
def _array(file: IO[bytes]) -> Iterator[Put]:
    lead = iter([b"[\n"])

    def put(row: JsonObject, where: str) -> None:
        encoded = _encoded(row, where)
        _write(file, next(lead, b",\n"), encoded)

    yield put
    _write(file, next(lead, b"\n"), b"]\n")


def _check_utf8(value: str, name: str, where: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(where, f"'{name}': {error}") from None


def _write(file: IO[bytes], *pieces: bytes) -> None:
    file.write(b"".join(pieces))


def _gzipped(inner: Callable[[IO[bytes]], AbstractContextManager[Put]]) -> Callable[[IO[bytes]], Any]:
    @contextmanager
    def opened(file: IO[bytes]) -> Iterator[Put]:
        # no name and no time in the header: equal rows give equal files
        zipped = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        with zipped, inner(cast(IO[bytes], zipped)) as put:
            yield put

    return opened


@contextmanager
def _parquet(file: IO[bytes]) -> Iterator[Put]:
    import pyarrow
    import pyarrow.parquet

    # every column is text: as nested columns, Arrow would fill None into every schema and argument
    rows: list[dict[str, str]] = []
    opened: list[Any] = []

    def flush() -> None:
        if not opened:
            names = dict.fromkeys(name for row in rows for name in row) or ("id", "source", "messages", "tools")
            schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
            opened.append(pyarrow.parquet.ParquetWriter(file, schema, compression="zstd"))
        if rows:
            opened[0].write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=opened[0].schema))
            rows.clear()

    def put(row: JsonObject, where: str) -> None:
        texts = {
            name: value if isinstance(value, str) else _encoded(value, where).decode() for name, value in row.items()
        }
        for name, value in texts.items():
            if not value.isprintable():
                _check_utf8(value, name, where)
        if opened and (new := row.keys() - set(opened[0].schema.names)):
            raise DataError(where, f"Parquet's columns are those of the first rows, without {', '.join(sorted(new))}")
        rows.append(texts)
        if len(rows) == 1000:
            flush()

    try:
        yield put
        flush()
    finally:
        for table in opened:
            table.close()


@contextmanager
def _table(file: IO[bytes]) -> Iterator[Put]:
    written = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    tables: list[Any] = []

    def put(row: JsonObject, where: str) -> None:
        if not all(isinstance(value, str) for value in row.values()):
            raise DataError(
                where, "a CSV table holds texts only: convert with --to csv, or write this format as .jsonl"
            )
        for name, value in row.items():
            _check_utf8(value, name, where)
        if not tables:
            tables.append(csv.DictWriter(written, list(row), lineterminator="\n"))
            tables[0].writeheader()
        tables[0].writerow(row)

    yield put
    written.detach()


_SINKS: dict[str, Callable[[IO[bytes]], AbstractContextManager[Put]]] = {
    ".jsonl": _lines,
    ".jsonl.gz": _gzipped(_lines),
    ".json": _array,
    ".json.gz": _gzipped(_array),
    ".csv": _table,
    ".csv.gz": _gzipped(_table),
    ".parquet": _parquet,
}
