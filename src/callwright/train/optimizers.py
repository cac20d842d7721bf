"""Optimizers by the names that recipes use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from callwright.errors import ModelError

if TYPE_CHECKING:
    from callwright.train.loop import Settings

OPTIMIZERS = ("adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd")


def make_optimizer(name: str, model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """An optimizer over what is trained. Raises ModelError where this machine has not what it needs."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if name == "adamw":
        return torch.optim.AdamW(parameters, **common, fused=True)
    if name == "sgd":
        return torch.optim.SGD(parameters, **common, momentum=0.9)
    if name == "adafactor":
        return torch.optim.Adafactor(parameters, **common)
    if not torch.cuda.is_available():
        raise ModelError(
            f"train.optimizer: {name} keeps its state in 8 bits on CUDA alone; use adamw or adafactor here"
        )
    try:
        import bitsandbytes as bnb
    except ImportError as error:
        raise ModelError(f"train.optimizer: {name} needs bitsandbytes; pip install 'callwright[qlora]'") from error
    made = {"adamw_8bit": bnb.optim.AdamW8bit, "paged_adamw_8bit": bnb.optim.PagedAdamW8bit}[name]
    return made(parameters, **common)  # type: ignore[no-any-return]
