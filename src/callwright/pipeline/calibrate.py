"""A model and dev rows -> how far its probabilities can be trusted, and from which on a call may be run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.dialects.base import Dialect
from callwright.generate.confidence import Sureness, sureness
from callwright.generate.engine import StepEngine
from callwright.generate.reply import Answer, Options
from callwright.pipeline.evaluate import answered
from callwright.score.calibration import (
    Calibration,
    calibrate,
    expected_error,
    left_out,
    reliability,
    right_calls,
)
from callwright.score.stats import Interval, wilson
from callwright.types import Conversation, JsonObject

Judged = tuple[Sureness, bool]
"""How sure the model was of a call, and whether it was right."""


@dataclass(frozen=True)
class Calibrated:
    """What came of it. Figures are of every tenth of the rows by a fit to the others.

    error_before: the expected calibration error of the plain probabilities, error_after: of the calibrated ones.
    acted: calls at or above the threshold to act, acted_right: of these. precision: the 95% interval of their share.
    """

    calibration: Calibration
    error_before: float
    error_after: float
    precision: Interval | None
    acted: int
    acted_right: int
    calls: int
    right: int
    bins_before: Sequence[tuple[float, float, int]]
    bins_after: Sequence[tuple[float, float, int]]

    def to_json(self) -> JsonObject:
        """Plain data."""
        sure = self.precision
        share = self.acted_right / max(1, self.acted)
        return {
            "act": self.calibration.act,
            "confirm": self.calibration.confirm,
            "calls": self.calls,
            "right": self.right,
            "calibration_error_before": self.error_before,
            "calibration_error_after": self.error_after,
            "precision_at_act": None if sure is None else {"value": share, "low": sure.low, "high": sure.high},
            "coverage_at_act": self.acted / max(1, self.calls),
            "reliability_before": [list(each) for each in self.bins_before],
            "reliability_after": [list(each) for each in self.bins_after],
        }


def judged_calls(
    engine: StepEngine,
    rows: Sequence[Conversation],
    dialect: Dialect,
    tokenizer: Any,
    watch: Callable[[int], None] = lambda done: None,
) -> list[list[Judged]]:
    """The calls that a model makes to each row, under the grammar of its tools."""
    options = Options(constrain=True, logprobs=True)
    found = []
    for score, answer in answered(engine, rows, dialect, tokenizer, options):
        sure = surenesses(answer, engine, score.conversation, dialect, options)
        found.append(list(zip(sure, right_calls(score), strict=False)))
        watch(len(found))
    return found


def surenesses(
    answer: Answer, engine: StepEngine, row: Conversation, dialect: Dialect, options: Options
) -> list[Sureness]:
    """Of each call of an answer."""
    tokens = [one for one in answer.written if one.token not in engine.stop_ids]
    return sureness(tokens, engine.text_stream(options), dialect.stream(row.tools), answer.begun)


def calibrated(rows: Sequence[Sequence[Judged]], precision: float) -> Calibrated:
    """Fits all rows, which is what is given; measured is each tenth of them, by a fit to the others.

    Raises ValueError as `calibrate`.
    """
    whole = calibrate(rows, precision)
    after, run, right = left_out(rows, precision)
    before = [math.exp(sure.total) for row in rows for sure, _ in row]
    acted = [good for good, ran in zip(right, run, strict=True) if ran]
    return Calibrated(
        whole,
        expected_error(before, right),
        expected_error(after, right),
        wilson(sum(acted), len(acted)) if acted else None,
        len(acted),
        sum(acted),
        len(right),
        sum(right),
        reliability(before, right),
        reliability(after, right),
    )
