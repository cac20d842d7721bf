"""Counts -> a confidence interval for one run, or a p-value for two runs on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from callwright.types import Report

Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval: of a proportion, both ends in [0, 1]; of a difference of two, in [-1, 1]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same rows: how many rows only one of them got right, and how surprising that is; the difference
    of the shares that are right, tuned less base, and its 95% interval."""

    rows: int
    only_base: int
    only_tuned: int
    p_value: float
    difference: float
    interval: Interval


def wilson(successes: float, n: int, z: float = Z_95) -> Interval:
    """The Wilson score interval of `successes` out of `n`; [0, 1] when n is 0, as nothing is known.

    `successes` may be a sum of fractions (say, the right share of each row's arguments). A fraction varies
    less than a yes or no with the same mean, so the interval is then a little wide, never too narrow.
    Source: Wilson 1927; Brown, Cai, DasGupta 2001 on why not the normal interval for small n.

    Raises ValueError when `successes` is not in [0, n].

    >>> interval = wilson(9, 10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.596, 0.982)
    """
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson: successes must lie in [0, n], got {successes} of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    # min and max: rounding must not push an end past the point itself or out of [0, 1].
    return Interval(max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def mcnemar(only_base: int, only_tuned: int) -> float:
    """The two-sided exact McNemar p-value: are two runs on the same rows equally good?

    only_base, only_tuned: rows that only that run got right. Rows that both got right, or both wrong, say nothing.

    Raises ValueError when a count is negative.

    >>> mcnemar(1, 9)
    0.021484375
    >>> mcnemar(0, 0)
    1.0
    """
    if only_base < 0 or only_tuned < 0:
        raise ValueError(f"mcnemar: counts must not be negative, got {only_base} and {only_tuned}")
    n = only_base + only_tuned
    tail = sum(math.comb(n, k) for k in range(min(only_base, only_tuned) + 1))
    # Integers to the end: 2^n overflows a float from n = 1024 on.
    return min(1.0, 2 * tail / (1 << n))


def paired_difference(both: int, only_base: int, only_tuned: int, neither: int) -> Interval:
    """The 95% interval of the difference of two shares of the same rows, tuned less base; [-1, 1] without rows.

    Source: Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on
    paired data, method 10: Wilson's intervals of both shares, and how the two go together.

    Raises ValueError when a count is negative.

    >>> interval = paired_difference(36, 2, 12, 0)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0569, 0.3404)
    """
    counts = (both, only_base, only_tuned, neither)
    if min(counts) < 0:
        raise ValueError(f"paired_difference: counts must not be negative, got {counts}")
    n = sum(counts)
    if n == 0:
        return Interval(-1.0, 1.0)
    base, tuned = wilson(both + only_base, n), wilson(both + only_tuned, n)
    p_base, p_tuned = (both + only_base) / n, (both + only_tuned) / n
    together = _phi(both, only_base, only_tuned, neither)

    def distance(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * together * x * y + y * y))

    middle = p_tuned - p_base
    below = distance(p_tuned - tuned.low, base.high - p_base)
    above = distance(tuned.high - p_tuned, p_base - base.low)
    return Interval(max(-1.0, middle - below), min(1.0, middle + above))


def _phi(both: int, only_base: int, only_tuned: int, neither: int) -> float:
    """The correlation of two runs' rows, with Newcombe's correction for continuity where it is above 0."""
    margins = (both + only_base) * (only_tuned + neither) * (both + only_tuned) * (only_base + neither)
    if margins == 0:
        return 0.0
    excess: float = both * neither - only_base * only_tuned
    if excess > 0:
        excess = max(0.0, excess - (both + only_base + only_tuned + neither) / 2)
    return excess / math.sqrt(margins)


def compare(base: Report, tuned: Report, metric: str = "exact_match") -> Comparison:
    """Two reports -> McNemar's test, and the difference, over the rows that both of them judged. A row is right when
    its value is 1."""
    left, right = _right(base, metric), _right(tuned, metric)
    shared = left.keys() & right.keys()
    only_base = sum(left[row] and not right[row] for row in shared)
    only_tuned = sum(right[row] and not left[row] for row in shared)
    both = sum(right[row] and left[row] for row in shared)
    counts = (both, only_base, only_tuned, len(shared) - both - only_base - only_tuned)
    difference = (only_tuned - only_base) / max(1, len(shared))
    return Comparison(
        len(shared), only_base, only_tuned, mcnemar(only_base, only_tuned), difference, paired_difference(*counts)
    )


def _right(report: Report, metric: str) -> dict[str, bool]:
    return {
        row: verdict.value == 1
        for row, verdicts in report.verdicts.items()
        for verdict in verdicts
        if verdict.metric == metric and verdict.value is not None
    }
