"""A JSON Schema + a random generator -> one JSON value that the schema admits."""

from __future__ import annotations

import datetime
import functools
import json
import math
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs

from callwright.errors import ToolError
from callwright.schema.check import compiled
from callwright.schema.walk import UNIONS, resolve
from callwright.types import JsonObject

_TRIES = 50
_DEEPEST = 4
_ENDLESS = 60
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour", "indigo", "juniper", "kestrel")
_TYPE_OF_KEYWORD = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "minProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}


@dataclass(frozen=True, slots=True)
class _Sampler:
    """What every level of one sample shares; `depth` grows, so that recursive schemas end."""

    rng: random.Random
    root: JsonObject
    depth: int = 0


def sample_value(schema: JsonObject, rng: random.Random, root: JsonObject | None = None) -> Any:
    """A JSON value that `schema` admits; equal generators give equal values.

    `root` holds the `$defs` that a part of a larger schema points to; it is `schema` itself by default.
    Reads enum, const, types, anyOf, oneOf, allOf, local `$ref`, sizes, limits, multipleOf, uniqueItems and the usual
    formats, and patterns that Python can read. For `not` and `if` it tries: the examples and the default help it.

    Raises ToolError where no value that it tried is valid.

    >>> sample_value({"type": "string", "enum": ["on", "off"]}, random.Random(0))
    'off'
    """
    sampler = _Sampler(rng, schema if root is None else root)
    validator = _validator(schema, sampler.root)
    value: Any = None
    for _ in range(_TRIES):
        value = _value(schema, sampler)
        if validator.is_valid(value):
            return value
    for value in _given(schema):
        if validator.is_valid(value):
            return value
    raise ToolError(
        f"found no value for the schema {json.dumps(schema, ensure_ascii=False)[:200]}; "
        "give it an enum, a default or examples that are valid"
    )


def _validator(schema: JsonObject, root: JsonObject) -> jsonschema_rs.Validator:
    shared = {key: root[key] for key in ("$defs", "definitions") if key in root}
    return _validator_of(json.dumps({**shared, **schema}, sort_keys=True))


@functools.lru_cache(maxsize=4096)
def _validator_of(text: str) -> jsonschema_rs.Validator:
    try:
        return compiled(json.loads(text))
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise ToolError(f"the schema {text[:200]} is not valid: {str(error).splitlines()[0]}") from error


def _given(schema: JsonObject) -> list[Any]:
    """Values that the schema itself offers."""
    examples = schema.get("examples")
    listed = list(examples) if isinstance(examples, list) else []
    return listed + [schema[key] for key in ("example", "default") if key in schema]


def _value(schema: JsonObject | bool, sampler: _Sampler) -> Any:
    if not isinstance(schema, dict):
        return _word(sampler)
    if sampler.depth > _ENDLESS:
        raise ToolError("the schema requires itself without end, so that no value is valid; make a part optional")
    sampler = replace(sampler, depth=sampler.depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return sampler.rng.choice(schema["enum"])
    target = resolve(schema.get("$ref"), sampler.root)
    if target is not None:
        return _value(_merged([target, {key: value for key, value in schema.items() if key != "$ref"}]), sampler)
    if schema.get("allOf"):
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        return _value(_merged([rest, *schema["allOf"]], sampler.root), sampler)
    for key in UNIONS:
        if schema.get(key):
            return _one_branch(schema, key, sampler)
    given = _given(schema)
    if "pattern" in schema and given:
        return sampler.rng.choice(given)
    return _MAKERS[_type(schema, sampler)](schema, sampler)


def _merged(parts: list[Any], root: JsonObject | None = None) -> JsonObject:
    """Schemas that hold together, in one: names and lists joined, the narrower limit of two kept."""
    merged: JsonObject = {}
    for part in parts:
        target = resolve(part.get("$ref"), root) if root is not None and isinstance(part, dict) else None
        if target is not None:
            part = {**target, **{key: value for key, value in part.items() if key != "$ref"}}
        for key, value in part.items() if isinstance(part, dict) else ():
            merged[key] = _joined(key, merged[key], value) if key in merged else value
    return merged


def _joined(key: str, old: Any, new: Any) -> Any:
    if key == "properties" and isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{k: _merged([old[k], v]) if k in old else v for k, v in new.items()}}
    if key in ("required", "allOf"):
        return [*old, *(item for item in new if item not in old)]
    if key == "enum":
        return [item for item in old if item in new]
    if key == "type":
        return _common_types(old, new)
    if key.lower().startswith(("min", "exclusivemin")):
        return max(old, new)
    if key.lower().startswith(("max", "exclusivemax")):
        return min(old, new)
    return new


