"""JSON values and call objects out of a cursor: strict, and piece by piece."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from callwright.dialects.base import CallPiece
from callwright.dialects.parse.cursor import Broken, Cursor, Emit, ReadCall, Reading
from callwright.types import JsonObject, Kind, ToolCall

DEEPEST = 100
"""Levels of nesting; what is deeper is no call but a repetition."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:40]} is beyond what a number can be")
    return value


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)

_IN_STRING = re.compile(r'[^"\\\x00-\x1f]*')
_BETWEEN = re.compile(r"[\s,:0-9eE+\-.truefalsnNaIity]*")
_SCALAR = re.compile(r"[0-9a-zA-Z+\-.]+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')


class OpenCall:
    """A call while it is read: its name first, then its arguments as they come, then the whole."""

    __slots__ = ("_cursor", "_held", "index", "name")

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._held: list[str] = []
        self.index = -1
        self.name = ""

    def begin(self, name: str, call_id: str = "") -> None:
        """The name is known."""
        self.index, self.name = self._cursor.begun, name
        self._cursor.begun += 1
        self._cursor.piece(CallPiece(self.index, name, call_id, "".join(self._held)))
        self._held = []

    def arguments(self, fragment: str) -> None:
        """More of the arguments' JSON text."""
        if self.index < 0:
            self._held.append(fragment)
        elif fragment:
            self._cursor.piece(CallPiece(self.index, arguments=fragment))


def json_value(cursor: Cursor, emit: Emit | None = None) -> Reading[Any]:
    """One strict JSON value; objects, arrays and strings are emitted while they come. Raises Broken."""
    first = yield from cursor.peek()
    if first not in ('"', "{", "["):
        return (yield from _scalar(cursor, emit))
    start = cursor.at
    try:
        value, end = DECODER.raw_decode(cursor.text, start)
    except (ValueError, RecursionError):
        end = -1
    if end < 0 or too_deep(cursor.text, start, end):
        end = yield from _extent(cursor, emit)
        value = _decode(cursor, start, end)
    elif emit:
        emit(cursor.text[start:end])
    cursor.at = end
    return value


def too_deep(text: str, start: int, end: int) -> bool:
    """Whether JSON text[start:end] is nested more than DEEPEST levels."""
    if text.count("[", start, end) + text.count("{", start, end) <= DEEPEST:
        return False
    try:
        _Inside(start).pass_over(text[:end])
    except Broken:
        return True
    return False


def _decode(cursor: Cursor, start: int, end: int) -> Any:
    try:
        return DECODER.decode(cursor.text[start:end])
    except json.JSONDecodeError as error:
        raise Broken(f"not JSON at character {start + error.pos}: {error.msg}", end) from None
    except (ValueError, RecursionError) as error:
        raise Broken(f"not JSON at character {start}: {error}", end) from None


def _scalar(cursor: Cursor, emit: Emit | None) -> Reading[Any]:
    start = cursor.at
    found = yield from cursor.match(_SCALAR, "a JSON value")
    value = _decode(cursor, start, found.end())
    if emit:
        emit(found.group())
    return value


def _extent(cursor: Cursor, emit: Emit | None) -> Reading[int]:
    """The end of the string, object or array at the cursor, by its quotes and brackets."""
    start = sent = cursor.at
    inside = _Inside(start)
    while not inside.pass_over(cursor.text):
        if emit and inside.place > sent:
            emit(cursor.text[sent : inside.place])
        sent = inside.place
        if cursor.ended:
            raise inside.unfinished(cursor.text)
        yield
    if emit:
        emit(cursor.text[sent : inside.place])
    return inside.place


class _Inside:
    """A place in a JSON value: how deep it is, and where the string began in which it is (-1 outside)."""

    def __init__(self, start: int) -> None:
        self.start = self.place = start
        self.depth, self.string = 0, -1

    def pass_over(self, text: str) -> bool:
        """Goes on as far as the text does, and says whether that was the end of the value. Raises Broken."""
        while self.place < len(text):
            if not (self._in_string(text) if self.string >= 0 else self._between(text)):
                return False
            if self.depth == 0 and self.string < 0:
                return True
        return False

    def _in_string(self, text: str) -> bool:
        found = _IN_STRING.match(text, self.place)
        assert found
        self.place = found.end()
        char = text[self.place : self.place + 1]
        if char == "\\":
            if self.place + 1 == len(text):
                return False
            self.place += 2
        elif char == '"':
            self.place, self.string = self.place + 1, -1
        elif char:
            # a forgotten quote cannot swallow what follows on other lines
            why = f"not JSON at character {self.place}: a string that began at {self.string} is not closed"
            raise Broken(why, self.string)
        return bool(char)

    def _between(self, text: str) -> bool:
        found = _BETWEEN.match(text, self.place)
        assert found
        self.place = found.end()
        char = text[self.place : self.place + 1]
        if char == '"':
            self.string = self.place
        elif char and char in "{[":
            self.depth += 1
            if self.depth > DEEPEST:
                raise Broken(f"at character {self.place}, nested more than {DEEPEST} levels", self.place)
        elif char and char in "}]":
            self.depth -= 1
        elif char:
            raise _misplaced(text, self.start, self.place)
        self.place += len(char)
        return bool(char)

    def unfinished(self, text: str) -> Broken:
        """What the end of the text leaves open."""
        if self.string >= 0:
            why = f"not JSON: it ends at character {len(text)}, in a string that began at {self.string}"
            return Broken(why, self.string)
        return Broken(f"not JSON: it ends at character {len(text)}, inside a value", len(text))


def _misplaced(text: str, start: int, place: int) -> Broken:
    """What the JSON parser says of a character that can stand in no value."""
    try:
        DECODER.raw_decode(text[: place + 1], start)
    except json.JSONDecodeError as error:
        return Broken(f"not JSON at character {error.pos}: {error.msg}", place)
    except (ValueError, RecursionError) as error:
        return Broken(f"not JSON at character {start}: {error}", place)
    return Broken(f"not JSON at character {place}", place)


@dataclass(frozen=True)
class Keys:
    """How a family names the parts of a call object."""

    name: str = "name"
    arguments: tuple[str, ...] = ("arguments", "parameters")
    id: tuple[str, ...] = ("id", "tool_call_id")

    def head(self) -> re.Pattern[str]:
        """The usual beginning of a call object, up to its arguments."""
        name, arguments = re.escape(self.name), "|".join(map(re.escape, self.arguments))
        space = r"[ \t\r\n]*"
        parts = ("\\{", f'"{name}"', ":", '"([^"\\\\\\x00-\\x1f]+)"', ",", f'"(?:{arguments})"', ":", "(?=\\{)")
        return re.compile(space.join(parts))


def call_object(keys: Keys | None = None) -> ReadCall:
    """A reader of `{"name": ..., "arguments": {...}}`, its keys in any order."""
    known = keys or Keys()
    head = known.head()

    def read(cursor: Cursor) -> Reading[ToolCall]:
        call = OpenCall(cursor)
        found = head.match(cursor.text, cursor.at)
        if not found:
            return (yield from _any_order(cursor, call, known))
        cursor.span(*found.span(1), Kind.NAME)
        call.begin(found.group(1))
        cursor.at = found.end()
        arguments = yield from read_arguments(cursor, call)
        call_id = yield from _rest(cursor, known)
        return ToolCall(call.name, arguments, call_id)

    return read


def read_arguments(cursor: Cursor, call: OpenCall) -> Reading[JsonObject]:
    """The arguments of a call: a JSON object. Raises Broken."""
    start = cursor.at
    value = yield from json_value(cursor, call.arguments)
    if not isinstance(value, dict):
        raise Broken(f"'arguments' must be an object, not {type(value).__name__}", cursor.at)
    cursor.span(start, cursor.at, Kind.ARGUMENT)
    return value


def _rest(cursor: Cursor, keys: Keys) -> Reading[str]:
    """What may stand behind the arguments: other keys, then the closing brace."""
    call_id = ""
    while True:
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
        key = yield from _key(cursor)
        if key in (keys.name, *keys.arguments):
            raise Broken(f"the call has {key!r} twice", cursor.at)
        call_id = _other(cursor, key, (yield from json_value(cursor)), keys) or call_id
    yield from cursor.expect("}")
    return call_id


def _other(cursor: Cursor, key: str, value: Any, keys: Keys) -> str:
    """The id, if that is what a further member of a call is. Raises Broken for one that would be lost."""
    if key in keys.id:
        return str(value)
    if (key, value) != ("type", "function"):
        raise Broken(f"a call has no member {key!r}", cursor.at)
    return ""


def _key(cursor: Cursor) -> Reading[str]:
    yield from cursor.space()
    if (yield from cursor.peek()) != '"':
        raise cursor.wrong("a key in double quotes should come")
    key = yield from json_value(cursor)
    yield from cursor.space()
    yield from cursor.expect(":")
    yield from cursor.space()
    return str(key)


def _any_order(cursor: Cursor, call: OpenCall, keys: Keys) -> Reading[ToolCall]:
    if (yield from cursor.peek()) != "{":
        raise cursor.wrong("a call must be an object")
    cursor.at += 1
    arguments: JsonObject | None = None
    call_id = ""
    yield from cursor.space()
    while True:
        key = yield from _key(cursor)
        if (key == keys.name and call.index >= 0) or (key in keys.arguments and arguments is not None):
            raise Broken(f"the call has {key!r} twice", cursor.at)
        if key == keys.name:
            yield from _name(cursor, call, keys, call_id)
        elif key in keys.arguments:
            arguments = yield from read_arguments(cursor, call)
        else:
            value = yield from json_value(cursor)
            call_id = _other(cursor, key, value, keys) or call_id
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
    yield from cursor.expect("}")
    if call.index < 0 or arguments is None:
        raise Broken(f"the call has no {keys.name if call.index < 0 else keys.arguments[0]!r}", cursor.at)
    return ToolCall(call.name, arguments, call_id)


def _name(cursor: Cursor, call: OpenCall, keys: Keys, call_id: str) -> Reading[None]:
    start = cursor.at
    name = yield from json_value(cursor)
    if not isinstance(name, str) or not name:
        raise Broken(f"the call has no {keys.name!r}", cursor.at)
    cursor.span(start + 1, cursor.at - 1, Kind.NAME)
    call.begin(name, call_id)
