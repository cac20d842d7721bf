"""Keys and values of a batch whose rows share a prefix: the prefix once, each row's own part in its own buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

# slots that hold nothing, in every row, before they are left out
_LOOSE = 64


@dataclass(frozen=True)
class PrefixKV:
    """A computed prefix of `length` tokens: for every layer keys and values [K, P, D]."""

    length: int
    keys: Sequence[Tensor]
    values: Sequence[Tensor]

    @property
    def bytes(self) -> int:
        """Memory that it holds."""
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values))


@dataclass
class FlatKV:
    """A cache for one pass over a flat sequence: collects every layer's keys and values [K, T, D].

    `update` returns them behind those of the prefix.
    """

    prefix: PrefixKV | None = None
    own: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def update(self, keys: Tensor, values: Tensor, layer: int, *unused: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """keys and values [1, K, T, D] -> with the prefix's in front [1, K, P + T, D]."""
        self.own[layer] = keys[0], values[0]
        if self.prefix is None:
            return keys, values
        past_k, past_v = self.prefix.keys[layer][None], self.prefix.values[layer][None]
        return torch.cat([past_k, keys], dim=2), torch.cat([past_v, values], dim=2)

    def get_seq_length(self, layer: int = 0) -> int:
        """Tokens before the next one, as transformers asks."""
        return self.prefix.length if self.prefix else 0


