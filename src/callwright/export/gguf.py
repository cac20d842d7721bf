"""A Llama model, or a LoRA adapter of one -> a GGUF file, for llama.cpp and what is built on it.

What a model's file says of the architecture and the tokenizer is taken from another GGUF file of the same base model;
the weights are the model's own.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from callwright.errors import ModelError
from callwright.models.estimate import shape_of

Weights = Literal["f16", "q8_0"]
"""How matrices are written: 16-bit floats, or 8 bits in blocks of 32 with a scale each. Vectors are always float32."""

_ARCHITECTURE = "llama"
_SKIPPED = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def write_gguf(model: Any, like: Path, target: Path, weights: Weights = "q8_0") -> None:
    """Writes the model, its adapter merged. like: a GGUF file of its base. Raises ModelError for another kind."""
    import gguf

    if model.config.model_type != _ARCHITECTURE:
        raise ModelError(f"{model.config.model_type}: only Llama models are written as GGUF")
    kind = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}[weights]
    reader = gguf.GGUFReader(str(like))
    known, rows = len(reader.fields[gguf.Keys.Tokenizer.LIST].data), model.get_input_embeddings().weight.shape[0]
    if known != rows:
        raise ModelError(f"the model has {rows:,} tokens, {like.name} knows {known:,}; give a file with the added ones")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".tmp")
    writer = gguf.GGUFWriter(str(draft), _ARCHITECTURE)
    _copy_facts(gguf, reader, writer)
    shape = shape_of(model.config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.layers)
    tied = bool(model.config.tie_word_embeddings)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and tied:
            continue
        written = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if written is None:
            raise ModelError(f"{name}: GGUF has no name for it")
        values = _values(name, tensor, shape.heads, shape.key_heads)
        if values.ndim > 1 and values.shape[-1] % 32 == 0:
            writer.add_tensor(written, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(written, values)
    file_type = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}[weights]
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(target)


def lora_fits(adapter: Path) -> bool:
    """Whether GGUF can hold an adapter: plain LoRA, without DoRA's magnitudes, whole modules or rows of embeddings."""
    config = _adapter_config(adapter)
    return not (config.get("use_dora") or config.get("modules_to_save") or config.get("trainable_token_indices"))


def write_lora(adapter: Path, model_config: Any, target: Path) -> None:
    """Writes an adapter's folder as one GGUF file, its scale folded into the second matrices, in float32.

    model_config: transformers' own, of the base. Raises ModelError for an adapter or a model that GGUF cannot hold.
    """
    import gguf
    from safetensors.torch import load_file

    if model_config.model_type != _ARCHITECTURE or not lora_fits(adapter):
        raise ModelError(f"{adapter}: only plain LoRA of Llama models is written as GGUF; merge this one")
    config = _adapter_config(adapter)
    shape = shape_of(model_config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.layers)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".tmp")
    writer = gguf.GGUFWriter(str(draft), _ARCHITECTURE)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # no alpha: the factors stand in the matrices
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 0.0)
    for name, tensor in load_file(str(adapter / "adapter_model.safetensors")).items():
        module, _, half = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        written = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if written is None or half not in ("lora_A", "lora_B"):
            raise ModelError(f"{adapter}: GGUF has no name for {name}")
        if half == "lora_A":
            values = tensor.float().numpy()
        else:
            scaled = tensor.float() * _scale(config, module, tensor.shape[1])
            values = _values(f"{module}.weight", scaled, shape.heads, shape.key_heads)
        writer.add_tensor(f"{written}.{half.lower()}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(target)


def _adapter_config(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    """PEFT's factor of one module."""
    patterns = config.get("alpha_pattern") or {}
    alpha = next((value for end, value in patterns.items() if module.endswith(end)), config["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _copy_facts(gguf: Any, reader: Any, writer: Any) -> None:
    """All that a file says beside its weights."""
    for field in reader.fields.values():
        if field.name.startswith(_SKIPPED):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)


def _values(name: str, tensor: torch.Tensor, heads: int, key_heads: int) -> NDArray[np.float32]:
    """float32, queries and keys in the order in which llama.cpp rotates pairs: neighbours, not halves."""
    values = tensor.detach().to(torch.float32).cpu()
    if name.endswith(("q_proj.weight", "k_proj.weight")):
        count = heads if "q_proj" in name else key_heads
        rows = values.shape[0] // count // 2
        values = values.view(count, 2, rows, *values.shape[1:]).transpose(1, 2).reshape(values.shape)
    return values.contiguous().numpy()
