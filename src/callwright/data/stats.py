"""Conversations -> DataStats: how many rows, turns, calls and tools there are, and how long the texts run."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from callwright.types import Conversation


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median and most."""

    least: int
    median: int
    most: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean, percentiles (nearest rank) and maximum of a length per row."""

    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    most: int


@dataclass(frozen=True, slots=True)
class DataStats:
    """What a data set holds. The four kinds of rows by calls add up to `rows`.

    `rows_parallel`: some turn has several calls. `rows_multi_step`: several calls, never two in one turn.
    `call_counts`: (tool name, calls of it), most called first. `user_characters` and `tokens` are per row.
    """

    rows: int
    turns: int
    calls: int
    rows_no_call: int
    rows_one_call: int
    rows_parallel: int
    rows_multi_step: int
    call_counts: tuple[tuple[str, int], ...]
    tools_per_row: Spread
    distinct_tools: int
    distinct_tool_sets: int
    user_characters: Lengths
    tokens: Lengths | None = None


def stats(
    conversations: Iterable[Conversation], count_tokens: Callable[[Conversation], int] | None = None
) -> DataStats:
    """Count in one pass. `count_tokens` gives a row's length in tokens; without it `tokens` is None.

    >>> from callwright.types import Message
    >>> counted = stats([Conversation("a", (), (Message("user", "hello"), Message("assistant", "hi")))])
    >>> counted.rows, counted.turns, counted.rows_no_call, counted.user_characters.most
    (1, 2, 1, 5)
    """
    turns = 0
    kinds, called = Counter[str](), Counter[str]()
    tools_per_row, user_characters, tokens = array("q"), array("q"), array("q")
    names: set[str] = set()
    tool_sets: set[int] = set()
    for conversation in conversations:
        turns += len(conversation.messages)
        kinds[_kind(conversation)] += 1
        called.update(call.name for message in conversation.messages for call in message.calls)
        own = frozenset(tool.name for tool in conversation.tools)
        names |= own
        # a hash instead of the set itself: 60,000 rows may offer as many sets
        tool_sets.add(hash(own))
        tools_per_row.append(len(conversation.tools))
        user_characters.append(sum(len(message.text) for message in conversation.messages if message.role == "user"))
        if count_tokens is not None:
            tokens.append(count_tokens(conversation))
    return DataStats(
        rows=len(tools_per_row),
        turns=turns,
        calls=called.total(),
        rows_no_call=kinds["no_call"],
        rows_one_call=kinds["one_call"],
        rows_parallel=kinds["parallel"],
        rows_multi_step=kinds["multi_step"],
        call_counts=tuple(sorted(called.items(), key=lambda item: (-item[1], item[0]))),
        tools_per_row=_spread(tools_per_row),
        distinct_tools=len(names),
        distinct_tool_sets=len(tool_sets),
        user_characters=_lengths(user_characters),
        tokens=None if count_tokens is None else _lengths(tokens),
    )


def _kind(conversation: Conversation) -> str:
    counts = [len(message.calls) for message in conversation.messages if message.calls]
    if not counts:
        return "no_call"
    if max(counts) > 1:
        return "parallel"
    return "one_call" if len(counts) == 1 else "multi_step"


def _spread(values: Iterable[int]) -> Spread:
    ordered = sorted(values)
    return Spread(_rank(ordered, 0), _rank(ordered, 50), _rank(ordered, 100))


def _lengths(values: Iterable[int]) -> Lengths:
    ordered = sorted(values)
    mean = sum(ordered) / len(ordered) if ordered else 0.0
    p50, p90, p95, p99, most = (_rank(ordered, percent) for percent in (50, 90, 95, 99, 100))
    return Lengths(mean, p50, p90, p95, p99, most)


def _rank(ordered: list[int], percent: int) -> int:
    """The least value that at least `percent` percent of all do not exceed; 0 for no values."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else 0
