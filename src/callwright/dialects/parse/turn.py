"""An assistant's turn -> text, thinking and blocks of calls: what is alike in every family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callwright.dialects.parse.cursor import Broken, Cursor, Marks, ReadCall, Reading, ReadTurn


@dataclass(frozen=True)
class Block:
    """Calls between delimiters.

    opening, closing: the family's delimiters ("" for none). start, end: brackets around the calls. between: what
    separates calls. each: what opens every call. recover: what ends a broken block that has no closing.
    Without `end` and `between`, a block holds one call.
    """

    opening: str
    closing: str = ""
    start: str = ""
    end: str = ""
    between: str = ""
    each: str = ""
    recover: str = ""

    @property
    def single(self) -> bool:
        return not (self.end or self.between)


@dataclass(frozen=True)
class Thinking:
    """How a family sets its thinking apart: its marks, what stands inside them, and what is written behind them.

    Reading takes any line breaks just inside, and behind, for part of the marks.
    """

    opening: str = "<think>"
    closing: str = "</think>"
    inside: str = "\n"
    behind: str = "\n\n"


THINK = Thinking()

ReadPart = Callable[[Cursor, int], Reading[None]]
"""Reads one part of a turn, which begins at a place. Never raises."""


def reader(
    blocks: tuple[tuple[Block, ReadCall], ...],
    *,
    gap: str = "",
    thinking: Thinking | None = THINK,
    passed: tuple[str, ...] = (),
    line: tuple[str, str, int] | None = None,
) -> ReadTurn:
    """A reader of a whole turn. passed: marks that say nothing. line: what a call without a delimiter begins a line
    with, whole and in part, and the number of its block."""
    texts = {f"block{number}": block.opening for number, (block, _) in enumerate(blocks) if block.opening}
    if thinking:
        texts["think"] = thinking.opening
    texts.update((f"pass{number}", mark) for number, mark in enumerate(passed))
    marks = Marks(texts, gap, line and line[:2])
    ends = Marks({"end": thinking.closing}, "\n") if thinking else None

    def read(cursor: Cursor) -> Reading[None]:
        while True:
            found = yield from cursor.find(marks, cursor.say)
            if found is None:
                return
            name = found.lastgroup or ""
            if name == "think":
                assert ends
                yield from _thinking(cursor, ends)
            elif name.startswith("block") or name == "line":
                block, call = blocks[line[2] if name == "line" and line else int(name[5:])]
                yield from _block(cursor, block, call, found.start(name))

    return read


def addressed(starts: Marks, part: ReadPart, other: ReadPart) -> ReadTurn:
    """A reader of a turn whose parts have headers. starts: what begins a part, "start" before a header.
    part: reads one whose header begins at its place with " to="; other: one that another mark begins."""

    def read(cursor: Cursor) -> Reading[None]:
        begins = True
        while True:
            place = cursor.at
            if begins and (yield from cursor.literal(" to=")):
                yield from part(cursor, place)
            found = yield from cursor.find(starts, cursor.say)
            if found is None:
                return
            begins = found.lastgroup == "start"
            if not begins:
                yield from other(cursor, found.start())

    return read


def _thinking(cursor: Cursor, ends: Marks) -> Reading[None]:
    yield from cursor.literal("\n")
    found = yield from cursor.find(ends, cursor.think)
    if found:
        while (yield from cursor.literal("\n")):
            pass


def _block(cursor: Cursor, block: Block, read: ReadCall, start: int) -> Reading[None]:
    failing = [start]
    try:
        yield from _calls(cursor, block, read, failing)
    except Broken as error:
        closing = block.closing or block.recover
        cursor.at = max(error.resync, failing[0])
        if closing:
            yield from cursor.past(closing, cursor.at)
        cursor.broken(failing[0], cursor.at, error.reason)


def _calls(cursor: Cursor, block: Block, read: ReadCall, failing: list[int]) -> Reading[None]:
    """Every call of a block. failing[0] is where the text of a broken one would begin."""
    yield from cursor.space()
    if block.start:
        yield from cursor.expect(block.start)
        yield from cursor.space()
    if block.single:
        call = yield from read(cursor)
        yield from _close(cursor, block)
        cursor.call(call)
        return
    first = True
    while not (block.end and (yield from cursor.literal(block.end))):
        if not first:
            failing[0] = cursor.at
        if block.each:
            yield from cursor.expect(block.each)
        cursor.call((yield from read(cursor)))
        first = False
        behind = cursor.at
        yield from cursor.space()
        if block.between and (yield from cursor.literal(block.between)):
            yield from cursor.space()
        elif not block.end:
            cursor.at = behind
            return
        elif not (yield from cursor.peek()):
            return
        elif block.between and not (yield from cursor.literal(block.end)):
            failing[0] = cursor.at
            raise cursor.wrong(f"{block.between!r} or {block.end!r} should come")
        elif block.between:
            break
    failing[0] = cursor.at
    yield from _close(cursor, block)


def _close(cursor: Cursor, block: Block) -> Reading[None]:
    """The closing delimiter. It may be missing where the text ends: servers take it for the stop, and cut it off."""
    if not block.closing:
        return
    yield from cursor.space()
    if (yield from cursor.peek()):
        yield from cursor.expect(block.closing)
