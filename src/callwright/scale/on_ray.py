"""The Ray engine: rows are laid down as Parquet shards, and Ray Data maps them in a pool of actors."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callwright.errors import CallwrightError, EngineError, MissingExtra
from callwright.scale.local import CHUNK, cores

if TYPE_CHECKING:
    from callwright.scale import Function, Task

_SHARD_ROWS, _SHARD_CHARACTERS = 1024, 32 << 20
"""Where a shard ends."""


@dataclass(frozen=True, slots=True)
class OnRay:
    """Ray Data, on the cluster that RAY_ADDRESS names or that is connected to already, else on this machine.

    `workers`: actors, of one core each; all cores but one without a number, because reading the shards needs one too.
    `shards`: the folder for the Parquet files, which every node must see; a temporary one without it.
    """

    workers: int | None = None
    shards: str | None = None

    def map(self, task: Task, rows: Iterable[Any]) -> Iterator[Any]:
        """See `Engine.map`. Raises MissingExtra where Ray is not installed."""
        try:
            import ray
            import ray.data
        except ImportError:
            raise MissingExtra("ray", "ray") from None
        with tempfile.TemporaryDirectory(prefix="callwright-", dir=self.shards) as folder:
            if not lay_shards(rows, Path(folder)):
                return
            with _running(ray, self.workers) as workers:
                try:
                    yield from _mapped(ray.data, task, folder, workers)
                except ray.exceptions.RayError as error:
                    said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                    raise EngineError(f"a Ray worker failed: {said}") from error


def lay_shards(rows: Iterable[Any], folder: Path) -> int:
    """Writes rows as JSON in numbered Parquet files; gives how many files."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("row", pyarrow.string())])
    texts = (json.dumps(row) for row in rows)
    files = 0
    while chunk := list(islice(texts, CHUNK)):
        with pyarrow.parquet.ParquetWriter(folder / f"{files:06}.parquet", schema, compression="zstd") as shard:
            written = characters = 0
            while chunk:
                shard.write_batch(pyarrow.RecordBatch.from_pydict({"row": chunk}, schema=schema))
                written += len(chunk)
                characters += sum(map(len, chunk))
                full = written >= _SHARD_ROWS or characters >= _SHARD_CHARACTERS
                chunk = [] if full else list(islice(texts, CHUNK))
        files += 1
    return files


def _mapped(data: Any, task: Task, folder: str, workers: int) -> Iterator[Any]:
    with warnings.catch_warnings():
        # it warns of arguments without a name of their own, of which its source names this one as the way
        warnings.filterwarnings("ignore", message=".*ray_remote_args")
        done = data.read_parquet(folder).map_batches(
            _worker_of(task),
            batch_size=CHUNK,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            # Ray's default is to start a worker anew without end, also on a row that kills each of them
            max_restarts=0,
        )
    for batch in done.iter_batches(batch_size=CHUNK, batch_format="pyarrow"):
        for refused, text in zip(batch["refused"].to_pylist(), batch["result"].to_pylist(), strict=True):
            if refused:
                raise EngineError(text)
            yield json.loads(text)


def _worker_of(task: Task) -> type:
    """The class of an actor that starts the task once."""

    class Worker:
        function: Function | None = None

        def __call__(self, batch: Any) -> Any:
            import pyarrow

            rows = [json.loads(text) for text in batch["row"].to_pylist()]
            try:
                self.function = self.function or task.start()
                results = [json.dumps(result) for result in self.function(rows)]
                refused = [False] * len(results)
            except CallwrightError as error:
                results, refused = [str(error)], [True]
            return pyarrow.table({"result": results, "refused": refused})

    return Worker


@contextmanager
def _running(ray: Any, workers: int | None) -> Iterator[int]:
    """Ray, started where it is not yet, its rows in order and its bars and log off the terminal; gives the workers."""
    started = not ray.is_initialized()
    if started:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        here = {} if os.environ.get("RAY_ADDRESS") else {"address": "local", "num_cpus": (workers or cores()) + 1}
        ray.init(**quiet, **here)
    spare = int(ray.cluster_resources().get("CPU", 0)) - 1
    context = ray.data.DataContext.get_current()
    before = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        if (workers or spare) > spare or spare < 1:
            raise EngineError(
                f"{workers or 1} workers and a core to read with: Ray has {spare + 1}; give fewer workers"
            )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"ray\.data")
            yield workers or spare
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before
        if started:
            ray.shutdown()
