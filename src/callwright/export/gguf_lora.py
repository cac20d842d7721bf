"""A LoRA adapter -> a GGUF file that llama.cpp puts on its base model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from callwright.errors import ModelError
from callwright.export.gguf import enum_of, gguf_library, writing
from callwright.export.gguf_facts import architecture_of, values_of


def lora_fits(adapter: Path) -> bool:
    """Whether GGUF can hold an adapter: plain LoRA, without DoRA's magnitudes, whole modules or rows of embeddings."""
    config = _adapter_config(adapter)
    return not (config.get("use_dora") or config.get("modules_to_save") or config.get("trainable_token_indices"))


def write_lora(adapter: Path, model_config: Any, target: Path) -> None:
    """Writes an adapter's folder as one GGUF file, its scale folded into the second matrices, in float32.

    model_config: transformers' own, of the base. Raises ModelError for an adapter or a model that GGUF cannot hold.
    """
    gguf = gguf_library()
    from safetensors.torch import load_file

    known = architecture_of(model_config)
    if not lora_fits(adapter):
        raise ModelError(f"{adapter}: only plain LoRA is written as GGUF; merge this one")
    config = _adapter_config(adapter)
    names = gguf.get_tensor_name_map(enum_of(gguf, known.name), model_config.num_hidden_layers)
    with writing(gguf, known.name, target) as writer:
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
                values = values_of(f"{module}.weight", scaled, model_config)
            writer.add_tensor(f"{written}.{half.lower()}", values)


def _adapter_config(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    """PEFT's factor of one module."""
    patterns = config.get("alpha_pattern") or {}
    alpha = next((value for end, value in patterns.items() if module.endswith(end)), config["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)
