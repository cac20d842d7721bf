"""Ten rows of one prefix, and settings of a short run in float32."""

from __future__ import annotations

from callwright.train.batch import Plan
from callwright.train.loop import Settings, singles
from callwright.types import Rendered

PLAN = Plan(batch_size=4, max_tokens=200, seed=0)
SETTINGS = Settings(PLAN, steps=6, learning_rate=0.01, precision="float32", warmup_ratio=0.0)


def row(number: int, prefix: int = 20, length: int = 30) -> Rendered:
    shared = [3 + i % 50 for i in range(prefix)]
    own = [5 + (number * 7 + i * 3) % 90 for i in range(length - prefix)]
    weights = [0.0] * (length - 5) + [1.0] * 5
    return Rendered(shared + own, weights, prefix, f"r{number}")


ROWS = singles(row(n, length=26 + n % 9) for n in range(10))
