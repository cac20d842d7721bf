"""What a dialect is: one object that renders, masks, parses, streams and constrains a model family's text.

Four laws, tested for every dialect:
(1) where the family has a chat template, the render equals it byte for byte;
(2) the prompt is a prefix of the render, in text and in tokens;
(3) parse(render) gives the same calls and text, however the text is cut when streamed;
(4) the grammar accepts every rendered call, and nothing that it accepts fails to parse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from callwright.types import BrokenCall, Conversation, Reply, Segment, Tool, ToolCall

if TYPE_CHECKING:
    from callwright.dialects.family import Family

ToolChoice = Literal["auto", "required", "none"]
"""What a reply may be: text or calls, calls only, text only. One named tool is 'required' with that tool alone."""


ThinkingMode = Literal["none", "may", "open"]
"""Whether a reply thinks first: no, if it likes, or because the prompt has opened a block, which it must close."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A delta of one call, as OpenAI clients read it: the first of an `index` has the name (and the id, where the
    model wrote one); all `arguments` of an index together are the JSON text of its arguments."""

    index: int
    name: str = ""
    id: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a chunk of streamed text made certain.

    text, thinking: plain text that goes on. pieces: parts of calls as they come. calls, broken: calls that ended.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    broken: tuple[BrokenCall, ...] = ()
    thinking: str = ""
    pieces: tuple[CallPiece, ...] = ()


class StreamParser(Protocol):
    """An incremental parser; the sum of all deltas is what `parse` gives for the whole text.

    A chunk is text, or bytes of UTF-8 that may end inside a character.
    """

    def feed(self, chunk: str | bytes) -> Delta: ...

    def finish(self) -> Delta: ...


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A schema keyword that no grammar holds a model to: `where` is its JSON pointer in the tool's parameters."""

    tool: str
    where: str
    keyword: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """A Lark grammar in llguidance's syntax that admits a reply (without the stop), and what it cannot enforce."""

    lark: str
    unenforced: tuple[Unenforced, ...] = ()


class Dialect(Protocol):
    """How one model family writes conversations and calls."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> Family:
        """How the assistant's own turns are written."""
        ...

    @property
    def trims(self) -> bool:
        """Whether white space around texts may be lost: templates trim what they are given."""
        ...

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

    def carry(self, prompt: str) -> str:
        """The end of a prompt that `parse` must see before the reply: a thinking block that the prompt opened."""
        ...

    def parse(self, text: str, tools: Sequence[Tool] = ()) -> Reply:
        """Model text (without the stop) to text, calls and broken calls. Never raises.

        `tools` say what type an argument has where the family's text cannot.
        """
        ...

    def stream(self, tools: Sequence[Tool] = ()) -> StreamParser: ...

    def grammar(
        self,
        tools: Sequence[Tool],
        choice: ToolChoice,
        specials: Mapping[str, int] | None = None,
        *,
        parallel: bool = True,
        thinking: ThinkingMode = "none",
    ) -> Grammar:
        """What a reply may be. `specials`: the tokenizer's special tokens by their text, which stand for delimiters.
        `parallel`: whether it may hold several calls."""
        ...


def text_of(segments: Iterable[Segment]) -> str:
    """The rendered text of some segments."""
    return "".join(segment.text for segment in segments)
