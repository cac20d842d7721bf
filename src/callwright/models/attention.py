"""Flat token rows + a Layout (which token sees which) -> attention with gradients, no dense mask, no padding.

One forward pass runs over a single flat sequence: every group's shared prefix once, then the suffixes of its rows.
Each suffix attends to its own prefix and to itself, causally. A row that shares nothing is a group of its own, which
is packing. The function registers with transformers under `NAME`, so any model built on its attention interface
takes it; what it cannot do (attention sinks, non-causal layers, attention dropout) is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from callwright.errors import ModelError
from callwright.models.shared_kv import RowsKV, attend_rows

NAME = "callwright_tree"

# Queries in one block of scores: 64 to 192 were equally fast on AVX512-BF16, 384 a sixth slower.
_QUERY_BLOCK = 128


@dataclass(frozen=True)
class Group:
    """Spans of the flat sequence: a prefix [start, end) and the suffixes that continue it, in flat order."""

    prefix: tuple[int, int]
    suffixes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Block:
    """Queries [low, high) of the flat sequence; their keys are `context` followed by `own`, spans of the keys.

    The queries are the last of `own`. Keys computed earlier stand before the flat sequence, as in `continue_layout`.
    hidden: [n, w] bool, True where a query may not see one of the last w keys; all before these are in sight.
    """

    queries: tuple[int, int]
    context: tuple[int, int]
    own: tuple[int, int]
    hidden: Tensor


@dataclass(frozen=True)
class Layout:
    """The blocks of one flat sequence. `positions` [keys] counts tokens within a row; `longest` is a row's length."""

    positions: Tensor
    blocks: tuple[Block, ...]
    longest: int

    def to(self, device: torch.device | str) -> Layout:
        """The same layout with its tensors on `device`."""
        blocks = tuple(Block(b.queries, b.context, b.own, b.hidden.to(device)) for b in self.blocks)
        return Layout(self.positions.to(device), blocks, self.longest)


def make_layout(groups: Sequence[Group]) -> Layout:
    """Spans -> the blocks to compute. The groups must tile the flat sequence in order."""
    positions: list[Tensor] = []
    blocks: list[Block] = []
    longest = 0
    for group in groups:
        start, end = group.prefix
        positions.append(torch.arange(end - start))
        blocks.extend(_row_blocks((start, start), start, end))
        for low, high in group.suffixes:
            positions.append(torch.arange(end - start, end - start + high - low))
        blocks.extend(_suffix_blocks(group))
        longest = max(longest, end - start + max((high - low for low, high in group.suffixes), default=0))
    return Layout(torch.cat(positions), tuple(blocks), longest)


def continue_layout(past: int, lengths: Sequence[int]) -> Layout:
    """Rows of `lengths` tokens that continue one prefix of `past` tokens, whose keys were computed earlier.

    `positions` begins with the prefix's; the flat sequence itself, the queries, holds the rows alone.
    """
    ends = list(accumulate(lengths, initial=past))
    blocks = [
        replace(block, queries=(block.queries[0] - past, block.queries[1] - past))
        for block in _suffix_blocks(Group((0, past), tuple(pairwise(ends))))
    ]
    positions = [torch.arange(past), *(torch.arange(past, past + length) for length in lengths)]
    return Layout(torch.cat(positions), tuple(blocks), past + max(lengths))


def _row_blocks(context: tuple[int, int], start: int, end: int) -> Iterator[Block]:
    """One causal row [start, end) behind a context, cut into blocks of queries."""
    for low in range(start, end, _QUERY_BLOCK):
        high = min(low + _QUERY_BLOCK, end)
        place = torch.arange(high - low)
        yield Block((low, high), context, (start, high), place[None, :] > place[:, None])


def _suffix_blocks(group: Group) -> Iterator[Block]:
    """Neighbouring short suffixes as one block with a block-diagonal mask; a long one in blocks of its own."""
    chunk: list[tuple[int, int]] = []
    for low, high in group.suffixes:
        if chunk and high - chunk[0][0] > _QUERY_BLOCK:
            yield _joint_block(group.prefix, chunk)
            chunk = []
        if high - low > _QUERY_BLOCK:
            yield from _row_blocks(group.prefix, low, high)
        else:
            chunk.append((low, high))
    if chunk:
        yield _joint_block(group.prefix, chunk)


def _joint_block(context: tuple[int, int], spans: Sequence[tuple[int, int]]) -> Block:
    row = torch.cat([torch.full((high - low,), i) for i, (low, high) in enumerate(spans)])
    place = torch.arange(len(row))
    hidden = (row[:, None] != row[None, :]) | (place[None, :] > place[:, None])
    whole = (spans[0][0], spans[-1][1])
    return Block(whole, context, whole, hidden)


@dataclass(frozen=True)
class Scores:
    """What a layer wants of its scores: the scale, an optional window (in tokens) and an optional softcap."""

    scale: float
    window: int | None
    softcap: float | None


