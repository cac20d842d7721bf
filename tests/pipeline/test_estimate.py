"""Estimates against what was really loaded and computed, and every shipped recipe in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from callwright.errors import ModelError, RunError
from callwright.models.estimate import GIB, How, flops, memory, shape_of
from callwright.models.load import LoraSettings, add_lora, parameter_counts
from callwright.pipeline.estimate import estimate
from callwright.pipeline.run import run
from callwright.pipeline.smoke import smoke
from callwright.recipe import load_recipe, make_recipe
from tiny import ARCHITECTURES, tiny
from watcher import Watcher

ROOT = Path(__file__).parents[2]
SHAPES = {
    "xlam_qlora_8b": "llama-3.1-8b",
    "phi3_qlora": "phi-3-mini",
    "llama31_lora": "llama-3.1-8b",
    "gemma2_thinking": "gemma-2-2b",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_counts_of_parameters_are_those_of_the_model(architecture: str) -> None:
    model = tiny(architecture)
    shape = shape_of(model.config)
    norms = sum(p.numel() for p in model.parameters() if p.dim() == 1)
    assert shape.total == sum(p.numel() for p in model.parameters()) - norms
    if architecture != "phi3":
        assert parameter_counts(add_lora(model, LoraSettings(r=4), 0))[0] == shape.lora(4)


@pytest.mark.parametrize(("name", "billions"), [("llama-3.1-8b", 8.03), ("phi-3-mini", 3.82), ("gemma-2-2b", 2.61)])
def test_shapes_are_of_the_sizes_that_their_names_say(name: str, billions: float) -> None:
    shape = shape_of(AutoConfig.from_pretrained(ROOT / "recipes" / "shapes" / f"{name}.json"))
    assert shape.total / 1e9 == pytest.approx(billions, rel=0.01)


def test_methods_differ_as_they_should() -> None:
    shape = shape_of(AutoConfig.from_pretrained(ROOT / "recipes" / "shapes" / "llama-3.1-8b.json"))
    total = {method: sum(memory(shape, How(method, 16, 4096)).values()) / GIB for method in ("lora", "qlora", "full")}
    assert total["qlora"] < total["lora"] < total["full"]
    kept = memory(shape, How("qlora", 16, 4096, checkpointing=True))
    assert sum(kept.values()) / GIB < 16
    assert flops(shape, 1000, 0, 0, How("full", 16, 1)) > flops(shape, 1000, 0, 0, How("lora", 16, 1))


@pytest.mark.parametrize("name", SHAPES)
def test_shipped_recipes_walk_in_small(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    pytest.importorskip("bitsandbytes")
    recipe = load_recipe(ROOT / "recipes" / f"{name}.yaml", ["train.threads=1"])
    shape = ROOT / "recipes" / "shapes" / f"{SHAPES[name]}.json"
    made = run(smoke(recipe, tmp_path, shape), Watcher())
    assert (made.trained / "callwright.json").is_file()
    assert made.folder == tmp_path / "run"


@pytest.mark.parametrize("name", ["hwu64_16_dpo", "hwu64_16_grpo"])
def test_recipes_that_go_on_from_another_walk_in_small(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, tiny_model: str
) -> None:
    monkeypatch.chdir(ROOT)
    pytest.importorskip("trl")
    # its own random model instead of the embedded one, which is slower
    recipe = load_recipe(ROOT / "recipes" / f"{name}.yaml", ["train.threads=1", f"model={tiny_model}"])
    made = run(smoke(recipe, tmp_path), Watcher())
    assert (made.trained / "callwright.json").is_file()


def test_what_rewards_take_is_not_guessed(tmp_path: Path) -> None:
    asked = {"output": str(tmp_path), "data": {"train": "rows.jsonl"}, "grpo": {}, "train": {"batch_size": 8}}
    with pytest.raises(RunError, match="depends on what the model will write"):
        estimate(make_recipe(asked, "recipe"))


def test_an_estimate_counts_what_rows_share(tmp_path: Path, tiny_model: str) -> None:
    tool = {"name": "ring", "description": "Ring.", "parameters": {"type": "object", "properties": {}}}
    with (tmp_path / "rows.jsonl").open("w") as file:
        for number in range(16):
            answer = {"role": "assistant", "content": "", "tool_calls": [{"name": "ring", "arguments": {}}]}
            messages = [{"role": "user", "content": f"ring {number}"}, answer]
            file.write(json.dumps({"id": f"r{number}", "messages": messages, "tools": [tool]}) + "\n")
    asked: dict[str, Any] = {
        "output": str(tmp_path / "out"),
        "model": tiny_model,
        "dialect": "hermes",
        "data": {"train": str(tmp_path / "rows.jsonl")},
        "lora": {"r": 2},
        "train": {"steps": 40, "batch_size": 8, "precision": "float32", "threads": 1},
    }
    found = estimate(make_recipe(asked, "recipe"))
    assert found.padded_tokens > 2 * found.tokens
    assert found.seconds is not None
    assert found.steps == 40
    assert "times as many unshared" in found.facts()["tokens a step"]
    assert "at 2.0 an hour" in found.facts(price=2.0)["cost"]
    assert not (tmp_path / "out").exists()
    away = asked | {"model": "meta-llama/Llama-3.1-8B"}
    shape = ROOT / "recipes" / "shapes" / "llama-3.1-8b.json"
    other = estimate(make_recipe(away, "recipe"), config=shape, tflops=100)
    assert other.parameters > 8e9
    assert other.seconds == pytest.approx(other.flops * 40 / 1e14)
    with pytest.raises(ModelError, match="its shape cannot be read"):
        estimate(make_recipe(away, "recipe"), config=tmp_path / "none.json")
