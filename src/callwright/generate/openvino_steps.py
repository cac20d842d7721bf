"""A transformers model as a step engine on Intel CPUs, by OpenVINO: `pip install 'callwright[openvino]'`.

Keys and values stand in blocks of 32 tokens that sequences share: the tool block of all requests is there once. What
rows have in common is kept after they ended, with some whole rows, and a new row begins with the longest of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from callwright.errors import EngineError
from callwright.generate.kept import Kept
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Feed
from callwright.models.paged import BLOCK, WeightBits, openvino, to_paged

_BLOCKS = "blocks"
# kept sequences
_MOST_KEPT = 64
# a pass of another number of tokens costs OpenVINO half as much again: it prepares all operators anew
_SIZES = (16, 32)
_SIZE = 64

Precision = Literal["auto", "float32"]


class OpenVinoModel:
    """A model compiled for this CPU."""

    def __init__(
        self, model: Any, weights: WeightBits = "int8", precision: Precision = "auto", positions: int = 32_768
    ) -> None:
        """precision: of sums, and of keys and values; 'auto' is bfloat16 where the CPU multiplies it. positions: tokens
        of the longest sequence.

        Raises MissingExtra without openvino, ModelError for a model that it is not given.
        """
        ov = openvino()
        paged = to_paged(model, weights, positions)
        core = ov.Core()
        exact = precision == "float32" or core.get_property("CPU", "INFERENCE_PRECISION_HINT") == ov.Type.f32
        kind: Any = ov.Type.f32 if exact else ov.Type.bf16
        self.kind: np.dtype[Any] = np.dtype(np.uint32 if exact else np.uint16)
        self.compiled = core.compile_model(
            paged.model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": kind,
                "KV_CACHE_PRECISION": kind,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
            },
        )
        self.caches, self.vocabulary, self.positions = 2 * paged.layers, paged.vocabulary, positions
        self._ov, self._kind, self._shape = ov, kind, (paged.heads, BLOCK, paged.head_size)

    def cache(self, blocks: int) -> NDArray[Any]:
        """Room for keys and values: [2 * layers, blocks, heads, BLOCK, head_size], in bits."""
        return np.zeros((self.caches, blocks, *self._shape), dtype=self.kind)

    def request(self, cache: NDArray[Any]) -> Any:
        """An inference over this cache."""
        request = self.compiled.create_infer_request()
        for number, layer in enumerate(cache):
            request.set_tensor(f"kv.{number}", self._ov.Tensor(layer, self._ov.Shape(layer.shape), self._kind))
        return request

    def tensor(self, numbers: NDArray[Any]) -> Any:
        """An input."""
        return self._ov.Tensor(numbers)


@dataclass
class _Row:
    """A sequence in blocks, of which the first `shared` are others' too. reserved: blocks that it may come to own.

    prefix: what is to be kept of it once it is computed.
    """

    held: list[int]
    blocks: list[int]
    reserved: int
    source: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()


@dataclass
class _Blocks:
    """Which blocks are free, and how many use the others."""

    count: int
    free: list[int] = field(init=False)
    users: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.free = list(range(self.count - 1, -1, -1))
        self.users = [0] * self.count

    def take(self) -> int:
        block = self.free.pop()
        self.users[block] = 1
        return block

    def share(self, blocks: Iterable[int]) -> list[int]:
        found = list(blocks)
        for block in found:
            self.users[block] += 1
        return found

    def give_back(self, blocks: Iterable[int]) -> None:
        for block in blocks:
            self.users[block] -= 1
            if not self.users[block]:
                self.free.append(block)


class OpenVinoSteps:
    """One cache of an `OpenVinoModel`. Not for several threads at once."""

    def __init__(
        self, model: OpenVinoModel, *, slots: int = 16, context: int = 32_768, files: PrefixFiles | None = None
    ) -> None:
        """slots: rows at once. context: tokens of all together."""
        self._model, self._slots, self._files = model, slots, files
        self._capacity = _needed(context)
        # and for tokens too many that rows write
        self._blocks = _Blocks(self._capacity + slots * _needed(_SIZE))
        self._cache = model.cache(self._blocks.count)
        self._request = model.request(self._cache)
        self._free = list(range(slots))
        self._rows: dict[int, _Row] = {}
        self._kept: Kept[list[int]] = Kept()

    @property
    def vocabulary(self) -> int:
        """How many logits there are of a token."""
        return self._model.vocabulary

    @property
    def room(self) -> int:
        """Rows at once."""
        return self._slots

    @property
    def most(self) -> int:
        """Tokens of one pass."""
        return 512

    @property
    def overhead(self) -> float:
        """As `Steps.overhead`."""
        return 16.0

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """As `Steps.takes`. A row waits for one that computes its prefix."""
        if not self._free:
            return False
        if any(row.prefix and row.prefix == tuple(tokens[:prefix_len]) for row in self._rows.values()):
            return False
        shared = {row.source for row in self._rows.values()}
        reserved = sum(row.reserved for row in self._rows.values()) + sum(_needed(len(one)) for one in shared)
        _, common = self._kept.longest(tokens)
        return not self._rows or reserved + _needed(len(tokens) + more) - common // BLOCK <= self._capacity

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """As `Steps.open`."""
        number = self._free.pop()
        source, common = self._kept.longest(tokens)
        prefix = tuple(tokens[:prefix_len])
        if common < prefix_len and self._restored(prefix):
            source, common = prefix, prefix_len
        common = min(common, len(tokens) - 1)
        row = _Row(list(tokens[:common]), [], _needed(len(tokens) + more) - common // BLOCK, source[:common])
        if common:
            whole, rest = divmod(common, BLOCK)
            theirs = self._kept.use(source)
            row.blocks = self._blocks.share(theirs[:whole])
            if rest:
                # it will write into this one
                there = self._blocks.share(theirs[whole : whole + 1])
                own = self._taken()
                self._cache[:, own] = self._cache[:, there[0]]
                self._blocks.give_back(there)
                row.blocks.append(own)
        if common < prefix_len:
            row.prefix = prefix
        self._rows[number] = row
        return number, common

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """As `Steps.forward`."""
        rows = [self._rows[feed.sequence] for feed in feeds]
        logits = self._computed(rows, feeds)
        made, at = [], 0
        for row, feed in zip(rows, feeds, strict=True):
            made.append(logits[at : at + feed.wanted])
            at += feed.wanted
            row.held.extend(feed.tokens)
            if row.prefix and len(row.held) >= len(row.prefix):
                self._keep(row.prefix, row.blocks)
                if self._files:
                    self._files.save(row.prefix, self._saved(row.blocks[: _needed(len(row.prefix))]))
                row.prefix = ()
        return made

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        del self._rows[sequence].held[length:]

    def close(self, sequence: int) -> None:
        """As `Steps.close`; the sequence is kept for one that goes on from it."""
        row = self._rows.pop(sequence)
        if row.held:
            self._keep(tuple(row.held), row.blocks)
        self._blocks.give_back(row.blocks)
        self._free.append(sequence)

    def _computed(self, rows: Sequence[_Row], feeds: Sequence[Feed]) -> NDArray[np.float32]:
        """One pass -> the wanted logits of all feeds, one after another."""
        counts = [len(feed.tokens) for feed in feeds]
        ends = np.cumsum(counts)
        wanted = [np.arange(end - feed.wanted, end) for end, feed in zip(ends, feeds, strict=True)]
        places = np.concatenate(wanted)
        # the last row writes so many tokens that nobody reads
        more = _size(sum(counts)) - sum(counts)
        counts[-1] += more
        held = [len(row.held) for row in rows]
        for row, past, count in zip(rows, held, counts, strict=True):
            while len(row.blocks) < _needed(past + count):
                row.blocks.append(self._taken())
        used = [row.blocks[: _needed(past + count)] for row, past, count in zip(rows, held, counts, strict=True)]
        positions = [past + n for past, count in zip(held, counts, strict=True) for n in range(count)]
        whole: dict[str, Any] = {
            "ids": [*(token for feed in feeds for token in feed.tokens), *[0] * more],
            "positions": np.minimum(positions, self._model.positions - 1),
            "wanted": np.pad(places, (0, _size(len(places)) - len(places))),
        }
        short: dict[str, Any] = {
            "cached": held,
            "begins": [0, *np.cumsum(counts)],
            "blocks": [block for one in used for block in one],
            "block_begins": [0, *np.cumsum([len(one) for one in used])],
            "longest": max(past + count for past, count in zip(held, counts, strict=True)),
        }
        for kind, inputs in ((np.int64, whole), (np.int32, short)):
            for name, numbers in inputs.items():
                self._request.set_tensor(name, self._model.tensor(np.array(numbers, dtype=kind)))
        try:
            self._request.infer()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed: {error}") from error
        # the next pass writes over them
        return np.array(self._request.get_output_tensor(0).data[: len(places)])

    def _keep(self, tokens: tuple[int, ...], blocks: Sequence[int]) -> None:
        if tokens in self._kept:
            self._kept.use(tokens)
            return
        self._kept.put(tokens, self._blocks.share(blocks[: _needed(len(tokens))]))
        if len(self._kept) > _MOST_KEPT:
            self._blocks.give_back(self._kept.forget())

    def _taken(self) -> int:
        """A block; kept sequences are let go for it, the one used longest ago first."""
        while not self._blocks.free:
            if not self._kept:
                raise EngineError(f"the rows need more than {self._capacity * BLOCK:,} tokens; ask for fewer")
            self._blocks.give_back(self._kept.forget())
        return self._blocks.take()

    def _saved(self, blocks: Sequence[int]) -> dict[str, NDArray[np.uint8]]:
        return {_BLOCKS: np.ascontiguousarray(self._cache[:, list(blocks)]).view(np.uint8)}

    def _restored(self, prefix: tuple[int, ...]) -> bool:
        """Whether the prefix was on disk, and is kept now."""
        saved = self._files.load(prefix) if self._files else None
        if saved is None:
            return False
        while _needed(len(prefix)) > len(self._blocks.free):
            if not self._kept:
                return False
            self._blocks.give_back(self._kept.forget())
        blocks = [self._blocks.take() for _ in range(_needed(len(prefix)))]
        self._cache[:, blocks] = saved[_BLOCKS].view(self._model.kind)
        self._kept.put(prefix, blocks)
        return True


def _size(tokens: int) -> int:
    """How many tokens a pass has, the padding with them."""
    return next((size for size in _SIZES if tokens <= size), -(-tokens // _SIZE) * _SIZE)


def _needed(tokens: int) -> int:
    """Blocks for so many tokens."""
    return -(-tokens // BLOCK)
