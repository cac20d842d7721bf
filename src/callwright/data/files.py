"""A file, whatever its name says -> raw rows: JSON arrays, JSON lines, CSV and Parquet, plain or gzipped, streamed."""

from __future__ import annotations

import codecs
import contextlib
import csv
import datetime
import decimal
import gzip
import json
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from callwright.data import jsonstream
from callwright.errors import DataError
from callwright.types import BadRow, JsonObject

CHUNK = 1 << 20
"""Bytes that are read, and decoded, at a time."""

_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", "\ufeff"
_GZIP_FAILURES = (EOFError, gzip.BadGzipFile, zlib.error)
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it with 'unzstd' first",
    b"BZh": "compressed with bzip2: unpack it with 'bunzip2' first",
    b"\xfd7zXZ": "compressed with xz: unpack it with 'unxz' first",
    b"ARROW1": "an Arrow file: save it as Parquet or JSON lines",
    b"\xff\xfe": "UTF-16 text: convert it with 'iconv -f utf-16 -t utf-8'",
    b"\xfe\xff": "UTF-16 text: convert it with 'iconv -f utf-16 -t utf-8'",
    b"version https://git-lfs": "a Git LFS pointer, not the data: run 'git lfs pull'",
}


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row before any format is known. `number` counts rows from 1; `text` is how the row begins."""

    where: str
    number: int
    value: JsonObject
    text: str


def raw_rows(path: str | os.PathLike[str]) -> Iterator[RawRow | BadRow]:
    """The rows of a file in order, in constant memory. The container is known by its content, not by its name.

    Raises DataError, at the first `next` at the earliest, for what ends the file: not readable, empty, truncated, not
    UTF-8, a JSON array that is broken.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic[:2] == _GZIP:
                yield from _gunzipped_rows(file, name)
            elif magic == _PARQUET:
                yield from _parquet_rows(file, name)
            else:
                yield from _text_rows(_chunks(file), name)
    except FileNotFoundError:
        raise DataError(name, "there is no such file") from None
    except IsADirectoryError:
        raise DataError(name, "this is a folder; give one file in it") from None
    except OSError as error:
        raise DataError(name, f"cannot be read: {error.strerror or error}") from None


def _gunzipped_rows(file: IO[bytes], name: str) -> Iterator[RawRow | BadRow]:
    done = 0
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            if unzipped.peek(4)[:4] == _PARQUET:
                # Parquet is read from its end, which a gzip stream cannot seek to
                with tempfile.TemporaryFile() as whole:
                    shutil.copyfileobj(unzipped, whole, CHUNK)
                    yield from _parquet_rows(whole, name)
                return
            for row in _text_rows(_chunks(cast(IO[bytes], unzipped)), name):
                yield row
                done += 1
    except EOFError:
        what = f"the gzip stream ends early at about row {done + 1}; copy or download the file again"
        raise DataError(name, what) from None
    except _GZIP_FAILURES as error:
        what = f"the gzip stream is damaged at about row {done + 1} ({error}); copy or download the file again"
        raise DataError(name, what) from None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Pieces of about CHUNK bytes. What comes before a gzip failure is still given, so that errors name the row."""
    read = getattr(file, "read1", file.read)
    ended = False
    while not ended:
        pieces: list[bytes] = []
        size = 0
        failure: Exception | None = None
        while size < CHUNK and not ended:
            try:
                piece = read(CHUNK - size)
            except _GZIP_FAILURES as error:
                failure, piece = error, b""
            pieces.append(piece)
            size += len(piece)
            ended = not piece
        if size:
            yield b"".join(pieces)
        if failure:
            raise failure


def _text_rows(chunks: Iterator[bytes], name: str) -> Iterator[RawRow | BadRow]:
    text = jsonstream.Window(_decoded(chunks, name), name)
    first = text.peek()
    if not first:
        raise DataError(name, "the file is empty")
    if first not in "[{":
        yield from _table_rows(text, name)
        return
    values = jsonstream.array if first == "[" else jsonstream.concatenated if _is_spread_out(text) else jsonstream.lines
    number = 0
    for number, (line, value, excerpt) in enumerate(values(text), 1):
        if isinstance(value, dict):
            yield RawRow(f"{name}:{line}", number, value, excerpt)
        elif isinstance(value, jsonstream.Broken):
            yield BadRow(f"{name}:{line}", value.why, excerpt)
        else:
            yield BadRow(f"{name}:{line}", f"the row is {kind_of(value)}, not an object", excerpt)
    if not number:
        raise DataError(name, "the file holds no rows")


def _decoded(chunks: Iterator[bytes], name: str) -> Iterator[str]:
    """Text; bytes that are no UTF-8 are escaped, so that only the rows that hold them are lost."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    first = True
    for chunk in chunks:
        if first:
            _refuse_foreign(chunk, name)
        text = decoder.decode(chunk)
        yield text.removeprefix(_BOM) if first else text
        first = False
    yield decoder.decode(b"", final=True)


