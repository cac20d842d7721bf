"""Rows to ask + worked examples -> the rows with some of the examples before them, as earlier turns."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from callwright.data.overlap import Seen
from callwright.types import Conversation, Message, ToolCall

_DONE = '{"status": "ok"}'


def with_shots(rows: Sequence[Conversation], pool: Sequence[Conversation], count: int, seed: int) -> list[Conversation]:
    """Each row with up to `count` examples of the pool before its first turn; rows with tools of the same names get
    the same ones.

    An example is a row of one request and its answer that calls nothing but the row's tools, or one without a call
    whose own tools are those. A tool is shown once before another is shown twice. Calls get a result that says that
    they were done, as a template may not hold a request right after a call. Rows of the pool that share a request with
    the rows to ask are left out.
    """
    asked = Seen.of(rows)
    usable = [row for row in pool if _answered(row) is not None and asked.request_of(row) is None]
    random.Random(seed).shuffle(usable)
    # what is shown depends on the tools' names alone
    chosen: dict[tuple[str, ...], tuple[Message, ...]] = {}
    found = []
    for row in rows:
        key = tuple(sorted(tool.name for tool in row.tools))
        if key not in chosen:
            chosen[key] = tuple(_turns(list(_drawn(usable, set(key), count))))
        found.append(replace(row, messages=_behind_system(row.messages, chosen[key])))
    return found


def _drawn(pool: Sequence[Conversation], names: set[str], count: int) -> Iterator[Conversation]:
    by_tool: defaultdict[tuple[str, ...], list[Conversation]] = defaultdict(list)
    for row in pool:
        called = _calls(row)
        if called <= names and (called or {tool.name for tool in row.tools} == names):
            by_tool[tuple(sorted(called))].append(row)
    queues = list(by_tool.values())
    place = drawn = 0
    while drawn < count and any(place < len(queue) for queue in queues):
        for queue in queues:
            if place < len(queue) and drawn < count:
                yield queue[place]
                drawn += 1
        place += 1


def _answered(row: Conversation) -> tuple[Message, Message] | None:
    """The request and the answer of a row that has no more than these."""
    turns = [message for message in row.messages if message.role != "system"]
    if [message.role for message in turns[:2]] != ["user", "assistant"] or (turns[2:] and not turns[1].calls):
        return None
    return (turns[0], turns[1]) if all(message.role != "user" for message in turns[2:]) else None


def _calls(row: Conversation) -> set[str]:
    found = _answered(row)
    return {call.name for call in found[1].calls} if found else set()


def _turns(shots: Sequence[Conversation]) -> Iterator[Message]:
    for number, shot in enumerate(shots):
        found = _answered(shot)
        assert found is not None
        request, answer = found
        calls = tuple(ToolCall(call.name, call.arguments, f"shot_{number}_{i}") for i, call in enumerate(answer.calls))
        yield Message("user", request.text)
        yield Message("assistant", answer.text, calls)
        yield from (Message("tool", _DONE, call_id=call.id, name=call.name) for call in calls)
        if calls:
            yield Message("assistant", "Done.")


def _behind_system(messages: Sequence[Message], shots: Sequence[Message]) -> tuple[Message, ...]:
    start = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
    return (*messages[:start], *shots, *messages[start:])
