"""Arguments + a tool's parameters -> what is wrong with them; parameters -> what is wrong with the schema itself."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from callwright.errors import did_you_mean
from callwright.schema.normal import has_none_filler
from callwright.schema.walk import LISTS, UNIONS, children, map_children, resolve
from callwright.types import JsonObject

_OPENERS = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_IN_PLACE = ("allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "dependentSchemas")
_LIMITS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
_LONGEST_VALUE = 60

# Lint validates millions of calls against few schemas: identity answers at once where text would be dumped each time.
# An entry holds its schema, so that an id is never reused while its entry lives.
_COMPILED: dict[int, tuple[JsonObject, jsonschema_rs.Validator | str]] = {}
_MOST_COMPILED = 65_536


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that is wrong with arguments. `path` leads to the field, also to one that is missing or unknown.

    `what` says it beside the field; `where` before it makes a sentence of its own.
    """

    path: tuple[str | int, ...]
    where: str
    what: str


def validate(arguments: JsonObject, parameters: JsonObject) -> list[str]:
    """What is wrong with a call's arguments; empty where they are valid.

    `parameters` is a normalised schema, and must not be altered in place afterwards: compiled validators are kept
    by identity. Where an object declares properties and does not say `additionalProperties`, unknown names are wrong.
    Dates and times may have any form that Python's `fromisoformat` reads. Never raises.

    >>> schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    >>> validate({"city": "Oslo"}, schema)
    []
    >>> validate({"citty": "Oslo"}, schema)
    ["unknown argument 'citty'; did you mean 'city'?", "missing required argument 'city'"]
    """
    found = misfits(arguments, parameters)
    return list(dict.fromkeys(each.where + each.what for each in found)) if found else []


def misfits(arguments: JsonObject, parameters: JsonObject) -> list[Misfit]:
    """As `validate`, with the path of each field, for whoever shows them at the fields. Never raises.

    >>> schema = {"type": "object", "properties": {"days": {"type": "array", "items": {"type": "integer"}}}}
    >>> misfits({"days": [1, "two"]}, schema)[0].path
    ('days', 1)
    """
    entry = _COMPILED.get(id(parameters))
    validator = _remember(parameters) if entry is None else entry[1]
    if isinstance(validator, str):
        return [Misfit((), "", f"the tool's schema cannot be used: {validator}")]
    try:
        if validator.is_valid(arguments):
            return []
        errors = list(validator.iter_errors(arguments))
    except (ValueError, OverflowError) as error:  # UnicodeEncodeError, for a lone surrogate, is a ValueError.
        return [Misfit((), "", f"the arguments are not JSON: {error}")]
    return [found for error in errors for found in _explain(error, parameters)]


def _remember(parameters: JsonObject) -> jsonschema_rs.Validator | str:
    if len(_COMPILED) >= _MOST_COMPILED:
        _COMPILED.clear()
    try:
        text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        return f"it is not JSON: {error}"
    validator = _compile(text)
    _COMPILED[id(parameters)] = (parameters, validator)
    return validator


@functools.lru_cache(maxsize=16_384)
def _compile(text: str) -> jsonschema_rs.Validator | str:
    schema = json.loads(text)
    try:
        return compiled(_close(schema, schema, is_value=True))
    except (jsonschema_rs.ValidationError, ValueError, RecursionError) as error:
        return _first_line(error)


def compiled(schema: JsonObject) -> jsonschema_rs.Validator:
    """A validator of 2020-12 with formats on, which never fetches a `$ref`. Raises `jsonschema_rs.ValidationError`."""
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, formats=_FORMATS, offline=True)


def _reads(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return accepts


# The RFC 3339 forms that the standard means demand a time zone, which neither people nor Python's isoformat() write.
_FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _reads(datetime.date.fromisoformat),
    "time": _reads(datetime.time.fromisoformat),
    "date-time": _reads(datetime.datetime.fromisoformat),
}


