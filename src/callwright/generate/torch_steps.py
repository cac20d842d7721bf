"""A transformers model as a step engine: rows that share a prefix in one batch, the prefix computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from callwright.generate.prefix_cache import PrefixCache
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Feed
from callwright.models import attention
from callwright.models.shared_kv import FlatKV, PrefixKV, RowsKV
from callwright.models.tree import continue_layout

# a row's first feed of more tokens is computed without padding
_FLAT = 16


@dataclass
class _Group:
    """Rows with one prefix: their numbers in the order of the batch, and how many tokens each holds."""

    prefix: PrefixKV | None
    rows: list[int] = field(default_factory=list)
    kv: RowsKV | None = None


class TorchSteps:
    """A model in evaluation mode, its attention replaced while a pass runs. Not for several threads at once."""

    most = 4096
    overhead = 6.0

    def __init__(
        self,
        model: Any,
        *,
        slots: int = 64,
        cache: PrefixCache | None = None,
        files: PrefixFiles | None = None,
        adapter: str | None = None,
    ) -> None:
        """slots: rows at once. cache, files: computed prefixes, in memory and on disk; none is kept without. adapter:
        by its name, the one that computes, of a model that has several."""
        attention.install()
        self._model, self._files, self._adapter = model, files, adapter
        self.room = slots
        self._cache = cache if cache is not None else PrefixCache(max_bytes=0)
        self._groups: dict[tuple[int, ...], _Group] = {}
        self._of: dict[int, tuple[int, ...]] = {}
        self._held: dict[int, int] = {}
        self._free = list(range(slots))
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """As `Steps.takes`."""
        return bool(self._free)

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """As `Steps.open`."""
        row = self._free.pop()
        key = tuple(tokens[: min(prefix_len, len(tokens) - 1)])
        if key not in self._groups:
            self._groups[key] = _Group(self._prefix(key) if key else None)
        self._of[row], self._held[row] = key, len(key)
        return row, len(key)

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """As `Steps.forward`; one pass for every prefix, and one more for rows that begin."""
        made: dict[int, NDArray[np.float32]] = {}
        groups: dict[tuple[int, ...], list[Feed]] = {}
        for feed in feeds:
            groups.setdefault(self._of[feed.sequence], []).append(feed)
        with self._computing():
            for key, members in groups.items():
                group = self._groups[key]
                begun = [feed for feed in members if feed.sequence in group.rows]
                fresh = [feed for feed in members if feed.sequence not in group.rows]
                if begun:
                    made.update(self._go_on(group, begun))
                if fresh:
                    made.update(self._begin(group, fresh))
        for feed in feeds:
            self._held[feed.sequence] += len(feed.tokens)
        return [made[feed.sequence] for feed in feeds]

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        self._held[sequence] = length
        group = self._groups[self._of[sequence]]
        assert group.kv is not None
        with torch.inference_mode():
            group.kv.forget(group.rows.index(sequence), length)

    def close(self, sequence: int) -> None:
        """As `Steps.close`."""
        key = self._of.pop(sequence)
        del self._held[sequence]
        group = self._groups[key]
        if sequence in group.rows:
            left = [place for place, row in enumerate(group.rows) if row != sequence]
            group.rows = [group.rows[place] for place in left]
            if left and group.kv is not None:
                group.kv.keep(torch.tensor(left, device=group.kv.positions.device))
        if key not in self._of.values():
            del self._groups[key]
        self._free.append(sequence)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        if self._adapter is not None and self._model.active_adapter != self._adapter:
            self._model.set_adapter(self._adapter)
        with torch.inference_mode(), attention.installed(self._model):
            yield

    def _prefix(self, tokens: tuple[int, ...]) -> PrefixKV:
        found = self._cache.get(tokens)
        if found is None:
            found = self._loaded(tokens) or self._computed(tokens)
            self._cache.put(tokens, found)
        return found

    def _computed(self, tokens: tuple[int, ...]) -> PrefixKV:
        flat = FlatKV()
        with self._computing():
            self._flat_pass(flat, [tokens], [len(tokens) - 1])
        ordered = [flat.own[layer] for layer in sorted(flat.own)]
        made = PrefixKV(len(tokens), [k for k, _ in ordered], [v for _, v in ordered])
        if self._files:
            halves = {"k": made.keys, "v": made.values}
            self._files.save(
                tokens,
                {
                    f"{half}{layer}": tensor.contiguous().cpu().view(torch.uint8).numpy()
                    for half, tensors in halves.items()
                    for layer, tensor in enumerate(tensors)
                },
            )
        return made

    def _loaded(self, tokens: tuple[int, ...]) -> PrefixKV | None:
        saved = self._files.load(tokens) if self._files else None
        if saved is None:
            return None
        device, dtype = self._model.device, self._model.dtype
        tensors = {name: torch.from_numpy(array).view(dtype).to(device) for name, array in saved.items()}
        layers = range(len(tensors) // 2)
        return PrefixKV(len(tokens), [tensors[f"k{n}"] for n in layers], [tensors[f"v{n}"] for n in layers])

    def _begin(self, group: _Group, feeds: Sequence[Feed]) -> dict[int, NDArray[np.float32]]:
        """Rows that hold nothing beside the prefix: one flat sequence without padding."""
        flat = FlatKV(group.prefix)
        lengths = [len(feed.tokens) for feed in feeds]
        ends = list(accumulate(lengths))
        places = [place for end, feed in zip(ends, feeds, strict=True) for place in range(end - feed.wanted, end)]
        logits = self._flat_pass(flat, [feed.tokens for feed in feeds], places or [0])
        rows = RowsKV.of_flat(flat, lengths, max(lengths) + 2 * _FLAT)
        if group.kv is None or not group.rows:
            group.kv = rows
        else:
            group.kv.join(rows)
        group.rows += [feed.sequence for feed in feeds]
        cuts = list(accumulate((feed.wanted for feed in feeds), initial=0))
        return {feed.sequence: logits[low : low + feed.wanted] for feed, low in zip(feeds, cuts, strict=False)}

    def _flat_pass(self, flat: FlatKV, rows: Sequence[Sequence[int]], places: Sequence[int]) -> NDArray[np.float32]:
        """Rows behind the prefix, one after another -> the logits [P, V] at some places of them."""
        device, lengths = self._model.device, [len(row) for row in rows]
        layout = continue_layout(flat.get_seq_length(), lengths).to(device)
        output = self._model(
            input_ids=torch.tensor([[token for row in rows for token in row]], device=device),
            position_ids=layout.positions[None, flat.get_seq_length() :],
            layout=layout,
            past_key_values=flat,
            use_cache=True,
            logits_to_keep=torch.tensor(places, device=device),
        )
        return _numbers(output.logits[0])

    def _go_on(self, group: _Group, feeds: Sequence[Feed]) -> dict[int, NDArray[np.float32]]:
        """More tokens of rows in the batch, aligned at their ends; rows that get none get padding."""
        kv = group.kv
        assert kv is not None
        device = kv.positions.device
        width, wanted = max(len(feed.tokens) for feed in feeds), max(1, *(feed.wanted for feed in feeds))
        ids = torch.zeros(len(group.rows), width, dtype=torch.long)
        positions = torch.full((len(group.rows), width), -1)
        places = {row: place for place, row in enumerate(group.rows)}
        for feed in feeds:
            place, count = places[feed.sequence], len(feed.tokens)
            held = self._held[feed.sequence]
            ids[place, width - count :] = torch.tensor(feed.tokens)
            positions[place, width - count :] = torch.arange(held, held + count)
        positions = positions.to(device)
        kv.extend(positions)
        output = self._model(
            input_ids=ids.to(device),
            position_ids=positions.clamp(min=0),
            rows=kv,
            past_key_values=kv,
            use_cache=True,
            logits_to_keep=wanted,
        )
        kv.advance(width)
        logits = _numbers(output.logits)
        return {feed.sequence: logits[places[feed.sequence], wanted - feed.wanted :] for feed in feeds}


def _numbers(logits: Tensor) -> NDArray[np.float32]:
    return logits.float().cpu().numpy()  # type: ignore[no-any-return]
