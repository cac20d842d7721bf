"""`callwright merge`, as a user types it: tiny random adapters by PEFT, and whole models by mergekit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from callwright.models.hardware import detect
from callwright.models.load import load_adapter, load_model
from command_line import Cli
from trained import run_folder

TOKENS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """bells, and `other` beside it with the same base and other numbers."""
    run = run_folder(tmp_path)
    shutil.copytree(run, tmp_path / "other")
    file = tmp_path / "other" / "adapter" / "adapter_model.safetensors"
    torch.manual_seed(9)
    save_file({name: torch.randn_like(one) * one.std() for name, one in load_file(file).items()}, file)
    return tmp_path


def weights(base: Path, adapter: Path) -> torch.Tensor:
    model = load_adapter(load_model(str(base), detect("float32")), adapter)
    return model.model.layers[0].mlp.up_proj.weight.detach()  # type: ignore[no-any-return]


def test_linear_is_the_weighted_sum(callwright: Cli, two: Path) -> None:
    code, printed, errors = callwright("merge", "bells=0.75", "other=0.25", "--output", "both")
    assert code == 0, errors
    assert "merged: both" in printed
    base = load_model(str(two / "base"), detect("float32")).model.layers[0].mlp.up_proj.weight
    first, second = (weights(two / "base", two / name / "adapter") - base for name in ("bells", "other"))
    made = weights(two / "base", two / "both") - base
    assert torch.allclose(made, 0.75 * first + 0.25 * second, atol=1e-5)
    notes = json.loads((two / "both" / "callwright.json").read_text())
    assert notes == {"dialect": "compact", "merged_of": [["bells", 0.75], ["other", 0.25]]}


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
def test_other_methods_write_an_adapter_that_is_scored(method: str, callwright: Cli, two: Path) -> None:
    asked = ("merge", "bells", "other", "--method", method, "--output", "both", "--data", "held_out.jsonl", "--json")
    code, printed, errors = callwright(*asked)
    assert code == 0, errors
    found = json.loads(printed)
    assert found["rows"] == 3
    assert list(found["exact_match"]) == ["bells/adapter", "other/adapter", "both"]
    assert (weights(two / "base", two / "both") - weights(two / "base", two / "bells" / "adapter")).abs().max() > 1e-4


def test_whole_models_by_mergekit(callwright: Cli, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bells", "other"):
        assert callwright("export", name, "--to", "merged", "--output", f"{name}-out", "--dtype", "float32")[0] == 0
    program = two / "mergekit-yaml"
    program.write_text('#!/bin/sh\ncp "$1" "$2/read.yaml"\ncp bells-out/merged/config.json "$2"\n')
    program.chmod(0o755)
    asked = ("merge", "bells-out/merged", "other-out/merged=2", "--output", "both", "--mergekit", str(program))
    code, _, errors = callwright(*asked)
    assert code == 0, errors
    plan = (two / "both" / "read.yaml").read_text()
    assert f"merge_method: linear\nmodels:\n- model: {two}/bells-out/merged\n  parameters:\n    weight: 1.0\n" in plan
    assert json.loads((two / "both" / "callwright.json").read_text())["dialect"] == "compact"
    program.write_text("#!/bin/sh\necho 'these do not fit' >&2; exit 3\n")
    code, _, errors = callwright(*asked[:4], "again", *asked[5:])
    assert code != 0
    assert "these do not fit" in errors
    assert not (two / "again").exists()
    code, _, errors = callwright(*asked[:4], "again", "--mergekit", "no-such-program")
    assert "pip install 'callwright[merge]'" in errors


def test_mergekit_itself(callwright: Cli, two: Path) -> None:
    if shutil.which("mergekit-yaml") is None:
        pytest.skip("the extra 'merge' is not installed")
    for name in ("bells", "other"):
        assert callwright("export", name, "--to", "merged", "--output", f"{name}-out", "--dtype", "float32")[0] == 0
    code, _, errors = callwright("merge", "bells-out/merged", "other-out/merged", "--output", "both")
    assert code == 0, errors
    name = "model.layers.0.mlp.up_proj.weight"
    first, second, made = (
        load_file(next((two / one).glob("*.safetensors")))[name].float()
        for one in ("bells-out/merged", "other-out/merged", "both")
    )
    assert torch.allclose(made, (first + second) / 2, atol=0.01)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["bells"], "give two or more"),
        (["bells", "other=much"], "is a weight, as in other=0.5"),
        (["bells", "other", "--method", "tiess"], "did you mean 'ties'"),
        (["bells", "base"], "adapters and whole models cannot be merged"),
        (["bells", "hermes"], 'differs in its dialect cannot be merged: ["compact", "hermes"]'),
        (["base", "base", "--method", "ties"], "give --model"),
    ],
)
def test_what_does_not_fit_is_said(words: list[str], why: str, callwright: Cli, two: Path) -> None:
    shutil.copytree(two / "bells", two / "hermes")
    (two / "hermes" / "adapter" / "callwright.json").write_text('{"dialect": "hermes"}')
    code, _, errors = callwright("merge", *words, "--output", "both")
    assert code != 0
    assert why in errors
    assert not (two / "both").exists()