def _common_types(old: str | list[str], new: str | list[str]) -> str | list[str]:
    first, second = (names if isinstance(names, list) else [names] for names in (old, new))
    common = [name for name in first if name in second]
    if not common and {"integer", "number"} <= {*first, *second}:
        return "integer"
    return common or new


def _one_branch(schema: JsonObject, key: str, sampler: _Sampler) -> Any:
    """A value of one branch, with what stands beside the union; for oneOf, `sample_value` tries until one fits."""
    branches = [branch for branch in schema[key] if isinstance(branch, dict)]
    if sampler.depth > _DEEPEST:
        # A leaf ends recursion, and most recursive types have one: null, or a scalar.
        leaves = [b for b in branches if not {"$ref", "properties", "items", "anyOf", "oneOf", "allOf"} & b.keys()]
        branches = leaves or branches
    rest = {name: value for name, value in schema.items() if name != key}
    return _value(_merged([rest, sampler.rng.choice(branches or [{}])], sampler.root), sampler)


def _type(schema: JsonObject, sampler: _Sampler) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        # null is always there to end recursion, and is otherwise as likely as the rest.
        return "null" if "null" in kind and sampler.depth > _DEEPEST else str(sampler.rng.choice(kind))
    if isinstance(kind, str):
        return kind
    return next((_TYPE_OF_KEYWORD[key] for key in schema if key in _TYPE_OF_KEYWORD), "string")


def _object(schema: JsonObject, sampler: _Sampler) -> JsonObject:
    named = schema.get("properties") or {}
    required = [name for name in schema.get("required", ()) if name not in named]
    value: JsonObject = {}
    for name, child in named.items():
        likely = 0.5 if sampler.depth <= _DEEPEST else 0.0
        if name in schema.get("required", ()) or (child is not False and sampler.rng.random() < likely):
            value[name] = _value(child, sampler)
    other = schema.get("additionalProperties", {})
    for name in required:
        value[name] = _value(other, sampler)
    wanted = schema.get("minProperties", 0)
    if isinstance(other, dict) and other and sampler.depth <= _DEEPEST:
        wanted = max(wanted, len(value) + sampler.rng.randint(0, 2))
    for name in [name for name in named if name not in value]:
        if len(value) < schema.get("minProperties", 0):
            value[name] = _value(named[name], sampler)
    wanted = min(wanted, schema.get("maxProperties", wanted))
    while len(value) < wanted and other is not False:
        value[f"{_word(sampler)}_{len(value)}"] = _value(other, sampler)
    for name in list(value)[::-1]:
        if len(value) > schema.get("maxProperties", len(value)) and name not in schema.get("required", ()):
            del value[name]
    return value


def _array(schema: JsonObject, sampler: _Sampler) -> list[Any]:
    fixed = schema.get("prefixItems") or []
    least = schema.get("minItems", 0)
    usual = max(least, len(fixed), 1 if sampler.depth <= _DEEPEST else 0)
    most = min(schema.get("maxItems", usual + 2), usual + 2)
    if schema.get("items") is False:
        most = min(most, len(fixed))
    # Past the deepest level only what must be there is: an optional item of a recursive type would never end.
    size = least if sampler.depth > _DEEPEST else sampler.rng.randint(min(usual, most), max(most, 0))
    value: list[Any] = []
    for _ in range(size * _TRIES):
        if len(value) == size:
            break
        item = _value(fixed[len(value)] if len(value) < len(fixed) else schema.get("items", {}), sampler)
        if not (schema.get("uniqueItems") and _is_among(item, value)):
            value.append(item)
    return value


