"""The whole path in Python, on a tiny random model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import callwright as cw
from callwright.errors import DataError, RecipeError

FUNCTIONS = '''
def ring(times: int) -> str:
    """Ring a bell."""
    return f"rang {times}"
'''


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[cw.Tool, ...]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text(FUNCTIONS)
    return cw.load_tools("f.py")


def test_every_public_name_is_there_and_no_torch_is_loaded() -> None:
    assert all(hasattr(cw, name) for name in cw.__all__)
    assert len(cw.__all__) <= 20
    assert set(cw.__all__) <= set(dir(cw))
    with pytest.raises(AttributeError, match="has no attribute 'tun'"):
        _ = cw.tun  # type: ignore[attr-defined]
    code = "import sys, callwright; callwright.Tool; print('torch' in sys.modules, 'transformers' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_the_stub_names_what_there_is() -> None:
    stub = (Path(cw.__file__).parent / "__init__.pyi").read_text()
    assert {line.rpartition(" as ")[2] for line in stub.splitlines() if " as " in line} == set(cw.__all__)


def test_from_functions_to_files(tools: tuple[cw.Tool, ...], tiny_model: str, tmp_path: Path) -> None:
    rows = cw.make_rows(tools, 12, seed=1)
    asked = {"data": "held_out.jsonl", "max_new_tokens": 8, "base": False}
    (tmp_path / "held_out.jsonl").write_text(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "ring twice"},
                    {"role": "assistant", "tool_calls": [{"name": "ring", "arguments": {"times": 2}}]},
                ]
            }
        )
        + "\n"
    )
    settings = {"dialect": "hermes", "train": {"steps": 2, "batch_size": 4}, "eval": asked}
    run = cw.tune(tiny_model, rows, output="runs/mine", tools=tools, **settings)
    assert run == cw.load_run("runs/mine") or run.reports
    assert [tool.name for tool in run.tools] == ["ring"]
    assert run.reports["tuned"].aggregates["exact_match"]["n"] == 1
    # the recipe that was written makes the same run again, and finds it made
    again = subprocess.run(
        [sys.executable, "-m", "callwright", "run", "runs/mine/recipe.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "done before" in again.stderr
    scores = cw.evaluate(run, "held_out.jsonl", max_new_tokens=8)
    assert scores.exact_match == len(scores.failures) - 1 or scores.exact_match == 1 - len(scores.failures)
    assert "exact match" in str(scores)
    reply = cw.open_model(run).ask("ring it", max_new_tokens=24)
    assert isinstance(reply, cw.Reply)
    made = cw.export_model(run, "adapter,merged", output="exports/mine", dtype="float32")
    assert (made.files["merged"] / "config.json").is_file()
    base = cw.evaluate(tiny_model, cw.load_rows("held_out.jsonl", tools), dialect="hermes", max_new_tokens=8)
    assert base.report.aggregates["exact_match"]["n"] == 1


def test_what_is_wrong_is_said(tools: tuple[cw.Tool, ...], tiny_model: str) -> None:
    rows = cw.make_rows(tools, 4)
    with pytest.raises(RecipeError, match=r"tune: unknown key 'train.step'; did you mean 'steps'"):
        cw.tune(tiny_model, rows, output="x", tools=tools, train={"step": 1})
    with pytest.raises(RecipeError, match=r"unknown key 'synth.row'"):
        cw.make_rows(tools, 4, row=5)
    with pytest.raises(DataError, match="no rows to train on"):
        cw.tune(tiny_model, [], output="x", tools=tools)
    with pytest.raises(DataError, match="no rows to score"):
        cw.evaluate(tiny_model, [])
    with pytest.raises(RecipeError, match="has no tools of its own"):
        cw.open_model(tiny_model).ask("hi")
