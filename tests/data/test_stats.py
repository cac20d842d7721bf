"""Figures about a data set, against counts made by hand."""

from __future__ import annotations

from callwright.data.stats import Lengths, Spread, stats
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
    row((), "d" * 40, ("f",), ("h",)),
    row((F,), "e" * 50, ("f",), ("g", "g")),
]


def test_counts() -> None:
    found = stats(iter(ROWS))
    assert (found.rows, found.turns, found.calls) == (5, 12, 8)
    kinds = (found.rows_no_call, found.rows_one_call, found.rows_parallel, found.rows_multi_step)
    assert kinds == (1, 1, 2, 1) and sum(kinds) == found.rows
    assert found.call_counts == (("f", 4), ("g", 3), ("h", 1))
    assert found.tools_per_row == Spread(0, 2, 3)
    assert (found.distinct_tools, found.distinct_tool_sets) == (3, 4)
    assert found.user_characters == Lengths(30.0, 30, 50, 50, 50, 50)
    assert found.tokens is None


def test_percentiles_are_nearest_rank() -> None:
    rows = [row((), "x" * n) for n in range(1, 201)]
    assert stats(rows).user_characters == Lengths(100.5, 100, 180, 190, 198, 200)


def test_tokens_are_counted_where_asked() -> None:
    found = stats(ROWS, count_tokens=lambda conversation: len(conversation.messages))
    assert found.tokens == Lengths(2.4, 2, 3, 3, 3, 3)


def test_nothing() -> None:
    found = stats([])
    assert found.rows == 0 and found.user_characters.mean == 0.0 and found.tools_per_row == Spread(0, 0, 0)
