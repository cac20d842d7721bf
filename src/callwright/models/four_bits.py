"""Linear layers in 4 bits (NF4, double quantisation, by bitsandbytes), as QLoRA trains on them, and back."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from callwright.errors import ModelError
from callwright.models.hardware import Hardware

# bitsandbytes' own; what transformers quantises with
_BLOCK = 64


def quantised_loading(hardware: Hardware) -> dict[str, Any]:
    """What `from_pretrained` takes. Raises ModelError without bitsandbytes."""
    _check("method qlora")
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=hardware.dtype,
    )
    device = torch.cuda.current_device() if hardware.device == "cuda" else "cpu"
    return {"quantization_config": config, "device_map": {"": device}}


def keep_unpacked(model: Any) -> None:
    """A quantised model whose first forward pass in evaluation packs no weights in a way that has no gradient."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


@torch.no_grad()
def round_to_four_bits(model: Any) -> Any:
    """The model in its own precision, its linear layers with the values that they have in 4 bits: what an adapter that
    was trained on 4 bits is right for. One that is quantised is left as it is. Raises ModelError without bitsandbytes.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        return model
    _check("an adapter that was trained on 4 bits")
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    output = model.get_output_embeddings()
    for module in model.modules():
        if type(module) is nn.Linear and module is not output:
            weight = module.weight
            packed, state = quantize_4bit(weight.data, blocksize=_BLOCK, compress_statistics=True, quant_type="nf4")
            weight.data = dequantize_4bit(packed, state).to(weight.dtype)
    return model


def _check(what: str) -> None:
    if find_spec("bitsandbytes") is None:
        raise ModelError(f"{what} needs bitsandbytes; pip install 'callwright[qlora]'")
