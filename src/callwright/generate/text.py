"""Tokens of a reply, as they come -> the text that is certain: whole characters, and nothing that may begin a stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# a character is at most four tokens; the decoder may look at the one before
_TAIL = 8
_UNFINISHED = "\ufffd"


class TextStream:
    """One reply. stops: texts that end it, whichever comes first; they are not given. `ended` once one has come."""

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, [stop for stop in stops if stop]
        self._tokens: list[int] = []
        self._start, self._read = 0, 0
        self._held = ""
        self.ended = False

    def feed(self, tokens: Sequence[int]) -> str:
        """The text that these made certain."""
        self._tokens += tokens
        before = self._decoded(self._tokens[self._start : self._read])
        now = self._decoded(self._tokens[self._start :])
        unfinished = now.endswith(_UNFINISHED) and len(self._tokens) - self._read <= _TAIL
        if unfinished or len(now) <= len(before):
            return ""
        self._start, self._read = self._read, len(self._tokens)
        return self._certain(now[len(before) :])

    def finish(self) -> str:
        """What was held back, after the last token."""
        before = self._decoded(self._tokens[self._start : self._read])
        rest = self._decoded(self._tokens[self._start :])[len(before) :]
        self._start = self._read = len(self._tokens)
        given = self._certain(rest)
        held, self._held = self._held, ""
        return given if self.ended else given + held

    def _certain(self, text: str) -> str:
        """As much of the text as cannot be the beginning of a stop."""
        if self.ended:
            return ""
        text = self._held + text
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.ended, self._held = True, ""
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        cut = len(text) - held
        self._held = text[cut:]
        return text[:cut]

    def _decoded(self, tokens: Sequence[int]) -> str:
        if not tokens:
            return ""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _overlap(text: str, stop: str) -> int:
    """How much of the text's end may be the stop's beginning.

    >>> _overlap("to be o", "or not"), _overlap("to be", "or not")
    (1, 0)
    """
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-size:]):
            return size
    return 0
