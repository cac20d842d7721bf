"""How sure a model was of its calls, and which were right -> probabilities that mean what they say, and when to act."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from callwright.errors import DataError
from callwright.generate.confidence import Sureness
from callwright.score.run import RowScore

CALIBRATION = "calibration.json"
"""The file in an adapter's folder."""

Decision = Literal["act", "confirm", "refuse"]
"""What to do with a call: run it, ask the person first, or leave it."""

# pulls weights towards the plain log-probability, as one more row of doubt does
_PRIOR = 1.0
_STEPS = 50
_PARTS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of three log-probabilities (Platt 1999, with three slopes for one), and two thresholds.

    act: at and above it, a call is run; confirm: at and above it, a person is asked.
    """

    bias: float
    name: float
    arguments: float
    least: float
    act: float
    confirm: float

    def probability(self, sure: Sureness) -> float:
        """That the call is right; 0 for one that was cut."""
        if sure.cut:
            return 0.0
        score = self.bias + self.name * sure.name + self.arguments * sure.arguments + self.least * sure.least
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))

    def decide(self, probability: float) -> Decision:
        """What to do with a call of this probability."""
        if probability >= self.act:
            return "act"
        return "confirm" if probability >= self.confirm else "refuse"

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def load_calibration(path: Path) -> Calibration:
    """Reads what `save` wrote. Raises DataError."""
    try:
        return Calibration(**{key: float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(str(path), f"is not a calibration: {error}") from None


def calibrate(
    rows: Sequence[Sequence[tuple[Sureness, bool]]], precision: float = 0.95, floor: float = 0.5
) -> Calibration:
    """Fits the calls of each row and whether they were right.

    At the threshold to act at least `precision` of the calls are right, by the probabilities that a tenth of the rows
    gets from a fit to the others. Below `floor` a call is left.

    Raises ValueError where all calls were right, or all wrong: nothing can be told from them.
    """
    features, right, parts = _flat(rows)
    if not 0 < right.sum() < len(right):
        raise ValueError(f"{int(right.sum())} of {len(right)} calls are right; it takes both kinds")
    return _calibrated(features, right, parts, precision, floor)


def left_out(
    rows: Sequence[Sequence[tuple[Sureness, bool]]], precision: float = 0.95
) -> tuple[list[float], list[bool], list[bool]]:
    """For every call: its probability, and whether it would be run, by a calibration that did not see its tenth of the
    rows, thresholds and all; and whether it was right."""
    features, right, parts = _flat(rows)
    chances, run = np.zeros(len(right)), np.zeros(len(right), dtype=bool)
    for part in set(parts.tolist()):
        out = parts == part
        fitted = _calibrated(features[~out], right[~out], parts[~out], precision, 0.0)
        slopes = np.array([fitted.bias, fitted.name, fitted.arguments, fitted.least])
        chances[out] = _chances(features[out], slopes)
        run[out] = chances[out] >= fitted.act
    cut = np.array([sure.cut for row in rows for sure, _ in row], dtype=bool)
    return np.where(cut, 0.0, chances).tolist(), (run & ~cut).tolist(), (right > 0).tolist()


def right_calls(row: RowScore) -> list[bool]:
    """Whether each call of a scored reply is one that was expected, to the last argument."""
    right = {id(pair.got) for pair in row.match.pairs if pair.exact}
    return [id(call) in right for call in row.reply.calls]


def expected_error(chances: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """The expected calibration error (Naeini 2015), over bins of equal counts."""
    found = reliability(chances, right, bins)
    return sum(count * abs(given - true) for given, true, count in found) / max(1, len(chances))


def reliability(chances: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[tuple[float, float, int]]:
    """For every bin of equal counts: the mean probability, the share that was right, and how many calls."""
    order = np.argsort(np.asarray(chances), kind="stable")
    given, true = np.asarray(chances), np.asarray(right, dtype=np.float64)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [(float(given[part].mean()), float(true[part].mean()), len(part)) for part in parts]


def _flat(
    rows: Sequence[Sequence[tuple[Sureness, bool]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Of all calls: [N, 4] a one and three log-probabilities, [N] whether it was right, [N] the tenth of its row."""
    calls = [(sure, good, number % _PARTS) for number, row in enumerate(rows) for sure, good in row]
    features = [[1.0, sure.name, sure.arguments, sure.least] for sure, _, _ in calls]
    right = np.array([good for _, good, _ in calls], dtype=np.float64)
    return np.array(features).reshape(-1, 4), right, np.array([part for _, _, part in calls], dtype=np.int64)


def _calibrated(
    features: NDArray[np.float64], right: NDArray[np.float64], parts: NDArray[np.int64], precision: float, floor: float
) -> Calibration:
    by_others = np.zeros(len(right))
    for part in set(parts.tolist()):
        out = parts == part
        by_others[out] = _chances(features[out], _fitted(features[~out], right[~out]))
    act = _threshold(by_others, right, precision)
    bias, name, arguments, least = (float(weight) for weight in _fitted(features, right))
    return Calibration(bias, name, arguments, least, act, min(floor, act))


def _chances(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(features @ weights, -60, 60)))
    return found


def _fitted(features: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method for logistic regression [N, 4] -> [4], slopes held near 1/3 each."""
    prior = np.array([0.0, *[1 / 3] * (features.shape[1] - 1)])
    pull = np.diag([1e-3, *[_PRIOR] * (features.shape[1] - 1)])
    weights = prior.copy()
    for _ in range(_STEPS):
        chances = _chances(features, weights)
        gradient = features.T @ (right - chances) - pull @ (weights - prior)
        spread = chances * (1 - chances)
        step = np.linalg.solve((features * spread[:, None]).T @ features + pull, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _threshold(chances: NDArray[np.float64], right: NDArray[np.float64], precision: float) -> float:
    """The lowest probability from which on the calls are right often enough, and so many that one wrong one would not
    be too many; above all where there is none."""
    order = np.argsort(-chances, kind="stable")
    counts = np.arange(1, len(order) + 1)
    shares = np.cumsum(right[order]) / counts
    enough = np.flatnonzero((shares >= precision) & (counts * (1 - precision) >= 1 - 1e-9))
    return float(chances[order[enough[-1]]]) if len(enough) else 1.0
