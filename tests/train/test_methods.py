"""LoRA, DoRA, rsLoRA, QLoRA and full fine-tuning; optimizers; adapters that plain PEFT loads; two adapters as one."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from callwright.errors import ModelError
from callwright.models.four_bits import round_to_four_bits
from callwright.models.hardware import detect
from callwright.models.join import join_adapters
from callwright.models.load import LoraSettings, add_lora, load_adapter, load_model, parameter_counts, unfreeze
from callwright.train import checkpoint
from callwright.train.batch import Plan
from callwright.train.loop import Run, train
from callwright.train.lora import fused_lora
from small_run import ROWS, SETTINGS
from tiny import tiny, tiny_folder

IDS = torch.arange(3, 40)[None]
# every step trains on all rows, so that losses compare
WHOLE = replace(SETTINGS, plan=Plan(len(ROWS), 1000, 0), steps=25)
PRECISE = detect("float32", 1)
needs_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def falls(folder: Path) -> bool:
    made = losses(folder)
    return made[-1] < made[0] - 0.05


@pytest.mark.parametrize("kind", [{"use_dora": True}, {"use_rslora": True}, {"dropout": 0.1}])
def test_peft_kinds_of_lora_train_and_load_in_plain_peft(tmp_path: Path, kind: dict[str, Any]) -> None:
    model = add_lora(tiny("llama"), LoraSettings(r=4, **kind), 1)
    with fused_lora(model):
        train(model, ROWS, WHOLE, Run(tmp_path / "run"))
    assert falls(tmp_path / "run")
    model.save_pretrained(str(tmp_path / "adapter"))
    loaded = PeftModel.from_pretrained(tiny("llama"), str(tmp_path / "adapter")).eval()
    model.eval()
    model.get_base_model().set_attn_implementation("sdpa")
    assert torch.allclose(loaded(IDS).logits, model(IDS).logits, atol=1e-5)


def test_full_fine_tuning_trains_everything_and_loads_in_plain_transformers(tmp_path: Path) -> None:
    model = unfreeze(load_model(tiny_folder(tmp_path / "base"), PRECISE, "full"), 1)
    assert parameter_counts(model)[0] == parameter_counts(model)[1]
    train(model, ROWS, WHOLE, Run(tmp_path / "run"))
    assert falls(tmp_path / "run")
    model.save_pretrained(str(tmp_path / "model"))
    loaded = AutoModelForCausalLM.from_pretrained(str(tmp_path / "model"), dtype=torch.float32)
    model.set_attn_implementation("sdpa")
    assert torch.allclose(loaded(IDS).logits, model.eval()(IDS).logits, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_tied_and_free_output_layers_train_alike(tmp_path: Path, tied: bool) -> None:
    """Gradients of the output layer, against transformers' own logits."""
    from callwright.train.batch import flatten
    from callwright.train.logprobs import Scorer
    from callwright.train.objectives.sft import Sft

    found = []
    for own in (False, True):
        model = tiny("llama", tie_word_embeddings=tied)
        scorer = Scorer(model)
        assert not scorer.own_logits
        scorer.own_logits = own
        model.set_attn_implementation("callwright_tree")
        Sft()(scorer, flatten(ROWS[:4])).total.backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("optimizer", ["adafactor", "sgd"])
def test_other_optimizers(tmp_path: Path, optimizer: str) -> None:
    model = unfreeze(tiny("llama"), 1)
    rate = {"adafactor": 0.02, "sgd": 0.1}[optimizer]
    train(model, ROWS, replace(WHOLE, optimizer=optimizer, learning_rate=rate), Run(tmp_path))
    assert falls(tmp_path)
    assert checkpoint.latest(tmp_path / "checkpoints") is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_eight_bits_want_cuda(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="adamw_8bit keeps its state in 8 bits on CUDA alone; use adamw"):
        train(
            add_lora(tiny("llama"), LoraSettings(r=4), 1),
            ROWS,
            replace(SETTINGS, optimizer="adamw_8bit"),
            Run(tmp_path),
        )


def test_activations_computed_again_change_nothing(tmp_path: Path) -> None:
    made = []
    for again in (False, True):
        model = add_lora(tiny("llama"), LoraSettings(r=4), 1)
        train(model, ROWS, replace(SETTINGS, checkpointing=again), Run(tmp_path / str(again)))
        made.append(checkpoint.trained(model))
    for name, tensor in made[0].items():
        assert torch.allclose(tensor, made[1][name], atol=1e-5), name


