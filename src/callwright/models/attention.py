"""Attention over a flat sequence and its Layout, with gradients: no dense mask, no padding, no score matrix kept.

Each query's keys come in parts: its own node's, and one part for every node above, whose keys are read once for all
that continue it. Parts are joined by their log-sum-exp, and in the backward pass each is computed again on its own. A
row that shares nothing is a tree of one node, which is packing. Where it can be compiled, one kernel computes the same
tree: FlexAttention on CUDA, our own on the CPU. The function registers with transformers under `NAME`, so any model
that is built on its attention interface takes it; what it cannot do (attention sinks, non-causal layers, dropout) is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from callwright.errors import ModelError
from callwright.models import kernels
from callwright.models.flex import by_flex
from callwright.models.kernels.attention import by_kernel, takes
from callwright.models.scores import How, Part, attend, attend_back, penalty_of, plain
from callwright.models.shared_kv import RowsKV, attend_rows
from callwright.models.tree import Layout, Long, Seen

NAME = "callwright_tree"

# Scores that stand in memory together: twice the size of a core's cache was slower.
_MOST_SCORES = 1 << 20
# Queries in one block of a long node's backward pass.
_BLOCK = 128


class _Tiles:
    """All small nodes at once."""

    def __init__(self, layout: Layout, q: Tensor, how: How) -> None:
        assert layout.tiles is not None
        self._tiles, self._past = layout.tiles, layout.past
        groups, _, heads, _ = q.shape
        size, count = layout.tiles.size, len(layout.tiles.hidden)
        key = ("tiles", how.window, q.dtype)
        if key not in layout.prepared:
            hidden = layout.tiles.hidden
            if how.window is not None:
                at = layout.positions[layout.past + layout.tiles.gather].view(count, size)
                hidden = hidden | ((at[:, :, None] - at[:, None, :] >= how.window) & ~_diagonal(hidden))
            layout.prepared[key] = penalty_of(hidden, q.dtype)[:, :, None]
        self._part = Part((groups, count, size, heads, size), layout.prepared[key])
        self._how = how

    def _queries(self, x: Tensor) -> Tensor:
        """[K, T, R, D] -> [K*B, size*R, D]."""
        heads, width = x.shape[2:]
        return x[:, self._tiles.gather].view(-1, self._tiles.size * heads, width)

    def _keys(self, x: Tensor) -> Tensor:
        """[K, N, D] -> [K*B, size, D]."""
        return x[:, self._past + self._tiles.gather].view(-1, self._tiles.size, x.shape[-1])

    def _back(self, made: Tensor, like: Tensor) -> Tensor:
        """[K*B, size*R, ...] -> the taken places, [K, n, R, ...]."""
        groups, _, heads = like.shape[:3]
        return made.view(groups, len(self._tiles.gather), heads, *made.shape[2:])[:, self._tiles.slots]

    def forward(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor, total: Tensor) -> None:
        made, sums = attend(self._queries(q), self._keys(k), self._keys(v), self._part, self._how)
        out[:, self._tiles.queries] = self._back(made, q)
        total[:, self._tiles.queries] = self._back(sums, q)

    def backward(self, saved: _Saved, into: _Into) -> None:
        share = torch.exp(saved.own - saved.total)[..., None].to(saved.q.dtype)
        d_out = self._queries(saved.grad * share), self._queries(saved.inner * share)
        keys, values = self._keys(saved.k), self._keys(saved.v)
        d_q, d_k, d_v = attend_back(self._queries(saved.q), keys, values, d_out, self._part, self._how)
        into.q[:, self._tiles.queries] = self._back(d_q, saved.q)
        at = self._past + self._tiles.queries
        for total, made in ((into.k, d_k), (into.v, d_v)):
            total[:, at] += made.view(len(total), -1, made.shape[-1])[:, self._tiles.slots]


def _diagonal(hidden: Tensor) -> Tensor:
    return torch.eye(hidden.shape[-1], dtype=torch.bool, device=hidden.device)


@dataclass(frozen=True)
class _Saved:
    """What a backward pass begins with: queries, keys and values, the log-sum-exp of each query's own part and of all,
    the output's gradient, `inner` [K, T, R, 1], its product with the output, and the output."""

    q: Tensor
    k: Tensor
    v: Tensor
    own: Tensor
    total: Tensor
    grad: Tensor
    inner: Tensor
    out: Tensor


@dataclass(frozen=True)
class _Into:
    """Where gradients are summed; float32 for keys and values, which gather them from all that continues a prefix."""

    q: Tensor
    k: Tensor
    v: Tensor


