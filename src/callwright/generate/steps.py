"""What a step engine is: a model that computes, in one pass, the next tokens of several sequences.

Sequences live in the engine, by number. Decoding (`decode.py`) decides what is fed and what is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Feed:
    """Tokens to put behind a sequence. Of the last `wanted` of them the logits of what follows are given."""

    sequence: int
    tokens: Sequence[int]
    wanted: int = 1


class Steps(Protocol):
    """A model with room for some sequences at once."""

    @property
    def vocabulary(self) -> int:
        """How many logits there are of a token."""
        ...

    @property
    def room(self) -> int:
        """How many sequences may be open at once."""
        ...

    @property
    def most(self) -> int:
        """How many tokens of all sequences one pass may feed."""
        ...

    @property
    def overhead(self) -> float:
        """What a pass costs beside its tokens, in tokens of a guess: found by trying, not by the clock."""
        ...

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """Whether `open` may be called with these now. True where no sequence is open."""
        ...

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """A new sequence that will hold `tokens` and up to `more` behind them; and how many of them it holds already.

        tokens[:prefix_len] are what other sequences are likely to share; at least one token is left to be fed.
        """
        ...

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """One pass -> for every feed [wanted, V] logits."""
        ...

    def cut(self, sequence: int, length: int) -> None:
        """The sequence is only its first `length` tokens again."""
        ...

    def close(self, sequence: int) -> None:
        """The sequence is not needed any more."""
        ...
