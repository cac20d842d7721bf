"""Whole texts of the usual form -> replies, by a few regular expressions; None for anything else.

A reader takes every text, piece by piece; this takes texts without surprises, several times as fast. Where it
answers, it answers what the reader does, which the tests ask of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from callwright.dialects.parse.turn import Block
from callwright.dialects.syntax.jsonread import DECODER, DEEPEST, Keys, too_deep
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawread import schemas_of, value_of
from callwright.types import JsonObject, Reply, Tool, ToolCall

Quick = Callable[[str, Sequence[Tool]], Reply | None]
"""A reply, or None where the text needs a reader."""

Plain = Callable[[str], Reply | None]
"""As `Quick`, for texts of one form."""

SPACE = r"[ \t\r\n]*"
_SCAN: Callable[[str, int], tuple[Any, int]] = cast("Any", DECODER).scan_once


class Calls(Protocol):
    """All calls of a block that begins at `at`: they are added to `calls`; the place behind them, -1 for a surprise."""

    def __call__(self, text: str, at: int, tools: Sequence[Tool], calls: list[ToolCall]) -> int: ...


def quick_reader(
    opening: re.Pattern[str], read: Calls, other: Sequence[str], line: bool = False, plain: Plain | None = None
) -> Quick:
    """Text and blocks in turns. other: marks that need a reader. line: a block is the beginning of the text or none.
    plain: what reads most texts, and faster."""

    def quick(text: str, tools: Sequence[Tool]) -> Reply | None:
        if plain and (reply := plain(text)):
            return reply
        for mark in other:
            if mark in text:
                return None
        calls: list[ToolCall] = []
        parts: list[str] = []
        place = 0
        found = opening.search(text)
        while found:
            if line and found.start():
                return None
            if found.start() > place:
                parts.append(text[place : found.start()])
            place = read(text, found.end(), tools, calls)
            if place < 0:
                return None
            found = opening.search(text, place)
        parts.append(text[place:])
        return Reply("".join(parts), tuple(calls))

    return quick


def objects_between(opening: str, closing: str, marks: Sequence[str], gap: str = "\n") -> Plain:
    """Call objects between texts, each mark as it is usually written; `marks`: what no text can hold, the least of what
    opens a block first.

    That what stands between two texts is JSON proves that no string holds one of them.
    """
    skipped = len(closing)

    def plain(text: str) -> Reply | None:
        said, *blocks = text.split(opening)
        if not blocks:
            return None if _any(marks, text) else Reply(text)
        said = said.removesuffix(gap)
        values = []
        last = blocks[-1]
        try:
            for part in blocks:
                value, end = _SCAN(part, 0)
                if not part.startswith(closing, end):
                    return None
                values.append(value)
                if len(part) > end + skipped:
                    behind = part[end + skipped :]
                    said += behind if part is last else behind.removesuffix(gap)
        except (ValueError, StopIteration, RecursionError):
            return None
        return None if said and _any(marks, said) else _reply(text, said, values)

    return plain


def array_behind(opening: str, marks: Sequence[str], gap: str = "\n") -> Plain:
    """One array of call objects at the end of the text. `opening` ends with its bracket; `marks` as above."""

    def plain(text: str) -> Reply | None:
        place = text.find(opening)
        if place < 0:
            return None if _any(marks, text) else Reply(text)
        try:
            values, end = _SCAN(text, place + len(opening) - 1)
        except (ValueError, StopIteration, RecursionError):
            return None
        said = text[:place].removesuffix(gap) if place else ""
        if end < len(text) or (said and _any(marks, said)):
            return None
        return _reply(text, said, values) if values else None

    return plain


def array_only(text: str, said: str = "") -> Reply | None:
    """One array of call objects and nothing else. said: text that stood before it."""
    if not text.startswith("[{"):
        return None
    try:
        values, end = _SCAN(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return _reply(text, said, values) if end == len(text) else None


def _any(marks: Sequence[str], text: str) -> bool:
    for mark in marks:  # noqa: SIM110 - a generator takes three times as long
        if mark in text:
            return True
    return False


def objects_only(separator: str) -> Plain:
    """Call objects and nothing else."""

    def plain(text: str) -> Reply | None:
        if not text.startswith("{"):
            return None
        values, at = [], 0
        try:
            while True:
                value, at = _SCAN(text, at)
                values.append(value)
                if at == len(text):
                    return _reply(text, "", values)
                if not text.startswith(separator, at):
                    return None
                at += len(separator)
        except (ValueError, StopIteration, RecursionError):
            return None

    return plain


def _reply(text: str, said: str, values: Sequence[Any]) -> Reply | None:
    """A reply of call objects that have nothing but a name and arguments, each once.

    Python's JSON forgets a key that comes twice, so they are counted in the text.
    """
    calls = []
    try:
        key = "arguments" if "arguments" in values[0] else "parameters"
        for value in values:
            name, arguments = value["name"], value[key]
            if len(value) != 2 or type(name) is not str or type(arguments) is not dict or not name:
                return None
            calls.append(ToolCall(name, arguments))
    except (KeyError, TypeError):
        return None
    count, quoted = len(calls), f'"{key}"'
    as_often = text.count('"name"') == count and text.count(quoted) == count
    if not as_often and not (_often('"name"', text, calls) and _often(quoted, text, calls)):
        return None
    if "\\u00" in text and ("\\u006" in text or "\\u007" in text):  # a key could be spelt so
        return None
    if len(text) > 2 * DEEPEST and text.count("[") + text.count("{") > DEEPEST:
        return None
    return Reply(said, tuple(calls))


def _often(key: str, text: str, calls: Sequence[ToolCall]) -> bool:
    """Whether a key, in its quotes, stands once in each call, beside arguments of that name."""
    found = text.count(key) - len(calls)
    return not found or found == sum(_times(key[1:-1], call.arguments) for call in calls)


def _times(key: str, value: Any) -> int:
    """How often a value is a key, at any depth."""
    if isinstance(value, dict):
        return (key in value) + sum(_times(key, part) for part in value.values())
    return sum(_times(key, part) for part in value) if isinstance(value, list) else 0


def opening_of(block: Block, gap: str) -> re.Pattern[str]:
    """A block's opening, with the line break before it."""
    return re.compile((f"(?:{re.escape(gap)})?" if gap else "") + re.escape(block.opening))


