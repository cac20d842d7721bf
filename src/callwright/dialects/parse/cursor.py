"""Model text as it arrives -> what it makes certain. Readers are generators that pause where they need more text.

One reader serves whole texts and streams alike: it decides by what the text says, never by where it was cut.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TypeVar

from callwright.dialects.base import CallPiece, Delta
from callwright.types import BrokenCall, Kind, Reply, Tool, ToolCall

T = TypeVar("T")
Reading = Generator[None, None, T]
"""A reader: each `yield` waits for more text, the value is what was read."""

Emit = Callable[[str], None]

_SPACE = re.compile(r"[ \t\r\n]*")


def unsaid(start: int, end: int) -> None:
    """What `Cursor.find` emits to where the text before a delimiter says nothing, or nothing yet."""


class Broken(Exception):
    """What is wrong with a call. `resync` is where the search for its end goes on, in characters of the reply."""

    def __init__(self, reason: str, resync: int) -> None:
        super().__init__(reason)
        self.reason, self.resync = reason, resync


class Marks:
    """What to look for in text: delimiters, each under a name.

    gap: a line break that belongs to the delimiter which it stands before. line: (whole, part), for calls that have
    no delimiter and begin a line: what such a line begins with, and what may still become that at the end of the text.
    """

    def __init__(self, texts: Mapping[str, str], gap: str = "", line: tuple[str, str] | None = None) -> None:
        names = sorted(texts, key=lambda name: -len(texts[name]))
        choice = "|".join(f"(?P<{name}>{re.escape(texts[name])})" for name in names)
        whole = f"(?:{re.escape(gap)})?(?:{choice})" if choice else ""
        if line:
            whole = "|".join(filter(None, [whole, rf"(?:\A|\n|(?<=\n))(?P<line>(?={line[0]}))"]))
        self.pattern = re.compile(whole)
        some = [*texts.values(), *(gap + text for text in texts.values() if gap)]
        self._beginnings = frozenset(text[:length] for text in some for length in range(1, len(text)))
        self._longest = max((len(text) for text in self._beginnings), default=0)
        self._part = re.compile(rf"\n?(?:{line[1]})?\Z") if line else None

    def held(self, text: str, start: int) -> int:
        """How many characters at the end of text[start:] may be the beginning of a delimiter."""
        if self._part:
            for place in _line_starts(text, start):
                if self._part.match(text, place):
                    return len(text) - place
        for length in range(min(self._longest, len(text) - start), 0, -1):
            if text[len(text) - length :] in self._beginnings:
                return length
        return 0


# what begins a line-bound call is shorter than this
_REACH = 300


def _line_starts(text: str, start: int) -> Iterator[int]:
    """Where a call that begins a line may have begun, first ones first."""
    low = max(start, len(text) - _REACH)
    if low == start and (start == 0 or text[start - 1] == "\n"):
        yield start
    place = text.find("\n", low)
    while place >= 0:
        yield place
        place = text.find("\n", place + 1)


class Cursor:
    """A place in text that grows, and what was read before it.

    text: all that came so far. at: where reading stands. spans: (start, end, kind) of what has a meaning of its own.
    tools: what may be called, for families whose text cannot tell types.
    """

    __slots__ = ("_broken", "_calls", "_pieces", "_text", "_thinking", "at", "begun", "ended", "spans", "text", "tools")

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self.text = ""
        self.tools = tools
        self.at = 0
        self.ended = False
        self.begun = 0
        self.spans: list[tuple[int, int, Kind]] = []
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._pieces: list[CallPiece] = []
        self._calls: list[ToolCall] = []
        self._broken: list[BrokenCall] = []

    # -- what was read ------------------------------------------------------------------------------------------

    def say(self, start: int, end: int) -> None:
        """text[start:end] is plain text."""
        if end > start:
            self._text.append(self.text[start:end])
            self.spans.append((start, end, Kind.TEXT))

    def think(self, start: int, end: int) -> None:
        """text[start:end] is thinking."""
        if end > start:
            self._thinking.append(self.text[start:end])
            self.spans.append((start, end, Kind.THINKING))

    def span(self, start: int, end: int, kind: Kind) -> None:
        """text[start:end] has a meaning."""
        if end > start:
            self.spans.append((start, end, kind))

    def broken(self, start: int, end: int, reason: str) -> None:
        """text[start:end] is a call that was written wrong."""
        self._broken.append(BrokenCall(self.text[start:end], reason))

    def piece(self, piece: CallPiece) -> None:
        """A part of a call is certain."""
        self._pieces.append(piece)

    def call(self, call: ToolCall) -> None:
        """A call ended."""
        self._calls.append(call)

    def drain(self) -> Delta:
        """What came since the last time."""
        delta = Delta(
            "".join(self._text), tuple(self._calls), tuple(self._broken), "".join(self._thinking), tuple(self._pieces)
        )
        self._text, self._calls, self._broken, self._thinking, self._pieces = [], [], [], [], []
        return delta

    # -- reading ------------------------------------------------------------------------------------------------

    def peek(self) -> Reading[str]:
        """The next character, or "" at the end."""
        while self.at >= len(self.text):
            if self.ended:
                return ""
            yield
        return self.text[self.at]

    def space(self) -> Reading[None]:
        """Passes white space."""
        while True:
            found = _SPACE.match(self.text, self.at)
            assert found
            self.at = found.end()
            if self.at < len(self.text) or self.ended:
                return
            yield

    def literal(self, mark: str) -> Reading[bool]:
        """Passes `mark` if it comes next, and says whether it did."""
        while True:
            if self.text.startswith(mark, self.at):
                self.at += len(mark)
                return True
            if self.ended or not mark.startswith(self.text[self.at :]):
                return False
            yield

    def one_of(self, marks: Sequence[str]) -> Reading[str]:
        """Passes the first of `marks` (longer ones first) that comes next; "" for none."""
        for mark in marks:
            if (yield from self.literal(mark)):
                return mark
        return ""

    def expect(self, mark: str) -> Reading[None]:
        """Passes `mark`. Raises Broken where something else comes."""
        if not (yield from self.literal(mark)):
            raise self.wrong(f"{mark!r} should come")

    def wrong(self, why: str, resync: int | None = None) -> Broken:
        """An error at this place."""
        if self.ended and self.at >= len(self.text):
            return Broken(f"it ends at character {self.at}, where {why}", len(self.text))
        return Broken(f"at character {self.at}, {why}", self.at if resync is None else resync)

    def match(self, pattern: re.Pattern[str], what: str) -> Reading[re.Match[str]]:
        """Passes a run of characters of one class, once another one comes after it. Raises Broken for none."""
        while True:
            found = pattern.match(self.text, self.at)
            if (found and found.end() < len(self.text)) or self.ended:
                break
            if found is None and self.at < len(self.text):
                break
            yield
        if found is None or found.end() == found.start():
            raise self.wrong(f"{what} should come")
        self.at = found.end()
        return found

    def name(self, pattern: re.Pattern[str]) -> Reading[str]:
        """Passes a function's name, a run of characters, perhaps with white space around it. Raises Broken for none."""
        start = self.at
        run = (yield from self.match(pattern, "a function's name")).group()
        name = run.strip()
        if not name:
            raise Broken(f"the call at character {start} has no name", start)
        begin = start + len(run) - len(run.lstrip())
        self.span(begin, begin + len(name), Kind.NAME)
        return name

    def run(self, pattern: re.Pattern[str]) -> Reading[None]:
        """Passes a run of characters of one class, which may be empty."""
        while True:
            found = pattern.match(self.text, self.at)
            assert found
            if found.end() < len(self.text) or self.ended:
                self.at = found.end()
                return
            yield

    def find(self, marks: Marks, emit: Callable[[int, int], None]) -> Reading[re.Match[str] | None]:
        """Emits the text up to the first delimiter and passes that; None where the text ends without one."""
        while True:
            found = marks.pattern.search(self.text, self.at)
            if found:
                emit(self.at, found.start())
                self.at = found.end()
                return found
            end = len(self.text) if self.ended else len(self.text) - marks.held(self.text, self.at)
            emit(self.at, end)
            self.at = end
            if self.ended:
                return None
            yield

    def past(self, mark: str, start: int) -> Reading[bool]:
        """Stands behind the first `mark` after `start`, or at the end of the text."""
        while True:
            at = self.text.find(mark, start)
            if at >= 0:
                self.at = at + len(mark)
                return True
            if self.ended:
                self.at = len(self.text)
                return False
            start = max(start, len(self.text) - len(mark) + 1)
            yield


