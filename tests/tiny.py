"""Random models of several architectures, made in this process: a few kilobytes, no download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 97

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

ARCHITECTURES: dict[str, Any] = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"head_dim": 16}),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": 12}),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {"head_dim": 16, "sliding_window": 10, "layer_types": ["sliding_attention", "full_attention"] * 2},
    ),
    "phi3": (Phi3ForCausalLM, Phi3Config, {"sliding_window": 16}),
}
WRITTEN: dict[str, Any] = {
    **ARCHITECTURES,
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {}),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config, {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 10}),
}
"""With those that GGUF files are written of, and that compute no otherwise than the others."""


def tiny(architecture: str, seed: int = 0, **changes: Any) -> Any:
    """A random float32 model of one architecture."""
    model_class, config_class, extra = WRITTEN[architecture]
    sizes = {**_SIZES, **extra, **changes}
    if "layer_types" in sizes:
        sizes["num_hidden_layers"] = len(sizes["layer_types"])
    torch.manual_seed(seed)
    return model_class(config_class(**sizes)).float()


def tiny_folder(
    folder: Path,
    *,
    tied: bool = False,
    width: int = 32,
    merges: Sequence[tuple[str, str]] = (),
    **tokenizer_settings: Any,
) -> str:
    """A complete model folder: random weights, and a byte-level BPE, without merges where none are given."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<pad>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {
        token: number for number, token in enumerate([*specials, *alphabet, *("".join(pair) for pair in merges)])
    }
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(specials)
    settings = {"eos_token": "<|im_end|>", "pad_token": "<pad>", "model_max_length": 2048} | tokenizer_settings
    PreTrainedTokenizerFast(tokenizer_object=backend, **settings).save_pretrained(str(folder))
    sizes = {"vocab_size": len(vocabulary), "num_hidden_layers": 2, "max_position_embeddings": 2048, "pad_token_id": 0}
    sizes |= {"hidden_size": width, "intermediate_size": 2 * width}
    model = tiny("llama", **sizes, tie_word_embeddings=tied)
    model.save_pretrained(str(folder))
    return str(folder)