def _close(schema: JsonObject, root: JsonObject, *, is_value: bool = False) -> JsonObject:
    """A copy in which objects that declare properties admit no others.

    `is_value` False where the schema is one of several for the same value (a branch of allOf, a shared definition),
    which alone does not know all the names.
    """
    composed = any(key in schema for key in ("properties", "allOf", "$ref"))

    def close_branch(child: JsonObject) -> JsonObject:
        return _close(child, root, is_value=is_value and not composed)

    closed = map_children(schema, lambda child: _close(child, root, is_value=True))
    for key in LISTS - {"prefixItems"}:
        if isinstance(schema.get(key), list):
            child_of = close_branch if key in UNIONS else (lambda child: _close(child, root))
            closed[key] = [child_of(child) if isinstance(child, dict) else child for child in schema[key]]
    for key in ("$defs", "definitions", "dependentSchemas"):
        if isinstance(schema.get(key), dict):
            shared = schema[key].items()
            closed[key] = {name: _close(child, root) if isinstance(child, dict) else child for name, child in shared}
    for key in ("if", "then", "else", "not"):
        if isinstance(schema.get(key), dict):
            closed[key] = schema[key]
    if is_value and (schema is root or _declares(schema, root)) and not _is_open(schema, root):
        in_place = any(key in schema for key in _IN_PLACE)
        closed["unevaluatedProperties" if in_place else "additionalProperties"] = False
    return closed


def _parts(schema: JsonObject, root: JsonObject) -> Iterator[JsonObject]:
    """The schema and those that it joins by `$ref` and `allOf`, each once."""
    waiting, seen = [schema], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        target = resolve(part.get("$ref"), root)
        waiting += [target] if target is not None else []
        branches = part.get("allOf")
        waiting += [one for one in branches if isinstance(one, dict)] if isinstance(branches, list) else []


def _declares(schema: JsonObject, root: JsonObject) -> bool:
    return any(part.get("properties") for part in _parts(schema, root))


def _is_open(schema: JsonObject, root: JsonObject) -> bool:
    return any(key in part for part in _parts(schema, root) for key in _OPENERS)


def _explain(error: jsonschema_rs.ValidationError, parameters: JsonObject) -> list[Misfit]:
    path = list(error.instance_path)
    at = tuple(path)
    where = f"argument '{_dotted(path)}': " if path else ""
    match error.kind.as_dict():
        case {"property": str(name)}:
            return [Misfit((*at, name), where, f"missing required {'field' if where else 'argument'} '{name}'")]
        case {"unexpected": list(names)}:
            known = _known_names(parameters, path)
            field = "unknown field" if where else "unknown argument"
            return [Misfit((*at, name), where, f"{field} '{name}'{did_you_mean(str(name), known)}") for name in names]
        case {"types": list(types)}:
            return [Misfit(at, where, f"{_shown(error.instance)} is not of type {_either(types)}")]
        case {"options": list(options)} if len(options) <= 20:
            near = did_you_mean(error.instance, map(str, options)) if isinstance(error.instance, str) else ""
            told = f"{_shown(error.instance)} is not one of {', '.join(map(_shown, options))}{near}"
            return [Misfit(at, where, told)]
        case {"context": list(branches)} if branches and all(branches):
            return [Misfit(at, where, _no_branch(error.instance, branches, len(path)))]
    return [Misfit(at, where, _first_line(error))]


def _no_branch(instance: object, branches: list[list[jsonschema_rs.ValidationError]], depth: int) -> str:
    """Why no branch of an anyOf at `depth` fits: the types where that is all, else the first reason of each."""
    types: list[str] = []
    for branch in branches:
        said = branch[0].kind.as_dict().get("types") if len(branch[0].instance_path) <= depth else None
        if said is None:
            reasons = dict.fromkeys(_first_line(each[0]) for each in branches)
            return f"{_shown(instance)} fits none of the allowed forms ({'; '.join(reasons)})"
        types += said
    return f"{_shown(instance)} is not of type {_either(list(dict.fromkeys(types)))}"