def _refuse_foreign(chunk: bytes, name: str) -> None:
    for magic, advice in _FOREIGN.items():
        if chunk.startswith(magic):
            raise DataError(name, f"this is {advice}")


def _table_rows(text: jsonstream.Window, name: str) -> Iterator[RawRow | BadRow]:
    """Rows of a CSV table, values as texts. Raises DataError for a text that is no table, and at a broken quote."""
    head = text.first_line()
    delimiter = max(",;\t", key=head.count)
    if head.count(delimiter) == 0:
        raise DataError(f"{name}:1", f"neither JSON, JSON lines, CSV nor Parquet: it begins with {head[:40]!r}")
    csv.field_size_limit(jsonstream.LONGEST)
    table = csv.reader(_csv_lines(text), delimiter=delimiter, strict=True)
    columns: list[str] = []
    number = 0
    while True:
        line = table.line_num + 1
        try:
            values = next(table, None)
        except csv.Error as error:
            raise DataError(f"{name}:{line}", f"not CSV: {error}; the rest cannot be read") from None
        if values is None:
            break
        if not columns:
            columns = [column.strip() for column in values]
            continue
        if not any(values):
            continue
        number += 1
        excerpt = delimiter.join(values)[: jsonstream.EXCERPT]
        why = jsonstream.not_utf8("".join(values)) if text.escaped else ""
        if len(values) != len(columns):
            why = f"the row has {len(values)} columns, the header {len(columns)}"
        if why:
            yield BadRow(f"{name}:{line}", why, excerpt)
        else:
            yield RawRow(f"{name}:{line}", number, dict(zip(columns, values, strict=True)), excerpt)
    if not number:
        raise DataError(name, "the table holds no rows below its header")


def _csv_lines(text: jsonstream.Window) -> Iterator[str]:
    for line in jsonstream.split(text):
        if isinstance(line, jsonstream.Broken):
            raise csv.Error(line.why)
        yield line + "\n"


def _is_spread_out(text: jsonstream.Window) -> bool:
    """Whether the first object goes on after its line, so that the file is not JSON lines.

    A line of a pretty-printed object ends between two tokens; a line cut short nearly always ends inside one.
    """
    line = text.first_line()
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line.rstrip()) and line.rstrip()[-1:] not in "}]"
    except (ValueError, RecursionError):
        return False
    return False


def _parquet_rows(file: IO[bytes], name: str) -> Iterator[RawRow | BadRow]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with contextlib.closing(pyarrow.parquet.ParquetFile(file)) as table:
            batches = table.iter_batches(batch_size=256)
            for number, value in enumerate((value for batch in batches for value in _values(batch)), 1):
                where = f"{name}:row {number}"
                if isinstance(value, jsonstream.Broken):
                    yield BadRow(where, value.why)
                else:
                    excerpt = json.dumps(_shortened(value), ensure_ascii=False)[: jsonstream.EXCERPT]
                    yield RawRow(where, number, value, excerpt)
    except pyarrow.ArrowException as error:
        raise DataError(name, f"the Parquet file is damaged at about row {number + 1} ({error})") from None
    if not number:
        raise DataError(name, "the file holds no rows")


def _values(batch: Any) -> Iterator[JsonObject | jsonstream.Broken]:
    """The rows of an Arrow batch; one that Python or JSON cannot hold is `Broken`, and no other is lost with it."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = [batch.slice(i, 1) for i in range(batch.num_rows)]
    for row in rows:
        try:
            value = row if isinstance(row, dict) else row.to_pylist()[0]
            yield {str(name): json_value(inner) for name, inner in value.items()}
        except (ValueError, OverflowError) as error:
            yield jsonstream.Broken(f"holds a value that is not JSON: {error}")


def json_value(value: Any) -> Any:
    """A value out of Arrow as JSON has it: dates as ISO text, whole decimals as integers, bytes as text.

    Raises ValueError for NaN and infinity.

    >>> json_value({"at": datetime.date(2024, 5, 1), "price": decimal.Decimal("2.50"), "raw": b"x"})
    {'at': '2024-05-01', 'price': 2.5, 'raw': 'x'}
    """
    match value:
        case None | str() | int():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} in a column")
            return value
        case dict():
            return {str(key): json_value(inner) for key, inner in value.items()}
        case list() | tuple():
            return [json_value(inner) for inner in value]
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def _shortened(row: JsonObject) -> JsonObject:
    return {key: value[: jsonstream.EXCERPT] if isinstance(value, str) else value for key, value in row.items()}


_KINDS: dict[type, str] = {
    **{dict: "an object", list: "a list", str: "a text"},
    **{int: "a number", float: "a number", bool: "a boolean", type(None): "null"},
}


def kind_of(value: Any) -> str:
    """The JSON kind of a value in words, for messages.

    >>> kind_of([]), kind_of(True), kind_of(None)
    ('a list', 'a boolean', 'null')
    """
    return _KINDS.get(type(value), f"a {type(value).__name__}")
