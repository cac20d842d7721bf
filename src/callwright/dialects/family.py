"""A model family: how it writes, reads and constrains what the assistant says. Who spoke before is a frame's affair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.parse.cursor import ReadTurn, parse_whole
from callwright.dialects.parse.quick import Quick
from callwright.dialects.parse.turn import THINK, Thinking
from callwright.types import Kind, Message, Reply, Segment, Tool, ToolCall

Refine = Callable[[str], Iterator[tuple[str, Kind]]]
"""Arguments as text -> its keys, values and scaffolding."""


class WriteCall(Protocol):
    """One call as the family writes it. `position` counts the calls of a turn."""

    def __call__(self, call: ToolCall, position: int, weight: float) -> Iterator[Segment]: ...


CallRule = Callable[[Tool, Rules, str], str]
"""A tool -> Lark for one call of it, as `WriteCall` writes it, behind a text that stands before it.

What is certain from the beginning must be one literal, so that no other text can be mistaken for half of it.
"""


@dataclass(frozen=True)
class Layout:
    """What stands around calls. `each`: the delimiters are around every call, `between` separates their blocks."""

    opening: str = ""
    closing: str = ""
    between: str = ""
    each: bool = False


@dataclass(frozen=True)
class Habits:
    """What a chat template writes that its family does not ask for.

    lead: what stands before a call that is all of a turn. spaces: white space before calls, texts and thinking.
    blocks: thinking that is empty, or whatever else stands before everything. tails: what stands behind the last call.
    """

    lead: str = ""
    spaces: tuple[str, ...] = ("",)
    blocks: tuple[str, ...] = ()
    tails: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Family:
    """How one family writes an assistant's turn.

    stops: what ends it, the usual one first. gap: what stands between text and calls. hint: how calls are to be
    written, said to models that have no template. refine: how the arguments of a call come apart.
    parallel: whether a turn holds several calls. beside: whether it holds text beside them; text_after: behind them
    too, as its template writes it. never: marks that text cannot hold, because they begin something else; never_lines:
    what no line of it can begin with, as expressions.
    nothing: how a turn is written that says nothing.
    text_open, text_close: what stands around plain text; beside_open, beside_close: around text before calls, where
    that is something else. write_turn: how a turn is written, where that is not thinking, then text, then calls.
    habits: what else a model's template writes. quick: reads whole texts of the usual form faster than `read`.
    """

    name: str
    stops: tuple[str, ...]
    layout: Layout
    write_call: WriteCall
    read: ReadTurn
    call_rule: CallRule
    refine: Refine
    hint: str
    gap: str = "\n"
    thinking: Thinking | None = THINK
    parallel: bool = True
    beside: bool = True
    text_after: bool = False
    never: tuple[str, ...] = ()
    never_lines: tuple[str, ...] = ()
    text_open: str = ""
    text_close: str = ""
    beside_open: str = ""
    beside_close: str = ""
    nothing: str = ""
    open_end: tuple[str, str] | None = None
    call_stop: str = ""
    write_turn: Callable[[Message, float], Iterator[Segment]] | None = None
    habits: Habits = Habits()
    quick: Quick | None = None

    @property
    def opening(self) -> str:
        """What every reply that is a call begins with."""
        return self.habits.lead + self.layout.opening

    @property
    def opening_mark(self) -> str:
        """The delimiter at the beginning of every call; "" where calls begin with none."""
        return next((mark for mark in self.never if mark and self.layout.opening.startswith(mark)), "")

    def parse(self, text: str, tools: Sequence[Tool] = ()) -> Reply:
        """A whole text of the assistant, without its stop. Never raises."""
        reply = self.quick(text, tools) if self.quick else None
        return reply if reply is not None else parse_whole(self.read, text, tools)[0]

    def write(self, message: Message) -> Iterator[Segment]:
        """What the assistant itself writes for a message, without the stop."""
        weight = 0.0 if message.train is False else 1.0
        if self.write_turn:
            yield from self.write_turn(message, weight)
            return
        if message.thinking and self.thinking:
            yield Segment(self.thinking.opening + self.thinking.inside, Kind.SCAFFOLD, weight)
            yield Segment(message.thinking, Kind.THINKING, weight)
            yield Segment(self.thinking.inside + self.thinking.closing + self.thinking.behind, Kind.SCAFFOLD, weight)
        if message.text:
            if self.text_open:
                yield Segment(self.text_open, Kind.SCAFFOLD, weight)
            yield Segment(message.text, Kind.TEXT, weight)
            if self.text_close:
                yield Segment(self.text_close, Kind.SCAFFOLD, weight)
        if message.calls:
            lead = self.gap if message.text else ""
            yield from write_calls(self.layout, message.calls, self.write_call, lead, weight)
        elif self.nothing and not message.text:
            yield Segment(self.nothing, Kind.SCAFFOLD, weight)


def write_calls(
    layout: Layout, calls: Sequence[ToolCall], write: WriteCall, lead: str, weight: float
) -> Iterator[Segment]:
    """All calls of a turn with what stands around them; `lead` before the first."""
    yield Segment(lead + layout.opening, Kind.SCAFFOLD, weight)
    around = layout.closing + layout.between + layout.opening if layout.each else layout.between
    for position, call in enumerate(calls):
        if position:
            yield Segment(around, Kind.SCAFFOLD, weight)
        yield from write(call, position, weight)
    if layout.closing:
        yield Segment(layout.closing, Kind.SCAFFOLD, weight)
