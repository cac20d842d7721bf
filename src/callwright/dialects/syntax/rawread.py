"""Arguments written raw between marks, as XML-like families do: the tool's schema says what type they have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from callwright.dialects.parse.cursor import Broken, Cursor, Marks, Reading, unsaid
from callwright.dialects.syntax.jsonread import DECODER, OpenCall, too_deep
from callwright.types import JsonObject, Kind, Tool

_WORDS = {"True": True, "False": False, "None": None}
_TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def schemas_of(tools: Sequence[Tool], name: str) -> JsonObject:
    """The parameters' schema of the tool of that name; {} where there is none."""
    return next((tool.parameters for tool in tools if tool.name == name), {})


def raw_text(value: object) -> str:
    """A value as these families write it: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def value_of(text: str, schema: Any, root: Any = None) -> Any:
    """What raw text means under a parameter's schema: JSON where that is of a type that the schema allows, else text.

    Without a schema, JSON text is taken for JSON.

    >>> value_of("5", {"type": "string"}), value_of("5", {"type": "integer"}), value_of("5", None)
    ('5', 5, 5)
    """
    allowed = allowed_types(schema, root)
    try:
        # some templates print Python's words
        value = _WORDS[text] if text in _WORDS and allowed else DECODER.decode(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, str) or too_deep(text, 0, len(text)):
        # a string in quotes is text that has quotes
        return text
    return value if allowed is None or any(_is(value, kind) for kind in allowed) else text


def _is(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        whole = isinstance(value, float) and value.is_integer()
        return whole or (isinstance(value, int) and not isinstance(value, bool))
    return kind in _TYPES and isinstance(value, _TYPES[kind])


def allowed_types(schema: Any, root: Any = None, depth: int = 0) -> set[str] | None:
    """The JSON types that a schema allows; None where it says nothing of types. `root` is what `$ref` points into.

    >>> sorted(allowed_types({"anyOf": [{"type": "string"}, {"enum": [1, None]}]}))
    ['integer', 'null', 'string']
    """
    if not isinstance(schema, Mapping) or depth > 8:
        return None
    if isinstance(schema.get("$ref"), str):
        return allowed_types(_pointed(root, schema["$ref"]), root, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return set(kind)
    for key in ("enum", "const"):
        if key in schema:
            values = schema[key] if key == "enum" else [schema[key]]
            return {_type(value) for value in values}
    for key in ("anyOf", "oneOf", "allOf"):
        parts = [allowed_types(part, root, depth + 1) for part in schema.get(key) or ()]
        known = [part for part in parts if part is not None]
        if known:
            return None if None in parts and key != "allOf" else set().union(*known)
    return None


def _pointed(root: Any, reference: str) -> Any:
    """What a local reference points at; None where it points nowhere."""
    for part in reference.removeprefix("#").strip("/").split("/"):
        root = root.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(root, Mapping) else None
    return root


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return next((name for name in ("string", "object", "array") if isinstance(value, _TYPES[name])), "null")


def certainly_text(schema: Any, root: Any = None) -> bool:
    """Whether a raw value is a string whatever it looks like, so that it can be streamed as it comes."""
    return allowed_types(schema, root) == {"string"}


class Arguments:
    """The arguments of a call while they come one by one."""

    def __init__(self, cursor: Cursor, call: OpenCall) -> None:
        self._cursor, self._call = cursor, call
        self._root = schemas_of(cursor.tools, call.name)
        self.values: JsonObject = {}
        call.arguments("{")

    def raw(self, key: str, ends: Marks) -> Reading[None]:
        """A raw value up to one of `ends`, which is passed. Raises Broken for a key that comes twice, or no end."""
        cursor = self._cursor
        if key in self.values:
            raise Broken(f"at character {cursor.at}, the argument {key!r} comes twice", cursor.at)
        self._call.arguments(f"{', ' if self.values else ''}{json.dumps(key, ensure_ascii=False)}: ")
        schema = (self._root.get("properties") or {}).get(key)
        start = cursor.at
        text = certainly_text(schema, self._root)
        if text:
            self._call.arguments('"')
        found = yield from cursor.find(ends, self._string if text else unsaid)
        if found is None:
            raise cursor.wrong(f"the argument {key!r} is not closed")
        raw = cursor.text[start : found.start()]
        cursor.span(start, found.start(), Kind.ARGUMENT)
        self.values[key] = raw if text else value_of(raw, schema, self._root)
        self._call.arguments('"' if text else json.dumps(self.values[key], ensure_ascii=False))

    def end(self) -> JsonObject:
        """All of them."""
        self._call.arguments("}")
        return self.values

    def _string(self, start: int, end: int) -> None:
        self._call.arguments(json.dumps(self._cursor.text[start:end], ensure_ascii=False)[1:-1])
