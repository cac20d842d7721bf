"""A row whose tools are described in other words: renamed, with fewer descriptions, in another style of schema."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from callwright.data.around import Around, made
from callwright.types import Conversation, JsonObject, Tool, ToolCall

_STYLES: dict[str, Callable[[list[str]], str]] = {
    "snake": "_".join,
    "camel": lambda words: words[0] + "".join(word.capitalize() for word in words[1:]),
    "pascal": lambda words: "".join(word.capitalize() for word in words),
    "flat": "".join,
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMPOUND = re.compile(r"[_\-]|[a-z][A-Z]")


def rename(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Every tool and parameter in another naming style, in schemas, descriptions, calls and results alike.

    Left alone are rows whose texts mention a tool or a parameter by a name that is no plain word, rows whose calls do
    not fit their tools' parameters, and names that would fall together.
    """
    style = _STYLES[rng.choice(sorted(_STYLES))]
    tools = {tool.name: _styled(tool.name, style) for tool in row.tools}
    parameters = {
        tool.name: {name: _styled(name, style) for name in tool.parameters.get("properties") or {}}
        for tool in row.tools
    }
    texts = "\n".join(message.text for message in row.messages)
    spoken = [*tools, *(name for names in parameters.values() for name in names if _COMPOUND.search(name))]
    groups = (tools, *parameters.values())
    if (
        len(tools) != len(row.tools)
        or all(old == new for names in groups for old, new in names.items())
        or any(len(set(names.values())) != len(names) for names in groups)
        or any(name in texts for name in spoken)
        or any(_refers_to_properties(tool.parameters) for tool in row.tools)
        or not all(
            call.name in tools and call.arguments.keys() <= parameters[call.name].keys()
            for message in row.messages
            for call in message.calls
        )
    ):
        return None
    messages = tuple(
        replace(
            message,
            calls=tuple(_renamed_call(call, tools, parameters) for call in message.calls),
            name=tools.get(message.name, message.name),
        )
        for message in row.messages
    )
    renamed = tuple(_renamed(tool, tools, parameters[tool.name]) for tool in row.tools)
    return made(row, "rename", tools=renamed, messages=messages)


def _styled(name: str, style: Callable[[list[str]], str]) -> str:
    """The name's words in a style; a name that is not made of words stays."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or "".join(words) != re.sub(r"[_\-]", "", name).lower() or words[0].isdigit():
        return name
    return style(words)


def _refers_to_properties(parameters: JsonObject) -> bool:
    """Whether the schema names its properties outside of `properties` and `required`."""
    keys = ("dependentRequired", "dependentSchemas", "dependencies", "if", "allOf", "anyOf", "oneOf", "not")
    return any(key in parameters for key in (*keys, "propertyNames", "patternProperties")) or "#/properties/" in (
        json.dumps(parameters)
    )


def _renamed_call(call: ToolCall, tools: dict[str, str], parameters: dict[str, dict[str, str]]) -> ToolCall:
    names = parameters[call.name]
    return ToolCall(tools[call.name], {names[name]: value for name, value in call.arguments.items()}, call.id)


def _renamed(tool: Tool, tools: dict[str, str], names: dict[str, str]) -> Tool:
    """One tool with its own parameters' names, and in its descriptions every compound name, written anew."""
    compound = {old: new for old, new in (tools | names).items() if _COMPOUND.search(old) and old != new}
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(old)}(?!\w)" for old in compound) or r"(?!)")

    def reworded(text: str) -> str:
        return pattern.sub(lambda found: compound[found[0]], text)

    described = _with_descriptions(tool, lambda name, text: reworded(text))
    properties = described.parameters.get("properties") or {}
    parameters = {**tool.parameters, "properties": {names[name]: schema for name, schema in properties.items()}}
    if "required" in parameters:
        parameters["required"] = [names.get(name, name) for name in parameters["required"]]
    return Tool(tools[tool.name], reworded(tool.description), parameters)


