"""Several sampled runs of the same rows -> how many rows are right only sometimes."""

from __future__ import annotations

from collections.abc import Sequence

from callwright.score.run import EXACT, RowScore
from callwright.score.stats import wilson
from callwright.types import JsonObject


def flakiness(runs: Sequence[Sequence[RowScore]]) -> JsonObject:
    """Runs of the same rows in one order -> plain data.

    n, value, low, high: rows, the share of them whose exact match changes from run to run, its 95% Wilson interval.
    runs: how many; always, never, sometimes: rows that are exact in all, none, and some of them; by_run: each run's
    exact match; mean: of these; ids: the rows that are right sometimes, nearest to even odds first.

    Raises ValueError for fewer than two runs, or runs of different rows.
    """
    if len(runs) < 2 or len({tuple(row.id for row in run) for run in runs}) > 1:
        raise ValueError("flakiness: give at least two runs of the same rows in the same order")
    counts = [sum(row.verdict(EXACT).value == 1 for row in rows) for rows in zip(*runs, strict=True)]
    n, tries = len(counts), len(runs)
    flaky = [place for place, count in enumerate(counts) if 0 < count < tries]
    interval = wilson(len(flaky), n)
    by_run = [sum(row.verdict(EXACT).value == 1 for row in run) / n if n else None for run in runs]
    flaky.sort(key=lambda place: abs(2 * counts[place] - tries))
    return {
        "n": n,
        "value": len(flaky) / n if n else None,
        "low": interval.low if n else None,
        "high": interval.high if n else None,
        "runs": tries,
        "always": counts.count(tries),
        "never": counts.count(0),
        "sometimes": len(flaky),
        "by_run": by_run,
        "mean": sum(counts) / (n * tries) if n else None,
        "ids": [runs[0][place].id for place in flaky],
    }
