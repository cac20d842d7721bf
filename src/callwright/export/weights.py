"""A base and an adapter -> whole weights in a folder that transformers and vLLM load."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from callwright.models.estimate import shape_of
from callwright.models.hardware import detect
from callwright.models.load import load_adapter, load_config, load_model
from callwright.models.quiet import quiet

Dtype = Literal["auto", "bf16", "fp16", "float32"]
"""In what whole weights are saved; 'auto' is what the base has."""

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}


def merge(model: str, adapter: Path | None, *, rounded: bool = False) -> Any:
    """The model with its adapter merged on the CPU: in float32 where that fits into half of the memory, else in the
    base's own precision. Without an adapter, the model.

    rounded: onto the values that weights have in 4 bits, which an adapter of QLoRA was trained on; else onto the full
    precision, which is what others serve. Raises ModelError.
    """
    machine = replace(detect(), device="cpu", precision="float32", why={})
    config = load_config(model)
    if shape_of(config).total * 4 > machine.memory_gib * 2**30 / 2:
        own = own_dtype(config)
        machine = replace(machine, precision=next(name for name, kind in _TYPES.items() if kind is own))
    loaded = load_model(model, machine)
    return loaded if adapter is None else load_adapter(loaded, adapter, four_bits=rounded)


def own_dtype(config: Any) -> torch.dtype:
    """What a model's weights are stored in; bfloat16 where its configuration does not say."""
    named = getattr(config, "dtype", None)
    named = getattr(torch, named) if isinstance(named, str) else named
    return next((kind for kind in _TYPES.values() if kind is named), torch.bfloat16)


def save_model(
    model: Any, tokenizer: Any, stops: Sequence[str], folder: Path, dtype: torch.dtype, template: str | None = None
) -> None:
    """Weights, tokenizer and chat template. Generation ends at the dialect's stops, and is greedy.

    template: instead of the tokenizer's own. The model is changed to `dtype`.
    """
    model.to(dtype)
    model.config.dtype = dtype
    ends = [tokenizer.convert_tokens_to_ids(stop) for stop in stops]
    known = [end for end in ends if isinstance(end, int) and end != tokenizer.unk_token_id]
    settings = model.generation_config
    if tokenizer.eos_token_id is not None:
        known.append(int(tokenizer.eos_token_id))
    settings.eos_token_id = list(dict.fromkeys(known))
    settings.do_sample, settings.temperature, settings.top_p, settings.top_k = False, None, None, None
    with quiet():
        model.save_pretrained(str(folder))
    save_words(tokenizer, folder, template)


def save_adapter(source: Path, target: Path, dtype: Dtype) -> None:
    """An adapter's weights, copied; in another precision where one is named (adapters are trained in float32)."""
    if dtype == "auto":
        shutil.copy(source, target)
        return
    weights = {name: tensor.to(_TYPES[dtype]) for name, tensor in load_file(str(source)).items()}
    save_file(weights, str(target), metadata={"format": "pt"})


def save_words(tokenizer: Any, folder: Path, template: str | None = None) -> None:
    """A tokenizer's files, with a chat template instead of its own where one is given."""
    own = tokenizer.chat_template
    try:
        if template is not None:
            tokenizer.chat_template = template
        tokenizer.save_pretrained(str(folder))
    finally:
        tokenizer.chat_template = own