class _Long:
    """The own part of one long node, in blocks of queries."""

    def __init__(self, node: Long, layout: Layout, how: How) -> None:
        self._low, self._high = node.queries
        self._past, self._how, self._window = layout.past, how, how.window
        if how.window is not None and how.window >= self._high - self._low:
            self._window = None

    def forward(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor, total: Tensor) -> None:
        span = slice(self._low, self._high)
        keys = slice(self._past + self._low, self._past + self._high)
        if plain(q, v, self._how, self._window):
            groups, _, heads, _ = q.shape
            made, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                q[:, span].transpose(1, 2).flatten(0, 1)[None],
                k[:, None, keys].expand(-1, heads, -1, -1).flatten(0, 1)[None],
                v[:, None, keys].expand(-1, heads, -1, -1).flatten(0, 1)[None],
                0.0,
                True,
                scale=1.0,
            )
            out[:, span] = made[0].unflatten(0, (groups, heads)).transpose(1, 2)
            total[:, span] = sums[0].unflatten(0, (groups, heads)).transpose(1, 2)
            return
        for queries, keys, part in self._blocks(q):
            made, sums = attend(q[:, queries].flatten(1, 2), k[:, keys], v[:, keys], part, self._how)
            out[:, queries] = made.view(*part.shape[:3], -1)
            total[:, queries] = sums.view(part.shape[:3])

    def backward(self, saved: _Saved, into: _Into) -> None:
        for queries, keys, part in self._blocks(saved.q):
            share = torch.exp(saved.own[:, queries] - saved.total[:, queries])[..., None]
            _add_back(saved, into, (queries, keys), share, (part, self._how))

    def _blocks(self, q: Tensor) -> Iterator[tuple[slice, slice, Part]]:
        groups, _, heads, _ = q.shape
        for low in range(self._low, self._high, _BLOCK):
            high = min(low + _BLOCK, self._high)
            first = self._low if self._window is None else max(self._low, low - self._window + 1)
            place = torch.arange(low, high, device=q.device)
            hidden = place[None, :] > place[:, None]
            if self._window is not None:
                at = torch.arange(first, high, device=q.device)
                hidden = (at[None, :] > place[:, None]) | (place[:, None] - at[None, :] >= self._window)
            part = Part((groups, high - low, heads, high - first), penalty_of(hidden, q.dtype)[:, None])
            yield slice(low, high), slice(self._past + first, self._past + high), part


