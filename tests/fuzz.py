"""Files of valid and broken rows, in every format and container, against what reading must keep to.

    python tests/fuzz.py --lines 200000      # about 200,000 lines, with the slowest file and the peak memory

A line is refused with its place or read; a row that is read can be linted, and comes back the same from canonical form.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import io
import json
import os
import random
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from callwright.data import READERS, canonical, read
from callwright.data.files import RawRow, raw_rows
from callwright.data.lint import Linter, fix
from callwright.dialects.hermes import compact, hermes
from callwright.dialects.xlam import XlamTags
from callwright.errors import CallwrightError, DataError
from callwright.types import BadRow, Conversation, Message, Tool, ToolCall

Row = dict[str, Any]
MB = 1 << 20
DIALECTS = (hermes(), compact(), XlamTags(stop="</s>"))


def deep(levels: int, closed: bool = True) -> str:
    """JSON of arrays and objects in turns."""
    return '{"a":[' * (levels // 2) + "1" + ("]}" * (levels // 2) if closed else "")


STRANGE: list[Any] = [
    *(float("nan"), float("inf"), {"a": float("nan")}, [float("-inf")]),
    *(None, True, 0, -1, 1.5, 1e308, 10**400, "", " ", "x", [], {}, [[]], [None], {"": None}, [1, "a", {}]),
    *("\ud800", "a\udc00b", "\x00", "\ufeff", "\u2028", "NaN", "[", "{", '"', "{}", "[]", "null", "[null]", '"text"'),
    *({"name": 1}, {"name": "f"}, {"role": "user"}, {"from": "gpt"}, ["f", {}], {"function": {"name": ""}}),
    *("<tool_call>", "<tool_call>{</tool_call>", "<tools>[</tools>", "<functioncall>", "[f(", "[f(x=)]", "USER:"),
    *({"type": "object", "properties": 3}, {"type": ["string", 4]}, {"$ref": "#/$defs/a"}, {"enum": {}}),
    *({"type": "object", "properties": {"a": {"$ref": "#"}}}, {"properties": {"a": [1]}}, {"required": {"a": 1}}),
    *(json.loads(deep(60)), json.loads(deep(400)), deep(400), deep(930), deep(970), deep(100_000)),
    *("9" * 5000, "(" * 5000, "-" * 5000 + "1"),
]  # fmt: skip
BYTES = [b"\xff", b"\x00", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"9" * 5000]
BYTES += [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\t", b"\r", b"\x1b", b"\xe2\x80\xa8", b'"a":1,"a":2,']


@dataclass
class Tally:
    """What was seen, and what must not be."""

    lines: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")


def valid(rng: random.Random, number: int) -> Conversation:
    """A row that most formats hold: one request, calls, sometimes results and an answer."""
    words = ["Oslo", "it's", 'the "old" town', "naïve", "日本", "5 o'clock", "a,b;c", "line\nbreak", "x" * 40]
    tools = []
    for name in rng.sample(["get_weather", "set_alarm", "find.place", "play-music"], rng.randint(1, 3)):
        properties = {key: {"type": "string", "description": rng.choice(words)} for key in rng.sample("abcd", 2)}
        tools.append(
            Tool(name, "Does it.", {"type": "object", "properties": properties, "required": [*properties][:1]})
        )
    calls = []
    for tool in rng.sample(tools, rng.randint(1, len(tools))):
        calls.append(ToolCall(tool.name, {key: rng.choice(words) for key in tool.parameters["properties"]}))
    messages = [Message("user", rng.choice(words).strip()), Message("assistant", "", tuple(calls))]
    if rng.random() < 0.3:
        messages += [Message("tool", '{"ok": true}', name=call.name) for call in calls]
        messages.append(Message("assistant", "Done."))
    return Conversation(f"v{number}", tuple(tools), tuple(messages), "fuzz")


def seeds(format: str, rng: random.Random, real: dict[str, list[Row]]) -> Iterator[Row]:
    """Rows of a format without end: made ones, and real ones where there are any."""
    number = 0
    while True:
        number += 1
        if real.get(format) and rng.random() < 0.3:
            yield json.loads(json.dumps(rng.choice(real[format])))
            continue
        row = valid(rng, number)
        try:
            # seal-tools keeps tools in another file
            yield json.loads(json.dumps(READERS[format].to_row(replace(row, tools=()) if format == "seal" else row)))
        except DataError:
            continue


def real_rows(folder: Path, rows: int = 60) -> dict[str, list[Row]]:
    """Raw rows out of the real data by the format that they are in; none where there is no data."""
    found: dict[str, list[Row]] = {}
    for path in sorted([*folder.glob("raw/*/*.json*"), *folder.glob("train/*.jsonl.gz")]):
        values = [row.value for row, _ in zip(raw_rows(path), range(rows), strict=False) if isinstance(row, RawRow)]
        format = next((name for name, reader in READERS.items() if any(map(reader.matches, values))), None)
        if format:
            found.setdefault(format, []).extend(value for value in values if len(json.dumps(value)) < 20_000)
    return found


def changed(value: Any, rng: random.Random) -> Any:
    """The value with one thing in it replaced, left out, renamed, or put inside a text."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        if isinstance(value, str) and value and rng.random() < 0.6:
            return changed_text(value, rng)
        return json.dumps(value) if rng.random() < 0.1 else rng.choice(STRANGE)
    made: Any = dict(value) if isinstance(value, dict) else list(value)
    key = rng.choice(list(made)) if isinstance(made, dict) else rng.randrange(len(made))
    action = rng.random()
    if action < 0.1:
        del made[key]
    elif action < 0.15 and isinstance(made, dict):
        made[rng.choice(["id", "role", "name", "messages", "x", "", "type"])] = made.pop(key)
    else:
        made[key] = changed(made[key], rng)
    return made


