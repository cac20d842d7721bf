"""Python type names ("int, optional", "List[str]", as in xLAM-60k) -> JSON Schema."""

from __future__ import annotations

import ast
import copy
import functools
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from callwright.schema.walk import union
from callwright.types import JsonObject

_STRING, _INTEGER, _NUMBER, _BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}
_ARRAY, _OBJECT, _NULL = {"type": "array"}, {"type": "object"}, {"type": "null"}
_SET = {"type": "array", "uniqueItems": True}

_NAMES: dict[str, JsonObject] = {
    **dict.fromkeys(("str", "string", "text", "char", "datetime", "date", "time"), _STRING),
    **dict.fromkeys(("int", "integer", "long"), _INTEGER),
    **dict.fromkeys(("float", "number", "double", "decimal", "complex"), _NUMBER),
    **dict.fromkeys(("bool", "boolean"), _BOOLEAN),
    **dict.fromkeys(("list", "array", "sequence", "iterable", "tuple", "ndarray", "arraylist"), _ARRAY),
    **dict.fromkeys(("set", "frozenset"), _SET),
    **dict.fromkeys(("dict", "object", "mapping", "hashmap", "struct"), _OBJECT),
    **dict.fromkeys(("none", "null", "nonetype"), _NULL),
}
_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}

_DEFAULT = re.compile(r"defaults?\b(?:\s+(?:is|to|value))?\s*[:=]?\s*(.+)", re.IGNORECASE | re.DOTALL)
_NOTE = re.compile(r"\s*\((optional|required)\)\s*$", re.IGNORECASE)
_EXPRESSION = re.compile(r"[\w\s.,|\[\]'\"-]+")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class TypeName:
    """What a type name says: the schema, whether the value may be left out, and a default written in the name."""

    schema: JsonObject
    optional: bool
    default: object = _MISSING


