"""The shortest way that is easily found from within a reply to an end that its grammar admits.

A reply whose tokens run out is cut anywhere. With a way out known, it is ended in form instead: strings, objects and
the call are closed, and what is still required gets the shortest value there is. It is told apart by how it ends.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from callwright.generate.constrain import Guard
from callwright.schema.sample import matching

_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)+)"')
# what a text must be like, in JSON and as it is
_PATTERN = re.compile(r'"pattern": ("(?:[^"\\]|\\.)*")|: /((?:[^/\\\n]|\\.)+)/')
_ANY = "(?s:.*)"
# what only a text admits
_PROBES = ("Qz", "~;")
# what ends something, then what goes on to the next, then what is short, then what a pattern may ask for
_ENDING = ("}", "]", '"', "'", ")", ",", ":", "0", "null", "true", "</", "\n")
_CLOSING, _CONTENT = _ENDING[:2], ("a", "A", "0", "_")
_REST = sorted(set(string.printable[:95]) - {*_ENDING}, key=lambda one: (one in "([{<", one.isalnum(), one))
# so often the best is written from the same state, in a text and elsewhere, then the others in turn: zeros bring no
# number to an end, and letters no pattern
_IN_TEXT, _ELSEWHERE = 32, 4


class Closer:
    """Of one tokenizer. stops: the tokens that end a reply."""

    def __init__(self, tokenizer: Any, stops: Sequence[int]) -> None:
        self._tokenizer, self._stop = tokenizer, min(stops)
        self._probes = [self._tokens(text) for text in _PROBES]
        self._short = [self._tokens(text) for text in (*_ENDING, *_REST)]
        self._closing, self._content = ([self._tokens(text) for text in some] for some in (_CLOSING, _CONTENT))
        # sixteen dots are one token, in most vocabularies
        self._fillers = [self._tokens(text) for text in ("." * 16, "a")]
        self._ends = lru_cache(maxsize=256)(self._ends_of)
        self._samples = lru_cache(maxsize=256)(self._samples_of)

    def way(self, guard: Guard, most: int) -> list[int] | None:
        """At most `most` tokens that end the reply in form, a stop where one is needed; None where none are found.

        guard: where the reply stands; it is not moved.
        """
        here, found, visits = guard.copy(), list[int](), Counter[bytes]()
        while len(found) <= most:
            if here.ended:
                return found
            if here.complete:
                return [*found, self._stop]
            if more := here.forced():
                visits.clear()
            else:
                more = self._next(here, visits)
            if not more:
                return None
            here.take(more)
            found += more
        return None

    def _next(self, here: Guard, visits: Counter[bytes]) -> list[int]:
        """visits: how often each set of tokens that may follow, which tells states apart, was come by."""
        free = self._is_free(here)
        if free and (end := self._out(here)):
            return end
        if not free and (close := self._close(here)):
            return close
        state = here.allowed().tobytes()
        visits[state] += 1
        tried = visits[state] - (_IN_TEXT if free else _ELSEWHERE)
        some = [*self._fillers, *self._short] if free else self._short
        if tried > 0:
            ends = self._ends(here.lark)
            marks = [end for end in ends if self._tokenizer.decode(end)[0] in "<\n\"'"]
            # an end at once, before more of the text spoils what a pattern asks of its last characters
            samples = [[*text, *end] for text in self._samples(here.lark) if self._fits(here, text) for end in ends]
            some = [*samples, *marks, *some]
        fitting = (short for short in some if self._fits(here, short))
        if tried <= 0:
            return next(fitting, None) or self._first(here)
        ways = [*fitting] or [self._first(here)]
        return ways[(tried - 1) % len(ways)]

    def _close(self, here: Guard) -> list[int] | None:
        """What ends the object or array behind whose last value it stands, if it does: as often as there are such."""
        if any(self._fits(here, one) for one in self._content):
            return None
        return next((close for close in self._closing if self._fits(here, close)), None)

    def _out(self, here: Guard) -> list[int] | None:
        """What ends the text that it stands in, where that may end."""
        for end in self._ends(here.lark):
            if self._fits(here, end):
                there = here.copy()
                there.take(end)
                if not self._is_free(there):
                    return end
        return None

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

    def _samples_of(self, lark: str) -> list[list[int]]:
        """Texts that the grammar's patterns admit."""
        texts = list[str]()
        for quoted, plain in _PATTERN.findall(lark):
            pattern = (json.loads(quoted) if quoted else plain).replace(_ANY, "")
            texts += filter(None, [matching(pattern, random.Random(0))])
        return [self._tokens(text) for text in sorted(set(texts), key=lambda text: (len(text), text))[:64]]

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
