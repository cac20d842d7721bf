"""A transformers model as a step engine on Intel CPUs, by OpenVINO: `pip install 'callwright[openvino]'`.

Keys and values stand in blocks of 32 tokens that sequences share: the tool block of all requests is there once.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from callwright.errors import EngineError
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.sharing import SharingSteps, State
from callwright.generate.steps import Feed
from callwright.models.paged import BLOCK, WeightBits, openvino, to_paged

_BLOCKS = "blocks"
# the first blocks have their pages from the start: a tool block of 4,096 tokens
_READY = 4096 // BLOCK
# kept sequences
_MOST_KEPT = 64
# Where products of bfloat16 are cheap, 16 tokens cost what one does, and OpenVINO prepares all operators anew for a
# pass of another number of them: so passes are padded to a few sizes there. In float32 each token costs its own time.
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
        self.padded, self.overhead = not exact, 8.0 if exact else 16.0
        self._ov, self._kind, self._shape = ov, kind, (paged.heads, BLOCK, paged.head_size)

    def cache(self, blocks: int) -> NDArray[Any]:
        """Room for keys and values: [2 * layers, blocks, heads, BLOCK, head_size], in bits."""
        shape = (self.caches, blocks, *self._shape)
        # pages are first written while somebody waits: few and large ones, where the system has them
        memory = mmap.mmap(-1, math.prod(shape) * np.dtype(self.kind).itemsize)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):
                memory.madvise(mmap.MADV_HUGEPAGE)
        cache = np.frombuffer(memory, dtype=self.kind).reshape(shape)
        cache[:, :_READY] = 0
        return cache

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


class OpenVinoSteps(SharingSteps[list[int]]):
    """One cache of an `OpenVinoModel`. Not for several threads at once."""

    def __init__(
        self, model: OpenVinoModel, *, slots: int = 16, context: int = 32_768, files: PrefixFiles | None = None
    ) -> None:
        """slots: rows at once. context: tokens of all together."""
        super().__init__(room=slots, capacity=-(-context // BLOCK), block=BLOCK, kept=_MOST_KEPT, files=files)
        self._model, self.vocabulary, self.overhead = model, model.vocabulary, model.overhead
        # and for tokens too many that rows write
        self._blocks = _Blocks(self._capacity + slots * self._needed(_SIZE))
        self._of: list[list[int]] = [[] for _ in range(slots)]
        self._cache = model.cache(self._blocks.count)
        self._request = model.request(self._cache)

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """As `Steps.forward`."""
        logits = self._computed(feeds)
        self._held(feeds)
        ends = np.cumsum([feed.wanted for feed in feeds])
        return [logits[end - feed.wanted : end] for end, feed in zip(ends, feeds, strict=True)]

    def _computed(self, feeds: Sequence[Feed]) -> NDArray[np.float32]:
        """One pass -> the wanted logits of all feeds, one after another."""
        counts = [len(feed.tokens) for feed in feeds]
        ends = np.cumsum(counts)
        wanted = [np.arange(end - feed.wanted, end) for end, feed in zip(ends, feeds, strict=True)]
        places = np.concatenate(wanted)
        # the last row writes so many tokens that nobody reads
        more = self._size(sum(counts)) - sum(counts)
        counts[-1] += more
        held = [len(self._rows[feed.sequence].held) for feed in feeds]
        used = []
        for feed, past, count in zip(feeds, held, counts, strict=True):
            blocks, needed = self._of[feed.sequence], self._needed(past + count)
            while len(blocks) < needed:
                blocks.append(self._taken())
            used.append(blocks[:needed])
        positions = [past + n for past, count in zip(held, counts, strict=True) for n in range(count)]
        whole: dict[str, Any] = {
            "ids": [*(token for feed in feeds for token in feed.tokens), *[0] * more],
            "positions": np.minimum(positions, self._model.positions - 1),
            "wanted": np.pad(places, (0, self._size(len(places)) - len(places))),
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

    def _size(self, tokens: int) -> int:
        """How many tokens a pass has, the padding with them."""
        if not self._model.padded:
            return tokens
        return next((size for size in _SIZES if tokens <= size), -(-tokens // _SIZE) * _SIZE)

    def _taken(self) -> int:
        """A block; kept sequences are let go for it, the one used longest ago first."""
        while not self._blocks.free:
            if not self._forget():
                raise EngineError(f"the rows need more than {self._capacity * BLOCK:,} tokens; ask for fewer")
        return self._blocks.take()

    def _join(self, sequence: int, place: list[int], length: int) -> None:
        whole, rest = divmod(length, BLOCK)
        own = self._of[sequence] = self._blocks.share(place[:whole])
        if rest:
            # it will write into this one
            there = self._blocks.share(place[whole : whole + 1])
            own.append(self._taken())
            self._cache[:, own[-1]] = self._cache[:, there[0]]
            self._blocks.give_back(there)

    def _stored(self, sequence: int, length: int) -> list[int]:
        return self._blocks.share(self._of[sequence][: self._needed(length)])

    def _let_go(self, place: list[int]) -> None:
        self._blocks.give_back(place)

    def _end(self, sequence: int) -> None:
        self._blocks.give_back(self._of[sequence])
        self._of[sequence] = []

    def _state(self, place: list[int]) -> State:
        return {_BLOCKS: np.ascontiguousarray(self._cache[:, place]).view(np.uint8)}

    def _placed(self, state: State, length: int) -> list[int] | None:
        if self._needed(length) > len(self._blocks.free):
            return None
        blocks = [self._blocks.take() for _ in range(self._needed(length))]
        self._cache[:, blocks] = state[_BLOCKS].view(self._model.kind)
        return blocks
