"""Supervised fine-tuning: cross-entropy of every supervised token, times its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from callwright.train.batch import Example, MicroBatch
from callwright.train.logprobs import Scorer
from callwright.train.objectives.base import Loss


@dataclass(frozen=True)
class Sft:
    """The mean over supervised tokens by their weights."""

    continues: ClassVar[bool] = True

    def weight(self, example: Example) -> float:
        # nothing predicts a row's first token
        return sum(sum(row.weights[1:]) for row in example)

    def __call__(self, scorer: Scorer, batch: MicroBatch) -> Loss:
        total, hits = scorer(batch, batch.loss_weights)
        return Loss(-total, {"token_accuracy": (hits, float(len(batch.targets)))})
