"""The tokenizer doctor, the embedded model, and what a machine is told to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from callwright.errors import ModelError
from callwright.models.bundled import BUNDLED, cache_folder
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_adapter, load_model, parameter_counts
from callwright.models.tokenizer import as_json, examine, load_tokenizer, resolve
from tiny import tiny_folder

QWEN = (Path(__file__).parents[1] / "golden" / "qwen2.5.jinja").read_text()
NO_TOOLS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def test_doctor_on_the_embedded_model(embedded: str) -> None:
    found = as_json(examine(BUNDLED))
    assert found["EOS"]["value"] == "<|im_end|> (2)"
    assert found["embeddings"]["value"] == "tied to the output layer"
    assert found["vocabulary"]["value"].startswith("49152")
    assert "equal to EOS" in found["pad"]["value"]
    assert "<|endoftext|>" in found["pad"]["advice"]
    assert found["dialect"]["value"] == "hermes"


@pytest.mark.parametrize(
    ("template", "dialect", "why"),
    [
        (None, "hermes", "no chat template"),
        (NO_TOOLS, "hermes", "does not write tools"),
        (QWEN, "native", "writes tools"),
    ],
)
def test_doctor_chooses_the_dialect_and_says_why(tmp_path: Path, template: str | None, dialect: str, why: str) -> None:
    folder = tiny_folder(tmp_path, **({"chat_template": template} if template else {}))
    found = as_json(examine(folder))["dialect"]
    assert found["value"] == dialect
    assert why in found["advice"]


def test_doctor_offers_no_pad_where_none_is_needed(tiny_model: str) -> None:
    assert as_json(examine(tiny_model))["pad"] == {"value": "<pad> (0)", "advice": ""}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./absent", "no such model folder"),
        ("/absent/model", "no such model folder"),
        ("smollm2", "no such model folder"),
    ],
)
def test_names_that_are_no_model(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        resolve(name)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        resolve(str(tmp_path))


def test_a_hub_id_is_passed_on() -> None:
    assert resolve("Qwen/Qwen2.5-0.5B-Instruct") == "Qwen/Qwen2.5-0.5B-Instruct"


def test_a_tokenizer_without_eos(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could never end"):
        load_tokenizer(tiny_folder(tmp_path, eos_token=None))


def test_digits_stand_alone_as_the_gguf_file_says(tokenizer: Any) -> None:
    assert tokenizer.tokenize("1920") == ["1", "9", "2", "0"]


def test_the_embedded_model_speaks(embedded: str, tokenizer: Any) -> None:
    """Wrongly unpacked weights answer with noise."""
    model = load_model(BUNDLED, detect())
    text = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    made = model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=2)
    assert "Paris" in tokenizer.decode(made[0, ids.shape[1] :])


def test_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALLWRIGHT_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"


def test_hardware_takes_the_users_choice_and_says_why() -> None:
    chosen = detect("float32", 1)
    assert (chosen.precision, chosen.threads, chosen.dtype) == ("float32", 1, torch.float32)
    assert chosen.why["precision"] == chosen.why["threads"] == "set in the recipe"
    assert detect().why["precision"] != "set in the recipe"


def test_lora_is_float32_on_a_bf16_base_and_merges(tiny_model: str, tmp_path: Path) -> None:
    hardware = detect("bf16")
    model = add_lora(load_model(tiny_model, hardware), LoraSettings(r=4), seed=3)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    assert parameter_counts(model)[0] == sum(p.numel() for p in trained)
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(0.05)
    model.save_pretrained(str(tmp_path / "a"))
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        apart = model(ids).logits.float()
        merged = load_adapter(load_model(tiny_model, hardware), tmp_path / "a")(ids).logits.float()
    assert torch.nn.functional.cosine_similarity(apart.flatten(), merged.flatten(), dim=0) > 0.999


def test_adapters_that_do_not_fit(tiny_model: str, tmp_path: Path) -> None:
    model = load_model(tiny_model, detect("float32"))
    with pytest.raises(ModelError, match=r"holds no adapter_config\.json"):
        load_adapter(model, tmp_path)
    with pytest.raises(ModelError, match=r"lora\.target_modules"):
        add_lora(model, LoraSettings(target_modules=["nothing_of_this_name"]), seed=0)
