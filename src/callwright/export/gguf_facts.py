"""A transformers configuration -> what a GGUF file says of an architecture, and how it holds its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from callwright.errors import ModelError

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Architecture:
    """name: llama.cpp's. pairs: queries and keys are rotated as neighbours there, not as halves. one_more: norms are
    stored without the 1 that is added to them. largest: layers of the model whose attention it scales otherwise."""

    name: str
    pairs: bool = False
    one_more: bool = False
    largest: int = 0


ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture("llama", pairs=True),
    "mistral": Architecture("llama", pairs=True),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
    "gemma2": Architecture("gemma2", one_more=True, largest=46),
    "gemma3_text": Architecture("gemma3", one_more=True, largest=62),
    "phi3": Architecture("phi3"),
}
"""By transformers' `model_type`."""

_SLIDING = "sliding_attention"
# llama.cpp's own: every so many layers one looks at all tokens
_EVERY = {"gemma2": 2, "gemma3": 6}


def architecture_of(config: Any) -> Architecture:
    """Raises ModelError for a model that is not written."""
    found = ARCHITECTURES.get(config.model_type)
    if found is None:
        raise ModelError(
            f"{config.model_type}: written as GGUF are {', '.join(ARCHITECTURES)}; "
            "for others give llama.cpp's own converter, as --converter PATH/convert_hf_to_gguf.py"
        )
    return found


def head_size(config: Any) -> int:
    """Numbers of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def add_facts(writer: Any, config: Any, rows: int) -> None:
    """Writes the architecture's keys. rows: of the embeddings. Raises ModelError for what llama.cpp does otherwise."""
    kind = architecture_of(config)
    size = head_size(config)
    writer.add_vocab_size(rows)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(size)
    writer.add_value_length(size)
    rope = _rope(config)
    writer.add_rope_dimension_count(int(size * (rope.get("partial_rotary_factor") or 1.0)))
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    _add_scaling(writer, config, rope)
    _add_window(writer, config, kind)
    if kind.name.startswith("gemma"):
        _check_scale(config, kind, size)
    if kind.name == "gemma2":
        writer.add_attn_logit_softcapping(float(config.attn_logit_softcapping or 0))
        writer.add_final_logit_softcapping(float(config.final_logit_softcapping or 0))
    elif getattr(config, "final_logit_softcapping", None) or getattr(config, "attn_logit_softcapping", None):
        raise ModelError(f"{config.model_type}: logits that are capped are only written of gemma2")


def _rope(config: Any) -> dict[str, Any]:
    """The rotation of layers that look at all tokens."""
    given = dict(config.rope_parameters)
    return dict(given.get("full_attention", given))


def _add_scaling(writer: Any, config: Any, rope: Mapping[str, Any]) -> None:
    import gguf

    kind = rope.get("rope_type", "default")
    before = rope.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", None)
    if kind in ("default", "llama3"):
        return
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    elif kind == "yarn" and before:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(float(rope["factor"]))
        writer.add_rope_scaling_orig_ctx_len(int(before))
    elif kind == "longrope" and before:
        longer = config.max_position_embeddings / before
        factor = rope.get("attention_factor") or (
            math.sqrt(1 + math.log(longer) / math.log(before)) if longer > 1 else 1.0
        )
        writer.add_rope_scaling_orig_ctx_len(int(before))
        writer.add_rope_scaling_attn_factors(float(factor))
    else:
        raise ModelError(f"{config.model_type}: positions scaled by '{kind}' are not written as GGUF")


def _add_window(writer: Any, config: Any, kind: Architecture) -> None:
    """The window of layers that do not look at all tokens, which llama.cpp knows by their number."""
    window = getattr(config, "sliding_window", None)
    layers = list(getattr(config, "layer_types", None) or ())
    if kind.name == "gemma3":
        other = config.rope_parameters[_SLIDING]
        if other.get("rope_type", "default") != "default":
            raise ModelError("gemma3: scaled positions of layers with a window are not written as GGUF")
        writer.add_rope_freq_base_swa(float(other["rope_theta"]))
    every = _EVERY.get(kind.name)
    if every is not None:
        expected = ["full_attention" if number % every == every - 1 else _SLIDING for number in range(len(layers))]
        if layers != expected:
            raise ModelError(f"{config.model_type}: llama.cpp expects every {every}th layer to look at all tokens")
        writer.add_sliding_window(int(window or 0))
    elif kind.name == "phi3":
        writer.add_sliding_window(int(window or 0))
    elif window and (not layers or _SLIDING in layers) and window < config.max_position_embeddings:
        # llama.cpp looks at all tokens there: the same up to the window
        writer.add_context_length(int(window))


def _check_scale(config: Any, kind: Architecture, size: int) -> None:
    """llama.cpp knows how attention is scaled by the number of layers."""
    largest = config.num_hidden_layers == kind.largest
    expected = config.hidden_size / config.num_attention_heads if largest else size
    if config.query_pre_attn_scalar != expected:
        raise ModelError(
            f"{config.model_type}: query_pre_attn_scalar is {config.query_pre_attn_scalar}, "
            f"and llama.cpp takes {expected:g} for such a model"
        )


def values_of(name: str, tensor: torch.Tensor, config: Any) -> Array:
    """A weight as float32, in llama.cpp's order of rows."""
    kind = architecture_of(config)
    values = tensor.detach().to(torch.float32).cpu()
    if kind.one_more and name.endswith("norm.weight"):
        values = values + 1
    if kind.pairs and name.rpartition(".")[0].endswith(("q_proj", "k_proj")):
        count = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        half = values.shape[0] // count // 2
        values = values.view(count, 2, half, *values.shape[1:]).transpose(1, 2).reshape(values.shape)
    return values.contiguous().numpy()  # type: ignore[no-any-return]


def rope_factors(config: Any) -> dict[str, Array]:
    """Tensors that hold how each frequency is scaled; none for most models. Source: the papers of Llama 3 and LongRoPE,
    as transformers' `modeling_rope_utils` computes them."""
    rope = _rope(config)
    if rope.get("rope_type") == "longrope":
        return {
            f"rope_factors_{which}.weight": np.array(rope[f"{which}_factor"], dtype=np.float32)
            for which in ("long", "short")
        }
    if rope.get("rope_type") != "llama3":
        return {}
    size = head_size(config)
    turns = rope["rope_theta"] ** (np.arange(0, size, 2, dtype=np.float64) / size)
    length, low, high = 2 * math.pi * turns, rope["low_freq_factor"], rope["high_freq_factor"]
    before = rope["original_max_position_embeddings"]
    smooth = (before / length - low) / (high - low)
    between = 1 / ((1 - smooth) / rope["factor"] + smooth)
    made = np.where(length < before / high, 1.0, np.where(length > before / low, rope["factor"], between))
    return {"rope_freqs.weight": made.astype(np.float32)}
