"""A watcher of runs that keeps what it is told and shows nothing."""

from __future__ import annotations

from callwright.train.progress import Progress


class Watcher:
    """Facts by name, and (step, score) of dev rows."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.scores: list[tuple[int, float]] = []

    def step(self, name: str, skipped: bool) -> None: ...

    def facts(self, facts: dict[str, str]) -> None:
        self.seen |= facts

    def chosen(self, step: int, score: float) -> None:
        self.scores.append((step, score))

    def training(self, progress: Progress) -> None: ...

    def scoring(self, name: str, done: int, total: int) -> None: ...
