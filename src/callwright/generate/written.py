"""One token of a reply: which, where it came from, and how likely it was."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Origin(enum.Enum):
    """Where a token came from: the grammar alone, a guess that was right, a choice, or the need to end in form before
    the tokens run out."""

    FORCED = "forced"
    DRAFTED = "drafted"
    CHOSEN = "chosen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Written:
    """A token of a reply. logprob: under what the grammar allowed; 0 of a forced one, NaN where none was asked for.

    others: the likeliest tokens there and their log-probabilities, where they were asked for. masked: the token that
    the grammar kept out, -1 for none.
    """

    token: int
    origin: Origin
    logprob: float
    others: tuple[tuple[int, float], ...] = ()
    masked: int = -1
