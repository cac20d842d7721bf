"""Pitfall 6: what is too long loses distractor tools first, then old turns, never the call."""

from __future__ import annotations

import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data.fit import shorten
from callwright.types import Conversation, Message, Tool, ToolCall

TOOLS = tuple(Tool(name, "d" * 10, {"type": "object", "properties": {}}) for name in "abcd")
CALL = Message("assistant", "", (ToolCall("c", {}),))
TURNS = (
    Message("system", "s" * 10),
    Message("user", "old" * 10),
    Message("assistant", "older"),
    Message("user", "new"),
    CALL,
    Message("tool", "ok"),
    Message("assistant", "done"),
)
ROW = Conversation("1", TOOLS, TURNS)


def size(row: Conversation) -> int:
    return sum(len(tool.name + tool.description) for tool in row.tools) + sum(
        len(message.text) + 5 * len(message.calls) for message in row.messages
    )


def test_distractors_go_first_as_few_as_needed() -> None:
    made = shorten(ROW, size, size(ROW) - 12)
    assert made is not None
    assert [tool.name for tool in made.tools] == ["a", "c"]
    assert made.messages == TURNS


def test_then_the_oldest_turns() -> None:
    made = shorten(ROW, size, size(ROW) - 33 - 35)
    assert made is not None
    assert [tool.name for tool in made.tools] == ["c"]
    assert made.messages == (TURNS[0], *TURNS[3:])


def test_what_still_does_not_fit_is_left_to_the_caller() -> None:
    assert shorten(ROW, size, 20) is None


def test_a_row_without_calls_keeps_its_tools() -> None:
    refusal = Conversation("2", TOOLS, (*TURNS[:4], Message("assistant", "I can't do that.")))
    made = shorten(refusal, size, size(refusal) - 12)
    assert made is not None
    assert made.tools == TOOLS, "a refusal or a question may be about any of them"
    assert made.messages == (TURNS[0], TURNS[3], refusal.messages[-1])


def test_what_fits_is_untouched() -> None:
    assert shorten(ROW, size, size(ROW)) is ROW


@settings(max_examples=200, deadline=None)
@given(strategies.dialogues(), st.integers(0, 400))
def test_it_fits_and_every_call_that_is_left_is_declared_as_before(row: Conversation, longest: int) -> None:
    made = shorten(row, size, longest)
    if made is None:
        return
    assert size(made) <= longest
    assert made.messages[-1] == row.messages[-1]
    declared = {tool.name for tool in row.tools}
    left = {tool.name for tool in made.tools}
    called = {call.name for message in made.messages for call in message.calls}
    assert called & declared <= left
