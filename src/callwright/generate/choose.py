"""Logits of one place, what a grammar admits, and how to sample -> the next token."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callwright.generate.constrain import Guard
from callwright.generate.reply import Options


@dataclass(frozen=True, slots=True)
class Choice:
    """A token. logprob: at temperature 1, among those that may follow; NaN where nobody asked. others: the likeliest
    tokens and theirs. masked: the likeliest token of all, where it may not follow; -1 where it may."""

    token: int
    logprob: float = math.nan
    others: tuple[tuple[int, float], ...] = ()
    masked: int = -1


def choose(logits: NDArray[np.float32], guard: Guard | None, options: Options, random: np.random.Generator) -> Choice:
    """logits [V] -> the next token: the likeliest that may follow, or one drawn by `options`."""
    best = int(logits.argmax())
    if options.temperature <= 0 and not options.logprobs and (guard is None or guard.fits([best])):
        return Choice(best)
    scores = logits.astype(np.float64)
    if guard is not None:
        scores[~guard.allowed()] = -np.inf
    masked = best if np.isneginf(scores[best]) else -1
    best = int(scores.argmax())
    logprobs = scores - (scores[best] + np.log(np.exp(scores - scores[best]).sum()))
    token = best if options.temperature <= 0 else _drawn(scores - scores[best], options, random)
    others: tuple[tuple[int, float], ...] = ()
    if options.likeliest:
        first = np.argpartition(-logprobs, options.likeliest)[: options.likeliest]
        ranked = first[np.argsort(-logprobs[first], kind="stable")]
        others = tuple((int(other), float(logprobs[other])) for other in ranked if np.isfinite(logprobs[other]))
    return Choice(token, float(logprobs[token]), others, masked)


def _drawn(scores: NDArray[np.float64], options: Options, random: np.random.Generator) -> int:
    """scores [V], the highest 0 -> a token by chance, within the `top_p` likeliest."""
    chances = np.exp(scores / options.temperature)
    chances /= chances.sum()
    if options.top_p < 1:
        order = np.argsort(-chances)
        inside = np.cumsum(chances[order]) - chances[order] < options.top_p
        chances[order[~inside]] = 0.0
    sums = np.cumsum(chances)
    return int(np.searchsorted(sums, random.random() * sums[-1], side="right"))
