"""OpenAI rows: both generations of calls, content in parts, and what fine-tuning needs on the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations, openai, read
from callwright.data.fields import Fields
from callwright.errors import DataError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import BadRow, Conversation, Message, ToolCall

FUNCTION = {
    "name": "get_weather",
    "description": "Weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WRAPPED = {"type": "function", "function": FUNCTION}
TOOL = tool_from_json(FUNCTION, "test")


def call(arguments: Any, call_id: str = "call_a") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


MODERN: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Oslo "}, {"type": "text", "text": "and Rome?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call('{"city": "Oslo"}'), call({"city": "Rome"}, "call_b")],
        },
        {"role": "tool", "tool_call_id": "call_b", "content": "18"},
        {"role": "tool", "tool_call_id": "call_a", "content": [{"type": "text", "text": "4"}]},
        {"role": "assistant", "content": "4 and 18.", "weight": 0},
    ],
    "tools": [WRAPPED],
    "parallel_tool_calls": True,
}
LEGACY: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "Oslo?"},
        {"role": "assistant", "content": "", "function_call": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}},
        {"role": "function", "name": "get_weather", "content": "4"},
    ],
    "functions": [FUNCTION],
}


def read_one(row: dict[str, Any]) -> Conversation:
    return openai.from_row(row, "x:1", Fields())


def test_a_modern_row() -> None:
    oslo = ToolCall("get_weather", {"city": "Oslo"}, "call_a")
    rome = ToolCall("get_weather", {"city": "Rome"}, "call_b")
    found = read_one(MODERN)
    assert found.tools == (TOOL,)
    assert found.messages == (
        Message("system", "Be brief."),
        Message("user", "Oslo and Rome?"),
        Message("assistant", "", (oslo, rome)),
        Message("tool", "18", call_id="call_b", name="get_weather"),
        Message("tool", "4", call_id="call_a", name="get_weather"),
        Message("assistant", "4 and 18.", train=False),
    )


def test_a_legacy_row() -> None:
    found = read_one(LEGACY)
    assert found.tools == (TOOL,)
    assert found.messages[1:] == (
        Message("assistant", "", (ToolCall("get_weather", {"city": "Oslo"}),)),
        Message("tool", "4", name="get_weather"),
    )


def test_tools_may_be_a_string() -> None:
    assert read_one({**MODERN, "tools": json.dumps([WRAPPED])}).tools == (TOOL,)
    assert read_one({**MODERN, "tools": [json.dumps(WRAPPED)]}).tools == (TOOL,)


@pytest.mark.parametrize(
    "row",
    [
        MODERN,
        LEGACY,
        {"messages": [{"role": "user", "content": "hi"}], "tools": [WRAPPED]},
        {"messages": [{"role": "user", "content": "hi"}], "tools": json.dumps([WRAPPED])},
        {"messages": MODERN["messages"][2:3]},
    ],
)
def test_a_row_shows_that_it_is_openai(row: dict[str, Any]) -> None:
    assert openai.matches(row)


def test_a_plain_row_does_not() -> None:
    assert not openai.matches({"messages": [{"role": "user", "content": "hi"}], "tools": [FUNCTION]})
    assert not openai.matches({"conversations": []})


def test_a_late_sign_decides_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    plain = {"messages": [{"role": "user", "content": "hi"}]}
    path.write_text("".join(json.dumps(row) + "\n" for row in (plain, plain, MODERN)))
    *_, last = conversations(path)
    assert last.messages[3].name == "get_weather"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([{"type": "image_url", "image_url": {}}], "part of type 'image_url'; only text"),
        ([{"type": ["text"], "text": "hi"}], "part of type ['text']; only text"),
        ([5], "is a list; it must be a text"),
        ({"type": "text", "text": "x"}, "is an object"),
    ],
)
def test_content_that_is_not_text_is_a_bad_row(tmp_path: Path, content: Any, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": content}], "tools": [WRAPPED]}))
    (bad,) = read(path)
    assert isinstance(bad, BadRow) and why in bad.why


@pytest.mark.parametrize(
    ("content", "text"), [({"t": 4}, '{"t": 4}'), ([1, 2], "[1, 2]"), (["a"], '["a"]'), (4, "4"), (None, "")]
)
def test_a_result_may_be_any_json(content: Any, text: str) -> None:
    row = {"messages": [{"role": "tool", "tool_call_id": "a", "content": content}]}
    assert read_one(row).messages[0].text == text


def test_what_is_written_is_read_back() -> None:
    found = read_one(MODERN)
    row = openai.to_row(found)
    assert row["messages"][2]["content"] is None
    assert row["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Oslo"}'
    assert row["messages"][5]["weight"] == 0
    again = openai.from_row(row, "x:1", Fields())
    assert again == found


def test_calls_without_ids_get_them_when_written() -> None:
    row = openai.to_row(read_one(LEGACY))
    assert row["messages"][1]["tool_calls"][0]["id"] == row["messages"][2]["tool_call_id"] == "call_0"
    lone = Conversation("a", (), (Message("assistant", "", (ToolCall("f", {}), ToolCall("f", {}, "call_0"))),))
    assert [item["id"] for item in openai.to_row(lone)["messages"][0]["tool_calls"]] == ["call_1", "call_0"]


def test_a_call_without_a_function_name() -> None:
    with pytest.raises(DataError, match=r"messages\[0\]\.tool_calls\[0\] has no name"):
        read_one({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]})
