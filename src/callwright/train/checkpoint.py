"""The state of a run <-> a folder that is whole or absent: what is trained, optimizer, RNG and data position.

One process writes `trained.safetensors` and `optimizer.pt`. Several with sharded parameters write a folder of
torch.distributed.checkpoint, each its own part; any number of processes reads either, also one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from callwright.errors import RunError

if TYPE_CHECKING:
    from callwright.train.processes import Processes

_PATTERN = "step-*"
_KEPT = 2
_SHARDS = "shards"


@dataclass(frozen=True)
class State:
    """Where a run stands: finished optimizer steps, the totals that its log continues, and the best score so far.

    best_step 0: none. worse: how many scores in a row were no better.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int = 0
    best_score: float = 0.0
    worse: int = 0


def trained(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def whole(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors on the CPU, whole, also where processes hold parts of them (all of them must ask)."""
    found: dict[str, Any] = dict(tensors)
    return {
        name: (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().cpu().contiguous()
        for name, tensor in found.items()
    }


def save(folder: Path, model: nn.Module, optimizer: Any, state: State, processes: Processes | None = None) -> Path:
    """Writes `folder/step-N`, complete or not at all, and removes all but the last two once it stands.

    Raises RunError where it cannot be written; what stood before then still stands.
    """
    final = folder / f"step-{state.step:06d}"
    work = folder / f".{final.name}.part"
    first = processes is None or processes.first
    try:
        if first:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
        if processes is not None and processes.shard:
            processes.wait()
            _save_shards(work / _SHARDS, model, optimizer)
        elif first:
            save_file(whole(trained(model)), work / "trained.safetensors")
            torch.save({"optimizer": _bare(optimizer).state_dict()}, work / "optimizer.pt")
        if first:
            torch.save(_random_state(), work / "random.pt")
            (work / "state.json").write_text(json.dumps(vars(state)), encoding="utf-8")
            for path in work.rglob("*"):
                if path.is_file():
                    _flush(path)
            shutil.rmtree(final, ignore_errors=True)
            work.rename(final)
            for old in sorted(folder.glob(_PATTERN))[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(work, ignore_errors=True)
        kept = latest(folder)
        raise RunError(
            f"{final}: the checkpoint cannot be written: {error}; make room and go on with --resume"
            + (f" from {kept.name}" if kept else "")
        ) from error
    if processes is not None:
        processes.wait()
    return final


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint under `folder`, or None."""
    found = sorted(path for path in folder.glob(_PATTERN) if (path / "state.json").is_file())
    return found[-1] if found else None


def restore(path: Path, model: nn.Module, optimizer: Any) -> State:
    """Puts model, optimizer and RNG back as they were. Raises RunError where the checkpoint is of another model."""
    if (path / _SHARDS).is_dir():
        _load_shards(path / _SHARDS, model, optimizer)
    else:
        restore_trained(path, model)
        # weights_only: a checkpoint is tensors and plain values, never code
        extra = torch.load(path / "optimizer.pt", weights_only=True, map_location="cpu")
        _load_optimizer(model, optimizer, extra["optimizer"])
    random = torch.load(path / "random.pt", weights_only=True, map_location="cpu")
    torch.set_rng_state(random["cpu"])
    if "cuda" in random and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(random["cuda"])
    return State(**json.loads((path / "state.json").read_text(encoding="utf-8")))


def save_trained(folder: Path, model: nn.Module, processes: Processes | None = None) -> None:
    """Writes what is trained, and nothing else, to a folder."""
    tensors = whole(trained(model))
    if processes is None or processes.first:
        folder.mkdir(parents=True, exist_ok=True)
        work = folder / ".trained.part"
        save_file(tensors, work)
        _flush(work)
        work.replace(folder / "trained.safetensors")
    if processes is not None:
        processes.wait()


def restore_trained(folder: Path, model: nn.Module) -> None:
    """Puts back what `save` or `save_trained` wrote. Raises RunError where it is of another model."""
    saved = load_file(folder / "trained.safetensors")
    current = trained(model)
    if saved.keys() != current.keys() or any(saved[k].shape != current[k].shape for k in saved):
        raise RunError(f"{folder}: this checkpoint is of another model or other LoRA settings; use a new output folder")
    with torch.no_grad():
        for name, parameter in current.items():
            parameter.copy_(_like(saved[name], parameter))


def _like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A whole tensor, in the parts that processes hold of a parameter."""
    if not hasattr(parameter, "device_mesh"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    sharded: Any = parameter
    return distribute_tensor(tensor.to(parameter.device), sharded.device_mesh, sharded.placements)


def _bare(optimizer: Any) -> Any:
    """The optimizer inside accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


def _load_optimizer(model: nn.Module, optimizer: Any, saved: Any) -> None:
    """An optimizer's state, whole, into one whose parameters may be sharded."""
    parameters = list(trained(model).values())
    for number, values in saved["state"].items():
        for name, value in values.items():
            if torch.is_tensor(value) and value.shape == parameters[number].shape:
                values[name] = _like(value, parameters[number])
    _bare(optimizer).load_state_dict(saved)


def _save_shards(folder: Path, model: nn.Module, optimizer: Any) -> None:
    import torch.distributed.checkpoint.state_dict_saver as dcp

    dcp.save(_shards(model, optimizer), checkpoint_id=str(folder))


def _load_shards(folder: Path, model: nn.Module, optimizer: Any) -> None:
    import torch.distributed.checkpoint.state_dict_loader as dcp

    # the optimizer's state must be there before it can be filled
    inner = _bare(optimizer)
    for parameter in trained(model).values():
        parameter.grad = torch.zeros_like(parameter)
    rates = [group["lr"] for group in inner.param_groups]
    for group in inner.param_groups:
        group["lr"] = 0.0
    inner.step()
    inner.zero_grad()
    for group, rate in zip(inner.param_groups, rates, strict=True):
        group["lr"] = rate
    state = _shards(model, optimizer)
    try:
        dcp.load(state, checkpoint_id=str(folder))
    except (RuntimeError, ValueError, KeyError) as error:
        raise RunError(f"{folder}: this checkpoint is of another model or other settings: {error}") from error
    steps = state["optimizer"]
    for number, parameter in enumerate(trained(model).values()):
        for name in inner.state[parameter]:
            inner.state[parameter][name] = steps[f"{number}.{name}"]


def _shards(model: nn.Module, optimizer: Any) -> dict[str, Any]:
    """What is trained and what the optimizer keeps of it, under names that no wrapping changes."""
    inner = _bare(optimizer)
    parameters = trained(model)
    kept = {
        f"{number}.{name}": value
        for number, parameter in enumerate(parameters.values())
        for name, value in inner.state.get(parameter, {}).items()
    }
    return {"trained": {name: tensor.data for name, tensor in parameters.items()}, "optimizer": kept}


def _random_state() -> dict[str, Any]:
    random: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["cuda"] = torch.cuda.get_rng_state_all()
    return random


def _flush(path: Path) -> None:
    """To the disk before the rename, so that a power cut cannot leave a complete-looking empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
