"""Sequences that stay computed for later ones, by their tokens: the longest common beginning, and which to let go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

Place = TypeVar("Place")
"""Where an engine keeps one."""


class Kept(Generic[Place]):
    """Sequences, the one used last behind."""

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[int, ...], Place] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, tokens: tuple[int, ...]) -> bool:
        return tokens in self._places

    def longest(self, tokens: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """The one that shares most of a beginning with these, and how much."""
        asked = tuple(tokens)
        best: tuple[int, ...] = ()
        most = 0
        for kept in self._places:
            if len(kept) > most and asked[: most + 1] == kept[: most + 1]:
                # tuples are compared a hundred times as fast as their numbers one by one
                low, high = most + 1, min(len(kept), len(asked))
                while low < high:
                    middle = (low + high + 1) // 2
                    low, high = (middle, high) if asked[:middle] == kept[:middle] else (low, middle - 1)
                best, most = kept, low
        return best, most

    def use(self, tokens: tuple[int, ...]) -> Place:
        """Where this one is; it stays longest of all."""
        self._places.move_to_end(tokens)
        return self._places[tokens]

    def put(self, tokens: tuple[int, ...], place: Place) -> None:
        """One more."""
        self._places[tokens] = place

    def forget(self) -> Place:
        """Lets go of the one that was used longest ago -> where it was."""
        return self._places.popitem(last=False)[1]
