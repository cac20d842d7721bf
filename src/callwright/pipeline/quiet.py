"""A watcher of runs that shows nothing."""

from __future__ import annotations

from callwright.train.progress import Progress


class Quiet:
    """For whoever calls from Python; the run's folder has the log all the same."""

    def step(self, name: str, skipped: bool) -> None: ...

    def facts(self, facts: dict[str, str]) -> None: ...

    def training(self, progress: Progress) -> None: ...

    def chosen(self, step: int, score: float) -> None: ...

    def scoring(self, name: str, done: int, total: int) -> None: ...
