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

from callwright.errors import DataError

EXCERPT = 200
"""Characters of a value that are kept as its excerpt."""

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()

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
            if not self.grow(count):
                return self.text[self.at :]
            count *= 2
        return self.text[self.at : end]

    def value(self) -> tuple[Any, str]:
        """The JSON value that begins here and how its text begins; moves to its end. Raises DataError for no value."""
        count = 1
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos + _LONGEST_CUT >= len(self.text)
                if cut and self.grow(count):
                    # doubling keeps a value of many chunks from being decoded as many times
                    count *= 2
                    continue
                ended = error.msg.startswith("Unterminated") or error.pos >= len(self.text.rstrip())
                raise self.error(error.msg, error.pos, truncated=ended) from None
            except RecursionError:
                raise self.error("the value is nested too deeply", self.at) from None
            except ValueError as error:
                raise self.error(str(error), self.at) from None
            if not isinstance(value, dict | list | str) and end + _EXPONENT_CUT >= len(self.text) and self.grow():
                continue
            excerpt = self.text[self.at : min(end, self.at + EXCERPT)]
            self.advance(end)
            return value, excerpt

    def error(self, what: str, position: int, *, truncated: bool = False) -> DataError:
        """A DataError at a position of the text that is held."""
        self.advance(max(position, self.at))
        if truncated:
            what = f"the JSON ends early ({what}); copy or download the file again"
        return DataError(f"{self.name}:{self.line}", f"column {self.at - self._line_start + 1}: {what}")


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
        if line and not line.isspace():
            yield number, _line_value(line), line[:EXCERPT]
        number += 1


def _next(text: Window) -> Item:
    line = text.line
    value, excerpt = text.value()
    return line, value, excerpt


def _line_value(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return Broken(f"not JSON: {error.msg} at column {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return Broken(f"not JSON that can be read: {error}")


def split(text: Window) -> Iterator[str]:
    """Lines cut at "\\n" alone: U+2028 and its like are legal inside JSON strings."""
    rest: list[str] = []
    while True:
        first, *others = text.text[text.at :].split("\n")
        rest.append(first)
        if others:
            yield "".join(rest)
            rest = [others.pop()]
            yield from others
        text.at = len(text.text)
        if not text.grow():
            break
    yield "".join(rest)
