"""Values as they pass -> counts and lengths that stay small however many there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_NAMES = 1_000
"""Different names that a Tally keeps."""

OTHERS = "(others)"
_LONGEST_NAME = 80
_BINS = 30


@dataclass(slots=True)
class Tally:
    """Counts by name: the first MOST_NAMES different ones, and the rest together as OTHERS."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str) -> None:
        """Counts a name; a long one by how it begins."""
        name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        self.counts[name if name in self.counts or len(self.counts) < MOST_NAMES else OTHERS] += 1

    def most_common(self) -> tuple[tuple[str, int], ...]:
        """(name, count), most first; equal counts by name."""
        return most_first(self.counts)


def most_first(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    """(name, count), most first; equal counts by name."""
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean, least, percentiles (nearest rank) and most; `bins` are (first, last, rows) of equal width."""

    rows: int
    mean: float
    least: int
    p50: int
    p90: int
    p95: int
    p99: int
    most: int
    bins: tuple[tuple[int, int, int], ...] = ()


@dataclass(slots=True)
class Histogram:
    """Whole numbers, counted by value: exact percentiles, in memory that grows with different values, not with rows."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        self.counts[value] += 1

    def lengths(self) -> Lengths:
        """What was counted; zeros for nothing.

        >>> counted = Histogram(Counter({1: 5, 2: 4, 9: 1})).lengths()
        >>> counted.mean, counted.p50, counted.p90, counted.p95, counted.most
        (2.2, 1, 2, 9, 9)
        """
        rows = self.counts.total()
        if not rows:
            return Lengths(0, 0.0, 0, 0, 0, 0, 0, 0)
        ordered = sorted(self.counts)
        ranks = self._ranks(ordered, [math.ceil(rows * percent / 100) for percent in (50, 90, 95, 99)])
        mean = sum(value * count for value, count in self.counts.items()) / rows
        return Lengths(rows, mean, ordered[0], *ranks, ordered[-1], self._bins(ordered[0], ordered[-1]))

    def _ranks(self, ordered: Iterable[int], wanted: list[int]) -> tuple[int, int, int, int]:
        """The values at these places, counted from 1, of all values in order."""
        found: list[int] = []
        passed = 0
        for value in ordered:
            passed += self.counts[value]
            while len(found) < len(wanted) and passed >= wanted[len(found)]:
                found.append(value)
        p50, p90, p95, p99 = found
        return p50, p90, p95, p99

    def _bins(self, least: int, most: int) -> tuple[tuple[int, int, int], ...]:
        width = max(math.ceil((most - least + 1) / _BINS), 1)
        binned = Counter[int]()
        for value, count in self.counts.items():
            binned[(value - least) // width] += count
        last = (most - least) // width
        return tuple((least + i * width, least + (i + 1) * width - 1, binned[i]) for i in range(last + 1))
