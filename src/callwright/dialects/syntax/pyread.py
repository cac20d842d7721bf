"""Calls in Python syntax out of a cursor: literals only, never executed, as JSON text while they come."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from callwright.dialects.parse.cursor import Broken, Cursor, Emit, Reading
from callwright.dialects.syntax.jsonread import DEEPEST, OpenCall
from callwright.types import JsonObject, Kind, ToolCall

_NAME = re.compile(r"[\w.\-]+")
_FUNCTION = re.compile(r"[\w.\- ]+")
_WORD = re.compile(r"[\w.+\-]+")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?")
_RUN = {"'": re.compile(r"[^'\\\n]*"), '"': re.compile(r'[^"\\\n]*')}
_SIMPLE = (
    {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"} | {c: c for c in "'\"\\"} | {"\n": ""}
)
_DIGITS = {"x": 2, "u": 4, "U": 8}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_HALF = re.compile("[\ud800-\udfff]")
_WORDS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}


def dump(value: object) -> str:
    """JSON text."""
    return json.dumps(value, ensure_ascii=False)


def python_call(cursor: Cursor) -> Reading[ToolCall]:
    """`name(key=value, ...)`; keys that are no identifiers stand in `**{...}`. Raises Broken."""
    # no name in Python has a space, but some tools' names do
    name = yield from cursor.name(_FUNCTION)
    call = OpenCall(cursor)
    yield from cursor.space()
    yield from cursor.expect("(")
    call.begin(name)
    inside = cursor.at
    arguments: JsonObject = {}
    call.arguments("{")
    yield from cursor.space()
    while (yield from cursor.peek()) != ")":
        if (yield from cursor.literal("**")):
            yield from _spread(cursor, call, arguments)
        else:
            yield from _keyword(cursor, call, arguments)
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
        yield from cursor.space()
    cursor.span(inside, cursor.at, Kind.ARGUMENT)
    yield from cursor.expect(")")
    call.arguments("}")
    return ToolCall(name, arguments)


def _keyword(cursor: Cursor, call: OpenCall, arguments: JsonObject) -> Reading[None]:
    start = cursor.at
    key = (yield from cursor.match(_NAME, "a parameter's name")).group()
    yield from cursor.space()
    if not (yield from cursor.literal("=")):
        cursor.at = start
        raise Broken(f"at character {start}, an argument without a name", start)
    yield from cursor.space()
    yield from _put(cursor, call, arguments, key)


def _put(cursor: Cursor, call: OpenCall, arguments: JsonObject, key: str) -> Reading[None]:
    if key in arguments:
        raise Broken(f"at character {cursor.at}, the argument {key!r} comes twice", cursor.at)
    call.arguments(f"{', ' if arguments else ''}{dump(key)}: ")
    arguments[key] = yield from python_value(cursor, call.arguments)


def _spread(cursor: Cursor, call: OpenCall, arguments: JsonObject) -> Reading[None]:
    """`**{'a key': value}`."""
    yield from cursor.space()
    yield from cursor.expect("{")
    yield from cursor.space()
    while not (yield from cursor.literal("}")):
        key = yield from _dict_key(cursor)
        yield from _put(cursor, call, arguments, key)
        yield from cursor.space()
        if (yield from cursor.literal(",")):
            yield from cursor.space()


def _dict_key(cursor: Cursor) -> Reading[str]:
    if (yield from cursor.peek()) not in ("'", '"'):
        raise cursor.wrong("a key in quotes should come")
    key: str = yield from python_value(cursor)
    yield from cursor.space()
    yield from cursor.expect(":")
    yield from cursor.space()
    return key


def python_value(cursor: Cursor, emit: Emit | None = None, depth: int = 0) -> Reading[Any]:
    """One Python literal that JSON can hold; its JSON text is emitted while it comes. Raises Broken."""
    first = yield from cursor.peek()
    if first in ("'", '"'):
        return (yield from _string(cursor, first, emit))
    if first in ("[", "(", "{") and depth >= DEEPEST:
        raise cursor.wrong(f"nested more than {DEEPEST} levels")
    if first in ("[", "("):
        return (yield from _sequence(cursor, "]" if first == "[" else ")", emit, depth + 1))
    if first == "{":
        return (yield from _dict(cursor, emit, depth + 1))
    start = cursor.at
    word = (yield from cursor.match(_WORD, "a value")).group()
    value = _plain(word, start)
    if emit:
        emit(dump(value))
    return value


def _plain(word: str, start: int) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if _NUMBER.fullmatch(word):
        try:
            value = ast.literal_eval(word)
        except (ValueError, SyntaxError):
            raise Broken(f"at character {start}, {word[:40]!r} is no number", start) from None
        if value not in (float("inf"), float("-inf")):
            return value
    raise Broken(f"at character {start}, {word[:40]!r} is no literal", start)


def _sequence(cursor: Cursor, closing: str, emit: Emit | None, depth: int) -> Reading[list[Any]]:
    cursor.at += 1
    if emit:
        emit("[")
    values: list[Any] = []
    yield from cursor.space()
    while (yield from cursor.peek()) != closing:
        if values and emit:
            emit(", ")
        values.append((yield from python_value(cursor, emit, depth)))
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
        yield from cursor.space()
    yield from cursor.expect(closing)
    if emit:
        emit("]")
    return values


def _dict(cursor: Cursor, emit: Emit | None, depth: int) -> Reading[JsonObject]:
    cursor.at += 1
    if emit:
        emit("{")
    values: JsonObject = {}
    yield from cursor.space()
    while (yield from cursor.peek()) != "}":
        key = yield from _dict_key(cursor)
        if emit:
            emit(f"{', ' if values else ''}{dump(key)}: ")
        values[key] = yield from python_value(cursor, emit, depth)
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
        yield from cursor.space()
    yield from cursor.expect("}")
    if emit:
        emit("}")
    return values


def _string(cursor: Cursor, quote: str, emit: Emit | None) -> Reading[str]:
    """A string in single or double quotes on one line."""
    start = cursor.at
    cursor.at += 1
    parts: list[str] = []
    if emit:
        emit('"')
    while True:
        found = _RUN[quote].match(cursor.text, cursor.at)
        assert found
        if found.group():
            parts.append(found.group())
            if emit:
                emit(dump(parts[-1])[1:-1])
            cursor.at = found.end()
        char = yield from cursor.peek()
        if not char or char == "\n":
            raise Broken(f"at character {cursor.at}, a string that began at {start} is not closed", start)
        if char == quote:
            break
        if char == "\\":
            parts.append((yield from _escape(cursor)))
            if emit:
                emit(json.dumps(parts[-1])[1:-1])
    cursor.at += 1
    if emit:
        emit('"')
    return _joined("".join(parts))


def _escape(cursor: Cursor) -> Reading[str]:
    """One escape sequence, as Python reads it: an unknown one stays as it is."""
    start = cursor.at
    cursor.at += 1
    char = yield from cursor.peek()
    cursor.at += 1
    if char in _SIMPLE:
        return _SIMPLE[char]
    if char in _DIGITS:
        return chr((yield from _hexadecimal(cursor, _DIGITS[char], start)))
    if char and char in "01234567":
        digits = char
        while len(digits) < 3 and (yield from cursor.peek()) in tuple("01234567"):
            digits += cursor.text[cursor.at]
            cursor.at += 1
        return chr(int(digits, 8))
    return "\\" + char


def _hexadecimal(cursor: Cursor, length: int, start: int) -> Reading[int]:
    while len(cursor.text) < cursor.at + length and not cursor.ended:
        yield
    digits = cursor.text[cursor.at : cursor.at + length]
    if len(digits) < length or not _HEXADECIMAL.fullmatch(digits) or int(digits, 16) > 0x10FFFF:
        raise Broken(f"at character {start}, {cursor.text[start : cursor.at + length]!r} is no escape", start)
    cursor.at += length
    return int(digits, 16)


def _joined(text: str) -> str:
    """Two halves of a character, escaped one by one as JSON does, become that character."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
