"""A training's log, and scores by rows trained on -> the charts of a report."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.report.data import Chart
from callwright.report.lines import Line, chart
from callwright.report.plots import smooth
from callwright.report.source import Source
from callwright.score.curve import points_of, sizes_of
from callwright.score.stats import wilson
from callwright.types import JsonObject

_MOST_POINTS = 2_000


def curves(source: Source) -> list[Chart]:
    """The loss, what is right of tokens and of dev rows, rewards, and the learning curve: those that there are."""
    found = [
        _steps(source.metrics, "loss", "Loss", shares=False),
        _steps(source.metrics, "reward", "Reward", shares=False),
        _right(source),
        _learning(source.curve),
    ]
    return [one for one in found if one is not None]


def _steps(metrics: Sequence[JsonObject], key: str, title: str, *, shares: bool) -> Chart | None:
    points = _points(metrics, key)
    if not points:
        return None
    line, smoothed = _smoothed(key, points)
    last = smoothed.points[-1][1]
    note = f"After {points[-1][0]:,.0f} steps, smoothed: {last:.4g}." if math.isfinite(last) else ""
    return Chart(title, chart(title, "step", key, [line, smoothed], shares=shares), note)


def _right(source: Source) -> Chart | None:
    """Exact match on dev rows by step, and the share of supervised tokens that were predicted right."""
    lines: list[Line] = []
    tokens, scores = _points(source.metrics, "token_accuracy"), _points(source.scores, "score")
    if tokens:
        lines += _smoothed("tokens", tokens)
    if scores:
        lines.append(Line("exact match on dev rows", scores, dots=True))
    if not lines:
        return None
    note = "Tokens: the share of supervised tokens predicted right, in training." if tokens else ""
    title = "Exact match by step" if scores else "Tokens predicted right"
    return Chart(title, chart(title, "step", "right", lines, shares=True), note)


def _learning(curve: Sequence[JsonObject]) -> Chart | None:
    """Exact match by rows trained on: every seed a dot with its interval, and the mean of the seeds a line."""
    by_rows: defaultdict[float, list[tuple[float, int]]] = defaultdict(list)
    for one in curve:
        if _is_number(one.get("rows")) and _is_number(one.get("exact")) and 0 <= one["exact"] <= 1:
            by_rows[one["rows"]].append((float(one["exact"]), int(one.get("n") or 0)))
    if not by_rows:
        return None
    dots = [(rows, value) for rows, made in sorted(by_rows.items()) for value, _ in made]
    known = sizes_of(points_of(curve))
    if len(known) == len(by_rows):
        means = [(float(size.rows), size.mean) for size in known]
        of_mean = [(float(size.rows), size.interval.low, size.interval.high) for size in known]
        lines = [Line("mean", means, ends=of_mean), Line("one seed", dots, dots=True, joined=False)]
        note = "Bars: the 95% interval of the mean, seeds and held-out rows drawn again."
    else:
        means = [(rows, sum(value for value, _ in made) / len(made)) for rows, made in sorted(by_rows.items())]
        ends = [
            (rows, interval.low, interval.high)
            for rows, made in sorted(by_rows.items())
            for value, n in made
            if n and (interval := wilson(value * n, n))
        ]
        lines = [Line("mean", means), Line("one seed", dots, dots=True, joined=False, ends=ends)]
        note = "Bars: the 95% interval of one training's score."
    drawn = chart("Learning curve", "rows trained on", "exact match", lines, shares=True)
    return Chart("Learning curve", drawn, note)


def _smoothed(name: str, points: Sequence[tuple[float, float]]) -> tuple[Line, Line]:
    values = smooth([value for _, value in points])
    after = [(at, value) for (at, _), value in zip(points, values, strict=True)]
    return Line(name, _thinned(points), faint=True), Line(f"{name}, smoothed", _thinned(after))


def _points(rows: Sequence[JsonObject], key: str) -> list[tuple[float, float]]:
    """(step, value) in order of step; of a step that was run again, the last."""
    found = {row["step"]: float(row[key]) for row in rows if _is_number(row.get(key))}
    return sorted(found.items())


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """A long training's points, no more than can be seen."""
    every = -(-len(points) // _MOST_POINTS)
    return [*_each(points, every)] if every > 1 else points


def _each(points: Sequence[tuple[float, float]], every: int) -> Iterator[tuple[float, float]]:
    yield from points[:-1:every]
    yield points[-1]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
