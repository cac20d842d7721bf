"""A few thousand lines of the fuzz (tests/fuzz.py), and the lines that once went wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

import fuzz
from callwright.data import READERS, canonical, read
from callwright.data.lint import Linter, LintReport, SeenIds
from callwright.types import BadRow, Conversation, Message, ToolCall


def test_every_line_is_refused_with_its_place_or_read(tmp_path: Path) -> None:
    data = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data")
    tally = fuzz.fuzz(tmp_path, 2000, 7, fuzz.real_rows(data, rows=10), each=30, huge=False)
    assert not tally.faults, "\n".join(tally.faults[:10])
    assert tally.outcomes["rows read"] > 300 and tally.outcomes["refused rows"] > 300


@pytest.mark.parametrize("format", READERS)
def test_what_repeats_without_end_takes_no_time_that_grows_with_its_square(format: str, tmp_path: Path) -> None:
    """Each piece fed to patterns and loops: 200,000 times would take minutes if any looked back over all of it."""
    rows = next(fuzz.seeds(format, fuzz.random.Random(1), {}))
    pieces = ["\n", " ", "<tool_call>", "<obs></obs>", "USER:", "Parameters: {", "1. Name: a\nDescription:", "'", "[f("]
    texts = [piece * (200_000 // len(piece)) for piece in pieces]
    lines = []
    for key, value in rows.items():
        for text in texts:
            lines.append(json.dumps({**rows, key: value + text if isinstance(value, str) else text}))
            lines.append(json.dumps({**rows, key: text + value if isinstance(value, str) else [text]}))
    (tmp_path / "x.jsonl").write_text("\n".join([json.dumps(rows), *lines]))
    start = time.process_time()
    for row in read(tmp_path / "x.jsonl", format=format):
        assert isinstance(row, Conversation | BadRow)
    # a guard against hanging, not a measurement: it takes about a second
    assert time.process_time() - start < 60


def test_a_reason_is_short_whatever_it_quotes(tmp_path: Path) -> None:
    row = {"messages": [{"role": "x" * 1_000_000 + "\ud800", "content": ""}]}
    (tmp_path / "x.jsonl").write_text(json.dumps({"messages": []}) + "\n" + json.dumps(row))
    _, bad = read(tmp_path / "x.jsonl")
    assert isinstance(bad, BadRow) and len(bad.why) < 600
    bad.why.encode()


def test_findings_can_be_printed() -> None:
    row = Conversation("\ud800", (), (Message("user", "a"), Message("assistant", "", (ToolCall("\udc00" * 9000, {}),))))
    report = LintReport()
    report.add(Linter().check(row))
    text = json.dumps(report.to_json(), ensure_ascii=False)
    assert "undeclared tool" in text and len(text.encode()) < 2000


@pytest.mark.parametrize("levels", [90, 98, 110, 400, 900, 985, 995, 1005, 5000])
def test_depth_is_refused_or_comes_back(levels: int, tmp_path: Path) -> None:
    call = '{"name": "f", "arguments": {"a": %s}}' % ("[" * levels + "]" * levels)
    (tmp_path / "x.jsonl").write_text(f'{{"query": "q", "tools": "[]", "answers": {json.dumps("[" + call + "]")}}}\n')
    (row,) = read(tmp_path / "x.jsonl")
    assert isinstance(row, Conversation) is (levels <= 98)
    if isinstance(row, Conversation):
        canonical.write(tmp_path / "y.jsonl", [row])
        (again,) = read(tmp_path / "y.jsonl")
        assert isinstance(again, Conversation) and again.messages == row.messages


def test_ids_are_remembered_in_bounded_memory() -> None:
    seen = SeenIds(most_slots=1 << 13)
    assert all(not seen.check(str(number), "") for number in range(5000))
    assert all(seen.check(str(number), "f:1")[0].kind == "duplicate id" for number in range(5000))
    for number in range(5000, 200_000):
        seen.check(str(number), "")
    assert len(seen._slots) == 1 << 13
    assert seen.check("199999", "")
