"""The shortest way that is easily found from within a reply to an end that its grammar admits.

A reply whose tokens run out is cut anywhere. With a way out known, it is ended in form instead: strings, objects and
the call are closed, and what is still required gets the shortest value there is. It is told apart by how it ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from callwright.generate.constrain import Guard

_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)+)"')
# what only a text admits
_PROBES = ("Qz", "~;")
# what ends something, then what goes on to the next, then what is short
_SHORT = ("}", "]", ")", ",", '"', "'", "0", "null", "true", "</", "\n")
# a number that no zeros bring to an end must get larger
_ZEROS, _MORE = 8, "9"


class Closer:
    """Of one tokenizer. stops: the tokens that end a reply."""

    def __init__(self, tokenizer: Any, stops: Sequence[int]) -> None:
        self._tokenizer, self._stop = tokenizer, min(stops)
        self._probes = [self._tokens(text) for text in _PROBES]
        self._short = [self._tokens(text) for text in _SHORT]
        self._filler = self._tokens("a")
        self._zero, self._more = self._tokens("0"), self._tokens(_MORE)
        self._ends = lru_cache(maxsize=256)(self._ends_of)

    def way(self, guard: Guard, most: int) -> list[int] | None:
        """At most `most` tokens that end the reply in form, a stop where one is needed; None where none are found.

        guard: where the reply stands; it is not moved.
        """
        here, found = guard.copy(), list[int]()
        while len(found) <= most:
            if here.ended:
                return found
            if here.complete:
                return [*found, self._stop]
            more = here.forced() or self._next(here, found)
            if not more:
                return None
            here.take(more)
            found += more
        return None

    def _next(self, here: Guard, found: list[int]) -> list[int]:
        if self._is_free(here):
            for end in self._ends(here.lark):
                if self._fits(here, end):
                    there = here.copy()
                    there.take(end)
                    if not self._is_free(there):
                        return end
            return self._filler if self._fits(here, self._filler) else self._first(here)
        short = next((short for short in self._short if self._fits(here, short)), None) or self._first(here)
        is_endless = short == self._zero and found[-_ZEROS * len(short) :] == _ZEROS * short
        return self._more if is_endless and self._fits(here, self._more) else short

    def _is_free(self, here: Guard) -> bool:
        """Whether it stands inside a text."""
        return all(self._fits(here, probe) for probe in self._probes)

    def _first(self, here: Guard) -> list[int]:
        """The first token of all that may follow."""
        return [int(here.allowed().argmax())]

    def _fits(self, here: Guard, tokens: list[int]) -> bool:
        return here.fits(tokens) == len(tokens)

    def _ends_of(self, lark: str) -> list[list[int]]:
        """What may end a text: quotes, and whatever the grammar writes, the shorter first."""
        literals = {bytes(text, "utf-8").decode("unicode_escape", "replace") for text in _LITERAL.findall(lark)}
        return [self._tokens(text) for text in ['"', "'", *sorted(literals, key=lambda text: (len(text), text))[:64]]]

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
