"""What each character of a raw reply is: nothing lost in any family, and names and values found."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.dialects.families import FAMILIES
from callwright.report.spans import ARGUMENT, BROKEN, NAME, TEXT, pieces
from callwright.types import JsonObject, Message, ToolCall

CALLS = (ToolCall("set_light", {"room": "hall", "level": 40}), ToolCall("play", {"song": "Für Elise", "loop": True}))


def as_json(*calls: ToolCall) -> list[JsonObject]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


@pytest.mark.parametrize("family", FAMILIES)
def test_names_and_values_are_found_in_every_family(family: str) -> None:
    raw = "".join(segment.text for segment in FAMILIES[family].write(Message("assistant", "", CALLS)))
    found = pieces(raw, as_json(*CALLS), "", [])
    assert "".join(text for _, text in found) == raw
    assert [text for kind, text in found if kind == NAME] == ["set_light", "play"]
    values = [text for kind, text in found if kind == ARGUMENT]
    assert len(values) == 4
    for value in ("hall", "40", "Elise", "rue"):
        assert sum(value in text for text in values) == 1


@given(
    st.text(max_size=40),
    st.lists(st.tuples(st.text(max_size=3), st.dictionaries(st.text(max_size=2), st.text(max_size=3)))),
    st.text(max_size=4),
)
def test_no_character_is_lost(raw: str, calls: list[tuple[str, JsonObject]], text: str) -> None:
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    found = pieces(raw, made, text, [{"text": text}])
    assert "".join(part for _, part in found) == raw
    assert all(part for _, part in found)
    assert all(one[0] != other[0] for one, other in itertools.pairwise(found))


def test_text_and_broken_calls_are_told_apart() -> None:
    raw = 'Here.\n<tool_call>{"name": "f"'
    assert pieces(raw, [], "Here.", [{"text": '<tool_call>{"name": "f"'}]) == [
        (TEXT, "Here."),
        ("scaffold", "\n"),
        (BROKEN, '<tool_call>{"name": "f"'),
    ]
    assert pieces("Just words.", [], "Just words.", []) == [(TEXT, "Just words.")]


def test_a_value_stands_behind_its_own_key() -> None:
    raw = json.dumps({"name": "f", "arguments": {"a": 1, "b": 11, "c": "1"}})
    found = pieces(raw, [{"name": "f", "arguments": {"a": 1, "b": 11, "c": "1"}}], "", [])
    assert [text for kind, text in found if kind == ARGUMENT] == ["1", "11", '"1"']
