"""Several sources with weights -> one seeded mix, with caps a source and replay rows of plain chat."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from callwright.errors import DataError
from callwright.types import Conversation


@dataclass(frozen=True)
class Source:
    """Rows under a name. `weight` is its share of the mix against the others'; `cap` the most rows it gives."""

    name: str
    rows: Sequence[Conversation]
    weight: float = 1.0
    cap: int | None = None


@dataclass(frozen=True)
class Mixed:
    """The drawn rows, shuffled, and how many each source gave, in the sources' order."""

    rows: Sequence[Conversation]
    shares: Sequence[int]


def mix(sources: Sequence[Source], count: int | None, seed: int) -> Mixed:
    """`count` rows drawn by weight, shuffled, none twice; the same for the same seed.

    A source that has fewer rows than its share, or a lower cap, gives what it may, and the others fill the rest by
    their weights. Without a count every source gives all that it may. A row's `source` becomes the source's name where
    it has none. Raises DataError for weights that are not positive, and where the sources hold fewer rows than `count`.
    """
    for source in sources:
        if not source.weight > 0:
            raise DataError(source.name, f"the weight {source.weight} must be above 0")
    most = [min(len(source.rows), source.cap if source.cap is not None else len(source.rows)) for source in sources]
    if count is not None and count > sum(most):
        raise DataError(
            ", ".join(source.name for source in sources), f"{count} rows are asked for, {sum(most)} are there"
        )
    shares = most if count is None else _shares([source.weight for source in sources], most, count)
    drawn: list[Conversation] = []
    for number, (source, share) in enumerate(zip(sources, shares, strict=True)):
        # its own generator: another source more does not change what this one gives
        chosen = random.Random(f"{seed}:{number}:{source.name}").sample(range(len(source.rows)), share)
        rows = (source.rows[i] for i in chosen)
        drawn += [row if row.source else replace(row, source=source.name) for row in rows]
    random.Random(seed).shuffle(drawn)
    return Mixed(drawn, shares)


def _shares(weights: Sequence[float], most: Sequence[int], count: int) -> list[int]:
    """Whole numbers of rows by weight, none above its most, that add up to `count`."""
    shares = [0] * len(weights)
    while (left := count - sum(shares)) > 0:
        open_ones = [i for i in range(len(weights)) if shares[i] < most[i]]
        total = sum(weights[i] for i in open_ones)
        exact = {i: left * weights[i] / total for i in open_ones}
        given = {i: min(most[i] - shares[i], int(exact[i])) for i in open_ones}
        if not any(given.values()):
            # fewer rows than sources are left: the largest remainders take one each
            for i in sorted(open_ones, key=lambda i: (-exact[i], i))[:left]:
                given[i] = 1
        for i, more in given.items():
            shares[i] += more
    return shares
