"""The state of a run <-> a folder that is whole or absent: adapter, optimizer, RNG and data position."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from callwright.errors import RunError

_PATTERN = "step-*"


@dataclass(frozen=True)
class State:
    """Where a run stands: finished optimizer steps, and the totals that its log continues."""

    step: int
    tokens: int
    seconds: float


def trained(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> Path:
    """Writes `folder/step-N`, complete or not at all, and removes older checkpoints once it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{state.step:06d}"
    work = folder / f".{final.name}.part"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    save_file({k: v.detach().cpu().contiguous() for k, v in trained(model).items()}, work / "trained.safetensors")
    rng: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        rng["cuda"] = torch.cuda.get_rng_state_all()
    torch.save({"optimizer": optimizer.state_dict(), "rng": rng}, work / "optimizer.pt")
    (work / "state.json").write_text(json.dumps(vars(state)), encoding="utf-8")
    for path in work.iterdir():
        _flush(path)
    shutil.rmtree(final, ignore_errors=True)
    work.rename(final)
    for old in sorted(folder.glob(_PATTERN))[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint under `folder`, or None."""
    found = sorted(path for path in folder.glob(_PATTERN) if (path / "state.json").is_file())
    return found[-1] if found else None


def restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Puts model, optimizer and RNG back as they were. Raises RunError where the checkpoint is of another model."""
    saved = load_file(path / "trained.safetensors")
    current = trained(model)
    if saved.keys() != current.keys() or any(saved[k].shape != current[k].shape for k in saved):
        raise RunError(f"{path}: this checkpoint is of another model or other LoRA settings; use a new output folder")
    with torch.no_grad():
        for name, parameter in current.items():
            parameter.copy_(saved[name])
    # weights_only: a checkpoint is tensors and plain values, never code
    extra = torch.load(path / "optimizer.pt", weights_only=True, map_location="cpu")
    optimizer.load_state_dict(extra["optimizer"])
    torch.set_rng_state(extra["rng"]["cpu"])
    if "cuda" in extra["rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(extra["rng"]["cuda"])
    return State(**json.loads((path / "state.json").read_text(encoding="utf-8")))


def _flush(path: Path) -> None:
    """To the disk before the rename, so that a power cut cannot leave a complete-looking empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