def begin_of(block: Block) -> re.Pattern[str]:
    """What must stand before the first call of a block."""
    return re.compile("".join(SPACE + re.escape(mark) for mark in (block.start, block.each) if mark))


def closing_of(block: Block) -> str:
    """What must stand behind the last."""
    return rf"{SPACE}(?:{re.escape(block.closing)}|\Z)" if block.closing else ""


One = Callable[[str, int, Sequence[Tool]], tuple[ToolCall, int] | None]
"""One call at a place, and the place behind it; None for a surprise."""


def several(begin: re.Pattern[str], behind: re.Pattern[str], one: One) -> Calls:
    """Calls until what stands behind one has a group 1."""

    def read(text: str, at: int, tools: Sequence[Tool], calls: list[ToolCall]) -> int:
        begun = begin.match(text, at)
        if begun is None:
            return -1
        at = begun.end()
        while True:
            found = one(text, at, tools)
            following = behind.match(text, found[1]) if found else None
            if found is None or following is None:
                return -1
            calls.append(found[0])
            at = following.end()
            if following[1] is not None:
                return at

    return read


def objects(block: Block, step: str = "") -> Calls:
    """Call objects. step: what stands behind each, its group 1 where the block ends."""
    head = re.compile(SPACE + Keys().head().pattern)
    if block.single:
        step = step or rf"{SPACE}\}}{closing_of(block)}()"
    behind = re.compile(step or rf"{SPACE}\}}{SPACE}(?:,|({re.escape(block.end)}){closing_of(block)})")

    def one(text: str, at: int, tools: Sequence[Tool]) -> tuple[ToolCall, int] | None:
        called = head.match(text, at)
        if called is None:
            return None
        start = called.end()
        try:
            value, end = _SCAN(text, start)
        except (ValueError, StopIteration, RecursionError):
            return None
        if end - start > 2 * DEEPEST and too_deep(text, start, end):
            return None
        return ToolCall(called[1], value), end

    return several(begin_of(block), behind, one)


def markup(form: Markup, block: Block, name: str, key: str) -> Calls:
    """Calls with raw values. name, key: what they may be made of, as character classes."""
    called = re.compile(f"({name}+){_mark(form.name_end)}{SPACE}")
    key_end = SPACE.join(re.escape(mark) for mark in form.key_end.split()) + ("\n?" if form.key_end[-1] == "\n" else "")
    value_end = ("\n?" if form.value_end[0] == "\n" else "") + _mark(form.value_end)
    argument = re.compile(f"{_mark(form.key_open)}({key}+){SPACE}{key_end}(.*?){value_end}{SPACE}", re.S)
    more = rf"{SPACE}(?:{re.escape(block.each)}|({re.escape(block.end)}))" if block.end else f"{closing_of(block)}()"

    def one(text: str, at: int, tools: Sequence[Tool]) -> tuple[ToolCall, int] | None:
        head = called.match(text, at)
        if head is None or not head[1].strip():
            return None
        arguments: JsonObject = {}
        root = schemas_of(tools, head[1].strip())
        schemas = root.get("properties") or {}
        at = head.end()
        while found := argument.match(text, at):
            key, raw = found.groups()
            if key in arguments:
                return None
            arguments[key] = _value(raw, schemas.get(key), root)
            at = found.end()
        return ToolCall(head[1].strip(), arguments), at

    return several(begin_of(block), re.compile(_mark(form.close) + more), one)


def _mark(text: str) -> str:
    return re.escape(text.strip())


def _value(raw: str, schema: Any, root: JsonObject) -> Any:
    """As `value_of`, with the usual types first."""
    kind = schema.get("type") if type(schema) is dict and "$ref" not in schema else None
    if kind == "string":
        return raw
    if kind == "integer" and raw.isdecimal() and raw.isascii() and raw[0] != "0":
        return int(raw) if len(raw) < DEEPEST else value_of(raw, schema, root)
    if kind == "boolean" and raw in _BOOLEANS:
        return _BOOLEANS[raw]
    return value_of(raw, schema, root)


_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
