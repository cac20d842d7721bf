"""Counts and values of rows -> intervals and tests for one run or two; a difference -> how many rows show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from callwright.types import Report

Z_95 = 1.959964
_RESAMPLES = 2000
# numbers that are drawn at a time
_DRAWN = 1 << 20


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


def bootstrap(values: Sequence[float], *, resamples: int = _RESAMPLES, level: float = 0.95, seed: int = 0) -> Interval:
    """The percentile bootstrap interval of a mean over rows, drawn again with replacement; for values that are no yes
    or no, such as the share of a row's arguments or of two runs' differences.

    Of few rows, or of rows that are all equal, it is too narrow: of shares, `wilson` is not.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

    Raises ValueError where there are no values.

    >>> interval = bootstrap([0.0, 0.5, 1.0, 1.0] * 25)
    >>> interval.low < 0.625 < interval.high
    True
    """
    if not values:
        raise ValueError("bootstrap: there are no values to draw from")
    array, random = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    at_once = max(1, _DRAWN // len(array))
    means = [
        array[random.integers(len(array), size=(min(at_once, resamples - begun), len(array)))].mean(axis=1)
        for begun in range(0, resamples, at_once)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def paired_bootstrap(base: Sequence[float], tuned: Sequence[float], *, seed: int = 0) -> Interval:
    """The 95% interval of the difference of two runs' means, tuned less base: rows are drawn, with both their values.

    Raises ValueError where there are no rows, or not as many in both.

    >>> paired_bootstrap([0.0, 0.25, 0.5], [0.5, 0.75, 1.0])
    Interval(low=0.5, high=0.5)
    """
    return bootstrap([other - one for one, other in zip(base, tuned, strict=True)], seed=seed)


def rows_needed(
    difference: float, base: float, *, power: float = 0.8, alpha: float = 0.05, discordant: float | None = None
) -> int:
    """How many rows two runs must both answer so that McNemar's test finds a difference of their shares.

    difference: tuned less base, as -0.03; base: the share that is right now. discordant: the share of rows that only
    one of the runs gets right, as a comparison of such runs showed it; left out, as if the two were right
    independently of one another: more often than runs of one model usually are.
    Source: Connor 1987, Sample size for testing differences in proportions for the paired-sample design, Biometrics
    43: n = (z_alpha sqrt(psi) + z_beta sqrt(psi - d^2))^2 / d^2, two-sided, psi the discordant share.

    Raises ValueError for a difference of 0, shares outside [0, 1], and a discordant share less than the difference.

    >>> rows_needed(0.1, 0.5, discordant=0.3), rows_needed(0.05, 0.8)
    (234, 909)
    """
    tuned = _checked(difference, base)
    share = base * (1 - tuned) + tuned * (1 - base) if discordant is None else discordant
    if not abs(difference) <= share <= 1:
        raise ValueError(f"rows_needed: {share} of the rows cannot differ where the difference is {difference}")
    sure, found = _quantiles(power, alpha)
    root = sure * math.sqrt(share) + found * math.sqrt(share - difference * difference)
    return math.ceil((root / difference) ** 2)


def rows_needed_apart(difference: float, base: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """As `rows_needed`, for each of two runs that answer different rows.

    Source: Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, 4.2, without the correction for
    continuity: n = (z_alpha sqrt(2 p q) + z_beta sqrt(p1 q1 + p2 q2))^2 / d^2, p the mean of both shares.

    >>> rows_needed_apart(0.1, 0.5), rows_needed_apart(0.1, 0.1)
    (388, 199)
    """
    tuned = _checked(difference, base)
    middle = (base + tuned) / 2
    sure, found = _quantiles(power, alpha)
    apart = base * (1 - base) + tuned * (1 - tuned)
    root = sure * math.sqrt(2 * middle * (1 - middle)) + found * math.sqrt(apart)
    return math.ceil((root / difference) ** 2)


def _checked(difference: float, base: float) -> float:
    """The other share."""
    if difference == 0 or not 0 <= base <= 1 or not 0 <= base + difference <= 1:
        raise ValueError(f"rows_needed: no two shares are {difference} apart where one is {base}")
    return base + difference


def _quantiles(power: float, alpha: float) -> tuple[float, float]:
    if not (0 < power < 1 and 0 < alpha < 1):
        raise ValueError(f"rows_needed: power and alpha must lie between 0 and 1, got {power} and {alpha}")
    return NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)


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


@dataclass(frozen=True, slots=True)
class MeanComparison:
    """Two runs on the same rows, by a metric that is no yes or no: the difference of the means, tuned less base."""

    rows: int
    difference: float
    interval: Interval


def compare_means(base: Report, tuned: Report, metric: str = "argument_accuracy") -> MeanComparison:
    """Two reports -> the difference of a metric's means over the rows that both judged, with its paired bootstrap."""
    left, right = _values(base, metric), _values(tuned, metric)
    shared = [row for row in left if row in right]
    if not shared:
        return MeanComparison(0, 0.0, Interval(-1.0, 1.0))
    ones, others = [left[row] for row in shared], [right[row] for row in shared]
    difference = (sum(others) - sum(ones)) / len(shared)
    return MeanComparison(len(shared), difference, paired_bootstrap(ones, others))


def _right(report: Report, metric: str) -> dict[str, bool]:
    return {row: value == 1 for row, value in _values(report, metric).items()}


def _values(report: Report, metric: str) -> dict[str, float]:
    return {
        row: verdict.value
        for row, verdicts in report.verdicts.items()
        for verdict in verdicts
        if verdict.metric == metric and verdict.value is not None
    }
