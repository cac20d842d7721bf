"""Guesses of what comes next, from what stood behind the same tokens before: the model checks them.

Arguments are mostly copied from the request, and calls of one tool set look alike. So the request and earlier replies
are looked up by their last few tokens, the longest match first, and a guess goes on as long as it is likely enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

# how many tokens must be the same, at most
_LONGEST = 6
# stands before the first token of a reply
_START = -1
# how likely what was seen once comes again, by how many tokens before it are the same
_ONCE = (0.0, 0.4, 0.5, 0.6, 0.7, 0.7, 0.7)
# how much one more time counts beside all before
_NEWS = 0.3

Stem = Callable[[int], int]
"""A token without the space that it begins with: a word is another token where a quote stands before it."""


class Seen:
    """What came behind runs of 1 to 6 tokens, alike by their stems: the last time, and how often it was the same.

    `shortest`: runs below this say nothing.
    """

    def __init__(self, shortest: int = 1, stem: Stem = lambda token: token) -> None:
        self._shortest, self._stem = shortest, stem
        self._after: dict[tuple[int, ...], tuple[int, float]] = {}
        self.tokens = 0

    def add(self, tokens: Iterable[int]) -> None:
        """One more sequence."""
        last: deque[int] = deque(maxlen=_LONGEST)
        for token in tokens:
            run = tuple(last)
            for size in range(self._shortest, len(run) + 1):
                part = run[-size:]
                before, chance = self._after.get(part, (token, _ONCE[size]))
                hit = before == token
                known = part in self._after
                self._after[part] = token, (1 - _NEWS) * chance + _NEWS * hit if known else chance
            last.append(self._stem(token))
            self.tokens += 1

    def next(self, last: Sequence[int]) -> tuple[float, int]:
        """How likely, and what comes behind the longest run that `last` ends with; 0 where there is none."""
        stems = tuple(self._stem(token) for token in last[-_LONGEST:])
        for size in range(len(stems), self._shortest - 1, -1):
            found = self._after.get(stems[-size:])
            if found is not None:
                return found[1], found[0]
        return 0.0, _START


class Replies:
    """Replies to one tool set: what the next one is guessed from. Beyond `most` tokens the older half is forgotten."""

    def __init__(self, most: int = 1 << 15) -> None:
        self._kept: deque[tuple[int, ...]] = deque()
        self._most = most
        self._seen = Seen(shortest=2)

    def add(self, tokens: Sequence[int]) -> None:
        """A reply that has ended."""
        self._kept.append(tuple(tokens))
        self._seen.add(tokens)
        if self._seen.tokens > self._most:
            self._kept = deque(list(self._kept)[len(self._kept) // 2 :])
            self._seen = Seen(shortest=2)
            for reply in self._kept:
                self._seen.add(reply)

    def next(self, last: Sequence[int]) -> tuple[float, int]:
        """As `Seen.next`."""
        return self._seen.next(last)


class Draft:
    """Guesses for one reply: from earlier replies to the same tools, and from the request."""

    def __init__(
        self, request: Sequence[int], replies: Replies | None = None, stem: Stem = lambda token: token
    ) -> None:
        self._request = Seen(stem=stem)
        self._request.add(request)
        self._replies = replies

    def ended(self, reply: Sequence[int]) -> None:
        """What came of it: later replies are guessed from it."""
        if self._replies is not None:
            self._replies.add([_START, *reply])

    def next(self, written: Sequence[int]) -> tuple[float, int]:
        """How likely, and what comes behind `written`, the reply so far; 0 and a number below 0 for no guess."""
        last = [_START, *written] if len(written) < _LONGEST else written[-_LONGEST:]
        found = self._request.next(last)
        return found if self._replies is None else max(found, self._replies.next(last))
