"""The nouns of synthesis: a request in pieces, what it asks for, and who puts requests into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from callwright.types import JsonObject, Tool, ToolCall


class Piece(NamedTuple):
    """Part of a request: plain words, a value that must stay letter for letter, or the words of a closed choice."""

    text: str
    kind: Literal["words", "value", "choice"] = "words"


@dataclass(frozen=True, slots=True)
class Request:
    """A request in pieces. `template` names the wording, without its values."""

    pieces: tuple[Piece, ...]
    template: str = ""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and the calls that answer it, none where none is due; then `answer` is what is said."""

    request: Request
    calls: tuple[ToolCall, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A request that lacks a required value, the question it gets; where known, the value said next and the call."""

    request: Request
    question: str
    completion: Request | None = None
    call: ToolCall | None = None


@dataclass(frozen=True)
class Around:
    """Words before, after and between requests. An empty text stands for none."""

    openers: Sequence[str] = ("", "", "", "", "please ", "can you ", "could you ", "hey, ", "ok ", "i need you to ")
    tails: Sequence[str] = ("", "", "", "", " please", " thanks", " for me", " now")
    joints: Sequence[str] = (" and ", " and ", ", then ", ". also ", ", and ", "; ", ". ", " plus ", ", after that ")


class Phraser(Protocol):
    """Puts what a set of tools can do into words. Draws differ from call to call; None where it has no words for it."""

    around: Around

    def ask(self, tool: Tool) -> Asked | None:
        """One request for one call."""

    def practice(self, tool: Tool) -> float:
        """How often a tool is asked for, against 1 for one whose values are copied as they are said."""

    def ask_several(self) -> Asked | None:
        """One request for several calls of one tool, in one breath: "bread and milk on the list"."""

    def lack(self) -> Lacking | None:
        """A request that needs a question first."""

    def idle(self) -> Asked | None:
        """A request that no tool answers."""


@dataclass
class Recorder:
    """Rejected requests, by reason; `keep` of each with their text, so that a user can see what was thrown away."""

    rejected: list[JsonObject] = field(default_factory=list)

    def add(self, why: str, text: str, calls: Sequence[ToolCall]) -> None:
        """Notes one rejected request with its reason."""
        shown = [{"name": call.name, "arguments": call.arguments} for call in calls]
        self.rejected.append({"why": why, "request": text, "calls": shown})