def changed_text(text: str, rng: random.Random) -> str:
    """A text cut, doubled, or with something strange in it; JSON within a text is changed as JSON now and then."""
    if text[:1] in "[{" and rng.random() < 0.5:
        try:
            return json.dumps(changed(json.loads(text), rng))
        except (ValueError, RecursionError):
            pass
    at = rng.randrange(len(text))
    strange = [str(item) for item in STRANGE if isinstance(item, str)]
    return rng.choice([text[:at], text[at:], text * 2, text[:at] + rng.choice(strange) + text[at:], text[::-1]])


def broken_line(line: bytes, rng: random.Random) -> bytes:
    """A line of JSON, changed as bytes: never with a line break inside."""
    at = rng.randrange(len(line) + 1)
    made = rng.choice(
        [
            line[:at],
            line[at:],
            line[:at] + rng.choice(BYTES) + line[at:],
            line[:at] + rng.choice(BYTES) + line[at + 1 :],
            line[: line.rfind(b"}")] + b',"id":"again"}',
            line + line,
            line + b"\r",
            deep(rng.choice([300, 2000, 100_000]), rng.random() < 0.5).encode(),
        ]
    )
    return made.replace(b"\n", b" ")


def huge_line(line: bytes, rng: random.Random, size: int = 10 * MB) -> bytes:
    """A line of `size` bytes: a long text, many keys, white space, or many values."""
    filler = rng.choice([b'"%s"', b"{%s}", b"[%s 1]", b'"%s"'])
    inner = {
        b'"%s"': rng.choice([b"x", b"\\n", b"<tool_call>", b"'", b"[", "é".encode()]),
        b"{%s}": b" ",
        b"[%s 1]": rng.choice([b"1,", b"[],", b" "]),
    }[filler]
    value = filler % (inner * (size // len(inner)))
    return (
        line[: line.rfind(b"}")] + rng.choice([b',"huge":', b',"messages":', b',"chat":', b',"tools":']) + value + b"}"
    )


def lines_of(format: str, rng: random.Random, count: int, real: dict[str, list[Row]]) -> list[tuple[bytes, bool]]:
    """(line, whether nothing was changed), the first one as it should be so that the file is known as JSON lines."""
    made: list[tuple[bytes, bool]] = []
    for row in seeds(format, rng, real):
        kind = rng.random()
        if kind < 0.25 or not made:
            made.append((json.dumps(row, ensure_ascii=False).encode(), True))
        elif kind < 0.65:
            made.append(
                (json.dumps(changed(row, rng), ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace"), False)
            )
        else:
            made.append((broken_line(json.dumps(row).encode(), rng), False))
        if len(made) == count:
            return made
    raise AssertionError("seeds never end")


def jsonl(format: str, rng: random.Random, count: int, real: dict[str, list[Row]]) -> bytes:
    lines = [line for line, _ in lines_of(format, rng, count, real)]
    if rng.random() < 0.1:
        rng.shuffle(lines)
    return rng.choice([b"", b"", b"\xef\xbb\xbf"]) + rng.choice([b"\n", b"\n", b"\r\n"]).join(lines)


def array(format: str, rng: random.Random, count: int, real: dict[str, list[Row]]) -> bytes:
    """Most files hold whole JSON, so that every row is come to."""
    rows = (row for row in seeds(format, rng, real))
    values = [json.dumps(changed(next(rows), rng)).encode() for _ in range(count)]
    if rng.random() < 0.3:
        at = rng.randrange(count)
        values[at] = broken_line(values[at], rng)
    text = b"[" + rng.choice([b",", b",\n", b" ,\r\n\r\n"]).join(values) + b"]"
    return text[: rng.randrange(len(text))] if rng.random() < 0.1 else text


def table(format: str, rng: random.Random, count: int, real: dict[str, list[Row]]) -> bytes:
    """Every row as texts under the first row's columns, with broken lines in some files."""
    rows = seeds(format, rng, real)
    first = next(rows)
    written = io.StringIO()
    writer = csv.DictWriter(written, [*first], extrasaction="ignore", lineterminator=rng.choice(["\n", "\r\n"]))
    writer.writeheader()
    for _ in range(count):
        row = next(rows) if rng.random() < 0.4 else changed(next(rows), rng)
        if isinstance(row, dict):
            writer.writerow({key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()})
    data = written.getvalue().encode("utf-8", "replace")
    return broken_line(data, rng) if rng.random() < 0.2 else data


def parquet(format: str, rng: random.Random, count: int, real: dict[str, list[Row]]) -> bytes:
    """Columns of texts, or nested ones where Arrow finds a type for them; a few files are damaged."""
    rows = seeds(format, rng, real)
    values = [row for row in (changed(next(rows), rng) for _ in range(count)) if isinstance(row, dict)]
    texts = [
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()} for row in values
    ]
    texts = [{key: value.encode("utf-8", "replace").decode() for key, value in row.items()} for row in texts]
    try:
        made = pyarrow.Table.from_pylist(values if rng.random() < 0.3 else texts)
    except (pyarrow.ArrowException, ValueError, OverflowError, TypeError):
        made = pyarrow.Table.from_pylist(texts)
    sink = io.BytesIO()
    try:
        pyarrow.parquet.write_table(made, sink)
    except pyarrow.ArrowException:
        return b"PAR1"
    data = sink.getvalue()
    return data[: rng.randrange(len(data))] if rng.random() < 0.1 else data


CONTAINERS: dict[str, Callable[[str, random.Random, int, dict[str, list[Row]]], bytes]] = {
    "jsonl": jsonl,
    "json": array,
    "csv": table,
    "parquet": parquet,
}


def use(row: Conversation) -> None:
    """All that `data lint` and `data convert` do with a row; what a form cannot hold is a DataError."""
    Linter().check(fix(row))
    for write in (*(reader.to_row for reader in READERS.values()), *(dialect.segments for dialect in DIALECTS)):
        with contextlib.suppress(DataError):
            write(row)


def check_file(path: Path, format: str | None, tally: Tally) -> list[Conversation | BadRow]:
    """Reads a file and looks at all that comes; what is wrong goes to `tally.faults`."""
    found: list[Conversation | BadRow] = []
    start = time.process_time()
    try:
        for row in read(path, format=format):
            found.append(row)
            if isinstance(row, BadRow):
                tally.outcomes["refused rows"] += 1
                if not row.where.startswith(f"{path}:") or not row.why or len(row.why) > 600:
                    tally.faults.append(f"{path}: a bad row without a place or a short reason: {row!r:.300}")
            else:
                tally.outcomes["rows read"] += 1
                use(row)
    except DataError as error:
        tally.outcomes["files ended by an error"] += 1
        if not str(error).startswith(str(path)):
            tally.faults.append(f"{path}: an error without the file: {error!s:.300}")
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        tally.faults.append(f"{path} as {format}: {type(error).__name__} at {place}: {error!s:.300}")
    seconds = time.process_time() - start
    tally.slowest = max(tally.slowest, (seconds, f"{path.name} as {format}"))
    return found


def check_round_trip(rows: list[Conversation], folder: Path, tally: Tally) -> None:
    """Rows that were read, written in canonical form and read again."""
    if not rows:
        return
    target = folder / "again.jsonl"
    try:
        canonical.write(target, rows)
        again = list(read(target, format="canonical"))
    except CallwrightError as error:
        tally.faults.append(f"a row was read and cannot be written: {error!s:.300}")
        return
    if len(again) != len(rows):
        tally.faults.append(f"{len(rows)} rows were written, {len(again)} read again, from {rows[0].where}")
    for row, other in zip(rows, again, strict=False):
        if isinstance(other, BadRow):
            tally.faults.append(f"{row.where}: read again it is refused: {other.why}")
        elif repr(canonical.to_row(row) | {"id": ""}) != repr(canonical.to_row(other) | {"id": ""}):
            tally.faults.append(f"{row.where}: comes back as another row")
    target.unlink()


def check_lines(lines: list[tuple[bytes, bool]], path: Path, format: str, tally: Tally) -> list[Conversation | BadRow]:
    """JSON lines: each line with something in it is one row or one bad row, and an unchanged one is read."""
    path.write_bytes(b"\n".join(line for line, _ in lines))
    found = check_file(path, format, tally)
    if not READERS[format].expand:
        expected = [number for number, (line, _) in enumerate(lines, 1) if line.decode("utf-8", "replace").strip()]
        got = [int(row.where.rpartition(":")[2]) for row in found]
        if got != expected:
            tally.faults.append(f"{path}: {len(expected)} lines gave {len(got)} rows, or others")
    refused = {row.where for row in found if isinstance(row, BadRow)}
    for number, (_, unchanged) in enumerate(lines, 1):
        if unchanged and f"{path}:{number}" in refused:
            why = next(row.why for row in found if isinstance(row, BadRow) and row.where == f"{path}:{number}")
            tally.faults.append(f"{path}:{number}: a good row of {format} is refused: {why}")
    return found


def fuzz(folder: Path, lines: int, seed: int, real: dict[str, list[Row]], each: int = 100, huge: bool = True) -> Tally:
    """About `lines` lines through every format and container, in files of `each`."""
    tally = Tally()
    number = 0
    while tally.lines < lines:
        for format in READERS:
            rng = random.Random(f"{seed}-{number}-{format}")
            made = lines_of(format, rng, each, real)
            rows = check_lines(made, folder / f"{format}-{number}.jsonl", format, tally)
            for kind, container in CONTAINERS.items():
                data = container(format, rng, each, real)
                zipped = rng.random() < 0.3
                path = folder / f"{format}-{number}-b.{kind}{'.gz' if zipped else ''}"
                path.write_bytes(gzip.compress(data, 1) if zipped else data)
                rows += check_file(path, rng.choice([format, format, None]), tally)
                path.unlink()
            check_round_trip([row for row in rows if isinstance(row, Conversation)], folder, tally)
            tally.lines += each * (1 + len(CONTAINERS))
            if huge and number % 4 == 0:
                big = [made[0][0], huge_line(made[0][0], rng), made[0][0]]
                check_lines([(line, False) for line in big], folder / f"{format}-{number}-huge.jsonl", format, tally)
                tally.lines += len(big)
        number += 1
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[2] / "shared" / "data")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tally = fuzz(Path(folder), options.lines, options.seed, real_rows(data))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for fault, count in Counter(tally.faults).most_common(40):
        print(f"FAULT {count}x {fault}")
    outcomes = ", ".join(f"{count:,} {what}" for what, count in tally.outcomes.items())
    print(f"{tally.lines:,} lines in {time.perf_counter() - start:.0f} s: {outcomes}; {len(tally.faults)} faults")
    print(f"slowest file {tally.slowest[0]:.1f} s of processor time ({tally.slowest[1]}); peak memory {peak:.0f} MiB")
    raise SystemExit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
