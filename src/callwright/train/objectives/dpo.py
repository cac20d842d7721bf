"""Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) on right against wrong replies.

Both replies of a pair, and all pairs of a pass, share what they begin with. The reference is the same model with its
adapter switched off, so no second model is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from callwright.errors import RunError
from callwright.train.batch import Example, MicroBatch
from callwright.train.logprobs import Scorer
from callwright.train.objectives.base import Loss


@dataclass(frozen=True)
class Dpo:
    """Examples are pairs (chosen, rejected). The mean over pairs of -log sigmoid of the margin.

    beta: how much a difference from the reference counts. sft: adds so much of the chosen reply's mean cross-entropy
    (RPO, Pang et al. 2024, arXiv:2404.19733), which keeps it from becoming unlikely too.
    label_smoothing: the share of pairs that are taken to be the wrong way round.
    """

    continues: ClassVar[bool] = False

    beta: float = 0.1
    sft: float = 0.0
    label_smoothing: float = 0.0

    def weight(self, example: Example) -> float:
        return 1.0

    def __call__(self, scorer: Scorer, batch: MicroBatch) -> Loss:
        with torch.no_grad(), reference(scorer):
            base = _by_row(batch, scorer(batch)[0])
        found = scorer(batch)[0]
        rows = _by_row(batch, found)
        margins = self.beta * ((rows - base)[0::2] - (rows - base)[1::2])
        losses = -logsigmoid(margins) * (1 - self.label_smoothing) - logsigmoid(-margins) * self.label_smoothing
        # a silent pass has no weights
        told = (_by_row(batch, torch.ones_like(found))[0::2] > 0).float()
        if self.sft:
            lengths = _by_row(batch, torch.ones_like(found))[0::2].clamp_min(1)
            losses = losses - self.sft * rows[0::2] / lengths
        pairs = float(told.sum())
        return Loss(
            (losses * told).sum(),
            {
                "pair_accuracy": (((margins.detach() > 0) * told).sum(), pairs),
                "margin": ((margins.detach() * told).sum(), pairs),
                "chosen_reward": ((self.beta * (rows - base).detach()[0::2] * told).sum(), pairs),
            },
        )


def reference(scorer: Any) -> Any:
    """The model without its adapter. Raises RunError for one that has none."""
    model = getattr(scorer, "module", scorer).model
    if not hasattr(model, "disable_adapter"):
        raise RunError("DPO compares with the model without its adapter; use 'method: lora' or 'qlora'")
    return model.disable_adapter()


def _by_row(batch: MicroBatch, values: Tensor) -> Tensor:
    """[N] at places -> their weighted sum by row."""
    return values.new_zeros(batch.rows).index_add(0, batch.owners, values * batch.loss_weights)