class _Above:
    """What all that continues a node sees of it."""

    def __init__(self, seen: Seen, layout: Layout, how: How) -> None:
        self._seen, self._layout, self._how = seen, layout, how

    def forward(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor, total: Tensor) -> list[Tensor]:
        """Joins this part to what is there; the log-sum-exp of it, block by block."""
        kept = []
        # without a mask one kernel takes all queries
        at_once = self._how.window is None and self._how.softcap is None
        for queries, keys, part in self._blocks(q, len(self._layout.positions) if at_once else 0):
            made, sums = attend(q[:, queries].flatten(1, 2), k[:, keys], v[:, keys], part, self._how)
            made, sums = made.view(*part.shape[:3], -1), sums.view(part.shape[:3])
            joined = torch.logaddexp(total[:, queries], sums)
            old, new = torch.exp(total[:, queries] - joined), torch.exp(sums - joined)
            out[:, queries] = (out[:, queries] * old[..., None] + made * new[..., None]).to(out.dtype)
            total[:, queries] = joined
            kept.append(sums)
        return kept

    def backward(self, saved: _Saved, into: _Into, sums: Tensor) -> None:
        queries, keys = slice(*self._seen.queries), slice(*self._seen.keys)
        if plain(saved.q, saved.v, self._how, self._how.window):
            # with the whole output and the whole log-sum-exp, the kernel's gradients are those of this part
            q, grad, out = (x[:, queries] for x in (saved.q, saved.grad, saved.out))
            d_q, d_k, d_v = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                *(x.flatten(1, 2)[None] for x in (grad, q)),
                saved.k[None, :, keys],
                saved.v[None, :, keys],
                out.flatten(1, 2)[None],
                saved.total[:, queries].flatten(1, 2)[None],
                0.0,
                False,
                scale=1.0,
            )
            into.q[:, queries] += d_q[0].view(q.shape)
            into.k[:, keys] += d_k[0]
            into.v[:, keys] += d_v[0]
            return
        first = self._seen.queries[0]
        for queries, keys, part in self._blocks(saved.q):
            found = sums[:, queries.start - first : queries.stop - first]
            share = torch.exp(found - saved.total[:, queries])[..., None]
            _add_back(saved, into, (queries, keys), share, (part, self._how))

    def _blocks(self, q: Tensor, least: int = 0) -> Iterator[tuple[slice, slice, Part]]:
        """Blocks that fit in memory, of at least `least` queries, also those that no query's window reaches."""
        (low, high), keys = self._seen.queries, self._seen.keys
        groups, _, heads, _ = q.shape
        positions, past, window = self._layout.positions, self._layout.past, self._how.window
        step = max(1, least, _MOST_SCORES // (groups * heads * (keys[1] - keys[0])))
        for start in range(low, high, step):
            end = min(start + step, high)
            penalty = None
            if window is not None:
                far = positions[past + start : past + end, None] - positions[None, slice(*keys)] >= window
                penalty = penalty_of(far, q.dtype)[:, None] if far.any() else None
            yield slice(start, end), slice(*keys), Part((groups, end - start, heads, keys[1] - keys[0]), penalty)


def _add_back(saved: _Saved, into: _Into, at: tuple[slice, slice], share: Tensor, of: tuple[Part, How]) -> None:
    """Adds the gradients of queries and keys at two spans. share [K, n, R, 1]: of these queries' whole softmax."""
    queries, keys = at
    q, grad = saved.q[:, queries], saved.grad[:, queries]
    share = share.to(q.dtype)
    d_out = (grad * share).flatten(1, 2), (saved.inner[:, queries] * share).flatten(1, 2)
    d_q, d_k, d_v = attend_back(q.flatten(1, 2), saved.k[:, keys], saved.v[:, keys], d_out, *of)
    into.q[:, queries] += d_q.view(q.shape)
    into.k[:, keys] += d_k
    into.v[:, keys] += d_v


class _TreeAttention(torch.autograd.Function):
    """q [K, T, R, D] (the R query heads of a key head side by side, so that no key is repeated), k and v [K, N, D]."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, layout: Layout, how: How) -> Tensor:
        out = q.new_empty(*q.shape[:3], v.shape[-1])
        total = torch.empty(q.shape[:3], dtype=torch.float32, device=q.device)
        for part in _own_parts(layout, q, how):
            part.forward(q, k, v, out, total)
        own = total.clone() if layout.seen else total
        sums = [torch.cat(_Above(seen, layout, how).forward(q, k, v, out, total), dim=1) for seen in layout.seen]
        ctx.save_for_backward(q, k, v, out, own, total, *sums)
        ctx.layout, ctx.how = layout, how
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        q, k, v, out, own, total, *sums = ctx.saved_tensors
        grad = grad.contiguous()
        inner = (grad * out).sum(-1, keepdim=True)
        saved = _Saved(q, k, v, own, total, grad, inner, out)
        zeros = [torch.zeros(x.shape, dtype=torch.float32, device=x.device) for x in (k, v)]
        into = _Into(torch.zeros_like(q), *zeros)
        for part in _own_parts(ctx.layout, q, ctx.how):
            part.backward(saved, into)
        for seen, found in zip(ctx.layout.seen, sums, strict=True):
            _Above(seen, ctx.layout, ctx.how).backward(saved, into, found)
        return into.q, into.k.to(k.dtype), into.v.to(v.dtype), None, None


def _own_parts(layout: Layout, q: Tensor, how: How) -> Iterator[_Tiles | _Long]:
    """Every query has one of these parts; others are joined to it."""
    if layout.tiles is not None:
        yield _Tiles(layout, q, how)
    for node in layout.long:
        yield _Long(node, layout, how)


def by_parts(query: Tensor, key: Tensor, value: Tensor, layout: Layout, how: How) -> Tensor:
    """[1, H, T, D] and [1, K, N, D] -> [1, T, H, D]."""
    heads, tokens, size = query.shape[1:]
    groups = key.shape[1]
    folded = (query * how.scale).view(groups, heads // groups, tokens, size).transpose(1, 2).contiguous()
    keys, values = key.squeeze(0).to(query.dtype), value.squeeze(0).to(query.dtype)
    out = _TreeAttention.apply(folded, keys, values, layout, how)
    return out.transpose(0, 1).reshape(1, tokens, heads, -1)


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
    how = How(scale, window if window is not None and window < layout.longest else None, softcap)
    with torch.autocast(query.device.type, enabled=False):
        # Triton, which compiles it, comes with CUDA builds on Linux
        if query.is_cuda and find_spec("triton"):
            return by_flex(query, key, value, layout, how), None
        compute = by_kernel if kernels.ready() and takes(query, value, how) else by_parts
        return compute(query, key, value, layout, how), None


def install() -> None:
    """Makes `attn_implementation=NAME` known to transformers. Safe to call again."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)


@contextmanager
def installed(model: Any) -> Iterator[None]:
    """The model, in evaluation mode, computes by this attention inside, by its own outside."""
    install()
    before, training = model.config._attn_implementation, model.training
    model.eval()
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        model.train(training)