def _probabilities(q: Tensor, keys: Tensor, block: Block, how: Scores, positions: Tensor) -> tuple[Tensor, Tensor]:
    """q [K, R*n, D] (scaled), keys [K, P+own, D] -> softmaxed scores, and the softcap's slope (or an empty tensor)."""
    scores = torch.bmm(q, keys.transpose(1, 2))
    slope = scores.new_empty(0)
    if how.softcap is not None:
        scores = torch.tanh(scores / how.softcap)
        slope = 1 - scores.square()
        scores = scores * how.softcap
    n, last = block.hidden.shape
    by_query = scores.view(q.shape[0], -1, n, scores.shape[-1])
    if how.window is None:
        # an addition, and only where something is hidden: a masked fill of the whole took as long as the softmax
        by_query[..., -last:] += torch.zeros_like(block.hidden, dtype=q.dtype).masked_fill_(block.hidden, float("-inf"))
    else:
        at = torch.cat([positions[slice(*block.context)], positions[slice(*block.own)]])
        far = at[-n:, None] - at[None, :] >= how.window
        far[:, -last:] |= block.hidden
        by_query.masked_fill_(far, float("-inf"))
    return torch.softmax(scores, dim=-1), slope


def _keys(x: Tensor, block: Block) -> Tensor:
    """[K, T, D] -> the block's keys or values [K, P + own, D]; a view where the two spans touch."""
    if block.context[1] == block.own[0] or block.context[0] == block.context[1]:
        low = block.context[0] if block.context[0] < block.context[1] else block.own[0]
        return x[:, low : block.own[1]]
    return torch.cat([x[:, slice(*block.context)], x[:, slice(*block.own)]], dim=1)


def _folded(x: Tensor, block: Block, key_heads: int) -> Tensor:
    """[H, T, D] -> [K, R*n, D]: the query heads that share a key head side by side, so no key is ever repeated."""
    low, high = block.queries
    return x[:, low:high].reshape(key_heads, -1, x.shape[2])


class _TreeAttention(torch.autograd.Function):
    """Blocks computed one after another, and once more in the backward pass: no score matrix is ever kept."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, layout: Layout, how: Scores) -> Tensor:
        q = q * how.scale
        ctx.save_for_backward(q, k, v)
        ctx.layout, ctx.how = layout, how
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        for block in layout.blocks:
            queries = _folded(q, block, k.shape[0])
            weights, _ = _probabilities(queries, _keys(k, block), block, how, layout.positions)
            low, high = block.queries
            out[:, low:high] = torch.bmm(weights, _keys(v, block)).view(q.shape[0], high - low, -1)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        q, k, v = ctx.saved_tensors
        how: Scores = ctx.how
        d_q = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        # float32 sums: a prefix's keys gather gradients from every suffix behind them
        d_k = torch.zeros(k.shape, dtype=torch.float32, device=k.device)
        d_v = torch.zeros(v.shape, dtype=torch.float32, device=v.device)
        for block in ctx.layout.blocks:
            queries, keys, values = _folded(q, block, k.shape[0]), _keys(k, block), _keys(v, block)
            weights, slope = _probabilities(queries, keys, block, how, ctx.layout.positions)
            d_out = _folded(grad, block, k.shape[0])
            _add(d_v, torch.bmm(weights.transpose(1, 2), d_out), block)
            d_scores = torch.bmm(d_out, values.transpose(1, 2))
            d_scores = torch._softmax_backward_data(d_scores, weights, -1, weights.dtype)
            if how.softcap is not None:
                d_scores = d_scores * slope
            low, high = block.queries
            d_q[:, low:high] = torch.bmm(d_scores, keys).view(q.shape[0], high - low, -1)
            _add(d_k, torch.bmm(d_scores.transpose(1, 2), queries), block)
        return d_q * how.scale, d_k.to(k.dtype), d_v.to(v.dtype), None, None


def _add(total: Tensor, part: Tensor, block: Block) -> None:
    """Adds gradients of a block's keys (context, then own) where those keys stand."""
    past = block.context[1] - block.context[0]
    total[:, slice(*block.context)] += part[:, :past]
    total[:, slice(*block.own)] += part[:, past:]


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """The transformers attention interface: [B, heads, S, D] -> ([B, S, heads, D], None).

    The model is called with `layout=` (a Layout: one flat sequence) or `rows=` (a RowsKV: a batch with a cache).
    Raises ModelError for attention features that this computation does not have.
    """
    layout: Layout | None = settings.get("layout")
    rows: RowsKV | None = settings.get("rows")
    if layout is None and rows is None:
        raise ModelError(f"{type(module).__name__}: the model does not hand keyword arguments to its attention layers")
    if settings.get("s_aux") is not None or not getattr(module, "is_causal", True):
        raise ModelError(f"{type(module).__name__}: attention sinks and non-causal layers have no shared-prefix form")
    if settings.get("dropout"):
        raise ModelError(f"{type(module).__name__}: attention dropout is not supported; set attention_dropout to 0")
    window, softcap = settings.get("sliding_window"), settings.get("softcap")
    scaling = settings.get("scaling")
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    if layout is None:
        assert rows is not None
        layer = int(module.layer_idx)  # type: ignore[arg-type]
        return attend_rows(query, key, value, rows, layer, (scale, window, softcap)).transpose(1, 2), None
    how = Scores(scale, window if window is not None and window < layout.longest else None, softcap)
    with torch.autocast(query.device.type, enabled=False):
        out = _TreeAttention.apply(
            query.squeeze(0), key.squeeze(0).to(query.dtype), value.squeeze(0).to(query.dtype), layout, how
        )
    return out.transpose(0, 1).unsqueeze(0), None


def install() -> None:
    """Makes `attn_implementation=NAME` known to transformers. Safe to call again."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)
