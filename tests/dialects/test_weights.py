"""Segments by meaning, and the weights that a recipe gives them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import typed_dialogues
from test_laws import NAMES, made

from callwright.dialects.base import text_of
from callwright.dialects.tokenise import render, render_many
from callwright.dialects.weights import by_meaning, weigh
from callwright.types import Conversation, Kind, Message, Tool, ToolCall

TOOL = Tool("f", "d", {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer"}}})
ROW = Conversation(
    "1", (TOOL,), (Message("user", "x"), Message("assistant", "", (ToolCall("f", {"a": "b c", "n": 5}),)))
)


def meanings(name: str, row: Conversation = ROW) -> dict[Kind, list[str]]:
    dialect = made(name)
    found: dict[Kind, list[str]] = {}
    for segment in by_meaning(dialect.segments(row), dialect.family):
        found.setdefault(segment.kind, []).append(segment.text)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_names_keys_and_values_are_told_apart(name: str) -> None:
    found = meanings(name)
    assert "".join(found[Kind.NAME]).startswith("f")
    assert [key.strip("\"'") for key in found[Kind.KEY]] == ["a", "n"]
    assert [value.strip("\"'") for value in found[Kind.ARGUMENT]] == ["b c", "5"]
    assert len(found[Kind.DECISION]) == 1


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_cutting_loses_nothing(name: str, data: st.DataObject) -> None:
    dialect = made(name)
    row = data.draw(typed_dialogues(dialect.family.beside, most=3))
    segments = dialect.segments(row)
    cut = list(by_meaning(segments, dialect.family))
    assert text_of(cut) == text_of(segments)
    assert sum(len(s.text) for s in cut if s.weight) == sum(len(s.text) for s in segments if s.weight)


def test_the_decision_of_a_text_is_its_first_word() -> None:
    row = Conversation("1", (TOOL,), (Message("user", "x"), Message("assistant", "Which room is it?")))
    assert meanings("hermes", row)[Kind.DECISION] == ["Which"]


def test_whether_to_call_is_decided_again_behind_a_text() -> None:
    message = Message("assistant", "One moment.", (ToolCall("f", {}),))
    row = Conversation("1", (TOOL,), (Message("user", "x"), message))
    assert meanings("hermes", row)[Kind.DECISION] == ["One", "<tool_call>"]


def test_weights_reach_the_tokens(tokenizer: Any) -> None:
    (heavy,) = render_many([ROW], made("hermes"), tokenizer, weights={"argument": 3.0, "scaffold": 0.0})
    plain = render(ROW, made("hermes"), tokenizer)
    assert list(heavy.token_ids) == list(plain.token_ids)
    assert {weight for weight in heavy.weights if weight} == {1.0, 3.0}
    values = [token for token, weight in zip(heavy.token_ids, heavy.weights, strict=True) if weight == 3.0]
    assert "b c" in tokenizer.decode(values)
    assert '"arguments"' not in tokenizer.decode([t for t, w in zip(heavy.token_ids, heavy.weights, strict=True) if w])


def test_a_turn_that_is_not_trained_stays_so() -> None:
    row = Conversation("1", (TOOL,), (Message("user", "x"), Message("assistant", "y", train=False)))
    dialect = made("hermes")
    assert not any(s.weight for s in weigh(dialect.segments(row), dialect.family, {Kind.TEXT: 5.0}))
