"""Parameters as a source wrote them (JSON Schema, OpenAPI, Gemini, xLAM, filled by Arrow) -> JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

from callwright.errors import ToolError
from callwright.schema.typenames import coerce, parameters_from_type_names, parse_type_name
from callwright.schema.walk import DATA, LISTS, MAPS, SINGLES, UNIONS, children, map_children, resolve, union
from callwright.types import JsonObject

JSON_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})

_KEPT_NULLS = ("default", "const", "example")
_KEYWORDS = (
    MAPS
    | LISTS
    | SINGLES
    | DATA
    | {"type", "required", "description", "title", "strict", "nullable", "format", "pattern"}
    | {"minProperties", "maxProperties", "$schema", "$id", "$ref", "$comment"}
)


def normalise(parameters: object) -> JsonObject:
    """Parameters in any style seen in the wild as one JSON Schema of type object, always with `properties`.

    Reads JSON Schema, xLAM's flat style, OpenAPI's `nullable`, Python and Gemini type names ("dict", "STRING"),
    draft-4 leftovers, and drops the nulls that Arrow fills in. A null that means something stays: `default`,
    `const`, and anything inside `enum` or examples. The result shares no structure with the input but data values.
    `normalise(normalise(x)) == normalise(x)`.

    Raises ToolError where `parameters` is not an object that describes an object; the message names no place,
    so that the caller can put its own before it.

    >>> normalise({"city": {"type": "str"}})
    {'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']}
    >>> normalise({"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True, "enum": None}}})
    {'type': 'object', 'properties': {'n': {'type': ['integer', 'null']}}}
    """
    if parameters is None:
        return {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        what = type(parameters).__name__
        raise ToolError(f'the parameters are a {what}; write a JSON Schema object such as {{"type": "object"}}')
    written = strip_filler(parameters)
    if _is_flat(written):
        written = _from_flat(written)
    return _as_object(_schema(written))


def has_none_filler(parameters: object) -> bool:
    """Whether the schema holds nulls that no person wrote: a saved Arrow table fills them in (see `normalise`).

    >>> has_none_filler({"type": "object", "properties": {"n": {"type": "integer", "enum": None}}})
    True
    >>> has_none_filler({"type": "object", "properties": {"n": {"type": "integer", "default": None}}})
    False
    """
    if not isinstance(parameters, dict):
        return False
    return _filled(parameters) or (_is_flat(parameters) and any(_filled(value) for value in parameters.values()))


def _filled(schema: object) -> bool:
    """`has_none_filler` of one schema and all below it; the flat style stands at the top only."""
    if not isinstance(schema, dict):
        return False
    if any(value is None and key not in _KEPT_NULLS for key, value in schema.items()):
        return True
    if any(child is None for key in MAPS for child in _values(schema.get(key))):
        return True
    return any(_filled(child) for _, child in children(schema))


def strip_filler(schema: JsonObject) -> JsonObject:
    """A copy of one schema, without its subschemas' insides, that drops null keys.

    `default` and `const` go only together with others, and only where the type does not admit null: filler comes
    in sets, and a lone null was written by a person.
    """
    filled = {key for key, value in schema.items() if value is None and key not in _KEPT_NULLS}
    if not filled:
        return dict(schema)
    kind = schema.get("type")
    admits_null = kind == "null" or schema.get("nullable") is True or (isinstance(kind, list) and "null" in kind)
    if isinstance(kind, str) and not admits_null:
        filled |= {key for key in _KEPT_NULLS if schema.get(key, 0) is None}
    return {key: value for key, value in schema.items() if key not in filled}


def _values(named: object) -> list[Any]:
    return list(named.values()) if isinstance(named, dict) else []


def _is_flat(parameters: JsonObject) -> bool:
    """Whether this is xLAM's `{"city": {"type": "str"}}`: names at the top, where a schema has keywords."""
    if isinstance(parameters.get("type"), str | list) or isinstance(parameters.get("$ref"), str):
        return False
    if any(isinstance(parameters.get(key), list) for key in ("anyOf", "oneOf", "allOf")):
        return False
    named = parameters.get("properties")
    # A flat parameter may itself be called "properties"; its values are then texts, not schemas.
    if isinstance(named, list) or (
        isinstance(named, dict) and all(child is None or isinstance(child, dict | bool) for child in named.values())
    ):
        return False
    flat = [key for key, value in parameters.items() if isinstance(value, dict)]
    if not flat:
        # nothing but unknown names: a flat style that is written wrong, which its reader then explains
        return bool(parameters) and not parameters.keys() & _KEYWORDS
    return any(key not in _KEYWORDS for key in flat) or all(isinstance(v, dict) for v in parameters.values())


def _from_flat(parameters: JsonObject) -> JsonObject:
    odd = [key for key, value in parameters.items() if not isinstance(value, dict) and key not in _KEYWORDS]
    if odd:
        raise ToolError(f'parameter \'{odd[0]}\' is not an object; write it as {{"type": ..., "description": ...}}')
    specs = {key: strip_filler(value) for key, value in parameters.items() if isinstance(value, dict)}
    schema = parameters_from_type_names(specs)
    if isinstance(parameters.get("required"), list):
        schema["required"] = parameters["required"]
    if isinstance(parameters.get("description"), str):
        schema["description"] = parameters["description"]
    return schema


def _schema(raw: JsonObject) -> JsonObject:
    """One schema and all below it."""
    schema = strip_filler(raw)
    schema.pop("$schema", None)
    for key in MAPS & schema.keys():
        if isinstance(schema[key], dict):
            schema[key] = {name: child for name, child in schema[key].items() if child is not None}
        elif schema[key] == []:  # PHP writes an empty map so.
            schema[key] = {}
    _lift_required(schema)
    _fix_types(schema)
    _fix_drafts(schema)
    nullable = schema.pop("nullable", None) is True
    schema = map_children(schema, _schema)
    return _admit_null(schema) if nullable else schema


def _lift_required(schema: JsonObject) -> None:
    """Move `required: true` from a property (draft 3, and many hand-written tools) to its object's list."""
    written = schema.get("required")
    named = schema["properties"] if isinstance(schema.get("properties"), dict) else {}
    if isinstance(written, str):
        written = [written] if written in named else False
    lifted = [name for name, child in named.items() if _says_required(child)]
    if isinstance(written, list):
        names = [name for name in written if isinstance(name, str)]
        schema["required"] = list(dict.fromkeys([*names, *lifted]))
    elif lifted:
        schema["required"] = lifted
    elif isinstance(written, bool):
        del schema["required"]


def _says_required(child: object) -> bool:
    return isinstance(child, dict) and child.get("required") in (True, "true", "True")


def _fix_types(schema: JsonObject) -> None:
    """Type names that JSON Schema does not know become those that it does; "any" and junk admit any value."""
    kind = schema.get("type")
    if "type" not in schema or (isinstance(kind, str) and kind in JSON_TYPES):
        return
    names = kind if isinstance(kind, list) else [kind]
    if names and all(isinstance(name, str) and name in JSON_TYPES for name in names):
        schema["type"] = list(dict.fromkeys(names)) if isinstance(kind, list) else kind
        return
    said = union([parse_type_name(name).schema if isinstance(name, str) else {} for name in names])
    # Assigned in place, so that "type" stays where the source wrote it.
    schema["type"] = said.pop("type", None)
    if schema["type"] is None:
        del schema["type"]
    for key, value in said.items():
        schema.setdefault(key, value)
    if "default" in schema:
        schema["default"] = coerce(schema["default"], schema.get("type"))


def _fix_drafts(schema: JsonObject) -> None:
    """Keywords of drafts 4 to 7 (and of OpenAPI 3.0, which is draft 4) in the words of 2020-12."""
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            bound = schema.get(limit)
            if schema.pop(exclusive) and isinstance(bound, int | float) and not isinstance(bound, bool):
                schema[exclusive] = schema.pop(limit)
    if isinstance(schema.get("items"), list):
        fixed = schema.pop("items")
        rest = schema.pop("additionalItems", None)
        if fixed:
            schema.setdefault("prefixItems", fixed)
        if isinstance(rest, dict | bool):
            schema["items"] = rest


def _admit_null(schema: JsonObject) -> JsonObject:
    """OpenAPI 3.0's `nullable: true`."""
    kind = schema.get("type")
    values = schema.get("enum")
    if isinstance(values, list) and None not in values:
        schema["enum"] = [*values, None]
    if kind is not None:
        names = kind if isinstance(kind, list) else [kind]
        schema["type"] = names if "null" in names else [*names, "null"]
        return schema
    for key in UNIONS:
        if isinstance(schema.get(key), list):
            if {"type": "null"} not in schema[key]:
                schema[key] = [*schema[key], {"type": "null"}]
            return schema
    if "$ref" in schema or "allOf" in schema:
        kept: JsonObject = {key: schema.pop(key) for key in ("description", "default", "title") if key in schema}
        return {"anyOf": [schema, {"type": "null"}], **kept}
    return schema


def _as_object(schema: JsonObject) -> JsonObject:
    """The root: type object with properties, and a `$ref` at the root replaced by what it points to."""
    seen: list[str] = []
    while isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
        target = resolve(schema["$ref"], schema)
        if target is None or target is schema:
            break
        seen.append(schema["$ref"])
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    kind = schema.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise ToolError(f"the parameters have type {kind!r}; a function's parameters have type 'object'")
    if not isinstance(schema.get("properties", {}), dict):
        raise ToolError('\'properties\' is not an object; write it as {"name": {"type": ...}, ...}')
    if "type" not in schema or "properties" not in schema:
        schema = {"type": "object", "properties": {}, **schema}
    return {**schema, "type": "object"}
