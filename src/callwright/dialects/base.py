"""What a dialect is: one object that renders, masks, parses, streams and constrains a model family's text.

Four laws, tested for every dialect:
(1) where the family has a chat template, the render equals it byte for byte;
(2) the prompt is a prefix of the render, in text and in tokens;
(3) parse(render) gives the same calls and text, however the text is cut when streamed;
(4) the grammar accepts every rendered call, and nothing that it accepts fails to parse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from callwright.types import BrokenCall, Conversation, Reply, Segment, Tool, ToolCall

ToolChoice = Literal["auto", "required", "none"]


@dataclass(frozen=True, slots=True)
class Delta:
    """What a chunk of streamed text made certain: plain text, whole calls, whole broken calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    broken: tuple[BrokenCall, ...] = ()


class StreamParser(Protocol):
    """An incremental parser; the sum of all deltas is what `parse` gives for the whole text."""

    def feed(self, chunk: str) -> Delta: ...

    def finish(self) -> Delta: ...


class Dialect(Protocol):
    """How one model family writes conversations and calls."""

    @property
    def name(self) -> str: ...

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a reply; the first one is written (and trained) after every assistant turn."""
        ...

    @property
    def call_opening(self) -> str:
        """What a reply that must be a call begins with: appended to the prompt in forced mode."""
        ...

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        """The whole conversation, the assistant's own text weighted. The first segment is the shared prefix."""
        ...

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        """The conversation so far, up to where the assistant begins to write: all PREFIX or PROMPT."""
        ...

    def parse(self, text: str) -> Reply:
        """Model text (without the stop) to text, calls and broken calls. Never raises."""
        ...

    def stream(self) -> StreamParser: ...

    def grammar(self, tools: Sequence[Tool], choice: ToolChoice) -> str:
        """A Lark grammar in llguidance's syntax that admits a reply (without the stop)."""
        ...


def text_of(segments: Iterable[Segment]) -> str:
    """The rendered text of some segments."""
    return "".join(segment.text for segment in segments)
