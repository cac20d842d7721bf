"""The local engine: this process for few rows or one worker, else processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from callwright.errors import CallwrightError, EngineError

if TYPE_CHECKING:
    from callwright.scale import Task

CHUNK = 256
"""Rows that go to a worker at a time."""

_WAITING = 3
"""Chunks a worker that are under way or wait to be taken, so that no worker waits for a slow one."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Local:
    """Processes of this machine. `few`: with fewer rows, starting processes costs more than it gains."""

    workers: int = 1
    few: int = 4096

    def map(self, task: Task, rows: Iterable[Any]) -> Iterator[Any]:
        """See `Engine.map`."""
        source = iter(rows)
        if self.workers > 1:
            head = list(islice(source, self.few))
            if len(head) == self.few:
                yield from _in_processes(task, chain(head, source), self.workers)
                return
            source = iter(head)
        function = task.start()
        while chunk := list(islice(source, CHUNK)):
            yield from function(chunk)


def _in_processes(task: Task, rows: Iterator[Any], workers: int) -> Iterator[Any]:
    # a forked process would inherit the tokenizer's threads in the middle of their work
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(task,))
    waiting: deque[Future[list[Any]]] = deque()
    done = 0
    try:
        while True:
            while len(waiting) < workers * _WAITING and (chunk := list(islice(rows, CHUNK))):
                waiting.append(pool.submit(_work, chunk))
            if not waiting:
                return
            results = waiting.popleft().result()
            done += len(results)
            yield from results
    except BrokenProcessPool:
        raise EngineError(
            f"a worker process died after row {done}, most often because memory ran out; give fewer workers, "
            "or --workers 1 to stay in this process"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_TASK: list[Task] = []
_FUNCTION: list[Callable[[list[Any]], list[Any]]] = []


def _begin(task: Task) -> None:
    # one process a core is enough: the tokenizer's own threads would only wait for one another
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _TASK.append(task)


def _work(chunk: list[Any]) -> list[Any]:
    try:
        if not _FUNCTION:
            _FUNCTION.append(_TASK[0].start())
        return _FUNCTION[0](chunk)
    except CallwrightError as error:
        # not every error of the tree survives pickling; its message is all that a user sees
        raise EngineError(str(error)) from None
