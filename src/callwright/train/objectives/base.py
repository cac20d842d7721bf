"""What an objective is: how much an example weighs, and the loss of a forward pass over examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from callwright.train.batch import Example, MicroBatch
from callwright.train.logprobs import Scorer


@dataclass(frozen=True)
class Loss:
    """`total` is a sum, not a mean: only the loop knows the weight of the whole step.

    counts: what else is reported, by name: a sum, and what it is divided by over the whole step.
    """

    total: Tensor
    counts: dict[str, tuple[Tensor | float, float]] = field(default_factory=dict)


class Objective(Protocol):
    """A loss that is a mean over something: of tokens by weight, of pairs.

    continues: a pass may go on from keys that were computed before it; not where two models look at it.
    """

    @property
    def continues(self) -> bool: ...

    def weight(self, example: Example) -> float:
        """What an example counts in the mean."""
        ...

    def __call__(self, scorer: Scorer, batch: MicroBatch) -> Loss:
        """The sum over a pass. `scorer` may be wrapped, as accelerate does; `batch.loss_weights` may be 0."""
        ...