@needs_bitsandbytes
def test_four_bits_keep_their_gradient_after_a_pass_in_evaluation(tmp_path: Path) -> None:
    """bitsandbytes packs CPU weights at the first such pass; what is packed lets no gradient through."""
    model = load_model(tiny_folder(tmp_path / "base", width=64), PRECISE, "qlora")
    layer = model.model.layers[0].mlp.up_proj
    with torch.no_grad():
        model(IDS)
    x = torch.randn(3, 64, requires_grad=True)
    layer(x).sum().backward()
    weight = layer(torch.eye(64)).T
    assert x.grad is not None
    assert torch.allclose(x.grad, weight.sum(0).expand(3, -1), atol=1e-3)


@needs_bitsandbytes
def test_qlora_trains_on_the_cpu_and_merges_onto_what_its_weights_were_there(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "base", width=64)
    model = load_model(folder, PRECISE, "qlora")
    assert type(model.model.layers[0].self_attn.q_proj).__name__ == "Linear4bit"
    assert type(model.lm_head) is torch.nn.Linear
    wrapped = add_lora(model, LoraSettings(r=4), 1)
    with fused_lora(wrapped) as fused:
        assert fused == 0
        train(wrapped, ROWS, WHOLE, Run(tmp_path / "run"))
    assert falls(tmp_path / "run")
    wrapped.save_pretrained(str(tmp_path / "adapter"))
    wrapped.get_base_model().set_attn_implementation("sdpa")
    want = wrapped.eval()(IDS).logits

    def far(**how: bool) -> float:
        merged = load_adapter(load_model(folder, PRECISE), tmp_path / "adapter", **how)
        assert type(merged.model.layers[0].self_attn.q_proj) is torch.nn.Linear
        return float((merged(IDS).logits - want).abs().max())

    assert far(four_bits=True) < 1e-3 < 0.01 < far()


@needs_bitsandbytes
def test_rounded_weights_are_the_quantised_ones(tmp_path: Path) -> None:
    from bitsandbytes.functional import dequantize_4bit

    folder = tiny_folder(tmp_path / "base", width=64)
    model = load_model(folder, PRECISE, "qlora")
    rounded = round_to_four_bits(load_model(folder, PRECISE))
    assert round_to_four_bits(model) is model
    for name, module in rounded.named_modules():
        if type(module) is torch.nn.Linear and name != "lm_head":
            there = model.get_submodule(name).weight
            assert torch.equal(module.weight, dequantize_4bit(there.data, there.quant_state).to(torch.float32)), name
    assert torch.equal(rounded.lm_head.weight, model.lm_head.weight)


def test_two_adapters_become_one(tmp_path: Path) -> None:
    """The second is trained on the model that the first is part of; joined, they are an adapter of the model itself."""
    torch.manual_seed(0)
    for name, kind in (("first", {"r": 4, "alpha": 8}), ("second", {"r": 3, "alpha": 5, "use_rslora": True})):
        targets = ["q_proj", "v_proj"] if name == "first" else ["q_proj", "down_proj"]
        model = add_lora(tiny("llama"), LoraSettings(target_modules=targets, **kind), 1)  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in checkpoint.trained(model).values():
                parameter.copy_(torch.randn_like(parameter) * 0.2)
        model.save_pretrained(str(tmp_path / name))
    both = load_adapter(load_adapter(tiny("llama"), tmp_path / "first"), tmp_path / "second")
    want = both(IDS).logits
    join_adapters(tmp_path / "first", tmp_path / "second")
    assert torch.allclose(load_adapter(tiny("llama"), tmp_path / "second")(IDS).logits, want, atol=1e-4)
    assert json.loads((tmp_path / "second" / "adapter_config.json").read_text())["r"] == 7


def test_an_adapter_with_more_than_lora_is_not_joined(tmp_path: Path) -> None:
    for name in ("first", "second"):
        add_lora(tiny("llama"), LoraSettings(r=2, use_dora=name == "first"), 1).save_pretrained(str(tmp_path / name))
    with pytest.raises(ModelError, match="only a plain LoRA adapter can be trained further; this one has use_dora"):
        join_adapters(tmp_path / "first", tmp_path / "second")
