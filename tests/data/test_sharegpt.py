"""ShareGPT rows: turns become messages, and results find the calls that they answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.data import sharegpt
from callwright.data.fields import Fields
from callwright.data.pairing import with_ids
from callwright.errors import DataError
from callwright.types import Conversation, Message, ToolCall

TOOLS = [{"name": "f", "description": "", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}]


def turn(speaker: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"from": speaker, "value": value, **more}


def call(a: int) -> dict[str, Any]:
    return {"name": "f", "arguments": {"a": a}}


def read_one(*turns: dict[str, Any], **row: Any) -> Conversation:
    return sharegpt.from_row(
        {"id": "r", "tools": json.dumps(TOOLS), "conversations": list(turns), **row}, "x:1", Fields()
    )


def test_a_call_and_its_result() -> None:
    found = read_one(
        turn("human", "do"),
        turn("function_call", json.dumps(call(1))),
        turn("observation", '{"ok": 1}'),
        turn("gpt", "done"),
        system="Be kind.",
    )
    assert found.messages == (
        Message("system", "Be kind."),
        Message("user", "do"),
        Message("assistant", "", (ToolCall("f", {"a": 1}, "call_0"),)),
        Message("tool", '{"ok": 1}', call_id="call_0", name="f"),
        Message("assistant", "done"),
    )
    assert [tool.name for tool in found.tools] == ["f"]


@pytest.mark.parametrize(
    "calls",
    [
        [turn("function_call", json.dumps([call(1), call(2)]))],
        [turn("function_call", json.dumps(call(1))), turn("function_call", json.dumps(call(2)))],
        [turn("function_call", [call(1), call(2)])],
        [turn("function_call", json.dumps([{"name": "f", "arguments": json.dumps({"a": n})} for n in (1, 2)]))],
        [turn("function_call", str([call(1), call(2)]))],
        [
            turn(
                "function_call",
                "[" + ", ".join(f"""{{"name": "f", "arguments": '{{"a": {n}}}'}}""" for n in (1, 2)) + "]",
            )
        ],
    ],
)
def test_parallel_calls_are_one_turn(calls: list[dict[str, Any]]) -> None:
    _, assistant, first, second = read_one(
        turn("user", "do"), *calls, turn("observation", "one"), turn("tool", {"n": 2})
    ).messages
    assert [(item.arguments, item.id) for item in assistant.calls] == [({"a": 1}, "call_0"), ({"a": 2}, "call_1")]
    assert (first.text, first.call_id, second.text, second.call_id) == ("one", "call_0", '{"n": 2}', "call_1")


def test_calls_on_either_side_of_a_result_are_two_turns() -> None:
    one, two = turn("function_call", json.dumps(call(1))), turn("function_call", json.dumps(call(2)))
    messages = read_one(one, turn("observation", "1"), two, turn("observation", "2")).messages
    assert [message.role for message in messages] == ["assistant", "tool", "assistant", "tool"]
    assert [message.call_id for message in messages if message.role == "tool"] == ["call_0", "call_1"]


def test_text_before_a_call_is_the_same_turn() -> None:
    """Trap 7: text and a call in one turn are both kept."""
    (message,) = read_one(turn("gpt", "Let me see."), turn("function_call", json.dumps(call(1)))).messages
    assert message == Message("assistant", "Let me see.", (ToolCall("f", {"a": 1}),))


def test_ids_only_where_there_is_a_result_for_each_call() -> None:
    both = turn("function_call", json.dumps([call(1), call(2)]))
    without = read_one(both, turn("gpt", "x")).messages
    fewer = read_one(both, turn("observation", "both results")).messages
    assert [item.id for item in (*without[0].calls, *fewer[0].calls)] == ["", "", "", ""]
    assert fewer[1] == Message("tool", "both results")
    lone = read_one(turn("gpt", "hm"), turn("observation", "?")).messages
    assert lone[1] == Message("tool", "?")


def test_results_pair_by_name_before_order() -> None:
    calls = (ToolCall("f", {}), ToolCall("g", {}))
    messages = with_ids([Message("assistant", "", calls), Message("tool", "G", name="g"), Message("tool", "F")])
    assert [(message.name, message.call_id) for message in messages[1:]] == [("g", "call_1"), ("f", "call_0")]


def test_role_and_content_turns_under_conversations() -> None:
    found = read_one({"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"})
    assert found.messages == (Message("user", "hi"), Message("assistant", "ho"))


def test_no_tools() -> None:
    for tools in ("", None, "[]", []):
        assert read_one(turn("human", "hi"), tools=tools).tools == ()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (turn("humn", "x"), "unknown role 'humn'; did you mean 'human'"),
        (turn("human", 5.5), None),
        (turn("human", ["x"]), r"conversations\[0\].value is a list"),
        (turn("function_call", "f(a=1)"), r"conversations\[0\] is not JSON: Expecting value at character 1"),
        (turn("function_call", "[]"), "a function_call without a call"),
        (turn("function_call", '{"arguments": {}}'), "has no name"),
        (turn("function_call", '{"name": "f", "arguments": "{"}'), "arguments is not JSON"),
        ({"value": "x"}, "unknown role None"),
    ],
)
def test_bad_turns(bad: dict[str, Any], why: str | None) -> None:
    if why is None:
        assert read_one(bad).messages[0].text == "5.5"
        return
    with pytest.raises(DataError, match=why):
        read_one(bad)


def test_a_row_without_a_list_of_turns() -> None:
    with pytest.raises(DataError, match="'conversations' is a number"):
        sharegpt.from_row({"conversations": 1}, "x:1", Fields())
    with pytest.raises(DataError, match=r"conversations\[0\] is a text"):
        sharegpt.from_row({"conversations": ["hi"]}, "x:1", Fields())


argument_values = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.booleans(), max_size=2)
calls = st.builds(ToolCall, st.sampled_from(["f", "g.h"]), st.dictionaries(st.text(max_size=3), argument_values))
steps = st.one_of(
    st.builds(lambda text: [Message("user", text)], st.text(max_size=9)),
    st.builds(
        lambda text, made, flag: [
            Message("user", "?"),
            Message("assistant", text, tuple(made), train=flag),
            *(Message("tool", str(n), name=item.name) for n, item in enumerate(made)),
        ],
        st.text(max_size=9),
        st.lists(calls, max_size=3),
        st.sampled_from([None, True, False]),
    ),
)


@given(st.lists(steps, max_size=4), st.sampled_from(["", "Be kind."]))
def test_what_is_written_is_read_back(parts: list[list[Message]], system: str) -> None:
    messages = [Message("system", system)] if system else []
    messages += [message for part in parts for message in part]
    written = Conversation("a", (), with_ids(messages), source="s")
    row = json.loads(json.dumps(sharegpt.to_row(written)))
    assert sharegpt.from_row(row, "", Fields()) == written


def test_what_sharegpt_cannot_hold_is_refused() -> None:
    calls_only = Message("assistant", "", (ToolCall("f", {}),))
    with pytest.raises(DataError, match="row 'a': sharegpt cannot hold an assistant turn with calls right after"):
        sharegpt.to_row(Conversation("a", (), (Message("assistant", "hm"), calls_only)))
