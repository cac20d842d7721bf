"""Learning curves: what the intervals cover, and what is advised of curves whose shape is known."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from callwright.report.curves import curves
from callwright.report.source import Source
from callwright.report.words import verdict
from callwright.score.curve import Point, advice, as_row, gain, points_of, sizes_of
from callwright.score.curve_table import curve_table


def made(shares: dict[int, float], *, seeds: int = 3, n: int = 400, wobble: float = 0.0) -> list[Point]:
    """Trainings whose rows are right as often as said. Rows are hard or easy in every training alike; `wobble`: how
    much trainings differ by their seed."""
    drawn = np.random.default_rng(0)
    hard = drawn.random(n)
    return [
        Point(rows, seed, tuple(bool(right) for right in hard + 0.02 * drawn.normal(size=n) < share + shift))
        for seed in range(seeds)
        for shift in [wobble * (seed - (seeds - 1) / 2)]
        for rows, share in shares.items()
    ]


def test_a_curve_that_rises_says_how_many_rows_give_more() -> None:
    told = advice(made({50: 0.3, 100: 0.4, 200: 0.5}))
    assert told is not None
    assert told.kind == "rising"
    # a doubling gives about 10 points, so 3 points take 2^0.3 times the rows
    assert "about 2" in told.text
    assert "60 rows give 3 points more" in told.text or "50 rows give 3 points more" in told.text


def test_a_curve_that_is_flat_says_where_it_became_so() -> None:
    told = advice(made({50: 0.3, 100: 0.55, 200: 0.55, 400: 0.55}))
    assert told is not None
    assert told.kind == "flat"
    assert "100 rows cannot be told from 400" in told.text
    assert "Look at what fails" in told.text


def test_a_curve_of_few_rows_is_unclear_and_says_how_many_would_tell() -> None:
    told = advice(made({50: 0.5, 100: 0.55}, n=20, wobble=0.1))
    assert told is not None
    assert told.kind == "unclear"
    assert "held-out rows would show 3 points; there are 20" in told.text
    one = advice(made({50: 0.5, 100: 0.52}, seeds=1, n=60))
    assert one is not None
    assert (one.kind, "more --seeds" in one.text) == ("unclear", True)


def test_a_curve_that_falls_promises_nothing() -> None:
    told = advice(made({50: 0.6, 100: 0.5, 200: 0.3, 400: 0.35}))
    assert told is not None
    assert told.kind == "rising"
    assert "is not said" in told.text


def test_one_size_advises_nothing() -> None:
    assert advice(made({50: 0.5})) is None
    assert advice([]) is None


def test_intervals_cover_what_is_true() -> None:
    """Trainings that differ by seed and are asked few rows: the interval holds the true mean nearly as often as it
    should, and that of rows alone much less often."""
    held = alone = 0
    for world in range(200):
        draw = random.Random(world)
        points = []
        for seed in range(5):
            share = min(0.95, max(0.05, draw.gauss(0.5, 0.08)))
            points.append(Point(10, seed, tuple(draw.random() < share for _ in range(100))))
        found = sizes_of(points)[0].interval
        held += found.low <= 0.5 <= found.high
        one = sizes_of(points[:1])[0].interval
        alone += one.low <= 0.5 <= one.high
    assert held >= 0.9 * 200
    assert alone < held


def test_a_gain_is_paired() -> None:
    """The same rows and seeds stand on both sides, so a gain is surer than two intervals side by side."""
    points = made({50: 0.5, 100: 0.54})
    less, more = sizes_of(points)
    assert less.interval.high > more.interval.low
    assert gain(points, 50, 100).interval.low > 0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no seed was trained on both 1 and 2"):
        gain([Point(1, 0, (True,)), Point(2, 1, (True,))], 1, 2)
    with pytest.raises(ValueError, match="same held-out rows"):
        sizes_of([Point(1, 0, (True,)), Point(1, 1, (True, False))])


def test_points_come_back_from_their_file_and_are_told() -> None:
    points = made({50: 0.3, 100: 0.4})
    rows = [as_row(point) for point in points]
    assert points_of(rows) == points
    assert points_of([{"rows": 5, "seed": 0, "n": 3, "exact": 0.5}]) == []
    printed = io.StringIO()
    Console(file=printed, width=120).print(curve_table(points))
    lines = [line for line in printed.getvalue().splitlines() if "│" in line]
    assert len(lines) == 2
    assert "+" in lines[1]
    assert "held-out rows" in printed.getvalue()


def test_the_page_says_what_is_advised() -> None:
    rows = tuple(as_row(point) for point in made({50: 0.3, 100: 0.4}))
    source = Source(Path("curve"), curve=rows)
    assert verdict(source).startswith("From 50 to 100 rows exact match changed by")
    drawn = curves(source)[0]
    assert drawn.title == "Learning curve"
    assert drawn.svg.count('class="end') == 2
    assert "drawn again" in drawn.note