@dataclass
class RowsKV:
    """What transformers takes for a cache: `update` appends a layer's keys and returns the rows' own keys alone.

    positions [B, L] counts each slot within its row, -1 where it holds padding. The prefix is joined in attention.
    """

    prefix: PrefixKV | None
    positions: Tensor
    capacity: int
    filled: int = 0
    buffers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def update(self, keys: Tensor, values: Tensor, layer: int, *unused: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """keys and values [B, K, S, D] of the slots [filled, filled + S) -> all own slots so far."""
        end = self.filled + keys.shape[2]
        if end > self.capacity:
            self._grow(end)
        if layer not in self.buffers:
            shape = (keys.shape[0], keys.shape[1], self.capacity, keys.shape[3])
            self.buffers[layer] = (keys.new_zeros(shape), values.new_zeros(shape))
        own_k, own_v = self.buffers[layer]
        own_k[:, :, self.filled : end] = keys
        own_v[:, :, self.filled : end] = values
        return own_k[:, :, :end], own_v[:, :, :end]

    def advance(self, count: int) -> None:
        """After a forward pass: its `count` slots are filled in every layer."""
        self.filled += count

    def get_seq_length(self, layer: int = 0) -> int:
        """Tokens before the next one, as transformers asks; positions are always given, so only > 0 matters."""
        return (self.prefix.length if self.prefix else 0) + self.filled

    def keep(self, rows: Tensor) -> None:
        """Goes on with some rows only: [b] row numbers."""
        self.positions = self.positions[rows]
        self.buffers = {layer: (k[rows], v[rows]) for layer, (k, v) in self.buffers.items()}

    def extend(self, positions: Tensor) -> None:
        """Before a forward pass: where its slots stand in their rows [B, S], -1 for padding."""
        if self.filled - int((self.positions >= 0).sum(dim=1).max()) > _LOOSE:
            self._close_up()
        self.positions = torch.cat([self.positions, positions], dim=1)

    def forget(self, row: int, length: int) -> None:
        """A row holds only its first `length` tokens again, those of the prefix counted."""
        self.positions[row, self.positions[row] >= length] = -1

    def join(self, other: RowsKV) -> None:
        """More rows behind these."""
        width = max(self.filled, other.filled)
        capacity = max(self.capacity, other.capacity, width)
        parts = [one._shifted(width, capacity) for one in (self, other)]
        self.positions = torch.cat([positions for positions, _ in parts])
        self.buffers = {
            layer: (
                torch.cat([buffers[layer][0] for _, buffers in parts]),
                torch.cat([buffers[layer][1] for _, buffers in parts]),
            )
            for layer in self.buffers
        }
        self.filled, self.capacity = width, capacity

    def _shifted(self, width: int, capacity: int) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor]]]:
        """The filled slots at the end of the first `width`, padding before them."""
        pad = width - self.filled

        def moved(buffer: Tensor) -> Tensor:
            wide = buffer.new_zeros(*buffer.shape[:2], capacity, buffer.shape[3])
            wide[:, :, pad:width] = buffer[:, :, : self.filled]
            return wide

        positions = torch.nn.functional.pad(self.positions[:, : self.filled], (pad, 0), value=-1)
        return positions, {layer: (moved(k), moved(v)) for layer, (k, v) in self.buffers.items()}

    def _grow(self, needed: int) -> None:
        self.capacity = max(needed, self.capacity + self.capacity // 2)
        _, self.buffers = self._shifted(self.filled, self.capacity)

    def _close_up(self) -> None:
        """Leaves out slots that hold nothing, as far as every row has some."""
        order = torch.argsort((self.positions >= 0).int(), dim=1, stable=True)
        width = int((self.positions >= 0).sum(dim=1).max())
        order = order[:, self.filled - width :]
        self.positions = self.positions.gather(1, order)
        index = order[:, None, :, None]

        def moved(buffer: Tensor) -> Tensor:
            wide = buffer.new_zeros(buffer.shape)
            chosen = index.expand(-1, buffer.shape[1], -1, buffer.shape[3])
            wide[:, :, :width] = buffer[:, :, : self.filled].gather(2, chosen)
            return wide

        self.buffers = {layer: (moved(k), moved(v)) for layer, (k, v) in self.buffers.items()}
        self.filled = width

    @classmethod
    def of_flat(cls, flat: FlatKV, lengths: Sequence[int], capacity: int) -> RowsKV:
        """The rows of a flat pass, `lengths` tokens each, aligned at their ends, with room for `capacity` slots."""
        width, past = max(lengths), flat.get_seq_length()
        pads = [width - length for length in lengths]
        places = [[-1] * pad + list(range(past, past + length)) for pad, length in zip(pads, lengths, strict=True)]
        starts = list(accumulate(lengths, initial=0))
        buffers = {}
        for layer, pair in flat.own.items():
            made = []
            for part in pair:
                buffer = part.new_zeros(len(lengths), part.shape[0], capacity, part.shape[2])
                for row, pad in enumerate(pads):
                    buffer[row, :, pad:width] = part[:, starts[row] : starts[row + 1]]
                made.append(buffer)
            buffers[layer] = made[0], made[1]
        positions = torch.tensor(places, device=next(iter(flat.own.values()))[0].device)
        return cls(flat.prefix, positions, capacity, width, buffers)


def attend_rows(
    query: Tensor, key: Tensor, value: Tensor, rows: RowsKV, layer: int, how: tuple[float, Any, Any]
) -> Tensor:
    """query [B, H, S, D] of the newest S slots, key and value [B, K, L, D] own slots -> [B, H, S, D].

    how: (scale, window or None, softcap or None). The prefix's keys are used once for all rows, never repeated. What
    comes of a slot that is padding means nothing.
    """
    scale, window, softcap = how
    batch, heads, width, size = query.shape
    key_heads, length = key.shape[1], key.shape[2]
    folded = (query * scale).view(batch, key_heads, -1, width, size)
    scores = torch.matmul(folded.flatten(2, 3), key.transpose(2, 3)).view(batch, key_heads, -1, width, length)
    key_at = rows.positions[:, :length]
    query_at = key_at[:, length - width :]
    hidden = (key_at[:, None, :] > query_at[:, :, None]) | (key_at[:, None, :] < 0)
    if window is not None:
        hidden |= query_at[:, :, None] - key_at[:, None, :] >= window
    # padding sees everything: the softmax of nothing would be NaN, and spread
    hidden &= query_at[:, :, None] >= 0
    scores = _capped(scores, softcap).masked_fill(hidden[:, None, None], float("-inf"))
    past = rows.prefix.length if rows.prefix else 0
    by_head = folded.permute(1, 0, 2, 3, 4).reshape(key_heads, -1, size)
    if rows.prefix and past:
        seen = torch.bmm(by_head, rows.prefix.keys[layer].transpose(1, 2))
        seen = _capped(seen, softcap).view(key_heads, batch, -1, width, past).permute(1, 0, 2, 3, 4)
        if window is not None:
            far = query_at[:, :, None] - torch.arange(past, device=query.device) >= window
            seen = seen.masked_fill(far[:, None, None], float("-inf"))
        scores = torch.cat([seen, scores], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    out = torch.matmul(weights[..., past:].flatten(2, 3), value).view(folded.shape)
    if rows.prefix and past:
        shared = weights[..., :past].permute(1, 0, 2, 3, 4).reshape(key_heads, -1, past)
        joined = torch.bmm(shared, rows.prefix.values[layer])
        out = out + joined.view(key_heads, batch, -1, width, size).permute(1, 0, 2, 3, 4)
    return out.reshape(batch, heads, width, size)


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)
