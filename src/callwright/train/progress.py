"""What a step tells whoever watches, and the log of a run: metrics.jsonl, a line a step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from callwright.types import JsonObject


@dataclass(frozen=True)
class Progress:
    """What a step tells whoever watches: loss per unit of weight, and what else the objective counts, as means."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    tokens: int
    rows: int
    seconds: float
    elapsed: float
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def seconds_left(self) -> float:
        return self.elapsed / self.step * (self.steps - self.step)


def log(path: Path, progress: Progress) -> None:
    """Adds a step to a run's metrics.jsonl."""
    append(
        path,
        {
            "step": progress.step,
            "loss": round(progress.loss, 6),
            **{name: round(value, 4) for name, value in progress.counts.items()},
            "lr": progress.learning_rate,
            "tokens": progress.tokens,
            "rows": progress.rows,
            "tokens_per_s": round(progress.tokens / progress.seconds, 1),
            "elapsed_s": round(progress.elapsed, 2),
        },
    )


def append(path: Path, row: JsonObject) -> None:
    """Adds a line to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def cut_log(path: Path, step: int) -> None:
    """Drops lines after the checkpoint that a resumed run starts from, so that no step stands in the log twice."""
    for file in (path, path.with_name("scores.jsonl")):
        if file.is_file():
            kept = [line for line in _lines(file) if json.loads(line)["step"] <= step]
            file.write_text("".join(kept), encoding="utf-8")


def _lines(path: Path) -> Iterator[str]:
    """The complete lines of a log; a killed run may leave half a line."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield line
