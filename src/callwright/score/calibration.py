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


def calibrate(calls: Sequence[tuple[Sureness, bool]], precision: float = 0.95, floor: float = 0.5) -> Calibration:
    """Fits calls and whether each was right; at the threshold to act, at least `precision` of these calls are right,
    by the lower end of what that share may be (one standard error). Below `floor` a call is left.

    Raises ValueError where all calls were right, or all wrong: nothing can be told from them.
    """
    right = np.array([good for _, good in calls], dtype=np.float64)
    if not 0 < right.sum() < len(right):
        raise ValueError(f"{int(right.sum())} of {len(right)} calls are right; it takes both kinds")
    features = np.array([[1.0, sure.name, sure.arguments, sure.least] for sure, _ in calls])
    weights = _fitted(features, right)
    chances = 1 / (1 + np.exp(-features @ weights))
    act = _threshold(chances, right, precision)
    bias, name, arguments, least = (float(weight) for weight in weights)
    return Calibration(bias, name, arguments, least, act, min(floor, act))


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


def _fitted(features: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method for logistic regression [N, 4] -> [4], slopes held near 1/3 each."""
    prior = np.array([0.0, *[1 / 3] * (features.shape[1] - 1)])
    pull = np.diag([1e-3, *[_PRIOR] * (features.shape[1] - 1)])
    weights = prior.copy()
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(features @ weights, -60, 60)))
        gradient = features.T @ (right - chances) - pull @ (weights - prior)
        spread = chances * (1 - chances)
        step = np.linalg.solve((features * spread[:, None]).T @ features + pull, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _threshold(chances: NDArray[np.float64], right: NDArray[np.float64], precision: float) -> float:
    """The lowest probability from which on the calls are right often enough; above all where none are."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(right[order])
    counts = np.arange(1, len(order) + 1)
    shares = hits / counts
    sure = shares - np.sqrt(np.maximum(shares * (1 - shares), 1e-9) / counts)
    enough = np.flatnonzero(sure >= precision)
    return float(chances[order[enough[-1]]]) if len(enough) else 1.0
