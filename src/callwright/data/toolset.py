"""Rows with tools of their own -> rows with one fixed tool set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

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


def with_tools(conversations: Iterable[Conversation], tools: Sequence[Tool]) -> Iterator[Conversation]:
    """Rows that make calls, all of them to `tools`, with exactly these tools declared. Other rows are left out."""
    names = {tool.name for tool in tools}
    fixed = tuple(tools)
    for conversation in conversations:
        called = {call.name for message in conversation.messages for call in message.calls}
        if called and called <= names:
            yield replace(conversation, tools=fixed)


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
