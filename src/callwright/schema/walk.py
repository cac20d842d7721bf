"""A JSON Schema -> its parts: which keywords hold schemas, which hold data, and what a local `$ref` points to."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from callwright.types import JsonObject

MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value maps names to schemas."""

LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""

SINGLES = frozenset(
    {
        *("items", "additionalItems", "contains", "unevaluatedItems"),
        *("additionalProperties", "propertyNames", "unevaluatedProperties", "not", "if", "then", "else"),
    }
)
"""Keywords whose value is one schema (or a boolean)."""

DATA = frozenset({"default", "const", "enum", "examples", "example"})
"""Keywords whose value is an instance, so that nothing inside it is a schema."""

UNIONS = ("anyOf", "oneOf")

_SIMPLE = ({"type"}, {"type", "enum"})


def map_children(schema: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """A copy with `change` applied to each direct subschema; booleans, data and junk stay as they are."""
    return {key: _map_value(key, value, change) for key, value in schema.items()}


def _map_value(key: str, value: Any, change: Callable[[JsonObject], JsonObject]) -> Any:
    if isinstance(value, dict):
        if key in SINGLES:
            return change(value)
        if key in MAPS:
            return {name: change(child) if isinstance(child, dict) else child for name, child in value.items()}
    elif isinstance(value, list) and (key in LISTS or key == "items"):
        return [change(child) if isinstance(child, dict) else child for child in value]
    return value


def children(schema: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Each direct subschema with its path, such as `("properties/city", {...})`."""
    for key, value in schema.items():
        if isinstance(value, dict) and key in SINGLES:
            yield key, value
        elif isinstance(value, dict) and key in MAPS:
            yield from ((f"{key}/{name}", child) for name, child in value.items() if isinstance(child, dict))
        elif isinstance(value, list) and (key in LISTS or key == "items"):
            yield from ((f"{key}/{i}", child) for i, child in enumerate(value) if isinstance(child, dict))


def resolve(reference: object, root: JsonObject) -> JsonObject | None:
    """What a local `$ref` points to, or None where it points nowhere.

    >>> resolve("#/$defs/a~1b", {"$defs": {"a/b": {"type": "string"}}})
    {'type': 'string'}
    """
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    target: object = root
    for part in urllib.parse.unquote(reference[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and name.isdecimal() and len(name) < 10 and int(name) < len(target):
            target = target[int(name)]
        elif isinstance(target, dict) and name in target:
            target = target[name]
        else:
            return None
    return target if isinstance(target, dict) else None


def union(schemas: Sequence[JsonObject]) -> JsonObject:
    """One schema that admits what any of `schemas` admits: a list of types where that says it all, else `anyOf`.

    >>> union([{"type": "integer"}, {"type": "null"}])
    {'type': ['integer', 'null']}
    >>> union([{"type": "string", "enum": ["a"]}, {"type": "null"}])
    {'type': ['string', 'null'], 'enum': ['a', None]}
    """
    distinct = [schema for i, schema in enumerate(schemas) if schema not in schemas[:i]]
    if not distinct or {} in distinct:
        return {}
    if len(distinct) == 1:
        return distinct[0]
    plain = [schema for schema in distinct if schema == {"type": "null"} or "enum" not in schema]
    choices = [schema for schema in distinct if "enum" in schema]
    types = _types(distinct)
    if types and len(plain) == len(distinct):
        return {"type": types}
    if types and all(schema == {"type": "null"} for schema in plain):
        values = [value for schema in choices for value in schema["enum"]]
        return {"type": types, "enum": values + ([None] if plain else [])}
    return {"anyOf": distinct}


def _types(schemas: Sequence[JsonObject]) -> list[str]:
    """The types of schemas that say nothing but a type (and choices); empty where one says more."""
    found: list[str] = []
    for schema in schemas:
        if set(schema) not in _SIMPLE:
            return []
        own = schema["type"]
        found += [name for name in (own if isinstance(own, list) else [own]) if name not in found]
    return found
