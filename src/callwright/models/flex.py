"""Attention over a flat sequence and its Layout by PyTorch's FlexAttention: on CUDA one compiled kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

from callwright.models.scores import How
from callwright.models.tree import Layout


@cache
def _flex(compiled: bool) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    made: Any = torch.compile(flex_attention, dynamic=True) if compiled else flex_attention
    return cast("Callable[..., Tensor]", made)


def by_flex(query: Tensor, key: Tensor, value: Tensor, layout: Layout, how: How) -> Tensor:
    """The same by FlexAttention: the tree as a block mask, which is made once a layout and window."""
    from torch.nn.attention.flex_attention import create_block_mask

    tokens, keys = query.shape[2], key.shape[2]
    last, positions, past = layout.last, layout.positions, keys - tokens

    def visible(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        at = q + past
        seen = (k <= at) & (at < last[k])
        return seen if how.window is None else seen & (positions[at] - positions[k] < how.window)

    def capped(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        assert how.softcap is not None
        return how.softcap * torch.tanh(score / how.softcap)

    mask = layout.prepared.get(how.window)
    if mask is None:
        mask = create_block_mask(visible, None, None, tokens, keys, device=str(query.device))
        layout.prepared[how.window] = mask
    made = _flex(query.is_cuda)(
        query,
        key.to(query.dtype),
        value.to(query.dtype),
        score_mod=None if how.softcap is None else capped,
        block_mask=mask,
        scale=how.scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return made.transpose(1, 2)
