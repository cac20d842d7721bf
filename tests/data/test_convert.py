"""Rows in another format, whole or not at all; and rows under one fixed tool set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data import READERS, canonical, conversations
from callwright.data.convert import Loss, Losses, convert, lost_fields
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
    written = convert(str(tmp_path / "rows.jsonl"), out, to)
    back = list(conversations(out))
    assert len(back) == written > 0
    for before, after in zip(conversations(tmp_path / "rows.jsonl"), back, strict=True):
        assert [(m.role, m.text, [(c.name, c.arguments) for c in m.calls]) for m in before.messages] == [
            (m.role, m.text, [(c.name, c.arguments) for c in m.calls]) for m in after.messages
        ]
        assert before.tools == after.tools


def test_what_a_format_cannot_hold_is_an_error_or_skipped_with_its_place(tmp_path: Path) -> None:
    system = replace(ROWS[0], messages=(Message("system", "s"), *ROWS[0].messages))
    canonical.write(tmp_path / "rows.jsonl", [ROWS[1], system])
    source, out = str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")
    losses = Losses()
    with pytest.raises(DataError, match=r"rows\.jsonl:2: xlam cannot hold system text"):
        convert(source, out, "xlam", losses=losses)
    assert not (tmp_path / "out.jsonl").exists()
    assert losses.refused == {"xlam cannot hold system text": Loss(1, f"{source}:2")}
    skipped = Losses()
    assert convert(source, out, "xlam", skip_bad=True, losses=skipped) == 1
    assert skipped == losses


def test_every_row_is_looked_at_before_the_error(tmp_path: Path) -> None:
    system = replace(ROWS[0], messages=(Message("system", "s"), *ROWS[0].messages))
    twice = replace(ROWS[0], messages=ROWS[0].messages * 2)
    canonical.write(tmp_path / "rows.jsonl", [system, ROWS[0], twice, replace(twice, messages=ROWS[0].messages * 3)])
    losses = Losses()
    with pytest.raises(DataError, match="3 rows in all cannot be written"):
        convert(str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl"), "xlam", losses=losses)
    assert [(loss.rows, loss.first.rpartition(":")[2]) for loss in losses.refused.values()] == [(1, "1"), (2, "3")]
    assert losses.rows == 3


def test_fields_that_a_held_row_loses_are_named(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "source": "s", "mood": "glad", "provenance": {"licence": "MIT"}, "tools": [], "messages": [
            {"role": "user", "content": "x", "reasoning_content": "hm"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c9", "name": "f", "arguments": {}}]},
            {"role": "tool", "content": "1", "tool_call_id": "c9"},
        ]},
        {"id": "b", "tools": [], "mood": None, "messages": [{"role": "user", "content": "x"}]},
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = str(tmp_path / "rows.jsonl")
    expected = {
        "canonical": {"mood", "messages[].reasoning_content"},
        "openai": {"mood", "messages[].reasoning_content", "provenance"},
        "sharegpt": {"mood", "messages[].reasoning_content", "provenance", "ids of calls", "ids of results"},
    }
    for to, fields in expected.items():
        losses = Losses()
        assert convert(source, str(tmp_path / f"{to}.jsonl"), to, losses=losses) == 2
        assert losses.dropped == {name: Loss(1, f"{source}:1") for name in losses.dropped}
        assert set(losses.dropped) == fields


@settings(max_examples=60, deadline=None)
@given(strategies.dialogues(), st.sampled_from(sorted(READERS)))
def test_what_is_not_named_as_lost_is_there(given_row: Conversation, to: str) -> None:
    row = replace(given_row, source="s", provenance={"licence": "MIT"}, where="f:1")
    try:
        lost = lost_fields(row, to, Fields())
    except DataError:
        return
    again = READERS[to].from_row(READERS[to].to_row(row), "f:1", Fields())
    for name in ("id", "source", "provenance"):
        assert (getattr(again, name) == getattr(row, name)) != (name in lost)


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


def test_with_others_rows_of_another_field_are_refused_and_stand_where_they_stood() -> None:
    names = {"lamp_on": "Turn a lamp on.", "lamp_off": "Turn a lamp off.", "taxi_book": "Book a taxi."}
    tools = tuple(Tool(name, text, {"type": "object", "properties": {}}) for name, text in names.items())
    rows = [
        Conversation(
            str(number), tools, (Message("user", f"{name} {number}"), Message("assistant", "", (ToolCall(name, {}),)))
        )
        for number, name in enumerate(["lamp_on", "taxi_book", "lamp_off", *["taxi_book", "lamp_on"] * 4])
    ]
    made = with_tools(rows, tools[:1], others=0.6)
    refused = [row for row in made if not row.messages[-1].calls]
    assert len(made) == 8 and len(refused) == 3 == round(0.6 * 5)
    assert all(row.tools == tools[:1] for row in made), "one prompt prefix"
    assert all("taxi" in row.messages[0].text and row.messages[1].text for row in refused), "a lamp can be turned off"
    assert [int(row.id.split("~")[0]) for row in made] == sorted(int(row.id.split("~")[0]) for row in made)
    assert made == with_tools(rows, tools[:1], others=0.6)
    assert len(with_tools(rows, tools[:1], others=9)) == 10


def test_without_parameter_descriptions() -> None:
    plain = without_parameter_descriptions(TOOLS[0])
    assert plain.parameters["properties"] == {"x": {"type": "integer"}}
    assert plain.description == "d"
