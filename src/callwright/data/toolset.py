"""Rows with tools of their own -> rows with one fixed tool set."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from callwright.data.augment import refused
from callwright.types import Conversation, Tool


def most_frequent(conversations: Iterable[Conversation], count: int) -> tuple[Tool, ...]:
    """The `count` tools that are called most, most called first; ties stand in the order of first use."""
    calls: Counter[str] = Counter()
    declared: dict[str, Tool] = {}
    for conversation in conversations:
        for tool in conversation.tools:
            declared.setdefault(tool.name, tool)
        calls.update(call.name for message in conversation.messages for call in message.calls)
    return tuple(declared[name] for name, _ in calls.most_common() if name in declared)[:count]


def with_tools(
    conversations: Iterable[Conversation], tools: Sequence[Tool], others: float = 0.0, seed: int = 0
) -> list[Conversation]:
    """Rows that make calls, all of them to `tools`, with exactly these tools declared. Other rows are left out, but for
    `others` times as many, drawn with the seed: rows that ask for nothing that these tools do, refused."""
    names, fixed, rng = {tool.name for tool in tools}, tuple(tools), random.Random(seed)
    kept: list[tuple[int, Conversation]] = []
    refusals: list[tuple[int, Conversation]] = []
    for number, conversation in enumerate(conversations):
        called = {call.name for message in conversation.messages for call in message.calls}
        if called and called <= names:
            kept.append((number, replace(conversation, tools=fixed)))
        elif others and (refusal := refused(conversation, fixed, rng)) is not None:
            refusals.append((number, refusal))
    drawn = rng.sample(refusals, min(len(refusals), round(others * len(kept))))
    return [row for _, row in sorted([*kept, *drawn], key=lambda each: each[0])]


def declared(row: Conversation, tools: Sequence[Tool]) -> Conversation:
    """The row, with `tools` where it declares none; a row with tools of its own keeps them."""
    return row if row.tools or not tools else replace(row, tools=tuple(tools))


def without_parameter_descriptions(tool: Tool) -> Tool:
    """The tool with the descriptions of its parameters left out, its own kept."""
    properties = tool.parameters.get("properties") or {}
    plain = {
        name: {key: value for key, value in schema.items() if key != "description"}
        if isinstance(schema, dict)
        else schema
        for name, schema in properties.items()
    }
    return replace(tool, parameters={**tool.parameters, "properties": plain})
