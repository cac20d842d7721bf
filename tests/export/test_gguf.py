"""GGUF files of the embedded model: llama.cpp computes from them what transformers computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GemmaConfig

from callwright.errors import EngineError, ModelError
from callwright.export.gguf import write_gguf
from callwright.export.gguf_lora import lora_fits, write_lora
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.steps import Feed
from callwright.generate.torch_steps import TorchSteps
from callwright.models.bundled import gguf_file
from callwright.models.hardware import detect
from callwright.models.load import load_adapter, load_config, load_model
from callwright.models.tokenizer import load_tokenizer
from tiny import tiny

pytestmark = pytest.mark.native
NAME = "smollm2-135m"
EXACT = replace(detect(), precision="float32")  # random matrices make much of bfloat16's rounding
TOKENS = [1, 4093, 198, 2683, 359, 253, 5356, 11173, 30, 2, 198, 1, 4093]


def adapted(folder: Path, **changes: Any) -> Path:
    """An adapter whose matrices are random, and large enough to matter."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **changes)
    model = get_peft_model(load_model(NAME, EXACT), config)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.04)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def logits(steps: Any, tokens: list[int] = TOKENS) -> np.ndarray:
    row, held = steps.open(tokens, 0, 8)
    (made,) = steps.forward([Feed(row, tokens[held:], len(tokens) - held)])
    steps.close(row)
    return made


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """The least cosine of two rows, what all tokens have in common left out."""
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    return float((np.sum(one * other, 1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)).min())


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted(tmp_path_factory.mktemp("adapter"), use_rslora=True)


@pytest.fixture(scope="module")
def merged(adapter: Path) -> Any:
    return load_adapter(load_model(NAME, EXACT), adapter)


@pytest.mark.parametrize(("weights", "least"), [("f16", 0.999), ("q8_0", 0.97), ("q4_k_m", 0.8)])
def test_a_merged_model(merged: Any, tmp_path: Path, weights: Any, least: float) -> None:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    write_gguf(merged, load_tokenizer(NAME), tmp_path / "m.gguf", weights)
    assert list(tmp_path.iterdir()) == [tmp_path / "m.gguf"]
    found = logits(LlamaSteps(LlamaModel(tmp_path / "m.gguf"), slots=1, kept=0, context=256))
    assert alike(found, logits(TorchSteps(merged, slots=1))) > least


def test_a_model_with_fewer_tokens_than_the_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the tokenizer knows 49,152 tokens, the model 97"):
        write_gguf(tiny("llama"), load_tokenizer(NAME), tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())


def test_adapters_share_one_base(adapter: Path, merged: Any, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    write_lora(adapter, load_config(NAME), tmp_path / "lora.gguf")
    base = LlamaModel(gguf_file())
    plain = LlamaSteps(base, slots=1, kept=0, context=256)
    tuned = LlamaSteps(base, adapter=tmp_path / "lora.gguf", slots=1, kept=0, context=256)
    expected = logits(TorchSteps(merged, slots=1))
    assert alike(logits(tuned), expected) > 0.97
    assert alike(logits(plain), expected) < 0.96
    assert alike(logits(tuned), expected) > 0.97


def test_what_gguf_cannot_hold_is_said(tmp_path: Path) -> None:
    dora = adapted(tmp_path / "dora", use_dora=True)
    assert not lora_fits(dora)
    with pytest.raises(ModelError, match="merge this one"):
        write_lora(dora, load_config(NAME), tmp_path / "x.gguf")
    with pytest.raises(ModelError, match="gemma: written as GGUF are llama, "):
        write_gguf(type("Model", (), {"config": GemmaConfig()})(), None, tmp_path / "x.gguf")


def test_a_file_that_is_no_gguf_is_said(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    (tmp_path / "x.gguf").write_bytes(b"no")
    with pytest.raises(EngineError, match="cannot load it"):
        LlamaModel(tmp_path / "x.gguf")
