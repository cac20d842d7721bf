"""A new special token that opens calls: its row, its training, and when it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from callwright.dialects.families import FAMILIES
from callwright.errors import ModelError
from callwright.models.call_token import add_call_token, grow
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_adapter, load_model
from callwright.models.tokenizer import load_tokenizer
from tiny import tiny_folder

TOKEN = "<tool_call>"


def test_the_token_is_one_and_begins_as_its_parts(tiny_model: str) -> None:
    tokenizer, model = load_tokenizer(tiny_model), load_model(tiny_model, detect("float32"))
    before = model.get_input_embeddings().weight.shape[0]
    parts = [*tokenizer("<")["input_ids"], *tokenizer("tool_call>")["input_ids"]]
    added = add_call_token(tokenizer, TOKEN, FAMILIES["hermes"])
    assert tokenizer(TOKEN + "\n", add_special_tokens=False)["input_ids"][0] == added
    grow(model, tokenizer, added)
    table = model.get_input_embeddings().weight
    assert table.shape[0] == max(before, added + 1)
    mean = table[parts].float().mean(0)
    assert torch.allclose(table[added].float(), mean, atol=1e-5)
    assert model.get_output_embeddings().weight.shape[0] >= added + 1


@pytest.mark.parametrize("tied", [True, False])
def test_only_its_row_is_trained_and_saved(tmp_path: Path, tied: bool) -> None:
    folder = tiny_folder(tmp_path / "model", tied=tied)
    tokenizer, model = load_tokenizer(folder), load_model(folder, detect("float32"))
    added = add_call_token(tokenizer, TOKEN, FAMILIES["hermes"])
    grow(model, tokenizer, added)
    start = model.get_input_embeddings().weight.detach().clone()
    wrapped = add_lora(model, LoraSettings(r=2, alpha=4), 0, added)
    ids = torch.tensor([[5, added, 7, added]])
    optimizer = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        loss = wrapped(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    wrapped.eval()
    expected = wrapped(input_ids=ids).logits.detach()
    wrapped.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    loaded = load_adapter(load_model(folder, detect("float32")), tmp_path / "adapter")
    assert torch.allclose(loaded(input_ids=ids).logits, expected, atol=1e-4)
    table = loaded.get_input_embeddings().weight
    others = [row for row in range(start.shape[0]) if row != added]
    assert torch.equal(table[others], start[others])
    assert not torch.equal(table[added], start[added])


@pytest.mark.parametrize(
    ("family", "token", "why"),
    [
        ("hermes", "<call>", "opens calls with '<tool_call>'"),
        ("llama-json", "{", "no opening of their own"),
        ("lfm2", "<tool_call>", "the plain text does as well"),
    ],
)
def test_what_gains_nothing_is_refused_with_advice(tiny_model: str, family: str, token: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        add_call_token(load_tokenizer(tiny_model), token, FAMILIES[family])


def test_a_token_that_is_there_already_is_refused(tiny_model: str) -> None:
    tokenizer: Any = load_tokenizer(tiny_model)
    add_call_token(tokenizer, TOKEN, FAMILIES["hermes"])
    with pytest.raises(ModelError, match="one token of this tokenizer already"):
        add_call_token(tokenizer, TOKEN, FAMILIES["hermes"])
