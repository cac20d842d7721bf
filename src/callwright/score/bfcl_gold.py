"""The leaderboard's own answers -> the calls that a perfect model would write: what checks the checkers."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from callwright.score.bfcl import Entry, leaderboard
from callwright.types import JsonObject, ToolCall


def gold_calls(entry: Entry) -> tuple[ToolCall, ...]:
    """The first accepted value of every argument that may not be left out; as texts for Java and JavaScript.

    Where any call will do, one of the first function with a value for each required argument; none where none is due.
    """
    if entry.answers is None:
        return () if "irrelevance" in entry.category else (_any_call(entry.asked["function"][0]),)
    return tuple(_call(entry, name, accepted) for answer in entry.answers for name, accepted in answer.items())


def gold_steps(entry: Entry) -> tuple[tuple[ToolCall, ...], ...]:
    """A multi-turn row's calls, turn by turn; what has no name there gets that of the function's parameter."""
    order = {one["name"]: list(one["parameters"]["properties"]) for one in documented(entry)}
    return tuple(tuple(_read(text, order) for text in turn) for turn in entry.answers or ())


def documented(entry: Entry) -> list[JsonObject]:
    """The functions of a multi-turn row's back ends: those offered, and those that a later turn adds."""
    return [*entry.functions, *(one for late in entry.asked.get("missed_function", {}).values() for one in late)]


def _read(text: str, order: dict[str, list[str]]) -> ToolCall:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    given = {name: ast.literal_eval(value) for name, value in zip(order[call.func.id], call.args, strict=False)}
    given |= {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    return ToolCall(call.func.id, given)


def _any_call(function: JsonObject) -> ToolCall:
    kinds = function["parameters"]["properties"]
    required = function["parameters"].get("required", ())
    return ToolCall(function["name"], {key: _any_value(kinds[key]) for key in required})


def _any_value(kind: JsonObject) -> Any:
    examples = {"integer": 1, "float": 1.5, "number": 1.5, "boolean": True, "array": [], "tuple": [], "dict": {}}
    return kind["enum"][0] if kind.get("enum") else examples.get(kind["type"], "x")


def _call(entry: Entry, name: str, accepted: JsonObject) -> ToolCall:
    parameters = next(one["parameters"] for one in entry.functions if one["name"] == name)
    given = _first(accepted, parameters.get("required", ()))
    if entry.language == "python":
        return ToolCall(name, given)
    kinds = parameters["properties"]
    return ToolCall(name, {key: _text(entry.language, value, kinds[key]) for key, value in given.items()})


def _first(accepted: JsonObject, required: Sequence[str] = ()) -> JsonObject:
    made = {}
    for key, values in accepted.items():
        values = values if isinstance(values, list) else [values]
        real = [value for value in values if value != ""]
        if real and ("" not in values or key in required):
            made[key] = _value(real[0])
    return made


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return _first(value)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [_first(item) for item in value]
    return value


def _text(language: str, value: Any, kind: JsonObject) -> str:
    """A value as its language writes it: the first of the ways that the leaderboard's converter reads as this value."""
    inner = [kind["items"]["type"]] if kind["type"] in ("Array", "ArrayList", "array") else []
    ways = _java(value) if language == "java" else [str(value), json.dumps(value), f"{value}n"]
    for way in ways:
        try:
            if leaderboard().convert[language](way, kind["type"], *inner) == value:
                return way
        except (ValueError, NotImplementedError):
            continue
    return str(value)


def _java(value: Any) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, list):
        plain = ", ".join(map(str, value))
        longs = ", ".join(f"{item}L" for item in value)
        quoted = ", ".join(map(_literal, value))
        return [
            *(f"new ArrayList<>(Arrays.asList({items}))" for items in (quoted, plain, longs)),
            *(f"new Object[]{{{items}}}" for items in (quoted, plain)),
            *("new ArrayList<>()", "new Object[]{}"),
        ]
    if isinstance(value, dict):
        puts = " ".join(f"put({json.dumps(key)}, {_literal(inner)});" for key, inner in value.items())
        return [f"new HashMap<String, Object>() {{{{ {puts} }}}}"]
    return [str(value), f"{value}L", f"{value}f"]


def _literal(value: Any) -> str:
    return json.dumps(value)