def _is_among(item: Any, value: list[Any]) -> bool:
    # Not `in`: Python holds True equal to 1, JSON does not.
    return json.dumps(item, sort_keys=True) in (json.dumps(other, sort_keys=True) for other in value)


def _bounds(schema: JsonObject) -> tuple[float, float]:
    """The least and the greatest value; a limit that is not given lies 100 from the other, or at 0."""
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    low = max(lows) if lows else min(0, min(highs) - 100) if highs else 0
    high = min(highs) if highs else low + 100
    return low, high


def _integer(schema: JsonObject, sampler: _Sampler) -> int:
    low, high = _bounds(schema)
    step = schema.get("multipleOf", 1)
    step = int(step) if step == int(step) else 1
    first, last = math.ceil(low / step), math.floor(high / step)
    if "maximum" not in schema and "exclusiveMaximum" not in schema:
        last = max(last, first + 10)
    first += first * step == schema.get("exclusiveMinimum")
    last -= last * step == schema.get("exclusiveMaximum")
    return step * sampler.rng.randint(first, max(first, last))


def _number(schema: JsonObject, sampler: _Sampler) -> int | float:
    step = schema.get("multipleOf")
    low, high = _bounds(schema)
    if step is not None:
        first = math.ceil(low / step)
        return step * sampler.rng.randint(first, max(first, math.floor(high / step)))  # type: ignore[no-any-return]
    value = sampler.rng.uniform(low, high)
    # Two decimals read like a number that someone would say; a narrow range needs more.
    short = round(value, 2)
    return short if low < short < high else value if low < value < high else low


def _string(schema: JsonObject, sampler: _Sampler) -> str:
    if "pattern" in schema and (made := matching(schema["pattern"], sampler.rng)) is not None:
        return made
    maker = _FORMATS.get(schema.get("format", ""))
    if maker is not None:
        return maker(sampler.rng)
    text = _word(sampler)
    while len(text) < schema.get("minLength", 0):
        text += f" {_word(sampler)}"
    return text[: max(schema.get("minLength", 0), min(schema.get("maxLength", len(text)), len(text)))]


# the parts of a pattern in which a repetition without end cannot stand, or such a repetition
_UNBOUNDED = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|([*+])\??|\{(\d+),\}\??")


def matching(pattern: str, rng: random.Random) -> str | None:
    """A short text that matches; None for a pattern that Python cannot read (JSON Schema speaks ECMA's dialect)."""
    import rstr

    def bounded(found: re.Match[str]) -> str:
        if found[1]:
            return "{0,8}" if found[1] == "*" else "{1,8}"
        return f"{{{found[2]},{int(found[2]) + 8}}}" if found[2] else found[0]

    try:
        return str(rstr.Rstr(rng).xeger(_UNBOUNDED.sub(bounded, pattern)))
    except (re.error, KeyError, ValueError, IndexError):
        return None


def _word(sampler: _Sampler) -> str:
    return sampler.rng.choice(_WORDS)


def _moment(rng: random.Random) -> datetime.datetime:
    return datetime.datetime(2025, 1, 1) + datetime.timedelta(minutes=rng.randrange(2 * 365 * 24 * 60))


# Times end in Z: the standard's forms demand a time zone.
_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": lambda rng: _moment(rng).date().isoformat(),
    "time": lambda rng: _moment(rng).time().isoformat() + "Z",
    "date-time": lambda rng: _moment(rng).isoformat() + "Z",
    "duration": lambda rng: f"PT{rng.randint(1, 90)}M",
    "email": lambda rng: f"{rng.choice(_WORDS)}@example.org",
    "uri": lambda rng: f"https://example.org/{rng.choice(_WORDS)}",
    "hostname": lambda rng: f"{rng.choice(_WORDS)}.example.org",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 9999)}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
}

_MAKERS: dict[str, Callable[[JsonObject, _Sampler], Any]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "boolean": lambda schema, sampler: sampler.rng.random() < 0.5,
    "null": lambda schema, sampler: None,
}
