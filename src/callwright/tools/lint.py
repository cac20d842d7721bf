"""Tools -> what would make a model choose or fill them badly: a warning each, with the place and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from callwright.schema import check_schema
from callwright.types import JsonObject, Tool

_VAGUE = frozenset(
    [
        "the",
        "a",
        "an",
        "this",
        "that",
        "function",
        "method",
        "tool",
        "api",
        "endpoint",
        "calls",
        "call",
        "does",
        "do",
        "it",
        "is",
        "for",
        "to",
        "of",
        "and",
        "or",
        "gets",
        "get",
        "sets",
        "set",
        "returns",
        "return",
        "value",
        "data",
        "object",
        "parameter",
        "param",
        "argument",
        "input",
        "string",
        "number",
        "id",
        "name",
        "todo",
        "tbd",
        "description",
    ]
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# what OpenAI's API takes; the Python call syntax takes less
_PORTABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALIKE = 0.8
_MANY_PARAMETERS = 15
_LONG_DESCRIPTION = 1000


@dataclass(frozen=True, slots=True)
class ToolProblem:
    """One warning: the tool, the parameter or "", a kind that can be counted, and why."""

    tool: str
    parameter: str
    kind: str
    why: str


def lint_tools(tools: Sequence[Tool]) -> list[ToolProblem]:
    """Warnings of each tool in order, then of pairs that are nearly the same."""
    found = [problem for tool in tools for problem in _of_tool(tool)]
    return found + [problem for a, b in combinations(tools, 2) for problem in _of_pair(a, b)]


def _of_tool(tool: Tool) -> Iterator[ToolProblem]:
    def problem(kind: str, why: str, parameter: str = "") -> ToolProblem:
        return ToolProblem(tool.name, parameter, kind, why)

    if not _PORTABLE.fullmatch(tool.name):
        yield problem(
            "name", "only letters, digits, '_' and '-', at most 64, can be written in every dialect; rename it"
        )
    elif not tool.name.isidentifier():
        yield problem("name", "it cannot be written in Python call syntax; use '_' for '-', and no digit in front")
    if not tool.description.strip():
        yield problem("no description", "the model sees the name alone; say what it does and when to call it")
    elif _says_little(tool.description, tool.name):
        yield problem("vague description", f"{tool.description!r} says no more than the name; say when to call it")
    elif len(tool.description) > _LONG_DESCRIPTION:
        yield problem("long description", f"{len(tool.description):,} characters stand in every prompt; shorten it")
    properties = tool.parameters.get("properties") or {}
    if len(properties) > _MANY_PARAMETERS:
        yield problem("many parameters", f"{len(properties)} parameters; split the tool, or fix what rarely changes")
    for text in check_schema(tool.parameters):
        yield problem("schema", text)
    for name, schema in properties.items():
        if not isinstance(schema, dict):
            continue
        for kind, why in _of_parameter(name, schema):
            yield problem(kind, why, name)


def _of_parameter(name: str, schema: JsonObject) -> Iterator[tuple[str, str]]:
    description = str(schema.get("description") or "")
    is_plain = schema.get("type") == "boolean" or "enum" in schema or "const" in schema
    if not description.strip() and not is_plain and (len(_words(name)) < 2 or len(name) <= 3):
        yield "no description", "its meaning and unit have to be guessed; describe it"
    elif description and _says_little(description, name) and not is_plain:
        yield "vague description", f"{description!r} says no more than the name"
    if not any(key in schema for key in ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")):
        yield "no type", "any value is allowed; give it a type"
    if schema.get("type") == "array" and not schema.get("items"):
        yield "no type", "its items may be anything; give 'items'"
    if schema.get("type") == "string" and "enum" not in schema and (choices := _choices(description)):
        yield "choices in prose", f"write the choices as an enum: {', '.join(choices)}"


def _choices(description: str) -> list[str]:
    """What a description lists as the only possible values."""
    found = re.search(
        r"(?:one of|either|must be|options?:|possible values:?)\s*:?\s*([^.;]+)", description, re.IGNORECASE
    )
    if not found:
        return []
    parts = [part.strip(" '\"`()") for part in re.split(r",|\bor\b|/|\|", found[1])]
    return (
        [part for part in parts if part]
        if 2 <= len(parts) <= 12 and all(len(part.split()) <= 2 for part in parts)
        else []
    )


def _of_pair(a: Tool, b: Tool) -> Iterator[ToolProblem]:
    if a.name == b.name:
        yield ToolProblem(b.name, "", "duplicate", "another tool has the same name; rename or remove one")
        return
    if _stem(a.name) == _stem(b.name):
        yield ToolProblem(b.name, "", "near-duplicate", f"its name differs from '{a.name}' in writing only")
        return
    said = [set(_words(tool.description)) - _VAGUE for tool in (a, b)]
    if not all(said):
        return
    alike = len(said[0] & said[1]) / len(said[0] | said[1])
    if alike >= _ALIKE and _parameters(a) == _parameters(b):
        why = f"it takes what '{a.name}' takes and is described in the same words; say how they differ, or join them"
        yield ToolProblem(b.name, "", "near-duplicate", why)


def _parameters(tool: Tool) -> set[str]:
    return set(tool.parameters.get("properties") or {})


def _stem(name: str) -> str:
    return "".join(_words(name)).rstrip("s")


def _words(text: Any) -> list[str]:
    return [word.lower() for word in _WORD.findall(str(text))]


def _says_little(description: str, name: str) -> bool:
    return not set(_words(description)) - _VAGUE - set(_words(name))
