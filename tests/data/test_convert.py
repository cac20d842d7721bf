"""Rows in another format, whole or not at all; and rows under one fixed tool set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import strategies
from hypothesis import given, settings

from callwright.data import canonical, conversations
from callwright.data.convert import convert
from callwright.data.fields import Fields
from callwright.data.toolset import most_frequent, with_tools, without_parameter_descriptions
from callwright.errors import DataError
from callwright.types import Conversation, Message, Tool, ToolCall

TOOLS = tuple(
    Tool(name, "d", {"type": "object", "properties": {"x": {"type": "integer", "description": "An x."}}})
    for name in "abc"
)


def row(number: int, *names: str) -> Conversation:
    calls = tuple(ToolCall(name, {"x": number}) for name in names)
    answer = Message("assistant", "" if calls else "no", calls)
    return Conversation(f"r{number}", TOOLS, (Message("user", f"q{number}"), answer))


ROWS = [row(1, "b"), row(2, "a", "b"), row(3), row(4, "c"), row(5, "b", "a")]


FORMATS = [(to, end) for to in ("canonical", "openai", "xlam", "sharegpt") for end in ("jsonl", "jsonl.gz", "json")]


@pytest.mark.parametrize(("to", "ending"), [*FORMATS, ("canonical", "parquet")])
def test_there_and_back(tmp_path: Path, to: str, ending: str) -> None:
    canonical.write(tmp_path / "rows.jsonl", ROWS if to != "xlam" else [r for r in ROWS if r.messages[1].calls])
    out = str(tmp_path / f"out.{ending}")
    done = convert(str(tmp_path / "rows.jsonl"), out, to)
    back = list(conversations(out))
    assert len(back) == done.rows > 0
    for before, after in zip(conversations(tmp_path / "rows.jsonl"), back, strict=True):
        assert [(m.role, m.text, [(c.name, c.arguments) for c in m.calls]) for m in before.messages] == [
            (m.role, m.text, [(c.name, c.arguments) for c in m.calls]) for m in after.messages
        ]
        assert before.tools == after.tools


def test_what_a_format_cannot_hold_is_an_error_or_skipped_with_its_place(tmp_path: Path) -> None:
    system = replace(ROWS[0], messages=(Message("system", "s"), *ROWS[0].messages))
    canonical.write(tmp_path / "rows.jsonl", [ROWS[1], system])
    source, out = str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")
    with pytest.raises(DataError, match=r"rows\.jsonl:2"):
        convert(source, out, "xlam")
    assert not (tmp_path / "out.jsonl").exists()
    done = convert(source, out, "xlam", skip_bad=True)
    assert (done.rows, [bad.where for bad in done.skipped]) == (1, [f"{source}:2"])


def test_an_unknown_format_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'openai'"):
        convert("x.jsonl", str(tmp_path / "y.jsonl"), "openia")


@settings(max_examples=100, deadline=None)
@given(strategies.dialogues())
def test_canonical_holds_every_conversation(given_row: Conversation) -> None:
    assert canonical.from_row(canonical.to_row(given_row), "f:1", Fields()) == replace(given_row, where="f:1")


def test_most_frequent_counts_calls() -> None:
    assert [tool.name for tool in most_frequent(ROWS, 2)] == ["b", "a"]


def test_with_tools_keeps_rows_that_call_only_these() -> None:
    kept = list(with_tools(ROWS, TOOLS[:2]))
    assert [made.id for made in kept] == ["r1", "r2", "r5"]
    assert all(made.tools == TOOLS[:2] for made in kept)


def test_without_parameter_descriptions() -> None:
    plain = without_parameter_descriptions(TOOLS[0])
    assert plain.parameters["properties"] == {"x": {"type": "integer"}}
    assert plain.description == "d"
