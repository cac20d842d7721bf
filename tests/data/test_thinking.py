"""Thinking before a text or a call: kept apart from the text by every format that can hold it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.data import canonical, hermes, openai, sharegpt
from callwright.data.fields import Fields
from callwright.data.thinking import split_thinking
from callwright.types import Conversation, Message, Tool, ToolCall

TOOL = Tool("f", "d", {"type": "object", "properties": {"a": {"type": "string"}}})
CALL = ToolCall("f", {"a": "x"}, "c1")


def row(message: Message) -> Conversation:
    return Conversation("1", (TOOL,), (Message("user", "hi"), message))


@pytest.mark.parametrize("field", ["thinking", "reasoning_content", "reasoning"])
def test_every_name_of_the_field_is_read(field: str) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Yes.", field: "The hall, then."},
    ]
    read = canonical.from_row({"id": "1", "messages": messages, "tools": []}, "f:1", Fields())
    assert (read.messages[1].thinking, read.messages[1].text) == ("The hall, then.", "Yes.")


def test_tags_at_the_beginning_of_a_text_are_thinking() -> None:
    text = "<think>\nThe hall.\n</think>\n\nDone."
    read = canonical.from_row({"id": "1", "messages": [{"role": "assistant", "content": text}]}, "f:1", Fields())
    assert (read.messages[0].thinking, read.messages[0].text) == ("The hall.", "Done.")


@pytest.mark.parametrize("text", ["Say <think> twice.", "<think>never closed", "<think></think>x", "plain"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert split_thinking(text) == ("", text)


words = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="<>"), min_size=1, max_size=12)


@pytest.mark.parametrize("form", [canonical, openai, sharegpt, hermes], ids=lambda form: form.__name__.split(".")[-1])
@given(thinking=words, text=words | st.just(""), called=st.booleans())
def test_formats_give_it_back(form: Any, thinking: str, text: str, called: bool) -> None:
    calls = (CALL if form in (canonical, openai) else ToolCall("f", {"a": "x"}),) if called else ()
    before = row(Message("assistant", text, calls, thinking=thinking))
    after = form.from_row(form.to_row(before), "f:1", Fields())
    assert after.messages[-1].thinking == thinking
    assert after.messages[-1].text == text
    assert [call.name for call in after.messages[-1].calls] == ["f"] * called