ReadCall = Callable[[Cursor], Reading[ToolCall]]
"""Reads one call of a family at the cursor. Raises Broken."""

ReadTurn = Callable[[Cursor], Reading[None]]
"""Reads all that an assistant wrote. Never raises."""


class Stream:
    """A StreamParser of one reader."""

    __slots__ = ("_decoder", "_run", "cursor")

    def __init__(self, read: ReadTurn, tools: Sequence[Tool] = ()) -> None:
        self.cursor = Cursor(tools)
        self._run = read(self.cursor)
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, chunk: str | bytes) -> Delta:
        if isinstance(chunk, bytes):
            if self._decoder is None:
                self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
            chunk = self._decoder.decode(chunk)
        self.cursor.text += chunk
        next(self._run, None)
        return self.cursor.drain()

    def finish(self) -> Delta:
        if self._decoder is not None:
            self.cursor.text += self._decoder.decode(b"", True)
        self.cursor.ended = True
        next(self._run, None)
        return self.cursor.drain()


def parse_whole(read: ReadTurn, text: str, tools: Sequence[Tool] = ()) -> tuple[Reply, list[tuple[int, int, Kind]]]:
    """A whole text -> the reply, and where its parts stand. The same reader as in a stream."""
    cursor = Cursor(tools)
    cursor.text, cursor.ended = text, True
    next(read(cursor), None)
    delta = cursor.drain()
    return Reply(delta.text, delta.calls, delta.broken, thinking=delta.thinking), cursor.spans
