"""Two LoRA adapters, the second trained on a model that the first is part of -> one adapter of the model itself.

W + s1 B1 A1 + s2 B2 A2 = W + [s1 B1, s2 B2] [A1; A2]: exact, at the sum of both ranks.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from callwright.errors import ModelError

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"


def join_adapters(first: Path, second: Path) -> None:
    """Makes `second` hold both. Raises ModelError where one of them is no plain LoRA adapter."""
    parts = [_read(first), _read(second)]
    modules = sorted({module for halves, _ in parts for module in halves})
    ranks = [config["r"] for _, config in parts]
    tensors: dict[str, Tensor] = {}
    for module in modules:
        like_a, like_b = next(halves[module] for halves, _ in parts if module in halves)
        downs, ups = [], []
        for (halves, config), rank in zip(parts, ranks, strict=True):
            down, up = halves.get(module) or (
                like_a.new_zeros(rank, like_a.shape[1]),
                like_b.new_zeros(len(like_b), rank),
            )
            downs.append(down)
            ups.append(up * _scaling(config))
        tensors[f"{module}.lora_A.weight"] = torch.cat(downs).contiguous()
        tensors[f"{module}.lora_B.weight"] = torch.cat(ups, dim=1).contiguous()
    config = {
        **parts[1][1],
        "r": sum(ranks),
        "lora_alpha": sum(ranks),
        "use_rslora": False,
        "target_modules": sorted({module.rsplit(".", 1)[-1] for module in modules}),
        "base_model_name_or_path": parts[0][1].get("base_model_name_or_path"),
    }
    save_file(tensors, second / _WEIGHTS)
    (second / _CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")


def _scaling(config: dict[str, Any]) -> float:
    rank = config["r"]
    return float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _read(folder: Path) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Any]]:
    """A plain adapter's halves (A, B) by module, and its configuration."""
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    named = ("rank_pattern", "alpha_pattern", "modules_to_save", "trainable_token_indices", "use_dora")
    special = [name for name in named if config.get(name)]
    tensors = load_file(folder / _WEIGHTS)
    if special or config.get("bias", "none") != "none":
        raise ModelError(
            f"{folder}: only a plain LoRA adapter can be trained further; this one has {', '.join(special)}"
        )
    halves = {
        name.removesuffix(".lora_A.weight"): (tensor.float(), tensors[name.replace("lora_A", "lora_B")].float())
        for name, tensor in tensors.items()
        if name.endswith(".lora_A.weight")
    }
    return halves, config
