"""PEFT's LoRA layers -> the same layers with one autograd function each: fewer casts, copies and kept tensors.

y = x W^T + b + s (x A^T) B^T, with W frozen. PEFT's own forward casts x to the adapter's float32, back under autocast,
and keeps each intermediate; here one function computes in the base weight's precision, sums the adapter's gradients in
float32, and keeps x alone (and x A^T, which has r columns); where x can be had again, not even that. Weights, names and
files stay PEFT's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from callwright.models.again import again_of


class _LoraLinear(torch.autograd.Function):
    """x [..., I], weight [O, I] frozen, a [r, I], b [O, r]."""

    @staticmethod
    def forward(  # noqa: PLR0913  # torch wants each tensor as an argument of its own
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        a_low, b_low = a.to(weight.dtype), b.to(weight.dtype) * scale
        hidden = flat @ a_low.T
        out = flat @ weight.T if bias is None else torch.addmm(bias, flat, weight.T)
        out.addmm_(hidden, b_low.T)
        again = again_of(x) if x.dtype == weight.dtype else None
        ctx.maker = again.maker if again else None
        ctx.save_for_backward(weight, a_low, b_low, hidden, *(again.inputs if again else (flat,)))
        ctx.scale, ctx.shape, ctx.dtype = scale, x.shape, x.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        weight, a_low, b_low, hidden, *kept = ctx.saved_tensors
        flat = ctx.maker.get(kept).reshape(-1, weight.shape[1]) if ctx.maker else kept[0]
        grad = grad.reshape(-1, grad.shape[-1]).to(weight.dtype)
        d_hidden = grad @ b_low
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = (grad @ weight).addmm_(d_hidden, a_low).view(ctx.shape).to(ctx.dtype)
        d_a = (d_hidden.T @ flat).float()
        d_b = (hidden.T @ grad).T.float() * ctx.scale
        return d_x, None, None, d_a, d_b, None


def _fusible(module: nn.Module) -> bool:
    """A PEFT LoRA linear with one plain adapter on a plain frozen Linear, and no dropout."""
    from peft.tuners.lora import Linear

    if not isinstance(module, Linear) or len(module.active_adapters) != 1 or module.merged:
        return False
    name = module.active_adapters[0]
    base = module.get_base_layer()
    return (
        type(base) is nn.Linear
        and not base.weight.requires_grad
        and not module.lora_variant
        and not getattr(module, "fan_in_fan_out", False)
        and isinstance(module.lora_dropout[name], nn.Identity)
        and module.lora_A[name].bias is None
        and module.lora_B[name].bias is None
    )


def _forward(module: Any) -> Any:
    name = module.active_adapters[0]
    base, a, b = module.get_base_layer(), module.lora_A[name], module.lora_B[name]
    scale = float(module.scaling[name])

    def forward(x: Tensor) -> Tensor:
        if module.disable_adapters:
            return base(x)  # type: ignore[no-any-return]
        with torch.autocast(x.device.type, enabled=False):
            return _LoraLinear.apply(x, base.weight, base.bias, a.weight, b.weight, scale)

    return forward


@contextmanager
def fused_lora(model: nn.Module) -> Iterator[int]:
    """Inside, every LoRA layer that can computes in one function; the number of them. Others stay PEFT's own."""
    layers: list[Any] = [module for module in model.modules() if _fusible(module)]
    for layer in layers:
        layer.forward = _forward(layer)
    try:
        yield len(layers)
    finally:
        for layer in layers:
            del layer.forward
