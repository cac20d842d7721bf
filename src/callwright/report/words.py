"""Shares, differences and p-values -> the words that a report says them with, and its verdict."""

from __future__ import annotations

from callwright.report.source import Source
from callwright.score.curve import advice, points_of
from callwright.score.run import EXACT
from callwright.score.stats import Comparison
from callwright.types import JsonObject

NO_VALUE = "–"


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def share(found: JsonObject | None) -> str:
    """A share with its 95% interval.

    >>> share({"n": 300, "value": 0.5233, "low": 0.4669, "high": 0.5792})
    '52.3% [46.7, 57.9]'
    """
    if not found or found.get("value") is None:
        return NO_VALUE
    return f"{percent(found['value'])} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def points(pair: Comparison | None) -> str:
    """A difference in points with its 95% interval."""
    if pair is None:
        return NO_VALUE
    ends = f"[{100 * pair.interval.low:+.1f}, {100 * pair.interval.high:+.1f}]"
    return f"{100 * pair.difference:+.1f} {ends}"


def p_value(p: float) -> str:
    """
    >>> p_value(0.00004), p_value(0.0421), p_value(1.0)
    ('p < 0.001', 'p = 0.042', 'p = 1')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.9995 else "p = 1"


def change(pair: Comparison) -> str:
    """The sentence on two runs of the same rows."""
    ends = f"[{100 * pair.interval.low:+.1f}, {100 * pair.interval.high:+.1f}]"
    return f"{100 * pair.difference:+.1f} points {ends}, {p_value(pair.p_value)}"


def verdict(source: Source) -> str:
    """The first line of a report: how often the model is exact, of how many rows, and against what it began from."""
    if source.main is None:
        advised = advice(points_of(source.curve))
        if advised is not None:
            return advised.text
        steps = len({row["step"] for row in source.metrics})
        trained = f"trained for {steps:,} steps; " if steps else ""
        return f"{trained}not scored"
    exact = source.scored[source.main].report.aggregates.get(EXACT) or {}
    if not exact.get("n"):
        return f"{source.main}: scored on no rows"
    told = f"{source.main}: {percent(exact['value'])} exact [{100 * exact['low']:.1f}, {100 * exact['high']:.1f}]"
    told += f" of {exact['n']:,}"
    pair = source.paired(EXACT)
    if source.other is None or pair is None:
        return told
    other = source.scored[source.other].report.aggregates[EXACT]
    return f"{told}; {source.other} {percent(other['value'])}; {change(pair)}"
