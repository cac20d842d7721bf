"""Rows -> a function's results, in order, in processes or on Ray: what the rows mean is the caller's business.

Rows and results are JSON values, because Ray keeps them in Parquet; every engine gives the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from callwright.errors import EngineError, did_you_mean
from callwright.scale.local import Local, cores
from callwright.scale.on_ray import OnRay

__all__ = ["ENGINES", "Engine", "Function", "Local", "OnRay", "PerRow", "Task", "engine_for"]

Function = Callable[[list[Any]], list[Any]]
"""A chunk of rows -> one result for each, in order."""


class Task(Protocol):
    """Work that can be sent to another process: a picklable object, such as a frozen dataclass."""

    def start(self) -> Function:
        """The function, with what is costly to build built: called once a worker."""
        ...


class Engine(Protocol):
    """Where the work is done."""

    def map(self, task: Task, rows: Iterable[Any]) -> Iterator[Any]:
        """One result for each row, in order, in bounded memory. Rows and results are JSON values.

        Raises EngineError where a worker dies or refuses; other exceptions of the function come through.
        """
        ...


@dataclass(frozen=True, slots=True)
class PerRow:
    """A function of one row, from the top level of a module, as a Task.

    >>> list(Local().map(PerRow(len), ["a", "bcd"]))
    [1, 3]
    """

    function: Callable[[Any], Any]

    def start(self) -> Function:
        """The function over a chunk."""
        return lambda rows: [self.function(row) for row in rows]


ENGINES: dict[str, Callable[[int | None, str | None], Engine]] = {
    "local": lambda workers, shards: Local(workers or cores()),
    "ray": lambda workers, shards: OnRay(workers, shards),
}
"""Engines by name, made with a number of workers and a folder for shards."""


def engine_for(name: str, workers: int | None = None, shards: str | None = None) -> Engine:
    """An engine by name; without a number, as many workers as there are cores for them. Raises EngineError."""
    if name not in ENGINES:
        raise EngineError(f"unknown engine '{name}'{did_you_mean(name, ENGINES)}; known are {', '.join(ENGINES)}")
    if workers is not None and workers < 1:
        raise EngineError(f"{workers} workers: give at least 1")
    return ENGINES[name](workers, shards)
