"""One process or many, as torchrun or accelerate started them: DDP, or FSDP2 where parameters are sharded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from callwright.errors import RunError
from callwright.models.load import inner


def process_count() -> int:
    """How many processes were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the only one, or the first of those that were started together."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block, then the others, who find its files."""
    if process_count() == 1:
        yield
        return
    with PartialState(cpu=not torch.cuda.is_available()).main_process_first():
        yield


def part() -> None:
    """The processes go each their own way, all work that they share being done.

    One that ends while threads of the process group still run may be aborted (pytorch issue 190489). After an error
    nobody is to wait here for a process that never comes, so it is not for a `finally`.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)


class Processes:
    """What a step asks of the processes that it runs in. `rank` counts from 0, of `count`."""

    def __init__(self, accelerator: Accelerator, shard: bool, trackers: bool) -> None:
        self._accelerator = accelerator
        self._trackers = trackers
        self.shard = shard and accelerator.num_processes > 1
        self.rank: int = accelerator.process_index
        self.count: int = accelerator.num_processes
        self.first: bool = accelerator.is_main_process
        self.device: torch.device = accelerator.device

    def wrap(self, scorer: Any) -> Any:
        """The model as processes share it."""
        if self.shard:
            return _sharded(scorer, self.device.type, self.count)
        return self._accelerator.prepare(scorer)

    def prepare(self, optimizer: torch.optim.Optimizer) -> Any:
        """The optimizer, with gradient scaling where fp16 needs it."""
        return self._accelerator.prepare(optimizer)

    @contextmanager
    def accumulate(self, scorer: Any, *, last: bool) -> Iterator[None]:
        """One pass of several: gradients travel with the last one."""
        waits = nullcontext() if last or self.shard else self._accelerator.no_sync(scorer)
        with waits, self.autocast():
            yield

    def autocast(self) -> Any:
        """The precision that a pass is computed in."""
        return self._accelerator.autocast()

    def backward(self, loss: Tensor) -> None:
        """Gradients of a pass."""
        with torch.autocast(self.device.type, enabled=False):
            self._accelerator.backward(loss)

    def clip(self, model: nn.Module, most: float) -> float:
        """Scales gradients down to a norm of at most `most` (0: as they are); their norm before."""
        if self._accelerator.scaler is not None:
            self._accelerator.unscale_gradients()
        parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
        norm: Any = nn.utils.clip_grad_norm_(parameters, most or float("inf"))
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Numbers under the same names in every process -> their sums."""
        if self.count == 1:
            return values
        total = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return dict(zip(values, total.tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Whether it is so in some process."""
        return self.sum({"flag": float(flag)})["flag"] > 0

    def agreed(self, value: float) -> float:
        """A value that every process computed: the first one's."""
        return self.sum({"value": value if self.first else 0.0})["value"]

    def wait(self) -> None:
        """Until all are here."""
        self._accelerator.wait_for_everyone()

    def track(self, step: int, values: dict[str, float]) -> None:
        """To the trackers that the recipe names."""
        if self._trackers:
            self._accelerator.log(values, step=step)

    def end(self) -> None:
        """Closes the trackers."""
        if self._trackers:
            self._accelerator.end_training()


def open_processes(precision: str, shard: bool, folder: Path, trackers: tuple[str, ...]) -> Processes:
    """Joins the processes that were started together. Raises RunError for a tracker that is not installed."""
    # accelerate holds one precision for the whole process; a second run, in a notebook or a test, has its own
    AcceleratorState._reset_state()
    mixed = {"bf16": "bf16", "fp16": "fp16"}.get(precision, "no")
    with warnings.catch_warnings():
        # a tracker that is not installed is an error here
        warnings.simplefilter("ignore", UserWarning)
        accelerator = Accelerator(
            mixed_precision=mixed,
            cpu=not torch.cuda.is_available(),
            log_with=list(trackers) or None,
            project_dir=folder,
        )
    missing = set(trackers) - {str(getattr(one, "value", one)) for one in accelerator.log_with}
    if missing:
        raise RunError(f"train.trackers: {', '.join(sorted(missing))} cannot be imported; install it with pip")
    if trackers:
        accelerator.init_trackers("callwright", init_kwargs={"wandb": {"name": folder.name}})
    return Processes(accelerator, shard, bool(trackers))


def _sharded(scorer: Any, device: str, count: int) -> Any:
    """FSDP2: every decoder layer a unit, everything else another."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device, (count,))
    for layer in inner(scorer.model).get_decoder().layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(scorer, mesh=mesh)
