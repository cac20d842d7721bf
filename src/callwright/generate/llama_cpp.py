"""A GGUF file as a step engine, by llama.cpp in this process: `pip install 'callwright[llama]'`.

Sequences share cells of the cache: copying a beginning costs nothing. What rows have in common is kept after they
ended, with some whole rows, and a new row begins with the longest of them: the tool block, and a conversation that goes
on.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callwright.errors import EngineError, MissingExtra
from callwright.generate.kept import Kept
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Feed

_STATE = "state"


class LlamaModel:
    """The weights of a GGUF file, for one or more contexts."""

    def __init__(self, file: Path) -> None:
        """Raises MissingExtra without llama-cpp-python, EngineError for a file that it cannot load."""
        try:
            import llama_cpp
        except ImportError as error:
            raise MissingExtra("llama", "llama-cpp-python") from error
        self.api: Any = llama_cpp
        self.file = file
        llama_cpp.llama_backend_init()
        _silence(llama_cpp)
        how = llama_cpp.llama_model_default_params()
        # compiled for this machine, its AMX products end the process: ggml-org/llama.cpp#26954
        how.use_extra_bufts = not _has_amx()
        self.pointer = llama_cpp.llama_model_load_from_file(str(file).encode(), how)
        if not self.pointer:
            raise EngineError(f"{file}: llama.cpp cannot load it; is it a GGUF file of a model that it knows?")

    def adapter(self, file: Path) -> Any:
        """A LoRA adapter in GGUF. Raises EngineError for one that does not fit."""
        found = self.api.llama_adapter_lora_init(self.pointer, str(file).encode())
        if not found:
            raise EngineError(f"{file}: llama.cpp cannot put this adapter on {self.file}")
        return found


@dataclass
class _Row:
    """A sequence. reserved: cells that it may come to need beside those that it shares with `source`, a kept one.
    prefix: what is to be kept of it once it is computed."""

    held: list[int]
    reserved: int
    source: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()


class LlamaSteps:
    """One context of llama.cpp. Not for several threads at once."""

    def __init__(  # what a context is made of
        self,
        model: LlamaModel,
        *,
        adapter: Path | None = None,
        slots: int = 16,
        kept: int = 16,
        context: int = 32_768,
        files: PrefixFiles | None = None,
    ) -> None:
        """slots: rows at once. kept: sequences that stay for later rows. context: tokens of all together.

        Raises EngineError where there is no room for them.
        """
        self._api, self._model = model.api, model
        self._slots, self._files, self._capacity = slots, files, context
        settings = self._api.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = context, 2048, 512
        settings.n_seq_max = slots + kept
        # cells are shared between sequences, and none is given up when it leaves a sliding window
        settings.kv_unified = settings.swa_full = True
        # its fused attention takes twice as long over a long prompt for the few tokens of a step
        settings.flash_attn_type = self._api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.n_threads = settings.n_threads_batch = len(os.sched_getaffinity(0))
        self._context = self._api.llama_init_from_model(model.pointer, settings)
        if not self._context:
            raise EngineError(f"{model.file}: llama.cpp cannot make room for {context:,} tokens; ask for fewer")
        if adapter is not None:
            self._put_on(model.adapter(adapter))
        self._memory = self._api.llama_get_memory(self._context)
        self._size = int(self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(model.pointer)))
        self._batch = self._api.llama_batch_init(settings.n_batch, 0, 1)
        self._free = list(range(slots))
        self._spare = list(range(slots, slots + kept))
        self._rows: dict[int, _Row] = {}
        self._kept: Kept[int] = Kept()

    @property
    def vocabulary(self) -> int:
        """How many logits there are of a token."""
        return self._size

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
        return 2.0

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """As `Steps.takes`. A row waits for one that computes its prefix."""
        if not self._free:
            return False
        if any(row.prefix and row.prefix == tuple(tokens[:prefix_len]) for row in self._rows.values()):
            return False
        shared = {row.source for row in self._rows.values()}
        reserved = sum(row.reserved for row in self._rows.values()) + sum(map(len, shared))
        _, common = self._kept.longest(tokens)
        return not self._rows or reserved + len(tokens) - common + more <= self._capacity

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """As `Steps.open`."""
        sequence = self._free.pop()
        source, common = self._kept.longest(tokens)
        prefix = tuple(tokens[:prefix_len])
        if common < prefix_len and self._restored(prefix):
            source, common = prefix, prefix_len
        common = min(common, len(tokens) - 1)
        if common:
            self._api.llama_memory_seq_cp(self._memory, self._kept.use(source), sequence, 0, common)
        wanted = prefix if common < prefix_len else ()
        self._rows[sequence] = _Row(list(tokens[:common]), len(tokens) - common + more, source[:common], wanted)
        return sequence, common

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """As `Steps.forward`."""
        batch, at, asked = self._batch, 0, []
        for feed in feeds:
            held, first = len(self._rows[feed.sequence].held), len(feed.tokens) - feed.wanted
            for number, token in enumerate(feed.tokens):
                batch.token[at], batch.pos[at] = token, held + number
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, feed.sequence
                batch.logits[at] = number >= first
                at += 1
            asked.append(range(at - feed.wanted, at))
        batch.n_tokens = at
        self._decode()
        for feed in feeds:
            row = self._rows[feed.sequence]
            row.held.extend(feed.tokens)
            if row.prefix and len(row.held) >= len(row.prefix):
                self._keep(feed.sequence, row.prefix)
                if self._files and row.prefix in self._kept:
                    self._files.save(row.prefix, {_STATE: self._state(self._kept.use(row.prefix))})
                row.prefix = ()
        return [self._logits(places) for places in asked]

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        self._api.llama_memory_seq_rm(self._memory, sequence, length, -1)
        del self._rows[sequence].held[length:]

    def close(self, sequence: int) -> None:
        """As `Steps.close`; the sequence is kept for one that goes on from it."""
        tokens = tuple(self._rows.pop(sequence).held)
        if tokens:
            self._keep(sequence, tokens)
        self._api.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        self._free.append(sequence)

    def _put_on(self, adapter: Any) -> None:
        adapters = (self._api.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(1.0)
        if self._api.llama_set_adapters_lora(self._context, adapters, 1, scales):
            raise EngineError(f"{self._model.file}: llama.cpp cannot put the adapter on")

    def _keep(self, sequence: int, tokens: tuple[int, ...]) -> None:
        """The beginning of a sequence stays for later rows."""
        if tokens in self._kept:
            self._kept.use(tokens)
            return
        place = self._place()
        if place is not None:
            self._api.llama_memory_seq_cp(self._memory, sequence, place, 0, len(tokens))
            self._kept.put(tokens, place)

    def _restored(self, prefix: tuple[int, ...]) -> bool:
        """Whether the prefix was on disk, and is kept now."""
        saved = self._files.load(prefix) if self._files else None
        place = self._place() if saved is not None else None
        if saved is None or place is None:
            return False
        while not self._restore(place, saved[_STATE]):
            if not self._kept:
                self._spare.append(place)
                return False
            self._forget()
        self._kept.put(prefix, place)
        return True

    def _place(self) -> int | None:
        """A number for a sequence that is to be kept; the one used longest ago is let go for it."""
        if not self._spare and self._kept:
            self._forget()
        return self._spare.pop() if self._spare else None

    def _forget(self) -> None:
        old = self._kept.forget()
        self._api.llama_memory_seq_rm(self._memory, old, -1, -1)
        self._spare.append(old)

    def _decode(self) -> None:
        failed = self._api.llama_decode(self._context, self._batch)
        while failed == 1 and self._kept:  # no cells left
            self._forget()
            failed = self._api.llama_decode(self._context, self._batch)
        if failed:
            raise EngineError(f"llama.cpp failed ({failed}); the rows may need more than {self._capacity:,} tokens")

    def _logits(self, places: range) -> NDArray[np.float32]:
        rows = [
            np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, place), shape=(self._size,))
            for place in places
        ]
        # the next pass writes over them
        return np.stack(rows) if rows else np.zeros((0, self._size), dtype=np.float32)

    def _state(self, sequence: int) -> NDArray[np.uint8]:
        size = self._api.llama_state_seq_get_size(self._context, sequence)
        state = np.empty(size, dtype=np.uint8)
        pointer = state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        self._api.llama_state_seq_get_data(self._context, pointer, size, sequence)
        return state

    def _restore(self, sequence: int, state: NDArray[np.uint8]) -> bool:
        pointer = np.ascontiguousarray(state).ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return bool(self._api.llama_state_seq_set_data(self._context, pointer, len(state), sequence))


def _has_amx() -> bool:
    try:
        return "amx_tile" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def _silence(api: Any) -> None:
    """llama.cpp prints pages about a model that it loads."""
    global _logger  # ctypes does not keep what it calls back
    _logger = api.llama_log_callback(lambda level, text, data: None)
    api.llama_log_set(_logger, ctypes.c_void_p(0))


_logger: Any = None