def _known_names(parameters: JsonObject, path: list[Any]) -> list[str]:
    """The property names at a path, as far as plain `properties` and `items` lead there."""
    schema: Any = parameters
    for step in path:
        schema = _step(schema, step, parameters)
    parts = _parts(schema, parameters) if isinstance(schema, dict) else iter(())
    return [name for part in parts if isinstance(part.get("properties"), dict) for name in part["properties"]]


def _step(schema: Any, step: str | int, root: JsonObject) -> Any:
    for part in _parts(schema, root) if isinstance(schema, dict) else ():
        named = part.get("properties")
        if isinstance(step, str) and isinstance(named, dict) and step in named:
            return named[step]
        if isinstance(step, int) and "items" in part:
            return part["items"]
    return None


def _dotted(path: list[Any]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _shown(value: object) -> str:
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _either(types: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in types)


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
    return text.splitlines()[0] if text else type(error).__name__


def check_schema(parameters: object) -> list[str]:
    """Problems in a parameters schema itself, each with the path of the part; empty for a good schema.

    >>> check_schema({"type": "object", "properties": {"n": {"type": "int"}}, "required": ["m"]})[0]
    "required names 'm', which is not a property; declare it or remove it from required"
    """
    if not isinstance(parameters, dict):
        return [f"the parameters are a {type(parameters).__name__}, not an object"]
    problems = []
    if has_none_filler(parameters):
        problems.append("holds null-filled keys, as a saved Arrow table does; normalise() removes them")
    if parameters.get("type") != "object":
        problems.append(f"type is {_shown(parameters.get('type'))}; parameters have type 'object'")
    problems += _check_part(parameters, parameters, "")
    try:
        compiled(parameters)
    except jsonschema_rs.ValidationError as error:
        path = "/".join(map(str, error.instance_path))
        problems.append(f"{path}: {_first_line(error)}" if path else _first_line(error))
    except (ValueError, RecursionError) as error:
        problems.append(_first_line(error))
    return problems


def _check_part(schema: JsonObject, root: JsonObject, path: str) -> list[str]:
    at = f"{path}: " if path else ""
    problems = []
    if "$ref" in schema and resolve(schema["$ref"], root) is None:
        problems.append(f"{at}$ref {_shown(schema['$ref'])} points nowhere; only local references are read")
    properties = [part.get("properties") for part in _parts(schema, root)]
    named = {name: 0 for some in properties if isinstance(some, dict) for name in some}
    if isinstance(schema.get("required"), list) and named:
        problems += [
            f"{at}required names '{name}', which is not a property"
            + (did_you_mean(name, named) or "; declare it or remove it from required")
            for name in schema["required"]
            if isinstance(name, str) and name not in named
        ]
    if schema.get("enum") == []:
        problems.append(f"{at}enum is empty, so that no value is valid; list the values or remove it")
    for low, high in _LIMITS:
        if _is_number(schema.get(low)) and _is_number(schema.get(high)) and schema[low] > schema[high]:
            problems.append(f"{at}{low} {schema[low]} is above {high} {schema[high]}")
    problems += [f"{at}{key}" for key in _bad_values(schema, root)]
    for step, child in children(schema):
        problems += _check_part(child, root, f"{path}/{step}" if path else step)
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad_values(schema: JsonObject, root: JsonObject) -> Iterator[str]:
    """A default, or a choice, that its own schema does not admit."""
    values = [("default", schema["default"])] if "default" in schema else []
    if isinstance(schema.get("enum"), list):
        values += [("enum value", value) for value in schema["enum"]]
    if not values:
        return
    shared: JsonObject = {key: root[key] for key in ("$defs", "definitions") if key in root}
    try:
        validator = compiled({**shared, **schema})
    except (jsonschema_rs.ValidationError, ValueError, RecursionError):
        return
    for what, value in values:
        # `= None` is Python's way to say "not given", whatever the type.
        if not (what == "default" and value is None) and not validator.is_valid(value):
            yield f"{what} {_shown(value)} is not valid by its own schema"
