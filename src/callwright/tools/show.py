"""Tool -> one line that a person reads, such as `set_light(room: "kitchen"|"hall", level?: integer = 50)`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from callwright.schema.walk import UNIONS, resolve
from callwright.types import JsonObject, Tool


def signature_of(tool: Tool) -> str:
    """The tool's name, its parameters and their types in one line; `?` marks what may be left out.

    >>> signature_of(Tool("wait", "", {"type": "object", "properties": {"s": {"type": "number", "default": 1}}}))
    'wait(s?: number = 1)'
    """
    required = tool.parameters.get("required") or ()
    parts = []
    for name, schema in tool.parameters["properties"].items():
        text = f"{name}{'' if name in required else '?'}: {_type(schema, tool.parameters)}"
        if isinstance(schema, dict) and schema.get("default") is not None:
            text += f" = {_json(schema['default'])}"
        parts.append(text)
    return f"{tool.name}({', '.join(parts)})"


def details_of(tool: Tool) -> Iterator[tuple[str, str]]:
    """What the signature leaves out: (parameter, description), and the fields of objects as (`input.id: string`, ...).

    >>> field = {"type": "object", "properties": {"id": {"type": "string", "description": "Whose."}}}
    >>> list(details_of(Tool("f", "", {"type": "object", "properties": {"input": field}})))
    [('input.id?: string', 'Whose.')]
    """
    for name, schema in tool.parameters["properties"].items():
        if isinstance(schema, dict) and schema.get("description"):
            yield name, str(schema["description"])
        yield from _fields(schema, name, tool.parameters, ())


def _fields(schema: Any, path: str, root: JsonObject, trail: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Fields of an object or of a list's objects; a type that holds itself is opened once."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(reference, str):
        if reference in trail:
            return
        schema, trail = resolve(reference, root), (*trail, reference)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("items"), dict):
        yield from _fields(schema["items"], f"{path}[]", root, trail)
    required = schema.get("required") or ()
    for name, inner in (schema.get("properties") or {}).items():
        text = inner.get("description", "") if isinstance(inner, dict) else ""
        own = f"{path}.{name}"
        yield f"{own}{'' if name in required else '?'}: {_type(inner, root)}", str(text)
        yield from _fields(inner, own, root, trail)


def _type(schema: Any, root: JsonObject) -> str:
    if not isinstance(schema, dict):
        return "any"
    if "const" in schema:
        return _json(schema["const"])
    if isinstance(schema.get("enum"), list):
        return "|".join(_json(value) for value in schema["enum"])
    if "$ref" in schema:
        # The name alone: what it points to may hold itself.
        return str(schema["$ref"]).rpartition("/")[2] if resolve(schema["$ref"], root) is not None else "any"
    for key in UNIONS:
        if isinstance(schema.get(key), list):
            return "|".join(dict.fromkeys(_type(branch, root) for branch in schema[key]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return "|".join(_named({**schema, "type": one}, root) for one in kind)
    return _named(schema, root)


def _named(schema: JsonObject, root: JsonObject) -> str:
    kind = schema.get("type", "any")
    if kind == "array" and isinstance(schema.get("items"), dict):
        inner = _type(schema["items"], root)
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "string" and schema.get("format"):
        return str(schema["format"])
    return str(kind)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
