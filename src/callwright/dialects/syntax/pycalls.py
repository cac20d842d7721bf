"""Calls in Python syntax: their writer and their rule."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterator

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.constrain.values import PYTHON, Python, arguments_rule
from callwright.errors import DataError
from callwright.types import Kind, Segment, Tool, ToolCall

_TOKEN = re.compile(
    r"(?P<key>[^\W\d][\w.\-]*)(?P<equals>\s*=)|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?P<colon>\s*:)?"
    r"|(?P<scaffold>\*\*\{|[{}\[\](),\s]+)|(?P<plain>[^{}\[\](),\s]+)",
    re.S,
)


def literal(value: object) -> str:
    """A JSON value as a Python literal.

    >>> literal({"a": [True, None, "it's"]})
    '{\\'a\\': [True, None, "it\\'s"]}'
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError("", f"{value} has no Python literal")
    return repr(value)


def write_python(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
    """`name(key=value)`; keys that are no identifiers stand in `**{...}` at the end."""
    yield Segment(call.name, Kind.NAME, weight)
    yield Segment("(", Kind.SCAFFOLD, weight)
    plain = [f"{key}={literal(value)}" for key, value in call.arguments.items() if is_plain(key)]
    other = {key: value for key, value in call.arguments.items() if not is_plain(key)}
    text = ", ".join([*plain, *([f"**{literal(other)}"] if other else [])])
    if text:
        yield Segment(text, Kind.ARGUMENT, weight)
    yield Segment(")", Kind.SCAFFOLD, weight)


def is_plain(key: str) -> bool:
    """Whether a key can stand before "="; keywords such as `from` can, because nothing executes the call."""
    return key.isidentifier() or keyword.iskeyword(key)


def refine(arguments: str) -> Iterator[tuple[str, Kind]]:
    """Python arguments -> keys, values, and what a grammar forces."""
    for found in _TOKEN.finditer(arguments):
        if found["key"]:
            yield found["key"], Kind.KEY
            yield found["equals"], Kind.SCAFFOLD
        elif found["colon"]:
            yield found["string"], Kind.KEY
            yield found["colon"], Kind.SCAFFOLD
        else:
            yield found.group(), Kind.SCAFFOLD if found["scaffold"] else Kind.ARGUMENT


def python_rule(tool: Tool, rules: Rules, before: str, style: Python = PYTHON) -> str:
    """What `write_python` writes, in the schema's order."""
    return " ".join([rules.text(before + tool.name + "("), arguments_rule(tool, style, rules), rules.text(")")])
