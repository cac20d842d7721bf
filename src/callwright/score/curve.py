"""Exact match after training on more and more rows, with several seeds -> a learning curve, and what it advises."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from callwright.score.stats import Interval, paired_difference, rows_needed, wilson
from callwright.types import JsonObject

_RESAMPLES = 4000
_SIZES = 3
# a gain that is worth the work of labelling
WANTED = 0.03


@dataclass(frozen=True, slots=True)
class Point:
    """One training: on so many rows, with this seed; `right` says of every held-out row, in order, whether it was."""

    rows: int
    seed: int
    right: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """All trainings on so many rows: the mean of their shares of exact rows, with its 95% interval."""

    rows: int
    seeds: int
    mean: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Gain:
    """What training on `to` rows instead of `begun` gained: a difference of shares, with its 95% interval."""

    begun: int
    to: int
    difference: float
    interval: Interval

    def __str__(self) -> str:
        ends = f"[{100 * self.interval.low:+.1f}, {100 * self.interval.high:+.1f}]"
        return f"{100 * self.difference:+.1f} points {ends}"


@dataclass(frozen=True, slots=True)
class Advice:
    """kind: whether more rows help: 'rising', 'flat', or 'unclear' where these trainings cannot tell."""

    kind: Literal["rising", "flat", "unclear"]
    text: str


def as_row(point: Point) -> JsonObject:
    """A point as `curve.json` has it; `right` is a digit for each held-out row.

    >>> as_row(Point(50, 1, (True, False)))
    {'rows': 50, 'seed': 1, 'n': 2, 'exact': 0.5, 'right': '10'}
    """
    n = len(point.right)
    right = "".join("1" if one else "0" for one in point.right)
    return {"rows": point.rows, "seed": point.seed, "n": n, "exact": sum(point.right) / n, "right": right}


def points_of(rows: Sequence[JsonObject]) -> list[Point]:
    """The points of a `curve.json`; those without `right`, which another program wrote, are left out."""
    return [
        Point(row["rows"], row["seed"], tuple(one == "1" for one in row["right"])) for row in rows if "right" in row
    ]


def sizes_of(points: Sequence[Point]) -> list[Size]:
    """A point of the curve for each number of rows, fewest first.

    The interval is that of seeds and held-out rows both drawn again (Owen 2007, The pigeonhole bootstrap): another
    training, asked other requests. Of one seed it is Wilson's, which knows nothing of how trainings differ.
    Raises ValueError where trainings were scored on different numbers of rows.
    """
    return [_size(rows, _matrix(made)) for rows, made in _by_rows(points).items()]


def size_as_json(size: Size) -> JsonObject:
    """A size as `callwright curve --json` has it."""
    ends = {"low": size.interval.low, "high": size.interval.high}
    return {"rows": size.rows, "seeds": size.seeds, "value": size.mean, **ends}


def gain(points: Sequence[Point], begun: int, to: int) -> Gain:
    """The difference between two numbers of rows, over the seeds and the held-out rows that both have.

    Raises ValueError where they share no seed.
    """
    both = _by_rows(points)
    less, more = ({point.seed: point for point in both[rows]} for rows in (begun, to))
    seeds = [seed for seed in less if seed in more]
    if not seeds:
        raise ValueError(f"gain: no seed was trained on both {begun} and {to} rows")
    before, after = (_matrix([made[seed] for seed in seeds]) for made in (less, more))
    difference = after - before
    ends = _interval(difference) if len(seeds) > 1 else _of_one_seed(before, after)
    return Gain(begun, to, float(difference.mean()), ends)


def advice(points: Sequence[Point], wanted: float = WANTED) -> Advice | None:
    """Whether more rows of the same kind would help, read from the last two sizes; None of fewer than two.

    wanted: the gain that is worth having, as a share.
    """
    made = sizes_of(points)
    if len(made) < 2:
        return None
    last = gain(points, made[-2].rows, made[-1].rows)
    told = f"From {last.begun:,} to {last.to:,} rows exact match changed by {last}"
    if last.interval.low > 0:
        return Advice("rising", f"{told}: it still rises. {_ahead(made, wanted)}")
    if last.interval.high < wanted:
        why = f"{told}: less than {100 * wanted:g} points. More rows of the same kind will hardly help"
        return Advice("flat", f"{why}; {_enough(points, made)} Look at what fails instead, and add rows for that.")
    return Advice("unclear", f"{told}: too wide to tell. {_sharper(points, made[-1], wanted)}")


def _ahead(made: Sequence[Size], wanted: float) -> str:
    """What the next rows would gain, if the curve goes on as its last sizes did: straight over log2 of rows."""
    end = made[-_SIZES:]
    slope = float(np.polyfit([math.log2(size.rows) for size in end], [size.mean for size in end], 1)[0])
    if slope <= 0:
        return "Before that it fell, so how far is not said."
    doublings = wanted / slope
    if doublings > _SIZES:
        return (
            f"Each doubling gave {100 * slope:.1f} points; {100 * wanted:g} more are further than it can be told from."
        )
    rows = math.ceil(made[-1].rows * 2**doublings)
    return (
        f"Each doubling gave {100 * slope:.1f} points of late; if that goes on, about {_round(rows):,} rows give "
        f"{100 * wanted:g} points more."
    )


def _enough(points: Sequence[Point], made: Sequence[Size]) -> str:
    """The fewest rows that are not told apart from the most."""
    for size in made[:-1]:
        if gain(points, size.rows, made[-1].rows).interval.low <= 0:
            return f"{size.rows:,} rows cannot be told from {made[-1].rows:,}."
    return f"{made[-1].rows:,} rows are the best there is."


def _sharper(points: Sequence[Point], most: Size, wanted: float) -> str:
    """How many held-out rows would tell."""
    n = len(points[0].right)
    base = min(most.mean, 1 - wanted)
    needed = rows_needed(wanted, base)
    if most.seeds < _SIZES:
        return f"Give more --seeds: {_SIZES} or more show how much trainings differ by themselves."
    if n < needed:
        return f"{needed:,} held-out rows would show {100 * wanted:g} points; there are {n:,}."
    return "Give more --seeds, or a larger size."


def _round(rows: int) -> int:
    """Two figures: a forecast has no more.

    >>> _round(1834), _round(96)
    (1800, 96)
    """
    digits = max(0, len(str(rows)) - 2)
    return int(round(rows, -digits))


def _by_rows(points: Sequence[Point]) -> dict[int, list[Point]]:
    found: defaultdict[int, list[Point]] = defaultdict(list)
    for point in points:
        found[point.rows].append(point)
    return dict(sorted(found.items()))


def _size(rows: int, right: np.ndarray) -> Size:
    seeds, n = right.shape
    return Size(rows, seeds, float(right.mean()), _interval(right) if seeds > 1 else wilson(float(right.sum()), n))


def _of_one_seed(before: np.ndarray, after: np.ndarray) -> Interval:
    """The interval of a paired difference."""
    pairs = ((1, 1), (1, 0), (0, 1), (0, 0))
    return paired_difference(*(int(((before == one) & (after == other)).sum()) for one, other in pairs))


def _matrix(points: Sequence[Point]) -> np.ndarray:
    """[seeds, held-out rows], 1 where right."""
    if len({len(point.right) for point in points}) > 1:
        raise ValueError("a learning curve's trainings are scored on the same held-out rows")
    return np.asarray([point.right for point in points], dtype=np.float64)


def _interval(values: np.ndarray) -> Interval:
    """Seeds and rows drawn again, each with replacement: the mean of [seeds, rows]."""
    seeds, rows = values.shape
    random = np.random.default_rng(0)
    by_seed = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=_RESAMPLES) @ values
    drawn = random.multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES)
    means = (by_seed * drawn).sum(axis=1) / (seeds * rows)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))
