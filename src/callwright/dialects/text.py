"""Delimited JSON calls in model text -> calls, broken calls and the text around them, whole or as a stream."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from callwright.dialects.base import Delta, StreamParser
from callwright.types import BrokenCall, Reply, ToolCall

Body = tuple[tuple[ToolCall, ...], tuple[BrokenCall, ...]]


def dump(value: object) -> str:
    """JSON as every chat template's `tojson` writes it: ", " and ": ", unicode kept."""
    return json.dumps(value, ensure_ascii=False)


def read_call(text: str, offset: int = 0) -> ToolCall | BrokenCall:
    """One `{"name": ..., "arguments": {...}}` by strict JSON. `offset` is where `text` stands in the reply.

    >>> read_call('{"name": "f", "arguments": {"a": 1}}')
    ToolCall(name='f', arguments={'a': 1}, id='')
    >>> read_call('{"name": "f", "arguments": {"a": 1}')
    BrokenCall(text='{"name": "f", "arguments": {"a": 1}', reason="not JSON at character 35: Expecting ',' delimiter")
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return BrokenCall(text, f"not JSON at character {offset + error.pos}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return BrokenCall(text, f"not JSON at character {offset}: {error}")
    return call_from(value, text)


def call_from(value: object, text: str) -> ToolCall | BrokenCall:
    """A decoded call object -> ToolCall, or what is wrong with it."""
    if not isinstance(value, dict):
        return BrokenCall(text, f"a call must be an object, not {type(value).__name__}")
    name, arguments = value.get("name"), value.get("arguments")
    if not isinstance(name, str) or not name:
        return BrokenCall(text, "the call has no 'name'")
    if not isinstance(arguments, dict):
        return BrokenCall(text, f"'arguments' must be an object, not {type(arguments).__name__}")
    return ToolCall(name, arguments)


def read_python_call(text: str, offset: int = 0) -> ToolCall | BrokenCall:
    """As `read_call`, for the guides' `str(dict)` form: JSON first, then a Python literal, never executed."""
    call = read_call(text, offset)
    if isinstance(call, ToolCall):
        return call
    try:
        return call_from(ast.literal_eval(text.strip()), text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return call


def inside_string(text: str, quotes: str = '"') -> bool:
    """Whether JSON `text` ends inside a string, where a delimiter would be part of a value.

    >>> inside_string('{"a": "</tool_call>'), inside_string("{'a': '", "'" + '"')
    (True, True)

    A raw line break ends the string: JSON forbids one inside, so a forgotten quote cannot swallow what follows.
    """
    opened = ""
    skip = False
    for char in text:
        if skip:
            skip = False
        elif opened and char == "\\":
            skip = True
        elif char == opened or char == "\n":
            opened = ""
        elif not opened and char in quotes:
            opened = char
    return bool(opened)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """How calls stand in text: `lead` (swallowed with the opening), `opening`, `closing`, and a reader of the body.

    `quotes` are the characters that open a string in the body; a closing inside a string is part of it.
    """

    opening: str
    closing: str
    read: Callable[[str, int], Body]
    lead: str = ""
    quotes: str = '"'


@dataclass(slots=True)
class DelimitedStream:
    """A StreamParser for one pair of delimiters. Holds back at most lead + opening while in text."""

    marks: Delimiters
    _buffer: str = field(default="", init=False)
    _inside: bool = field(default=False, init=False)
    _position: int = field(default=0, init=False)
    _checked: int = field(default=0, init=False)

    def feed(self, chunk: str) -> Delta:
        self._buffer += chunk
        text: list[str] = []
        calls: list[ToolCall] = []
        broken: list[BrokenCall] = []
        while True:
            if not self._inside:
                text.append(self._take_text())
                if not self._inside:
                    break
            body = self._take_body()
            if body is None:
                break
            got, bad = body
            calls.extend(got)
            broken.extend(bad)
        return Delta("".join(text), tuple(calls), tuple(broken))

    def finish(self) -> Delta:
        if not self._inside:
            text, self._buffer = self._buffer, ""
            return Delta(text)
        text, self._buffer, self._inside = self._buffer, "", False
        start = self._position - len(self.marks.opening)
        reason = f"'{self.marks.opening}' at character {start} is never closed by '{self.marks.closing}'"
        return Delta(broken=(BrokenCall(self.marks.opening + text, reason),))

    def _take(self, length: int) -> str:
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        self._position += length
        return taken

    def _take_text(self) -> str:
        """Text that is certain; enters the call when the opening is complete."""
        marks = self.marks
        at = self._buffer.find(marks.opening)
        if at >= 0:
            text = self._take(at)
            if marks.lead and text.endswith(marks.lead):
                text = text[: -len(marks.lead)]
            self._take(len(marks.opening))
            self._inside, self._checked = True, 0
            return text
        keep = max(_overlap(self._buffer, marks.lead + marks.opening), _overlap(self._buffer, marks.opening))
        return self._take(len(self._buffer) - keep)

    def _take_body(self) -> Body | None:
        """The body up to the first closing that is not inside a JSON string, or None while there is none."""
        closing = self.marks.closing
        while (at := self._buffer.find(closing, self._checked)) >= 0:
            if inside_string(self._buffer[:at], self.marks.quotes):
                self._checked = at + len(closing)
                continue
            start = self._position
            body = self._take(at)
            self._take(len(closing))
            self._inside = False
            return self.marks.read(body, start)
        self._checked = max(self._checked, len(self._buffer) - len(closing) + 1, 0)
        return None


def _overlap(text: str, mark: str) -> int:
    """Length of the longest proper prefix of `mark` that `text` ends with."""
    for length in range(min(len(mark) - 1, len(text)), 0, -1):
        if text.endswith(mark[:length]):
            return length
    return 0


def parse_with(stream: StreamParser, text: str) -> Reply:
    """A whole text through an incremental parser: the one way to parse, so streaming cannot differ."""
    deltas: Sequence[Delta] = (stream.feed(text), stream.finish())
    return Reply(
        text="".join(delta.text for delta in deltas),
        calls=tuple(call for delta in deltas for call in delta.calls),
        broken=tuple(bad for delta in deltas for bad in delta.broken),
    )
