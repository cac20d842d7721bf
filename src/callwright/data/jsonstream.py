"""Chunks of text -> the JSON values in it, one at a time: an array's items, lines, or one object after another.

Every item is (line, value, excerpt). Only one chunk and one value are held, whatever the size of the text.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callwright.data.strict import DECODER, loads
from callwright.errors import DataError

EXCERPT = 200
"""Characters of a value that are kept as its excerpt."""

_BLANK = re.compile(r"[ \t\r\n]*")

LONGEST = 64 << 20
"""Characters in one value: more is a quote or a bracket that is never closed, and would be held in memory."""

_TOO_LONG = f"the value is longer than {LONGEST:,} characters"
_ESCAPED = re.compile("[\udc80-\udcff]")

# numbers of any length, which only their ends matter of
_SKIPPER = json.JSONDecoder(parse_int=len, parse_float=len)

# the longest token that may be cut is "-Infinity"; an escape is shorter
_LONGEST_CUT = 16
# a number may go on after "1", "1e" and "1e+", of which the decoder takes the 1
_EXPONENT_CUT = 2


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is not JSON: the next line may be."""

    why: str


Item = tuple[int, Any, str]


class Window:
    """A sliding piece of a text that knows the line and the column of the place it has come to."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self.name = name
        self.escaped = False
        """Whether bytes that are no UTF-8 were met: they stand in the text as `surrogateescape` writes them."""
        self.text = ""
        self.at = 0
        self.line = 1
        self._chunks = chunks
        self._line_start = 0

    def grow(self, count: int = 1) -> bool:
        """Drop what is behind and read `count` chunks; False, and nothing dropped, at the end of the text."""
        new = list(itertools.islice(self._chunks, count))
        if not new:
            return False
        self.escaped = self.escaped or not all(map(_is_text, new))
        self.text = self.text[self.at :] + "".join(new)
        self._line_start -= self.at
        self.at = 0
        return True

    def advance(self, to: int) -> None:
        last = self.text.rfind("\n", self.at, to)
        if last >= 0:
            self.line += self.text.count("\n", self.at, to)
            self._line_start = last + 1
        self.at = to

    def peek(self) -> str:
        """The next character that is not blank, or "" at the end."""
        while True:
            blank = _BLANK.match(self.text, self.at)
            self.advance(blank.end() if blank else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""

    def first_line(self) -> str:
        """The rest of this line, without moving."""
        count = 1
        while (end := self.text.find("\n", self.at)) < 0:
            if len(self.text) - self.at > LONGEST or not self.grow(count):
                return self.text[self.at :]
            count *= 2
        return self.text[self.at : end]

    def value(self) -> tuple[Any, str]:
        """The JSON value that begins here and how its text begins; moves to its end. Raises DataError for no value."""
        count = 1
        while True:
            try:
                value, end = _decoded(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos + _LONGEST_CUT >= len(self.text)
                if cut and len(self.text) - self.at > LONGEST:
                    raise self.error(_TOO_LONG, self.at) from None
                if cut and self.grow(count):
                    # doubling keeps a value of many chunks from being decoded as many times
                    count *= 2
                    continue
                ended = error.msg.startswith("Unterminated") or error.pos >= len(self.text.rstrip())
                raise self.error(error.msg, error.pos, truncated=ended) from None
            except RecursionError:
                raise self.error("the value is nested too deeply", self.at) from None
            if (
                not isinstance(value, dict | list | str | Broken)
                and end + _EXPONENT_CUT >= len(self.text)
                and self.grow()
            ):
                continue
            if self.escaped and (why := not_utf8(self.text, self.at, end)):
                value = Broken(why)
            excerpt = self.text[self.at : min(end, self.at + EXCERPT)]
            self.advance(end)
            return value, excerpt

    def error(self, what: str, position: int, *, truncated: bool = False) -> DataError:
        """A DataError at a position of the text that is held."""
        self.advance(max(position, self.at))
        if truncated:
            what = f"the JSON ends early ({what}); copy or download the file again"
        return DataError(f"{self.name}:{self.line}", f"column {self.at - self._line_start + 1}: {what}")


def _decoded(text: str, at: int) -> tuple[Any, int]:
    """A value and its end; `Broken` where it is JSON by its form, so that the next value can be found."""
    try:
        return DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        return Broken(f"not JSON that can be read: {error}"), _SKIPPER.raw_decode(text, at)[1]


def array(text: Window) -> Iterator[Item]:
    """The items of the array that begins here. Raises DataError where it is broken: what follows cannot be read."""
    text.advance(text.at + 1)
    if text.peek() == "]":
        return
    while True:
        if not text.peek():
            raise text.error("in an array", text.at, truncated=True)
        yield _next(text)
        separator = text.peek()
        if separator == ",":
            text.advance(text.at + 1)
        elif separator == "]":
            break
        elif separator:
            raise text.error("',' or ']' must follow a row", text.at)
        else:
            raise text.error("in an array", text.at, truncated=True)
    text.advance(text.at + 1)
    if text.peek():
        raise text.error("there is more text after the end of the array", text.at)


def concatenated(text: Window) -> Iterator[Item]:
    """Values that follow each other, each over any number of lines, such as one pretty-printed object."""
    while text.peek():
        yield _next(text)


def lines(text: Window) -> Iterator[Item]:
    """One value a line. A broken line is a `Broken`; blank lines are skipped."""
    number = text.line
    for line in split(text):
        if isinstance(line, Broken):
            yield number, line, ""
        elif line and not line.isspace():
            why = not_utf8(line) if text.escaped else ""
            yield number, Broken(why) if why else _line_value(line), line[:EXCERPT]
        number += 1


def _next(text: Window) -> Item:
    line = text.line
    value, excerpt = text.value()
    return line, value, excerpt


def not_utf8(text: str, start: int = 0, end: int | None = None) -> str:
    """Why a piece of a text is no text, or ""."""
    found = _ESCAPED.search(text, start, len(text) if end is None else end)
    if found is None:
        return ""
    byte = ord(found[0]) - 0xDC00
    return f"not UTF-8 text (byte 0x{byte:02x}); convert the file to UTF-8, for example with iconv"


def _is_text(piece: str) -> bool:
    if piece.isascii():
        return True
    try:
        piece.encode()
    except UnicodeEncodeError:
        return False
    return True


def _line_value(line: str) -> Any:
    try:
        return loads(line)
    except json.JSONDecodeError as error:
        return Broken(f"not JSON: {error.msg} at column {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return Broken(f"not JSON that can be read: {error}")


def split(text: Window) -> Iterator[str | Broken]:
    """Lines cut at "\\n" alone: U+2028 and its like are legal inside JSON strings. A line too long is `Broken`."""
    rest: list[str] = []
    held = 0
    while True:
        first, *others = text.text[text.at :].split("\n")
        held += len(first)
        rest = [*rest, first] if held <= LONGEST else []
        if others:
            yield "".join(rest) if held <= LONGEST else Broken(_TOO_LONG)
            rest = [others.pop()]
            held = len(rest[0])
            yield from others
        text.at = len(text.text)
        if not text.grow():
            break
    yield "".join(rest) if held <= LONGEST else Broken(_TOO_LONG)