def parameters_from_type_names(parameters: JsonObject) -> JsonObject:
    """xLAM's flat parameters as a JSON Schema of type object.

    A parameter is required unless its type says optional or it has a default, an empty string included.
    What is not a type name admits any value.

    >>> parameters_from_type_names({"n": {"type": "int, optional", "description": "How many.", "default": "3"}})
    {'type': 'object', 'properties': {'n': {'type': 'integer', 'description': 'How many.', 'default': 3}}}
    >>> parameters_from_type_names({"city": {"type": "str"}})
    {'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']}
    """
    properties: JsonObject = {}
    required: list[str] = []
    for name, raw in parameters.items():
        if not isinstance(raw, dict):
            continue
        said = parse_type_name(raw["type"]) if isinstance(raw.get("type"), str) else TypeName({}, False)
        schema = {**said.schema, **{key: value for key, value in raw.items() if key not in ("type", "required")}}
        if isinstance(raw.get("type"), list):
            schema["type"] = raw["type"]
        if "default" not in schema and said.default is not _MISSING:
            schema["default"] = copy.deepcopy(said.default)
        if "default" in schema:
            schema["default"] = coerce(schema["default"], schema.get("type"))
        properties[name] = schema
        flag = raw.get("required")
        if flag if isinstance(flag, bool) else not said.optional and "default" not in schema:
            required.append(name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def parse_type_name(text: str) -> TypeName:
    """A type name as it stands in a data set.

    >>> parse_type_name("Dict[str, float], optional").schema
    {'type': 'object', 'additionalProperties': {'type': 'number'}}
    >>> parse_type_name("Union[int, str]").schema
    {'type': ['integer', 'string']}
    """
    said = _parse(text)
    # The cached answer is shared, and callers merge it into schemas of their own.
    return replace(said, schema=copy.deepcopy(said.schema))


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> TypeName:
    note = _NOTE.search(text)
    optional = note is not None and note.group(1).lower() == "optional"
    head, *flags = _split(text[: note.start()] if note else text)
    default: object = _MISSING
    for flag in flags:
        written = _DEFAULT.match(flag)
        if written:
            default = _literal(written.group(1))
        elif flag.lower() == "optional":
            optional = True
    try:
        tree = _tree(head)
        schema = _from_tree(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return TypeName({}, optional, default)
    optional = optional or (isinstance(tree, ast.Subscript) and _last_name(tree.value) == "optional")
    return TypeName(schema, optional, default)


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth <= 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _tree(text: str) -> ast.expr:
    """The expression in `text`. Raises SyntaxError for prose, before Python could warn about its escapes."""
    if not _EXPRESSION.fullmatch(text):
        raise SyntaxError(text)
    return ast.parse(text, mode="eval").body


def _literal(text: str) -> object:
    """The JSON or Python value that `text` spells, or the text itself."""
    text = text.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            return json.loads(json.dumps(read(text), allow_nan=False))
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            continue
    return text


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr.lower()
    return node.id.lower() if isinstance(node, ast.Name) else ""


def _from_tree(node: ast.expr) -> JsonObject:
    """The schema of a type expression; {} (any value) for what is not a type."""
    match node:
        case ast.Constant(value=None):
            return _NULL
        case ast.Constant(value=str(text)):
            return _from_tree(_tree(text.strip()))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return union([_from_tree(left), _from_tree(right)])
        case ast.BoolOp(op=ast.Or(), values=values):
            return union([_from_tree(value) for value in values])
        case ast.Name() | ast.Attribute():
            return _NAMES.get(_last_name(node), {})
        case ast.Subscript(value=head, slice=inner):
            return _generic(_last_name(head), inner.elts if isinstance(inner, ast.Tuple) else [inner])
        case _:
            return {}


def _generic(head: str, arguments: list[ast.expr]) -> JsonObject:
    if head == "literal":
        return choices([_literal(ast.unparse(item)) for item in arguments])
    if head == "annotated" and arguments:
        return _from_tree(arguments[0])
    if head in ("optional", "union"):
        extra = [_NULL] if head == "optional" else []
        return union([*(_from_tree(item) for item in arguments), *extra])
    base = _NAMES.get(head, {})
    if head == "tuple":
        return tuple_schema([None if _is_ellipsis(item) else _from_tree(item) for item in arguments])
    if base.get("type") == "array" and arguments:
        inner = _from_tree(arguments[0])
        return {**base, **({"items": inner} if inner else {})}
    if base.get("type") == "object" and len(arguments) == 2:
        value = _from_tree(arguments[1])
        return {**base, **({"additionalProperties": value} if value else {})}
    return base


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def tuple_schema(items: list[JsonObject | None]) -> JsonObject:
    """A tuple's schema; None stands for the `...` of `tuple[int, ...]`.

    >>> tuple_schema([{"type": "integer"}, None])
    {'type': 'array', 'items': {'type': 'integer'}}
    """
    fixed = [item for item in items if item is not None]
    if len(fixed) < len(items):
        return {"type": "array", **({"items": fixed[0]} if fixed and fixed[0] else {})}
    if not fixed:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "prefixItems": fixed, "minItems": len(fixed), "maxItems": len(fixed)}


def choices(values: list[Any]) -> JsonObject:
    """A schema of these values, with their types where JSON knows them.

    >>> choices(["a", "b"])
    {'type': 'string', 'enum': ['a', 'b']}
    """
    types = list(dict.fromkeys(_JSON_TYPES[type(value)] for value in values if type(value) in _JSON_TYPES))
    if not types:
        return {}
    return {"type": types[0] if len(types) == 1 else types, "enum": values}


def coerce(value: Any, kind: object) -> Any:
    """A default in the type that its schema names, where there is one way to read it; else the value as it is.

    >>> coerce("10", "integer"), coerce("True", "boolean"), coerce("ten", "integer"), coerce("10", "string")
    (10, True, 'ten', '10')
    """
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}(\.0+)?", text):
        return int(text.partition(".")[0])
    if kind == "number" and re.fullmatch(r"[+-]?(\d{1,18}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", text):
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in ("array", "object"):
        found = _literal(text)
        return found if isinstance(found, list if kind == "array" else dict) else value
    return value
