"""What makes a model's layers faster while it trains: LoRA in one function a layer, and kernels where there are any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from callwright.models import kernels
from callwright.models.kernels.layers import fused_layers
from callwright.train.lora import fused_lora


@contextmanager
def fused(model: nn.Module) -> Iterator[int]:
    """Inside, layers compute as they do, in fewer steps; the number of LoRA layers that do. Attention over trees takes
    its kernel from now on, if there is one."""
    on_cpu = next(model.parameters()).device.type == "cpu"
    there = on_cpu and not kernels.load()
    with fused_lora(model) as count, fused_layers(model) if there else nullcontext():
        yield count
