"""What all passes of a step begin with, computed once for them: a tool block that is longer than what follows it.

Passes continue its keys and values as if they were given. What they send back to these is summed, and goes through the
trunk itself once, at the end: the gradient is that of one pass over everything, in the memory of the largest of many.
"""

from __future__ import annotations

from typing import Any

import torch

from callwright.models.shared_kv import PrefixKV
from callwright.train.batch import MicroBatch


class Trunk:
    """`kv`: keys and values of the batch's tokens, for `MicroBatch.trunk` of the passes that continue them."""

    def __init__(self, scorer: Any, batch: MicroBatch) -> None:
        self._made = [tensor for pair in scorer.keys(batch) for tensor in pair]
        self._leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in self._made]
        self.kv = PrefixKV(len(batch.token_ids), self._leaves[0::2], self._leaves[1::2])

    def backward(self) -> None:
        """After the last pass: its own share of the gradients."""
        pairs = zip(self._made, self._leaves, strict=True)
        reached = [(made, leaf.grad) for made, leaf in pairs if leaf.grad is not None]
        torch.autograd.backward([made for made, _ in reached], [grad for _, grad in reached])
