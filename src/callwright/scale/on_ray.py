"""The Ray engine: rows are laid down as Parquet shards, and Ray Data maps them in a pool of actors."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callwright.errors import CallwrightError, EngineError, MissingExtra
from callwright.scale.local import CHUNK

if TYPE_CHECKING:
    from callwright.scale import Task

_SHARD_ROWS, _SHARD_CHARACTERS = 4096, 32 << 20
"""Where a shard ends."""

_ACTOR_CPUS, _READ_CPUS = 0.9, 0.1
"""Together one core a worker: with whole ones, actors on all cores would leave none to read the shards with."""

_RETRIES = 2
"""Ray's default is to start a worker anew without end, also on a row that kills each of them."""


@dataclass(frozen=True, slots=True)
class OnRay:
    """Ray Data, on the cluster that RAY_ADDRESS names, else on this machine.

    `shards`: the folder for the Parquet files, which every node must see; a temporary one without it.
    """

    workers: int = 1
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
            with _quiet(ray):
                cores = ray.cluster_resources().get("CPU", 0)
                if self.workers > cores:
                    raise EngineError(f"{self.workers} workers on {cores:.0f} cores would wait for ever; give fewer")
                try:
                    yield from _mapped(ray.data, task, folder, self.workers)
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
    shards = data.read_parquet(folder, ray_remote_args={"num_cpus": _READ_CPUS})
    done = shards.map_batches(
        _Worker,
        fn_constructor_args=(task,),
        batch_size=CHUNK,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=_ACTOR_CPUS,
        max_restarts=_RETRIES,
        max_task_retries=_RETRIES,
    )
    for batch in done.iter_batches(batch_size=CHUNK, batch_format="pyarrow"):
        for refused, text in zip(batch["refused"].to_pylist(), batch["result"].to_pylist(), strict=True):
            if refused:
                raise EngineError(text)
            yield json.loads(text)


class _Worker:
    """An actor: the task is started once in it."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._function: Any = None

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        rows = [json.loads(text) for text in batch["row"].to_pylist()]
        try:
            if self._function is None:
                self._function = self._task.start()
            results = [json.dumps(result) for result in self._function(rows)]
            refused = False
        except CallwrightError as error:
            results, refused = [str(error)], True
        return pyarrow.table({"result": results, "refused": pyarrow.array([refused] * len(results), pyarrow.bool_())})


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Ray started where it is not yet, its rows kept in order, its bars and its log off the terminal."""
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    before = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before
        if started:
            ray.shutdown()
