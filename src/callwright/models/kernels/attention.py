"""Attention over a tree by the CPU kernel: no dense mask, no copies of queries, one pass for all parts of the tree."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from callwright.models.scores import How
from callwright.models.tree import Layout


class _TreeKernel(torch.autograd.Function):
    """q [T, H, D], k and v [N, K, D] -> [T, H, D]."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, layout: Layout, how: How) -> Tensor:
        out, total = torch.ops.callwright.tree_attention(q, k, v, *_sight(layout, how))
        ctx.save_for_backward(q, k, v, out, total)
        ctx.layout, ctx.how = layout, how
        return out  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        grad = _rows(grad)
        made = torch.ops.callwright.tree_attention_backward(grad, *ctx.saved_tensors, *_sight(ctx.layout, ctx.how))
        return (*made, None, None)


def _sight(layout: Layout, how: How) -> tuple[Tensor, Tensor, float, int]:
    return layout.last, layout.positions, how.scale, how.window or 0


def _rows(x: Tensor) -> Tensor:
    return x if x.stride(-1) == 1 else x.contiguous()


def takes(query: Tensor, value: Tensor, how: How) -> bool:
    """Whether the kernel is for this: bfloat16, no softcap, values as wide as keys."""
    same = query.shape[-1] == value.shape[-1] and query.shape[-1] % 2 == 0
    return query.device.type == "cpu" and query.dtype == torch.bfloat16 and how.softcap is None and same


def by_kernel(query: Tensor, key: Tensor, value: Tensor, layout: Layout, how: How) -> Tensor:
    """[1, H, T, D] and [1, K, N, D] -> [1, T, H, D]."""
    q, k, v = (_rows(x.squeeze(0).transpose(0, 1).to(query.dtype)) for x in (query, key, value))
    return _TreeKernel.apply(q, k, v, layout, how).unsqueeze(0)  # type: ignore[no-any-return]
