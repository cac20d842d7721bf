"""A GGUF file as a step engine, by llama.cpp in this process: `pip install 'callwright[llama]'`.

Sequences share cells of the cache: copying a beginning costs nothing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callwright.errors import EngineError, MissingExtra
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.sharing import SharingSteps, State
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

    @property
    def template(self) -> str:
        """The chat template inside; "" where there is none."""
        return str((self.api.llama_model_chat_template(self.pointer, None) or b"").decode("utf-8"))

    def tokens(self, text: str, *, begun: bool = False) -> list[int]:
        """A text as this file's tokenizer has it, special tokens read as such. begun: with what begins every prompt."""
        vocabulary, data = self.api.llama_model_get_vocab(self.pointer), text.encode("utf-8")
        room = len(data) + 8
        found = (ctypes.c_int32 * room)()
        count = self.api.llama_tokenize(vocabulary, data, len(data), found, room, begun, True)
        if count < 0:
            raise EngineError(f"{self.file}: llama.cpp cannot tokenise a text of {len(data):,} bytes")
        return list(found[:count])


class LlamaSteps(SharingSteps[int]):
    """One context of llama.cpp. Not for several threads at once."""

    overhead = 2.0

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
        super().__init__(room=slots, capacity=context, block=1, kept=kept, files=files)
        self._api, self._model = model.api, model
        settings = self._api.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = context, 2048, 512
        settings.n_seq_max = slots + kept
        # cells are shared between sequences, and none is given up when it leaves a sliding window
        settings.kv_unified = settings.swa_full = True
        # its fused attention is slower for the few tokens of a step behind a long prompt
        settings.flash_attn_type = self._api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.n_threads = settings.n_threads_batch = len(os.sched_getaffinity(0))
        self._context = self._api.llama_init_from_model(model.pointer, settings)
        if not self._context:
            raise EngineError(f"{model.file}: llama.cpp cannot make room for {context:,} tokens; ask for fewer")
        if adapter is not None:
            self._put_on(model.adapter(adapter))
        self._memory = self._api.llama_get_memory(self._context)
        self.vocabulary = int(self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(model.pointer)))
        self._batch = self._api.llama_batch_init(settings.n_batch, 0, 1)
        self._spare = list(range(slots, slots + kept))

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
        self._held(feeds)
        return [self._logits(places) for places in asked]

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        self._api.llama_memory_seq_rm(self._memory, sequence, length, -1)
        super().cut(sequence, length)

    def _put_on(self, adapter: Any) -> None:
        adapters = (self._api.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(1.0)
        if self._api.llama_set_adapters_lora(self._context, adapters, 1, scales):
            raise EngineError(f"{self._model.file}: llama.cpp cannot put the adapter on")

    def _join(self, sequence: int, place: int, length: int) -> None:
        self._api.llama_memory_seq_cp(self._memory, place, sequence, 0, length)

    def _stored(self, sequence: int, length: int) -> int:
        place = self._spare.pop()
        self._api.llama_memory_seq_cp(self._memory, sequence, place, 0, length)
        return place

    def _let_go(self, place: int) -> None:
        self._api.llama_memory_seq_rm(self._memory, place, -1, -1)
        self._spare.append(place)

    def _end(self, sequence: int) -> None:
        self._api.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def _decode(self) -> None:
        failed = self._api.llama_decode(self._context, self._batch)
        while failed == 1 and self._forget():  # no cells left
            failed = self._api.llama_decode(self._context, self._batch)
        if failed:
            raise EngineError(f"llama.cpp failed ({failed}); the rows may need more than {self._capacity:,} tokens")

    def _logits(self, places: range) -> NDArray[np.float32]:
        rows = [
            np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, place), shape=(self.vocabulary,))
            for place in places
        ]
        # the next pass writes over them
        return np.stack(rows) if rows else np.zeros((0, self.vocabulary), dtype=np.float32)

    def _state(self, place: int) -> State:
        size = self._api.llama_state_seq_get_size(self._context, place)
        state = np.empty(size, dtype=np.uint8)
        pointer = state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        self._api.llama_state_seq_get_data(self._context, pointer, size, place)
        return {_STATE: state}

    def _placed(self, state: State, length: int) -> int | None:
        saved = np.ascontiguousarray(state[_STATE])
        pointer = saved.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        if not self._api.llama_state_seq_set_data(self._context, pointer, len(saved), self._spare[-1]):
            return None
        return self._spare.pop()


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