def drop_descriptions(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Descriptions of parameters left out, all or each with even odds; the tools keep their own.

    The description of a parameter stays where a call gives a value that no text says word for word: it may tell the
    format.
    """
    every = rng.random() < 0.5
    needed = _needed(row)

    def dropped(tool: Tool) -> Tool:
        return _with_descriptions(
            tool,
            lambda name, text: text if (tool.name, name) in needed or not (every or rng.random() < 0.5) else "",
        )

    tools = tuple(dropped(tool) for tool in row.tools)
    return made(row, "drop_descriptions", tools=tools) if tools != row.tools else None


def shorten_descriptions(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Every description cut after its first sentence, but for those that tell the format of a value.

    A row without calls is left alone: what was cut may be the reason.
    """
    if not any(message.calls for message in row.messages):
        return None
    needed = _needed(row)

    def shortened(tool: Tool) -> Tool:
        cut = _with_descriptions(
            tool, lambda name, text: text if (tool.name, name) in needed else _first_sentence(text)
        )
        return replace(cut, description=_first_sentence(tool.description))

    tools = tuple(shortened(tool) for tool in row.tools)
    return made(row, "shorten_descriptions", tools=tools) if tools != row.tools else None


def _needed(row: Conversation) -> set[tuple[str, str]]:
    """(tool, parameter) whose values in calls are said nowhere before, word for word."""
    needed = set()
    said = ""
    for message in row.messages:
        for call in message.calls:
            for name, value in call.arguments.items():
                if not all(str(leaf).casefold() in said for leaf in _leaves(value)):
                    needed.add((call.name, name))
        said += message.text.casefold() + "\n"
    return needed


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# a full stop that ends no sentence: an abbreviation, an initial, or anything inside brackets and quotes
_ABBREVIATED = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|no|st|mr|mrs|ms|dr|approx|incl|max|min)|\b[A-Za-z])\.$", re.I)


def _first_sentence(text: str) -> str:
    """
    >>> _first_sentence("The author (e.g., 'F. Scott'). Full name.")
    "The author (e.g., 'F. Scott')."
    """
    text = text.strip()
    for end in _END.finditer(text):
        head = text[: end.start()]
        if head.count("(") == head.count(")") and head.count('"') % 2 == 0 and not _ABBREVIATED.search(head):
            return head
    return text


def _with_descriptions(tool: Tool, change: Callable[[str, str], str]) -> Tool:
    """The tool with its parameters' descriptions changed: a parameter's name and its text to a text, "" for none."""
    properties: JsonObject = {}
    for name, schema in (tool.parameters.get("properties") or {}).items():
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            text = change(name, schema["description"])
            schema = {**schema, "description": text}
            if not text:
                del schema["description"]
        properties[name] = schema
    if properties == tool.parameters.get("properties", {}):
        return tool
    return replace(tool, parameters={**tool.parameters, "properties": properties})


def restyle(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Schemas that say the same in another way: enum as `anyOf` of consts, keywords in another order, titles added."""
    way = rng.choice((_titled, _reordered, _as_consts))
    tools = tuple(
        replace(
            tool,
            parameters={
                **tool.parameters,
                "properties": {
                    name: way(name, schema) if isinstance(schema, dict) else schema
                    for name, schema in (tool.parameters.get("properties") or {}).items()
                },
            },
        )
        for tool in row.tools
    )
    as_text = [[*(tool.parameters.get("properties") or {}).items()] for tool in row.tools]
    changed = [[*tool.parameters["properties"].items()] for tool in tools]
    return made(row, "restyle", tools=tools) if str(changed) != str(as_text) else None


def _titled(name: str, schema: JsonObject) -> JsonObject:
    return {"title": " ".join(word.capitalize() for word in _WORD.findall(name)) or name, **schema}


def _reordered(name: str, schema: JsonObject) -> JsonObject:
    return dict(reversed(schema.items()))


def _as_consts(name: str, schema: JsonObject) -> JsonObject:
    if not isinstance(schema.get("enum"), list) or "anyOf" in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "enum"}
    return {**rest, "anyOf": [{"const": value} for value in schema["enum"]]}
