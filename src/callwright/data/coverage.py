"""Calls -> how often each tool, parameter and enum value was asked for, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from callwright.types import Conversation, JsonObject, Tool, ToolCall


@dataclass
class Coverage:
    """Counts over the calls to a set of tools. Enum values count by (tool, parameter, value's JSON-like text)."""

    tools: Sequence[Tool]
    calls: Counter[str] = field(default_factory=Counter)
    present: Counter[tuple[str, str]] = field(default_factory=Counter)
    absent: Counter[tuple[str, str]] = field(default_factory=Counter)
    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, tools: Sequence[Tool], rows: Iterable[Conversation]) -> Coverage:
        """Of every call in the rows."""
        found = cls(tools)
        for row in rows:
            for message in row.messages:
                for call in message.calls:
                    found.add(call)
        return found

    def add(self, call: ToolCall) -> None:
        """Counts one call; one to an unknown tool counts by name alone."""
        self.calls[call.name] += 1
        tool = next((tool for tool in self.tools if tool.name == call.name), None)
        for name, schema in (_properties(tool) if tool else {}).items():
            (self.present if name in call.arguments else self.absent)[call.name, name] += 1
            for value in _enum(schema):
                if name in call.arguments and _has(call.arguments[name], value):
                    self.values[call.name, name, repr(value)] += 1

    def gaps(self) -> list[str]:
        """What no call shows: a tool, a parameter, an optional one left out, an enum value."""
        found = []
        for tool in self.tools:
            if not self.calls[tool.name]:
                found.append(f"{tool.name} is never called")
                continue
            required = tool.parameters.get("required") or ()
            for name, schema in _properties(tool).items():
                if not self.present[tool.name, name]:
                    found.append(f"{tool.name}.{name} is never given")
                elif name not in required and not self.absent[tool.name, name]:
                    found.append(f"{tool.name}.{name} is never left out")
                found += [
                    f"{tool.name}.{name} is never {value!r}"
                    for value in _enum(schema)
                    if not self.values[tool.name, name, repr(value)]
                ]
        return found

    def rarest_value(self, tool: Tool, name: str, schema: JsonObject) -> Any:
        """The enum value that was asked for least."""
        return min(_enum(schema), key=lambda value: self.values[tool.name, name, repr(value)])

    def to_json(self) -> JsonObject:
        """Counts by tool, for tables and files."""
        return {
            tool.name: {
                "calls": self.calls[tool.name],
                "parameters": {
                    name: {"given": self.present[tool.name, name], "left_out": self.absent[tool.name, name]}
                    | (
                        {"values": {str(v): self.values[tool.name, name, repr(v)] for v in _enum(schema)}}
                        if _enum(schema)
                        else {}
                    )
                    for name, schema in _properties(tool).items()
                },
            }
            for tool in self.tools
        }


def _properties(tool: Tool) -> dict[str, JsonObject]:
    named = tool.parameters.get("properties") or {}
    return {name: schema if isinstance(schema, dict) else {} for name, schema in named.items()}


def _enum(schema: JsonObject) -> list[Any]:
    """The values of an enum, or of a list's items."""
    items = schema.get("items")
    listed = schema.get("enum") or (items.get("enum") if isinstance(items, dict) else None)
    return listed if isinstance(listed, list) else []


def _has(given: Any, value: Any) -> bool:
    return given == value or (isinstance(given, list) and value in given)
