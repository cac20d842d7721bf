"""`[f(a="x", n=1), g()]` -> calls, and back: Python call syntax, read by a scanner, never run as code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from callwright.data import strict
from callwright.types import JsonObject, ToolCall

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = {"true": True, "false": False, "null": None}


class CallSyntaxError(ValueError):
    """Text that is not a list of calls; `position` counts characters from its start."""

    def __init__(self, why: str, position: int) -> None:
        super().__init__(f"{why} at character {position}")
        self.position = position


def read_python_calls(text: str) -> tuple[ToolCall, ...]:
    """Calls in Python syntax, in brackets or without; names and keys may hold spaces, dots and hyphens.

    Values are Python or JSON literals. Raises CallSyntaxError, which is a ValueError.

    >>> read_python_calls("[Market Trends API(kind='x', n=2), noop()]")[0]
    ToolCall(name='Market Trends API', arguments={'kind': 'x', 'n': 2}, id='')
    """
    start = len(text) - len(text.lstrip())
    body = text.strip()
    if body.startswith("["):
        end = _closing(body, 0)
        if end != len(body) - 1:
            raise CallSyntaxError("text after the list of calls", start + end + 1)
        start, body = start + 1, body[1:-1]
    return tuple(_call(body[low:high], start + low) for low, high in _split(body, ",") if body[low:high].strip())


def write_python_calls(calls: Sequence[ToolCall]) -> str:
    """The calls as `read_python_calls` reads them. Raises ValueError for a name or key that this syntax cannot hold.

    >>> write_python_calls([ToolCall("f", {"a": "x", "n": None})])
    "[f(a='x', n=None)]"
    """
    return "[" + ", ".join(_written(call) for call in calls) + "]"


def _written(call: ToolCall) -> str:
    for name, extra in ((call.name, "="), *((key, "") for key in call.arguments)):
        if not name or name != name.strip() or any(char in "()[]{},'\"\\\n" + "=" + extra for char in name):
            raise ValueError(f"{name!r} cannot be written in Python call syntax")
    return f"{call.name}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())})"


def _call(text: str, start: int) -> ToolCall:
    opening = text.find("(")
    name = text[:opening].strip() if opening >= 0 else ""
    if not name or any(char in "[]{}'\"" for char in name):
        raise CallSyntaxError("a call must begin with a name and '('", start)
    end = _closing(text, opening)
    if text[end + 1 :].strip():
        raise CallSyntaxError("text after a call", start + end + 1)
    arguments: JsonObject = {}
    inner = text[opening + 1 : end]
    for low, high in _split(inner, ","):
        part = inner[low:high]
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise CallSyntaxError(f"the argument {part.strip()[:40]!r} has no name", start + opening + 1 + low)
        if key.strip() in arguments:
            raise CallSyntaxError(f"the argument {key.strip()[:40]!r} is given twice", start + opening + 1 + low)
        arguments[key.strip()] = _literal(value, start + opening + 1 + low + len(key) + 1)
    return ToolCall(name, arguments)


def _literal(text: str, start: int) -> Any:
    body = text.strip()
    if body in _WORDS:
        return _WORDS[body]
    try:
        return strict.literal(body)
    except strict.RepeatedKey as error:
        raise CallSyntaxError(str(error), start) from None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    try:
        return strict.loads(body)
    except (ValueError, RecursionError):
        raise CallSyntaxError(f"{body[:40]!r} is not a literal value", start) from None


def _scan(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Characters outside of strings with their places. Raises CallSyntaxError for a string that is never closed."""
    place, before = start, "("
    while place < len(text):
        char = text[place]
        # an apostrophe inside a name opens nothing: a string begins after '=', ',', ':' or a bracket
        if char in "'\"" and before in "=,:([{":
            end = place + 1
            while end < len(text) and text[end] != char:
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                raise CallSyntaxError("a string is never closed", place)
            place, before = end + 1, char
            continue
        if not char.isspace():
            before = char
        yield place, char
        place += 1


def _closing(text: str, opening: int) -> int:
    """The place of the bracket that closes the one at `opening`."""
    expected: list[str] = []
    for place, char in _scan(text, opening):
        if char in _CLOSING:
            expected.append(_CLOSING[char])
        elif char in ")]}":
            if not expected or expected.pop() != char:
                raise CallSyntaxError(f"an unexpected '{char}'", place)
            if not expected:
                return place
    raise CallSyntaxError(f"'{text[opening]}' is never closed", opening)


def _split(text: str, at: str) -> Iterator[tuple[int, int]]:
    """Spans between the separators that stand outside of brackets and strings."""
    depth = low = 0
    for place, char in _scan(text, 0):
        if char in _CLOSING:
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == at and depth == 0:
            yield low, place
            low = place + 1
    yield low, len(text)
