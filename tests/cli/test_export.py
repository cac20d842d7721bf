"""`callwright export` and `callwright verify`, as a user types them, on a tiny random model with a random adapter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from callwright.models.hardware import detect
from callwright.models.load import load_adapter, load_model
from command_line import Cli
from trained import TOOLS, run_folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_folder(tmp_path)


def test_merged_weights_are_the_run(callwright: Cli, run: Path, tmp_path: Path) -> None:
    code, _, errors = callwright("export", "bells", "--to", "adapter,merged", "--output", "out", "--dtype", "float32")
    assert code == 0, errors
    assert json.loads((tmp_path / "out" / "tools.json").read_text())[0]["function"] == TOOLS[0]
    config = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "merged")
    expected = load_adapter(load_model(str(tmp_path / "base"), detect("float32")), run / "adapter")
    tokens = torch.tensor([[5, 6, 7, 8]])
    assert torch.allclose(merged(tokens).logits, expected(tokens).logits, atol=1e-6)
    words = AutoTokenizer.from_pretrained(tmp_path / "out" / "merged")
    asked = words.apply_chat_template(
        [{"role": "user", "content": "hi"}],
        tools=json.loads((tmp_path / "out" / "tools.json").read_text()),
        tokenize=False,
        add_generation_prompt=True,
    )
    assert "ring(times: integer): Rings a bell." in asked
    assert merged.generation_config.eos_token_id == [words.convert_tokens_to_ids("<|im_end|>")]
    whole = ("verify", "out/merged", "--run", "bells", "--data", "held_out.jsonl", "--max-new-tokens", "12")
    code, printed, errors = callwright(*whole, "--json")
    assert code == 0, errors
    (found,) = json.loads(printed)
    assert (found["bytes_equal"], found["tokens_equal"], found["same_replies"], found["verdict"]) == (
        3,
        3,
        3,
        "the same",
    )
    code, printed, _ = callwright(*whole)
    assert code == 0
    assert "the run" in printed
    assert "merged" in printed
    assert callwright("verify", "out/merged", *whole[2:], "--run", "out/adapter", "--model", "base")[0] == 0
    # the whole model is served and scored in its own dialect, which nobody names
    code, printed, errors = callwright("eval", "out/merged", "--data", "held_out.jsonl", "--max-new-tokens", "4")
    assert code == 0, errors


def test_an_adapter_in_half_its_size(callwright: Cli, run: Path, tmp_path: Path) -> None:
    code, _, errors = callwright("export", "bells", "--to", "adapter", "--output", "out", "--dtype", "bf16")
    assert code == 0, errors
    whole = load_file(run / "adapter" / "adapter_model.safetensors")
    half = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert {name: tensor.dtype for name, tensor in half.items()} == dict.fromkeys(whole, torch.bfloat16)
    assert all(torch.equal(tensor.to(torch.bfloat16), half[name]) for name, tensor in whole.items())
    code, _, errors = callwright("eval", "base", "--adapter", "out/adapter", "--data", "held_out.jsonl")
    assert code == 0, errors


def test_prompts_that_differ_are_found(callwright: Cli, run: Path, tmp_path: Path) -> None:
    assert callwright("export", "bells", "--to", "merged", "--output", "out")[0] == 0
    template = tmp_path / "out" / "merged" / "chat_template.jinja"
    template.write_text(template.read_text().replace("Rings", "rings").replace("<|im_start|>user", "<|im_start|>User"))
    asked = ("verify", "out/merged", "--run", "bells", "--data", "held_out.jsonl", "--max-new-tokens", "4")
    code, printed, _ = callwright(*asked)
    assert code == 1
    assert "prompts differ" in printed
    assert "row r3: 'User" in printed
    assert "where training has 'user" in printed


def test_weights_that_differ_are_found(callwright: Cli, run: Path, tmp_path: Path) -> None:
    assert callwright("export", "bells", "--to", "merged", "--output", "out", "--dtype", "float32")[0] == 0
    file = tmp_path / "out" / "merged" / "model.safetensors"
    save_file({name: tensor + 0.2 for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    asked = ("verify", "out/merged", "--run", "bells", "--data", "held_out.jsonl", "--max-new-tokens", "12", "--json")
    (found,) = json.loads(callwright(*asked)[1])
    assert found["bytes_equal"] == found["tokens_equal"] == 3
    assert found["same_replies"] < 3


def test_servers_get_what_they_need(callwright: Cli, run: Path, tmp_path: Path) -> None:
    code, printed, errors = callwright("export", "bells", "--to", "adapter,vllm,sglang", "--output", "out", "--json")
    assert code == 0, errors
    assert json.loads(printed)["files"].keys() == {"adapter", "vllm", "sglang"}
    told = (tmp_path / "out" / "vllm" / "README.md").read_text()
    assert f"vllm serve {tmp_path / 'base'} --served-model-name base --enable-lora --max-lora-rank 8" in told
    assert "--lora-modules bells=../adapter" in told
    assert '"content": "ring 0 times"' in told
    for name, file in (("vllm", "callwright_tool_parser.py"), ("sglang", "serve_sglang.py")):
        compile((tmp_path / "out" / name / file).read_text(), file, "exec")
        assert (tmp_path / "out" / name / "chat_template.jinja").is_file()


def test_four_bits_are_merged_where_the_user_says(callwright: Cli, tmp_path: Path) -> None:
    run_folder(tmp_path, four_bits=True)
    code, _, errors = callwright("export", "bells", "--to", "merged", "--output", "out", "--dtype", "float32")
    assert code == 0, errors
    assert "merged onto full precision" in errors
    assert json.loads((tmp_path / "out" / "merged" / "callwright.json").read_text())["merged_onto"] == "full precision"
    plain = load_adapter(load_model(str(tmp_path / "base"), detect("float32")), tmp_path / "bells" / "adapter")
    saved = load_file(tmp_path / "out" / "merged" / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    assert torch.allclose(saved[name], plain.state_dict()[name], atol=1e-6)
    pytest.importorskip("bitsandbytes", reason="the extra 'qlora' is not installed")
    code, _, errors = callwright("export", "bells", "--to", "merged", "--output", "low", "--onto-4bit")
    assert code == 0, errors
    assert "merged onto values in 4 bits" in errors
    assert not torch.allclose(
        load_file(tmp_path / "low" / "merged" / "model.safetensors")[name].float(), saved[name], atol=1e-3
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["bells", "--to", "mergd"], "did you mean 'merged'"),
        (["bells", "--to", "gguf:q2"], "only gguf has kinds: gguf:f16, gguf:q8_0, gguf:q4_k_m"),
        (["bells", "--to", ""], "name what is wanted"),
        (["bells", "--to", "merged", "--dtype", "int8"], "give auto, bf16, fp16 or float32"),
        (["bells", "--to", "merged", "--onto-4bit"], "this one was not"),
        (["held_out.jsonl", "--to", "merged"], "holds no run, no adapter and no model"),
        (["base", "--to", "adapter"], "there is no adapter; use --to merged"),
    ],
)
def test_what_cannot_be_written_is_said(words: list[str], why: str, callwright: Cli, run: Path, tmp_path: Path) -> None:
    code, _, errors = callwright("export", *words, "--output", "out")
    assert code != 0
    assert why in errors
    assert not (tmp_path / "out").exists()


def test_a_run_that_has_not_trained(callwright: Cli, run: Path) -> None:
    (run / "adapter" / "adapter_config.json").unlink()
    code, _, errors = callwright("export", "bells", "--to", "merged", "--output", "out")
    assert code != 0
    assert "the run has not trained yet" in errors


def test_what_cannot_be_verified_is_said(callwright: Cli, run: Path, tmp_path: Path) -> None:
    code, _, errors = callwright(
        "verify", "nowhere", "--run", "bells", "--data", "held_out.jsonl", "--max-new-tokens", "2"
    )
    assert code != 0
    assert "nowhere: neither a folder with a config.json, nor a .gguf file" in errors


@pytest.mark.native
def test_a_gguf_file_is_the_run(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    command = [sys.executable, "-m", "callwright"]
    wanted = "gguf:f16,gguf:q4_k_m,ollama,llamacpp"
    made = [*command, "export", "bells", "--to", wanted, "--output", "out"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True, text=True)
    asked = ["--run", "bells", "--data", "held_out.jsonl", "--max-new-tokens", "12", "--json"]
    done = subprocess.run(
        [*command, "verify", "out/gguf/bells-f16.gguf", *asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["bytes_equal"] == found["tokens_equal"] == 3
    modelfile = (tmp_path / "out" / "ollama" / "Modelfile").read_text()
    assert modelfile.startswith("FROM ../gguf/bells-f16.gguf\n")
    assert (tmp_path / "out" / "gguf" / "bells-q4_k_m.gguf").stat().st_size > 1000
    assert "llama-server --model ../gguf/bells-f16.gguf" in (tmp_path / "out" / "llamacpp" / "README.md").read_text()
