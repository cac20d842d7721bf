"""Containers: known by content, streamed, and every way in which a file can be unreadable."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from callwright.data import conversations, jsonstream, read
from callwright.data.files import RawRow, raw_rows
from callwright.data.jsonstream import Window, array
from callwright.errors import DataError
from callwright.types import BadRow, Conversation

ROWS: list[dict[str, Any]] = [
    {"id": f"r{i}", "messages": [{"role": "user", "content": f"text {i} \u2028 ünï \n line"}]} for i in range(5)
]


def as_array(rows: list[Any]) -> str:
    return json.dumps(rows, ensure_ascii=False)


def as_lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


TEXTS = {
    "array on one line": as_array(ROWS),
    "array, pretty": json.dumps(ROWS, indent=2),
    "lines": as_lines(ROWS),
    "lines, no last newline": as_lines(ROWS).rstrip("\n"),
    "lines, carriage returns and blanks": as_lines(ROWS).replace("}\n", "}\r\n\r\n"),
    "objects, pretty": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "objects, several on a line": "\n\n" + json.dumps(ROWS[0], indent=1) + "".join(map(json.dumps, ROWS[1:])),
    "byte order mark": "\ufeff" + as_lines(ROWS),
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("kind", TEXTS)
def test_text_containers_are_known_by_content(tmp_path: Path, kind: str, gzipped: bool) -> None:
    path = tmp_path / "rows.csv"
    data = TEXTS[kind].encode()
    path.write_bytes(gzip.compress(data) if gzipped else data)
    rows = list(raw_rows(path))
    assert all(isinstance(row, RawRow) for row in rows)
    assert [row.value for row in rows if isinstance(row, RawRow)] == ROWS


def test_a_single_object_is_one_row(tmp_path: Path) -> None:
    for indent in (None, 2):
        (tmp_path / "one.json").write_text(json.dumps(ROWS[0], indent=indent))
        assert [row.id for row in conversations(tmp_path / "one.json")] == ["r0"]


@pytest.mark.parametrize("gzipped", [False, True])
def test_parquet_is_known_by_content(tmp_path: Path, gzipped: bool) -> None:
    path = tmp_path / "rows.json"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    if gzipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    rows = list(read(path))
    assert [row.id for row in rows if isinstance(row, Conversation)] == [row["id"] for row in ROWS]
    assert [row.where for row in rows] == [f"{path}:row {i}" for i in range(1, 6)]


def test_where_is_the_line_of_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lines.jsonl").write_text("\n" + as_lines(ROWS[:2]) + "\n" + as_lines(ROWS[2:]))
    assert [row.where for row in read("lines.jsonl")] == [f"lines.jsonl:{n}" for n in (2, 3, 5, 6, 7)]
    text = json.dumps(ROWS, indent=2)
    Path("array.json").write_text(text)
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line == "  {"]
    assert [row.where for row in read("array.json")] == [f"array.json:{n}" for n in starts]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_an_array_is_read_alike_however_it_is_cut(size: int) -> None:
    values: list[Any] = [1, -12.5e3, True, None, 'a\\"\u00e9', [], {"k": [{"n": "\n"}]}, "x" * 40, 1234567]
    text = json.dumps(values, indent=1) + " \n"
    chunks = (text[i : i + size] for i in range(0, len(text), size))
    window = Window(chunks, "x")
    assert window.peek() == "["
    assert [value for _, value, _ in array(window)] == values


def test_lines_are_read_alike_however_they_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(as_lines(ROWS), encoding="utf-8")
    for size in (1, 5, 64):
        monkeypatch.setattr("callwright.data.files.CHUNK", size)
        assert [row.value for row in raw_rows(path) if isinstance(row, RawRow)] == ROWS


def test_a_broken_line_is_a_bad_row_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = json.dumps(ROWS[0])
    path.write_text(f'{good}\n{{"messages": oops}}\n[1]\n"text"\n{good}\n{{"messages": [{{"ro')
    rows = list(read(path))
    assert [isinstance(row, Conversation) for row in rows] == [True, False, False, False, True, False]
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert bad[0] == BadRow(f"{path}:2", "not JSON: Expecting value at column 14", '{"messages": oops}')
    assert bad[1].why == "the row is a list, not an object"
    assert bad[2].where.endswith(":4")
    assert "Unterminated string" in bad[3].why


def test_a_broken_first_line_is_a_bad_row_too(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"messages": [{"role": "us\n' + as_lines(ROWS))
    rows = list(read(path))
    assert [type(row) for row in rows] == [BadRow] + [Conversation] * 5


def test_a_bad_row_shows_at_most_200_characters(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"messages": "{", "pad": "p" * 500}, 5, *ROWS]))
    first, second, *_ = read(path)
    assert isinstance(first, BadRow) and len(first.text) == 200 and first.text.startswith('{"messages"')
    assert isinstance(second, BadRow) and second.text == "5" and second.why == "the row is a number, not an object"


def test_limit_counts_bad_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{]\n" + as_lines(ROWS))
    assert len(list(read(path, limit=3))) == 3
    collected: list[BadRow] = []
    assert len(list(conversations(path, limit=3, bad=collected))) == 2
    assert len(collected) == 1
    with pytest.raises(DataError, match=r"x.jsonl:1: not JSON"):
        list(conversations(path))


def error_of(path: Path | str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(read(path, **options))
    return str(caught.value)


def test_missing_folder_and_unknown_format_name(tmp_path: Path) -> None:
    assert error_of("nowhere.jsonl") == "nowhere.jsonl: there is no such file"
    assert "this is a folder" in error_of(tmp_path)
    (tmp_path / "x.jsonl").write_text(as_lines(ROWS))
    assert "did you mean 'sharegpt'?" in error_of(tmp_path / "x.jsonl", format="sharegp")


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n ", "the file is empty"),
    "empty array": (b"[ ]\n", "the file holds no rows"),
    "csv of other columns": (b"id,query\n1,hi\n", "unknown row format with the keys id, query; known are logs ("),
    "zip": (b"PK\x03\x04....", "zip archive: unpack it first"),
    "zstd": (b"\x28\xb5\x2f\xfd....", "unzstd"),
    "utf-16": ('[{"messages": []}]'.encode("utf-16"), "UTF-16 text"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "latin-1": (b'{"messages": "\xe9"}\n', "x:1: not UTF-8 text (byte 0xe9)"),
    "cut utf-8": ('[{"a": "é'.encode()[:-1], "x:1: column 8: the JSON ends early"),
    "cut array": (as_array(ROWS).encode()[:-30], "the JSON ends early"),
    "cut after a row": (b'[\n{"messages": []}', "x:2: column 17: the JSON ends early"),
    "cut after a comma": (b'[{"messages": []},', "the JSON ends early"),
    "broken array": (b'[{"messages": []},\n {"messages": nope}]', "x:2: column 15: Expecting value"),
    "two values": (b'[{"messages": []} {}]', "x:1: column 19: ',' or ']' must follow a row"),
    "text after": (b'[{"messages": []}]\nmore', "x:2: column 1: there is more text"),
    "deep": (b'[{"a": ' + b"[" * 100_000, "nested too deeply"),
    "parquet": (b"PAR1 and nothing else PAR1", "the Parquet file is damaged"),
    "all lines bad": (b"{1}\n{2}\n", "none of the first 2 rows can be read"),
    "unknown keys": (
        b'{"prompt": 1, "output": 2}\n',
        "unknown row format with the keys prompt, output; known are logs (",
    ),
    "not gzip inside": (b"\x1f\x8b\x08\x00", "the gzip stream ends early at about row 1"),
    "damaged gzip": (
        gzip.compress(as_lines(ROWS).encode())[:-8] + b"\0" * 8,
        "the gzip stream is damaged at about row",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_file_level_errors(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, what = FILES[kind]
    Path("x").write_bytes(data)
    message = error_of("x")
    assert message.startswith("x:") and what in message


@pytest.mark.parametrize(("before", "between", "after"), [(b"[", b",\n", b"]"), (b"", b"\n", b"\n")])
def test_a_row_that_is_not_strict_json_is_lost_alone(
    tmp_path: Path, before: bytes, between: bytes, after: bytes
) -> None:
    good = b'{"messages": []}'
    bad = {
        b'{"messages": "\xe9"}': "not UTF-8 text (byte 0xe9)",
        b'{"messages": [], "a": {"k": 1, "k": 2}}': "the key 'k' stands twice in one object",
        b'{"messages": [], "a": NaN}': "NaN is not JSON",
        b'{"messages": [], "a": 1e999}': "the number 1e999 is too large",
        b'{"messages": [], "a": %s}' % (b"9" * 5000): "Exceeds the limit",
    }
    (tmp_path / "x").write_bytes(before + between.join([good, *bad, good]) + after)
    first, *rows, last = read(tmp_path / "x")
    assert isinstance(first, Conversation) and isinstance(last, Conversation)
    for line, (row, why) in enumerate(zip(rows, bad.values(), strict=True), 2):
        assert isinstance(row, BadRow)
        assert row.where == f"{tmp_path / 'x'}:{line}" and why in row.why


def test_arrow_values_become_json_or_are_refused(tmp_path: Path) -> None:
    at = datetime.datetime(2024, 5, 1, 9)
    rows = [
        {"messages": b"[]", "provenance": {"at": at, "price": decimal.Decimal("2.50"), "score": 1.0}},
        {"messages": b"[]", "provenance": {"at": at, "price": None, "score": float("nan")}},
        {"messages": b"[]", "provenance": {"at": None, "price": decimal.Decimal(3), "score": None}},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    first, second, third = read(tmp_path / "x.parquet")
    assert isinstance(first, Conversation) and isinstance(third, Conversation) and isinstance(second, BadRow)
    assert first.provenance == {"at": "2024-05-01T09:00:00", "price": 2.5, "score": 1.0}
    assert third.provenance["price"] == 3
    assert (second.where, second.why) == (
        f"{tmp_path / 'x.parquet'}:row 2",
        "holds a value that is not JSON: nan in a column",
    )


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_value_without_end_is_not_held(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonstream, "LONGEST", 1 << 20)
    good = '{"messages": []}'
    long = good[:-1] + ', "pad": "' + "x" * (1 << 22) + '"}'
    text = f"{good}\n{long}\n{good}\n" if layout == "lines" else f"[{good},\n{long},\n{good}]"
    (tmp_path / "x").write_text(text)
    if layout == "array":
        assert "x:2: column 1: the value is longer than" in error_of(tmp_path / "x")
        return
    first, bad, last = read(tmp_path / "x")
    assert isinstance(first, Conversation) and isinstance(last, Conversation) and isinstance(bad, BadRow)
    assert (bad.where, bad.why) == (f"{tmp_path / 'x'}:2", "the value is longer than 67,108,864 characters")


@pytest.mark.parametrize("dump", [as_array, as_lines])
def test_a_truncated_gzip_names_the_row(tmp_path: Path, dump: Any) -> None:
    path = tmp_path / "x.gz"
    rows = [{"id": str(i), "messages": [{"role": "user", "content": f"{i * 7919 % 100_003}"}]} for i in range(20_000)]
    data = gzip.compress(dump(rows).encode())
    path.write_bytes(data[: len(data) * 3 // 4])
    got = 0
    with pytest.raises(DataError, match=r"the gzip stream ends early at about row (\d+)") as caught:
        for _ in read(path):
            got += 1
    assert 10_000 < got < 18_000
    assert str(got + 1) in str(caught.value)


def write_big(path: Path, megabytes: int, layout: str) -> int:
    filler = "lorem ipsum dolor \u2028" * 250
    rows = megabytes * 1_000_000 // len(filler.encode())

    def pieces() -> Iterator[str]:
        for i in range(rows):
            row = json.dumps({"id": i, "messages": [{"role": "user", "content": filler}]}, ensure_ascii=False)
            yield row + "\n" if layout == "lines" else ("[" if i == 0 else ",") + row
        yield "" if layout == "lines" else "]"

    with path.open("wb") as file:
        compressor = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) if path.suffix == ".gz" else None
        for piece in pieces():
            (compressor or file).write(piece.encode())
        if compressor:
            compressor.close()
    return rows


@pytest.mark.parametrize(("name", "layout"), [("a.json", "array"), ("l.jsonl", "lines"), ("a.json.gz", "array")])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str, layout: str) -> None:
    rows = write_big(tmp_path / name, 30, layout)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(tmp_path / name)) == rows
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
