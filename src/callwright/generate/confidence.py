"""Tokens of a reply and their log-probabilities -> how sure the model was of each call, before any calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callwright.dialects.base import StreamParser
from callwright.generate.text import TextStream
from callwright.generate.written import Origin, Written


@dataclass(frozen=True, slots=True)
class Sureness:
    """Log-probabilities of one call, under the grammar. name: of all tokens up to its name's end, the decision to call
    among them. arguments: of the tokens behind. least: of the least likely token. cut: whether tokens ran out in it."""

    name: float
    arguments: float
    least: float
    cut: bool = False

    @property
    def total(self) -> float:
        """Of the whole call, as it was written."""
        return self.name + self.arguments


def sureness(tokens: Sequence[Written], text: TextStream, parser: StreamParser, begun: str = "") -> list[Sureness]:
    """One for every call that ended, in their order. text and parser: new ones, of this reply. begun: what stood in the
    prompt of it.

    A token counts for the call that the parser is in once it has read it; what comes before a call's name, since the
    last call or the last text, counts for the name.
    """
    found: list[Sureness] = []
    opened, own = 0, list[Written]()
    named = 0
    parser.feed(begun)
    for one in tokens:
        delta = parser.feed(text.feed([one.token]))
        if delta.text.strip() and not delta.pieces and not delta.calls:
            # it was text, and no call's
            own, named = [], 0
            continue
        own.append(one)
        if opened <= len(found):
            named = len(own)
        opened = max([opened, *(piece.index + 1 for piece in delta.pieces)])
        for _ in delta.calls:
            found.append(_of(own, named))
            own, named = [], 0
            opened = max(opened, len(found))
    parser.feed(text.finish())
    for _ in parser.finish().calls:
        found.append(_of(own, named))
        own, named = [], 0
    return found


def _of(tokens: Sequence[Written], named: int) -> Sureness:
    """Of a call's tokens, the first `named` of which end in its name."""
    logprobs = [one.logprob for one in tokens]
    cut = any(one.origin is Origin.CLOSED for one in tokens)
    return Sureness(sum(logprobs[:named]), sum(logprobs[named:]), min(logprobs, default=0.0), cut)
