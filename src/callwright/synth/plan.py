"""Quotas -> the category of each row, shuffled the same way for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Shares of the categories; they add up to 1."""

    single: float = 0.60
    parallel: float = 0.19
    no_call: float = 0.13
    missing: float = 0.08


def categories(count: int, rng: random.Random, plan: Plan) -> list[str]:
    """`count` category names in the plan's shares; rounding goes to 'single'.

    >>> sorted(categories(10, random.Random(0), Plan(0.5, 0.2, 0.2, 0.1)))
    ['missing', 'no_call', 'no_call', 'parallel', 'parallel', 'single', 'single', 'single', 'single', 'single']
    """
    some = {name: round(count * getattr(plan, name)) for name in ("parallel", "no_call", "missing")}
    names = [name for name, n in some.items() for _ in range(n)][:count]
    names += ["single"] * (count - len(names))
    rng.shuffle(names)
    return names
