"""Every row format: what is written reads back the same, and what cannot be held is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import given, settings

from callwright.data import READERS, canonical, conversations, read
from callwright.data.convert import convert
from callwright.data.fields import Fields
from callwright.errors import DataError
from callwright.types import BadRow, Conversation, Message, Tool, ToolCall

WEATHER = Tool(
    "get_weather",
    "The weather now.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Which city."},
            "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
        },
        "required": ["city"],
    },
)
CALL = ToolCall("get_weather", {"city": 'Oslo\'s "old" town', "unit": "kelvin"})
SINGLE = Conversation("r1", (WEATHER,), (Message("user", "Weather, please?"), Message("assistant", "", (CALL,))), "me")
# the formats that keep nothing but one question and its calls
NARROW = ("xlam", "seal", "csv", "bfcl")


def content(row: Conversation) -> Any:
    """What must survive: ids and names of results that a format makes up are not part of it."""
    return row.tools, [(m.role, m.text, m.train, [(c.name, c.arguments) for c in m.calls]) for m in row.messages]


def there_and_back(row: Conversation, format: str) -> Conversation:
    written = json.loads(json.dumps(READERS[format].to_row(row)))
    return READERS[format].from_row(written, row.where, Fields())


@pytest.mark.parametrize("format", READERS)
@settings(max_examples=200, deadline=None)
@given(strategies.dialogues())
def test_what_is_written_reads_back_the_same_or_is_refused(format: str, row: Conversation) -> None:
    try:
        again = there_and_back(row, format)
    except DataError as error:
        assert f"{format} cannot hold" in str(error) or "JSON" in str(error)
        return
    assert content(again) == content(row)
    assert (again.id, again.source) == (row.id, row.source or again.source)


@pytest.mark.parametrize("format", READERS)
def test_the_plainest_row_is_held_by_every_format_and_recognised(format: str, tmp_path: Path) -> None:
    row = replace(SINGLE, tools=()) if format == "seal" else SINGLE
    assert content(there_and_back(row, format)) == content(row)
    canonical.write(tmp_path / "rows.jsonl", [row])
    end = "csv" if format == "csv" else "jsonl"
    assert convert(str(tmp_path / "rows.jsonl"), str(tmp_path / f"out.{end}"), format) == 1
    (found,) = conversations(tmp_path / f"out.{end}")
    assert content(found) == content(row)


MULTI = Conversation(
    "r2",
    (WEATHER, replace(WEATHER, name="get_tide")),
    (
        Message("system", "Be brief."),
        Message("user", "Oslo and Bergen?"),
        Message("assistant", "", (CALL, ToolCall("get_tide", {"city": "Bergen"}))),
        Message("tool", '{"c": 4}', name="get_weather"),
        Message("tool", "low", name="get_tide"),
        Message("assistant", "Four degrees; low tide."),
        Message("user", "Thanks"),
        Message("assistant", "Any time."),
    ),
    "me",
)


@pytest.mark.parametrize(
    ("format", "why"),
    [
        ("xlam", "system text"),
        ("csv", "system text"),
        ("seal", "system text"),
        ("bfcl", "the turns system, user, assistant"),
        ("glaive", "several calls in a turn"),
        ("toolalpaca", "begin with the user's request"),
        ("trl", "trained turns before the last one"),
        ("toolrl", "more than one trained turn"),
    ],
)
def test_what_a_format_cannot_hold_is_named(format: str, why: str) -> None:
    with pytest.raises(DataError, match=f"{format} cannot hold .*{why}"):
        READERS[format].to_row(MULTI)


@pytest.mark.parametrize("format", ["canonical", "openai", "sharegpt", "hermes", "toolace", "answer", "logs"])
def test_a_dialogue_with_parallel_calls_and_results_is_held(format: str) -> None:
    assert content(there_and_back(MULTI, format)) == content(MULTI)


@pytest.mark.parametrize("format", ["trl", "toolrl"])
def test_a_dialogue_whose_last_turn_is_trained_is_held(format: str) -> None:
    *earlier, last = MULTI.messages
    row = replace(
        MULTI, messages=(*(replace(m, train=False if m.role == "assistant" else None) for m in earlier), last)
    )
    assert content(there_and_back(row, format)) == content(row)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "json", "jsonl.gz"])
def test_containers(ending: str, tmp_path: Path) -> None:
    canonical.write(tmp_path / "rows.jsonl", [SINGLE, replace(SINGLE, id="r2")])
    format = "csv" if "csv" in ending else "trl"
    convert(str(tmp_path / "rows.jsonl"), str(tmp_path / f"out.{ending}"), format)
    assert [content(row) for row in conversations(tmp_path / f"out.{ending}")] == [content(SINGLE)] * 2


def test_a_table_names_the_line_of_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        'query,tool,args\n"two\nlines",f,"{""a"": 1}"\nx,f\ny,f,{oops}\n"[a]","[""f"", ""g""]","[{}, {}]"\n'
    )
    first, short, broken, last = read(path)
    assert isinstance(first, Conversation) and first.messages[0].text == "two\nlines"
    assert first.messages[1].calls == (ToolCall("f", {"a": 1}),)
    assert isinstance(short, BadRow) and (short.where, short.why) == (
        f"{path}:4",
        "the row has 2 columns, the header 3",
    )
    assert isinstance(broken, BadRow) and broken.where == f"{path}:5" and "not JSON" in broken.why
    assert isinstance(last, Conversation) and [call.name for call in last.messages[1].calls] == ["f", "g"]


def test_a_quote_that_is_never_closed_ends_a_table_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('query,tool,args\na,f,{}\n"b,f,{}\nc,f,{}\n')
    with pytest.raises(DataError, match=r"t\.csv:3: not CSV"):
        list(read(path))
