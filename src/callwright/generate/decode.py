"""Sequences decoded together, each under its grammar: forced tokens, and guesses checked in the pass that they save.

A round feeds every row what its cache lacks, the last chosen token, tokens that the grammar forced behind it, and a
guess of what follows, and reads the logits from the first open choice on. Guessed tokens that are what would have been
chosen are kept; the rest are taken back. So the result is that of one token at a time; only the number of passes
differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from callwright.generate.choose import choose
from callwright.generate.closing import Closer
from callwright.generate.constrain import Guard
from callwright.generate.draft import Draft
from callwright.generate.reply import Options
from callwright.generate.steps import Feed, Steps
from callwright.generate.written import Origin, Written
from callwright.types import Ending

# a feed of more tokens is a prompt's, which is not delayed by guesses
_PROMPT = 32
# so many tokens before the last it is first looked how a reply could end in form; then where something is opened, after
# a part of those that are left, and at every one where there are few
_CLOSE, _PARTS, _NEAR = 512, 4, 32
# an end that is more tokens away is none
_FAR = 2048


@dataclass
class Row:
    """A reply being written. `most_drafted` tokens are guessed at a time; 0 guesses none.

    stops: tokens that end it. ends: whether it ends in a stop that is several tokens. closer: ends it as its grammar
    admits where its tokens run out; without one it is cut.
    """

    prompt: Sequence[int]
    prefix_len: int
    options: Options
    stops: frozenset[int]
    guard: Guard | None = None
    draft: Draft | None = None
    most_drafted: int = 16
    seed: int = 0
    ends: Callable[[Sequence[int]], bool] | None = None
    closer: Closer | None = None
    written: list[Written] = field(default_factory=list)
    ending: Ending | None = None
    passes: int = 0
    cached: int = 0
    sequence: int = -1
    _pending: list[int] = field(default_factory=list)
    _held: int = 0
    _watched: int = _CLOSE
    _way: list[int] | None = None
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    @property
    def tokens(self) -> list[int]:
        """The reply so far, its stop included."""
        return [one.token for one in self.written]

    def waiting(self) -> int:
        """How many tokens its cache lacks."""
        return len(self._pending)

    def begin(self, steps: Steps) -> None:
        """Takes its place in an engine."""
        self.sequence, self._held = steps.open(self.prompt, self.prefix_len, self.options.max_new_tokens)
        self.cached = self._held
        self._pending = list(self.prompt[self._held :])
        self._force()

    def plan(self, saved: float) -> tuple[list[int], list[int]]:
        """What its cache lacks, and a guess of what follows. saved: what a pass less is worth, in guessed tokens."""
        return self._pending, self._guess(saved)

    def fed(self, count: int) -> None:
        """The first `count` pending tokens are in the cache, and others are to follow: a long prompt goes in parts."""
        self._held += count
        self._pending = self._pending[count:]

    def advance(self, logits: NDArray[np.float32], guess: Sequence[int], steps: Steps) -> None:
        """After a pass over all that `plan` gave. logits: [1 + len(guess), V]."""
        self.passes += 1
        self._held += len(self._pending)
        self._pending = []
        right = 0
        while True:
            choice = choose(logits[right], self.guard, self.options, self._random)
            if self._is_late(choice.token):
                self._close()
                break
            hit = right < len(guess) and guess[right] == choice.token
            right += hit
            origin = Origin.DRAFTED if hit else Origin.CHOSEN
            self._write(Written(choice.token, origin, choice.logprob, choice.others, choice.masked), pending=not hit)
            if not self.ending:
                right += self._force(guess[right:])
            if self.ending or self._pending:
                break
        self._held += right
        if right < len(guess):
            steps.cut(self.sequence, self._held)

    def _is_late(self, token: int) -> bool:
        """Whether too few tokens would be left behind this one to end in form; then `_way` is what to write instead."""
        left = self.options.max_new_tokens - len(self.written)
        if not self.closer or not self.guard or left > _CLOSE or token in self.stops:
            return False
        there = self.guard.copy()
        there.take([token])
        # what forces others opens something, which takes more to close than what is known
        if left > self._watched and not there.forced():
            return False
        way = self.closer.way(there, left - 1)
        if way is not None:
            self._watched = left - max(1, (left - len(way) - _NEAR) // _PARTS)
            return False
        self._way = self.closer.way(self.guard, left)
        if self._way and left > len(self._way) + _NEAR and self.closer.way(there, _FAR) is None:
            # there is time, and nothing says that the end is far: it is only not seen from there
            self._way = None
        if self._way is None:
            # there may be one from where it goes on
            self._watched = left - max(1, left // _NEAR)
        return self._way is not None

    def _close(self) -> None:
        for token in self._way or ():
            self._write(Written(token, Origin.CLOSED, 0.0), pending=False)
        self.ending = Ending.LENGTH

    def _force(self, guess: Sequence[int] = ()) -> int:
        """Writes what the grammar forces; how many of these tokens a guess had, so that the cache has them."""
        had = 0
        forced = self.guard.forced() if self.guard else []
        for token in forced:
            hit = not self._pending and had < len(guess) and guess[had] == token
            had += hit
            self._write(Written(token, Origin.FORCED, 0.0), pending=not hit)
            if self.ending:
                break
        if self.guard and not self.ending and self.guard.ended:
            self.ending = Ending.STOP
        return had

    def _write(self, one: Written, *, pending: bool) -> None:
        token = one.token
        self.written.append(one)
        if token in self.stops:
            self.ending = Ending.STOP
            return
        if self.guard:
            self.guard.take([token])
        if pending:
            self._pending.append(token)
        if self.ends and self.ends(self.tokens):
            self.ending = Ending.STOP
        elif len(self.written) >= self.options.max_new_tokens:
            self.ending = Ending.LENGTH

    def _guess(self, saved: float) -> list[int]:
        """What likely follows, as long as that is worth computing: a right token saves a pass, a wrong one costs its
        own computing, with all that the grammar forces behind it."""
        if self.draft is None or len(self._pending) > _PROMPT:
            return []
        written = self.tokens
        guess: list[int] = []
        chance = 1.0
        while len(guess) < self.most_drafted:
            likely, token = self.draft.next([*written, *guess])
            chance *= likely
            # a stop is left to be chosen
            if token < 0 or token in self.stops or (self.guard and not self.guard.fits([token])):
                break
            more = [token]
            if self.guard:
                self.guard.take(more)
                forced = self.guard.forced()
                self.guard.take(forced)
                more += forced
            guess += more
            if chance * saved < (1 - chance) * len(more):
                del guess[-len(more) :]
                if self.guard:
                    self.guard.give_back(len(more))
                break
        if self.guard:
            self.guard.give_back(len(guess))
        return guess


class Decoder:
    """The rows that are decoded together. Rows come and go between rounds."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._rows: list[Row] = []

    def takes(self, prompt: Sequence[int], prefix_len: int, more: int) -> bool:
        """Whether there is room for a row of this prompt and up to `more` tokens."""
        return len(self._rows) < self._steps.room and self._steps.takes(prompt, prefix_len, more)

    @property
    def rows(self) -> Sequence[Row]:
        """Those being written."""
        return self._rows

    def add(self, row: Row) -> None:
        """One more row, where there is room."""
        row.begin(self._steps)
        self._rows.append(row)

    def drop(self, row: Row) -> None:
        """Ends a row that nobody waits for any more."""
        self._rows.remove(row)
        self._steps.close(row.sequence)

    def round(self) -> list[Row]:
        """One pass for all rows -> those that ended. Long prompts go in parts, so that nobody waits for them long."""
        plans, feeds, left = [], [], self._steps.most
        # what a pass costs beside its tokens is shared by all rows in it
        saved = self._steps.overhead / max(1, len(self._rows))
        for row in sorted(self._rows, key=Row.waiting):
            if row.ending or not left:
                continue
            pending, guess = row.plan(saved)
            guess = guess[: max(0, left - len(pending))]
            part = pending[:left]
            whole = len(part) == len(pending)
            plans.append((row, len(part), guess, whole))
            feeds.append(Feed(row.sequence, [*part, *guess], len(guess) + 1 if whole else 0))
            left -= len(part) + len(guess)
        made = self._steps.forward(feeds) if feeds else []
        for (row, count, guess, whole), logits in zip(plans, made, strict=True):
            if whole:
                row.advance(logits, guess, self._steps)
            else:
                row.fed(count)
        ended = [row for row in self._rows if row.ending]
        for row in ended:
            self.drop(row)
        return ended
