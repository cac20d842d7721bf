"""A tool -> one line of TypeScript-like signature that keeps all of its JSON Schema, in half the tokens."""

from __future__ import annotations

from typing import Any

from callwright.dialects.syntax.jsoncalls import dump
from callwright.types import JsonObject, Tool

_PLAIN = {"string", "integer", "number", "boolean", "null", "object", "array"}


def signature(tool: Tool) -> str:
    """`name(parameter?: type = default /* description */): description`.

    A parameter whose schema says more than that stands as its JSON Schema, so nothing is lost.

    >>> signature(Tool("set_light", "Set a light.", {"type": "object", "properties": {
    ...     "room": {"enum": ["hall", "kitchen"], "type": "string"}, "level": {"type": "integer", "default": 50}},
    ...     "required": ["room"]}))
    'set_light(room: "hall"|"kitchen", level?: integer = 50): Set a light.'
    """
    known = {"type", "properties", "required"}
    if set(tool.parameters) - known or tool.parameters.get("type", "object") != "object":
        return f"{tool.name}({dump(tool.parameters)}): {tool.description}"
    return f"{tool.name}({_fields(tool.parameters)}): {tool.description}"


def _fields(schema: JsonObject) -> str:
    required = schema.get("required") or ()
    return ", ".join(_field(name, value, name in required) for name, value in (schema.get("properties") or {}).items())


def _field(name: str, schema: Any, required: bool) -> str:
    written = _type(schema)
    label = name if name.isidentifier() else dump(name)
    text = f"{label}{'' if required else '?'}: {written if written is not None else dump(schema)}"
    if written is None:
        return text
    if "default" in schema:
        text += f" = {dump(schema['default'])}"
    if schema.get("description"):
        text += f" /* {schema['description']} */"
    return text


def _type(schema: Any) -> str | None:
    """The type of a schema, or None where it says more than a type can."""
    if not isinstance(schema, dict) or "*/" in str(schema.get("description", "")):
        return None
    keys = set(schema) - {"description", "default"}
    kind = schema.get("type")
    if not keys:
        return "any"
    if keys <= {"type", "enum"} and isinstance(schema.get("enum"), list) and schema["enum"]:
        return "|".join(dump(value) for value in schema["enum"])
    if keys == {"type"} and isinstance(kind, list) and all(part in _PLAIN for part in kind):
        return "|".join(kind)
    if keys == {"type"} and kind in _PLAIN:
        return str(kind)
    if keys == {"type", "items"} and kind == "array":
        inner = _type(schema["items"])
        described = isinstance(schema["items"], dict) and {"description", "default"} & set(schema["items"])
        return None if inner is None or described else (f"({inner})[]" if "|" in inner else f"{inner}[]")
    if kind == "object" and keys <= {"type", "properties", "required"} and "properties" in keys:
        return "{" + _fields(schema) + "}"
    return None
