"""Requests -> how varied they are: distinct n-grams, and self-BLEU.

Sources: distinct-n, Li et al. 2016 (arXiv 1510.03055); self-BLEU, Zhu et al. 2018 (Texygen, arXiv 1802.01886).
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from callwright.data.similar import words

_ORDERS = (1, 2, 3, 4)


def distinct(texts: Sequence[str], n: int = 4) -> float:
    """Different runs of n words, as a share of all of them; 0 where no text has n words.

    >>> distinct(["set a timer now please", "set a timer now"], 4)
    0.6666666666666666
    """
    runs = [run for text in texts for run in _runs(words(text), n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def self_bleu(texts: Sequence[str], sample: int = 300, seed: int = 0) -> float:
    """Mean BLEU-4 of a text against all the others, from 0 (nothing shared) to 1 (all the same); lower is more varied.

    sample: how many texts are scored; each is scored against every other text. Runs that do not match count as half a
    match, so that one missing order does not make the whole score 0.
    """
    cut = [words(text) for text in texts]
    # of each run: the most that any text holds, which text that is, and the most that the others hold
    most: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, parts in enumerate(cut):
        for run, count in Counter(run for n in _ORDERS for run in _runs(parts, n)).items():
            best = most[run]
            best.append((count, number))
            best.sort(reverse=True)
            del best[2:]
    lengths = Counter(len(parts) for parts in cut)
    chosen = random.Random(seed).sample(range(len(cut)), min(sample, len(cut)))
    scored = [_bleu(cut[i], i, most, lengths) for i in chosen if len(cut[i]) >= _ORDERS[-1]]
    return sum(scored) / len(scored) if scored else 0.0


def _bleu(
    parts: list[str], own: int, most: dict[tuple[str, ...], list[tuple[int, int]]], lengths: Counter[int]
) -> float:
    logs = 0.0
    for n in _ORDERS:
        counts = Counter(_runs(parts, n))
        total = sum(counts.values())
        hit = sum(min(count, next((c for c, i in most[run] if i != own), 0)) for run, count in counts.items())
        logs += math.log((hit or 0.5) / total) / len(_ORDERS)
    others = lengths - Counter([len(parts)])
    nearest = min(others, key=lambda length: (abs(length - len(parts)), length), default=len(parts))
    penalty = 1.0 if len(parts) > nearest else math.exp(1 - nearest / len(parts))
    return penalty * math.exp(logs)


def _runs(parts: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(parts[i : i + n]) for i in range(len(parts) - n + 1)]
