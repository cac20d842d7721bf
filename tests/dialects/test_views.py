"""Rows for templates that write earlier turns differently later on."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from callwright.dialects import probe
from callwright.dialects.base import text_of
from callwright.dialects.hermes import hermes
from callwright.dialects.views import views
from callwright.types import Conversation, Message, Tool, ToolCall

TOOL = Tool("f", "d", {"type": "object", "properties": {"a": {"type": "string"}}})
ROW = Conversation(
    "7",
    (TOOL,),
    (
        Message("user", "one"),
        Message("assistant", "", (ToolCall("f", {"a": "x"}),), thinking="First."),
        Message("tool", "done", name="f"),
        Message("assistant", "It is done.", thinking="Then."),
        Message("user", "two"),
        Message("assistant", "Again.", thinking="Last."),
    ),
)


def forgetful(messages: list[dict[str, Any]], tools: Any = None, add_generation_prompt: bool = False, **_: Any) -> str:
    """A template that shows the thinking of the turns behind the last question only, as Qwen3's does."""
    import json

    last = max(place for place, message in enumerate(messages) if message["role"] == "user")
    text = "".join(json.dumps(tool) for tool in tools or ())
    for place, message in enumerate(messages):
        text += f"<|im_start|>{message['role']}\n"
        if message.get("reasoning_content") and place > last:
            text += f"<think>\n{message['reasoning_content']}\n</think>\n\n"
        text += message["content"]
        for call in message.get("tool_calls", ()):
            text += f"<tool_call>\n{json.dumps(call['function'])}\n</tool_call>"
        text += "<|im_end|>\n"
    return text + ("<|im_start|>assistant\n" if add_generation_prompt else "")


def test_each_turn_is_trained_as_it_is_served() -> None:
    native = probe.find(forgetful, ("<|im_end|>",)).dialect
    found = views(ROW, native)
    assert [view.id for view in found] == ["7#1", "7#2", "7#3"]
    for view, thought in zip(found, ("First.", "Then.", "Last."), strict=True):
        segments = native.segments(view)
        trained = "".join(segment.text for segment in segments if segment.weight)
        assert thought in trained
        served = text_of(native.prompt(Conversation(view.id, view.tools, view.messages[:-1])))
        assert text_of(takewhile(lambda segment: not segment.weight, segments)) == served
    assert "Then." not in text_of(native.segments(found[2]))


def test_a_dialect_of_its_own_needs_one_row() -> None:
    assert views(ROW, hermes()) == [ROW]
