"""A decoder's norms and gated products by the CPU kernels, where these compute what the module does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from callwright.models.again import can_be_made


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        out, inverse = torch.ops.callwright.rms_norm(x, weight, eps)
        ctx.save_for_backward(x, weight, inverse)
        return out  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return torch.ops.callwright.rms_norm_backward(grad.contiguous(), *ctx.saved_tensors), None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return torch.ops.callwright.gated(gate, up)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return torch.ops.callwright.gated_backward(grad.contiguous(), *ctx.saved_tensors)  # type: ignore[no-any-return]


def _norm(module: Any) -> Callable[[Tensor], Tensor] | None:
    """What computes a frozen RMSNorm in bfloat16."""
    weight, eps = getattr(module, "weight", None), getattr(module, "variance_epsilon", getattr(module, "eps", None))
    if not type(module).__name__.endswith("RMSNorm") or not isinstance(eps, float) or not _fits(weight):
        return None

    def forward(x: Tensor) -> Tensor:
        if not _fits(x):
            return type(module).forward(module, x)  # type: ignore[no-any-return]
        made = _Norm.apply(x, module.weight, eps)
        return can_be_made(made, lambda x: torch.ops.callwright.rms_norm(x, module.weight, eps)[0], x)

    return forward


def _mlp(module: Any) -> Callable[[Tensor], Tensor] | None:
    """What computes down(silu(gate(x)) * up(x))."""
    if not all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")):
        return None

    def forward(x: Tensor) -> Tensor:
        gate, up = module.gate_proj(x), module.up_proj(x)
        if not (_fits(gate) and _fits(up)):
            return module.down_proj(module.act_fn(gate) * up)  # type: ignore[no-any-return]
        made = can_be_made(_Gated.apply(gate, up), torch.ops.callwright.gated, gate, up)
        return module.down_proj(made)  # type: ignore[no-any-return]

    return forward


def _fits(x: Any) -> bool:
    low = isinstance(x, Tensor) and x.dtype == torch.bfloat16 and x.device.type == "cpu"
    # a trained norm wants the gradient of its weight too
    return low and x.is_contiguous() and x.shape[-1] % 32 == 0 and not (isinstance(x, nn.Parameter) and x.requires_grad)


@torch.no_grad()
def _agrees(module: Any, forward: Callable[[Tensor], Tensor], width: int) -> bool:
    """Whether it gives what the module gives, on a few rows."""
    rows = torch.randn(4, width, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)[None]
    with torch.autocast("cpu", torch.bfloat16):  # the weights of full fine-tuning are float32
        want, found = module(rows).float(), forward(rows).float()
    # small weights make small outputs, which any tolerance would take for equal
    return bool((found - want).norm() < 0.01 * want.norm())


@contextmanager
def fused_layers(model: nn.Module) -> Iterator[int]:
    """Inside, norms and gated products of a model in bfloat16 are computed by the kernels; the number of them."""
    known: dict[type, bool] = {}
    patched: list[Any] = []
    width = model.config.get_text_config().hidden_size  # type: ignore[union-attr, operator]
    for module in model.modules():
        forward = _norm(module) or _mlp(module)
        if forward is None:
            continue
        weight = getattr(module, "weight", None)
        size = weight.shape[-1] if isinstance(weight, Tensor) else int(width)
        if type(module) not in known:
            known[type(module)] = _agrees(module, forward, size)
        if known[type(module)]:
            module.forward = forward  # type: ignore[method-assign]
            patched.append(module)
    try:
        yield len(patched)
    finally:
        for module in patched:
            del module.forward
