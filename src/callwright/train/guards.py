"""What ends a long run, seen in time: losses that are no number or run away, full memory, a request to stop."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch

from callwright.errors import RunError
from callwright.train.batch import Example

_WINDOW = 10


class Divergence:
    """Watches the loss: its mean over ten steps may not pass twice the best such mean, and one more."""

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._best = math.inf
        self._best_step = 0

    def check(self, step: int, loss: float, checkpoints: Path) -> None:
        """Raises RunError, naming where the loss was best."""
        self._recent = [*self._recent, loss][-_WINDOW:]
        if len(self._recent) < _WINDOW:
            return
        mean = sum(self._recent) / _WINDOW
        if mean < self._best:
            self._best, self._best_step = mean, step
        elif mean > 2 * self._best + 1:
            raise RunError(
                f"step {step}: the loss has run away: {mean:.3g} over the last {_WINDOW} steps, {self._best:.3g} at "
                f"step {self._best_step}; lower train.learning_rate or raise train.warmup_ratio; {checkpoints} keeps "
                "the last two checkpoints"
            )


def bad_rows(examples: Iterable[Example], loss: Callable[[Example], float]) -> list[str]:
    """The ids of rows whose loss alone is no number."""
    return [row.id for example in examples if not math.isfinite(loss(example)) for row in example]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that memory is full, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def check_folder(folder: Path, *, started: bool, resume: bool) -> None:
    """Raises RunError where a folder holds a started run that is not to go on."""
    if started and not resume:
        raise RunError(f"{folder}: holds another run's checkpoints; pass --resume to go on, or use a new folder")


class Stop:
    """Inside, SIGTERM (and SIGINT, the first time) asks for an end after the step instead of killing the process."""

    def __init__(self) -> None:
        self.asked = False
        self.name = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:
                # signals reach the main thread alone; elsewhere whoever runs the thread decides
                break
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def error(self, step: int) -> RunError:
        """What is raised after the step that was the last."""
        return RunError(f"stopped by signal {self.name} after step {step}, with a checkpoint; --resume goes on from it")

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked, self.name = True, signal.Signals(number).name
