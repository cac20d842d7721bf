"""MicroBatch -> weighted next-token loss: logits only where a token is supervised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from callwright.train.batch import MicroBatch

# Supervised places whose logits stand in memory together: 4,096 x 49,152 in float32 would be 800 MB.
_CHUNK = 2048


@dataclass(frozen=True)
class Loss:
    """`total` is a sum over places, not a mean: only the loop knows the weight of the whole step. `weight`: its sum."""

    total: Tensor
    weight: float
    correct: int


def loss(model: nn.Module, batch: MicroBatch) -> Loss:
    """Cross-entropy of every supervised token, times its weight, summed. Logits [N, V] in float32."""
    output = model(
        input_ids=batch.token_ids[None],
        position_ids=batch.layout.positions[None],
        layout=batch.layout,
        logits_to_keep=batch.predict,
        use_cache=False,
    )
    logits = output.logits.squeeze(0)
    total = logits.new_zeros((), dtype=torch.float32)
    correct = 0
    for low in range(0, len(batch.targets), _CHUNK):
        part = logits[low : low + _CHUNK].float()
        targets = batch.targets[low : low + _CHUNK]
        losses = nn.functional.cross_entropy(part, targets, reduction="none")
        total = total + (losses * batch.loss_weights[low : low + _CHUNK]).sum()
        correct += int((part.detach().argmax(-1) == targets).sum())
    return Loss(total, batch.total_weight, correct)
