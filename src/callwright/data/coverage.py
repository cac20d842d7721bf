"""Calls -> how often each tool, parameter and enum value was asked for, and what was not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from callwright.schema.walk import UNIONS
from callwright.types import Conversation, JsonObject, Tool, ToolCall

# equal tools of a file are one object; beyond so many they are looked at again, which changes nothing
_REMEMBERED = 32_768


@dataclass(slots=True)
class Parameter:
    """What the definitions of a tool say of a parameter: `optional` where one of them lets it be left out."""

    optional: bool
    enum: dict[str, Any]
    """Values by their JSON text."""


class Coverage:
    """Counts over calls. Tools are known by name; several definitions of a name are joined.

    `calls` counts by tool; `present` and `absent` by (tool, parameter); `values`, of an enum or of a list of an enum's
    values, by (tool, parameter, the value's JSON text). A call to a tool that was not declared counts in `calls` alone.

    >>> light = Tool("light", "", {"type": "object", "properties": {"on": {"enum": ["yes", "no"]}}})
    >>> Coverage.of([light], []).gaps()
    ['light is never called']
    >>> seen = Coverage([light])
    >>> seen.add(ToolCall("light", {"on": "yes"}))
    >>> seen.gaps()
    ['light.on is never left out', 'light.on is never "no"']
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self.calls = Counter[str]()
        self.present = Counter[tuple[str, str]]()
        self.absent = Counter[tuple[str, str]]()
        self.values = Counter[tuple[str, str, str]]()
        self.parameters: dict[str, dict[str, Parameter]] = {}
        self._seen: dict[int, Tool] = {}
        for tool in tools:
            self.declare(tool)

    @classmethod
    def of(cls, tools: Iterable[Tool], rows: Iterable[Conversation]) -> Coverage:
        """Of every call in the rows, to these tools."""
        found = cls(tools)
        for row in rows:
            for message in row.messages:
                for call in message.calls:
                    found.add(call)
        return found

    def declare(self, tool: Tool) -> None:
        """Makes a tool known; what a second definition of its name adds is joined to the first."""
        if id(tool) in self._seen:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[id(tool)] = tool  # held, because an id is only unique while its object lives
        known = self.parameters.setdefault(tool.name, {})
        required = tool.parameters.get("required") or ()
        for name, schema in _properties(tool):
            parameter = known.setdefault(name, Parameter(False, {}))
            parameter.optional |= name not in required
            parameter.enum.update((_text(value), value) for value in enum_of(schema))

    def add(self, call: ToolCall) -> None:
        """Counts one call."""
        self.calls[call.name] += 1
        for name, parameter in self.parameters.get(call.name, {}).items():
            if name not in call.arguments:
                self.absent[call.name, name] += 1
                continue
            self.present[call.name, name] += 1
            if parameter.enum:
                given = call.arguments[name]
                for value in given if isinstance(given, list) else (given,):
                    if (text := _text(value)) in parameter.enum:
                        self.values[call.name, name, text] += 1

    def gaps(self) -> list[str]:
        """What no call shows: a tool, a parameter, an optional one left out, an enum value."""
        found = []
        for tool, parameters in self.parameters.items():
            if not self.calls[tool]:
                found.append(f"{tool} is never called")
                continue
            for name, parameter in parameters.items():
                if not self.present[tool, name]:
                    found.append(f"{tool}.{name} is never given")
                    continue
                if parameter.optional and not self.absent[tool, name]:
                    found.append(f"{tool}.{name} is never left out")
                found += [
                    f"{tool}.{name} is never {text}" for text in parameter.enum if not self.values[tool, name, text]
                ]
        return found

    def rarest_value(self, tool: Tool, name: str, schema: JsonObject) -> Any:
        """The value of a parameter's enum that was asked for least."""
        return min(enum_of(schema), key=lambda value: self.values[tool.name, name, _text(value)])

    def totals(self) -> Totals:
        """How much of what is declared the calls show."""
        totals = Totals()
        for tool, parameters in self.parameters.items():
            totals.tools.add(self.calls[tool])
            for name, parameter in parameters.items():
                totals.parameters.add(self.present[tool, name])
                if parameter.optional:
                    totals.optional_given.add(self.present[tool, name])
                    totals.optional_left_out.add(self.absent[tool, name])
                for text in parameter.enum:
                    totals.enum_values.add(self.values[tool, name, text])
        return totals

    def to_json(self) -> JsonObject:
        """Counts by tool, for tables and files."""
        return {
            tool: {
                "calls": self.calls[tool],
                "parameters": {
                    name: {"given": self.present[tool, name], "left_out": self.absent[tool, name]}
                    | (
                        {"values": {text: self.values[tool, name, text] for text in parameter.enum}}
                        if parameter.enum
                        else {}
                    )
                    for name, parameter in parameters.items()
                },
            }
            for tool, parameters in self.parameters.items()
        }


@dataclass(slots=True)
class Share:
    """So many of so many."""

    shown: int = 0
    declared: int = 0

    def add(self, count: int) -> None:
        """One more that is declared, shown where it was counted."""
        self.declared += 1
        self.shown += count > 0


@dataclass(slots=True)
class Totals:
    """What is declared, and how much of it calls show."""

    tools: Share = field(default_factory=Share)
    parameters: Share = field(default_factory=Share)
    optional_given: Share = field(default_factory=Share)
    optional_left_out: Share = field(default_factory=Share)
    enum_values: Share = field(default_factory=Share)


def enum_of(schema: JsonObject) -> Sequence[Any]:
    """The values of an enum: of the schema itself, of its branches (`const` too), or of a list's items."""
    if isinstance(schema.get("enum"), list):
        return [value for value in schema["enum"] if value is not None]
    if "const" in schema:
        return [schema["const"]]
    for key in UNIONS:
        branches = schema.get(key)
        if isinstance(branches, list):
            return [value for branch in branches if isinstance(branch, dict) for value in enum_of(branch)]
    items = schema.get("items")
    return enum_of(items) if isinstance(items, dict) else []


def _properties(tool: Tool) -> Iterator[tuple[str, JsonObject]]:
    for name, schema in (tool.parameters.get("properties") or {}).items():
        yield name, schema if isinstance(schema, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON Schema's 1 and 1.0 are one value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
