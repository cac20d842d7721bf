"""Figures about a data set, against counts made by hand."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.data.stats import CATEGORIES, Size, category_of, stats
from callwright.data.tally import MOST_NAMES, OTHERS, Histogram, Tally
from callwright.tools.jsonfile import tool_from_json
from callwright.types import Conversation, Message, ToolCall

F, G, H = (tool_from_json({"name": name}, "test") for name in "fgh")


def row(tools: tuple[object, ...], user: str, *turns: tuple[str, ...]) -> Conversation:
    made = [Message("assistant", "", tuple(ToolCall(name, {}) for name in names)) for names in turns]
    return Conversation(user, tools, (Message("user", user), *made))  # type: ignore[arg-type]


ROWS = [
    row((F, G), "a" * 10, ()),
    row((G, F), "b" * 20, ("f",)),
    row((F, G, H), "c" * 30, ("f", "g")),
    row((F, H), "d" * 40, ("f",), ("h",)),
    row((F,), "e" * 50, ("f",), ("g", "g")),
]


def test_counts() -> None:
    found = stats(iter(ROWS))
    assert (found.rows, found.turns, found.calls) == (5, 12, 8)
    assert dict(found.categories) == dict(zip(CATEGORIES, (1, 1, 2, 0, 0, 1), strict=True))
    assert found.calls_by_tool == (("f", 4), ("g", 1), ("h", 1))
    assert found.undeclared == (("g", 2),), "a call counts for a tool only where its row declares it"
    assert found.distinct_tool_sets == 4
    offered = found.lengths["tools offered"]
    assert (offered.least, offered.p50, offered.most) == (1, 2, 3)
    assert "tokens" not in found.lengths
    assert found.sources == (("(none)", 5),)


ASK, RESULT = Message("user", "x"), Message("tool", "1")
CALL = Message("assistant", "", (ToolCall("f", {}),))
CALLS = Message("assistant", "", (ToolCall("f", {}), ToolCall("g", {})))
QUESTION, ANSWER = Message("assistant", "Which one?"), Message("assistant", "Done.")


@pytest.mark.parametrize(
    ("messages", "category"),
    [
        ((ASK, CALL, RESULT, ANSWER), "single"),
        ((ASK, CALLS), "parallel"),
        ((ASK, CALL, RESULT, CALLS), "nested"),
        ((ASK, QUESTION, ASK, CALL), "multi-turn"),
        ((ASK, QUESTION), "clarify"),
        ((ASK, QUESTION, ASK, ANSWER), "no call"),
        ((ASK,), "no call"),
    ],
)
def test_categories(messages: tuple[Message, ...], category: str) -> None:
    assert category_of(Conversation("r", (), messages)) == category


def test_provenance_is_counted_by_key_and_value() -> None:
    some = [
        replace(ROWS[0], provenance={"licence": "MIT", "checks": ["schema", "grounded"], "generator": "plain"}),
        replace(ROWS[0], provenance={"licence": "MIT", "checks": {"schema": True, "grounded": False}}),
        ROWS[0],
    ]
    assert stats(some).provenance == {
        "licence": (("MIT", 2),),
        "checks": (("schema", 2), ("grounded", 1)),
        "generator": (("plain", 1),),
        "provenance": (("(none)", 1),),
    }


def test_argument_types_take_enum_and_format_from_the_schema() -> None:
    properties = {"a": {"enum": ["x"]}, "b": {"type": "string", "format": "date"}, "c": {"type": "string"}, "d": {}}
    tool = tool_from_json({"name": "f", "parameters": {"type": "object", "properties": properties}}, "test")
    calls = (ToolCall("f", {"a": "x", "b": "2024-01-01", "c": "z", "d": True}), ToolCall("f", {"d": 1, "x": None}))
    found = stats([Conversation("r", (tool,), (Message("user", "x"), Message("assistant", "", calls)))])
    assert dict(found.argument_types) == {
        **{"string of an enum": 1, "string, date": 1, "string": 1, "boolean": 1, "integer": 1, "null": 1}
    }


def test_languages_are_of_the_users_words() -> None:
    said = [
        "Please turn off the lights in the kitchen",
        "打开厨房的灯",
        "Bitte mach das Licht aus, es ist spät",
        "ok",
        "",
    ]
    found = stats(
        Conversation("r", (), (Message("user", text), Message("assistant", "Oui, bien sûr"))) for text in said
    )
    assert dict(found.languages) == {"en": 1, "zh": 1, "de": 1, "unsure": 1}


def test_tokens_are_of_the_rows_that_can_be_written() -> None:
    found = stats(ROWS, lambda rows: [Size(len(row.messages), 1, 0) if row.tools != (F,) else None for row in rows])
    tokens = found.lengths["tokens"]
    assert (found.unwritable, tokens.rows, tokens.mean, tokens.most) == (1, 4, 2.25, 3)


def test_everything_is_json() -> None:
    found = json.loads(json.dumps(stats(ROWS).to_json()))
    assert found["categories"]["single"] == 1
    assert found["never_called"] == []


def test_nothing() -> None:
    found = stats([])
    assert (found.rows, found.gaps, found.lengths) == (0, (), {})


@given(st.lists(st.integers(0, 300), min_size=1))
def test_percentiles_are_nearest_rank(values: list[int]) -> None:
    counted = Histogram()
    for value in values:
        counted.add(value)
    found = counted.lengths()
    ordered = sorted(values)
    for percent, got in ((50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99)):
        assert got == next(v for v in ordered if 100 * sum(u <= v for u in values) >= percent * len(values))
    assert (found.least, found.most, found.rows) == (ordered[0], ordered[-1], len(values))
    assert sum(rows for _, _, rows in found.bins) == len(values)
    for first, last, rows in found.bins:
        assert rows == sum(first <= value <= last for value in values)


def test_many_names_are_counted_together() -> None:
    tally = Tally()
    for number in range(MOST_NAMES + 50):
        tally.add(f"name {number}")
    assert tally.counts[OTHERS] == 50 and len(tally.counts) == MOST_NAMES + 1


def test_memory_does_not_grow_with_the_rows() -> None:
    def rows(count: int) -> Iterator[Conversation]:
        for number in range(count):
            yield replace(ROWS[number % 5], id=f"row {number}", provenance={"prompt": f"prompt {number}"})

    def peak(count: int) -> int:
        tracemalloc.start()
        stats(rows(count))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(8_000) < 1.3 * peak(2_000)
