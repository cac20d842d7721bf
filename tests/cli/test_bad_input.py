"""Bad input: one clear line that names the file, line or key, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import Cli
from tiny import tiny_folder

TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    call = {"name": "set_timer", "arguments": {"minutes": number}}
    messages = [
        {"role": "user", "content": f"timer {number}"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    return {"id": f"r{number}", "source": "", "messages": messages, "tools": [TOOL]} | changes


def xlam(tools: str) -> dict[str, Any]:
    return {"id": 1, "query": "q", "tools": tools, "answers": "[]"}


def answer(call: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [call]}]


BadCli = Callable[..., tuple[int, str]]


@pytest.fixture
def run(callwright: Cli) -> BadCli:
    """The command line: (exit code, what it printed to stderr)."""

    def call(*words: str) -> tuple[int, str]:
        code, _, errors = callwright(*words)
        return code, errors

    return call


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "data.jsonl"),
    "truncated JSON": (json.dumps([row(1), row(2)])[:-30].encode(), "data.jsonl"),
    "truncated gzip": (gzip.compress(lines(*(row(i) for i in range(200))))[:-40], "data.jsonl"),
    "broken string in tools": (lines(xlam("[{'name': ")), "data.jsonl:1"),
    "undeclared tool": (lines(row(1), row(2, messages=answer({"name": "set_timr", "arguments": {}}))), "set_timer"),
    "argument of the wrong type": (
        lines(row(1), row(2, messages=answer({"name": "set_timer", "arguments": {"minutes": "ten"}}))),
        "data.jsonl:2",
    ),
    "no assistant turn": (lines(row(1), row(2, messages=[{"role": "user", "content": "hi"}])), "data.jsonl:2"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_bad_data(case: str, run: BadCli, tmp_path: Path, tiny_model: str) -> None:
    content, named = CONTENTS[case]
    (tmp_path / "data.jsonl").write_bytes(content)
    recipe = {"output": "out", "model": tiny_model, "dialect": "hermes", "data": {"train": "data.jsonl"}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    code, printed = run("run", "recipe.yaml")
    assert code == 2, printed
    message = printed.strip().splitlines()[-1]
    assert named in printed
    assert message.startswith("error: ")
    assert "Traceback" not in printed
    assert not list(tmp_path.glob("out/**/*.part"))
    assert not (tmp_path / "out" / "adapter").exists()


def test_missing_file(run: BadCli, tmp_path: Path, tiny_model: str) -> None:
    recipe = {"output": "out", "model": tiny_model, "data": {"train": "absent.jsonl"}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    code, printed = run("run", "recipe.yaml")
    assert (code, "absent.jsonl" in printed, (tmp_path / "out").exists()) == (2, True, False)


def test_missing_recipe(run: BadCli) -> None:
    code, printed = run("run", "absent.yaml")
    assert code == 2
    assert "absent.yaml: there is no such recipe file" in printed


def test_unknown_recipe_key_offers_the_nearest(run: BadCli, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("output: out\ndata: {train: x}\ntrain: {learning_rat: 1}\n")
    code, printed = run("run", "recipe.yaml")
    assert code == 2
    assert "recipe.yaml: unknown key 'train.learning_rat'; did you mean 'learning_rate'?" in printed


def test_an_override_is_checked_like_the_file(run: BadCli, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("output: out\ndata: {train: x}\n")
    code, printed = run("run", "recipe.yaml", "train.steps=many")
    assert code == 2
    assert "'train.steps'" in printed


def test_missing_model_folder(run: BadCli, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(lines(row(1)))
    (tmp_path / "recipe.yaml").write_text("output: out\nmodel: ./no/such/model\ndata: {train: data.jsonl}\n")
    code, printed = run("run", "recipe.yaml")
    assert (code, (tmp_path / "out").exists()) == (2, False)
    assert "./no/such/model: no such model folder" in printed


def test_model_without_eos(run: BadCli, tmp_path: Path) -> None:
    model = tiny_folder(tmp_path / "model", eos_token=None)
    (tmp_path / "data.jsonl").write_bytes(lines(row(1)))
    (tmp_path / "recipe.yaml").write_text(f"output: out\nmodel: {model}\ndata: {{train: data.jsonl}}\n")
    code, printed = run("run", "recipe.yaml")
    assert (code, (tmp_path / "out").exists()) == (2, False)
    assert "no EOS token" in printed


@pytest.mark.parametrize("held", ["recipe", "files"])
def test_output_folder_that_holds_another_run(held: str, run: BadCli, tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "data.jsonl").write_bytes(lines(row(1), row(2)))
    recipe = {"output": "out", "model": tiny_model, "dialect": "hermes", "data": {"train": "data.jsonl"}}
    recipe["train"] = {"steps": 1, "batch_size": 2}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    if held == "recipe":
        assert run("run", "recipe.yaml")[0] == 0
        code, printed = run("run", "recipe.yaml", "lora.r=4")
        assert "lora.r" in printed
    else:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("precious")
        code, printed = run("run", "recipe.yaml")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    assert code == 2
    assert "output=ANOTHER_FOLDER" in printed


def test_lint_exit_status_and_fix(run: BadCli, tmp_path: Path, tiny_model: str) -> None:
    double = row(2, messages=answer({"name": "set_timer", "arguments": {"minutes": 3, "tags": "[1]"}}))
    double["tools"] = [json.loads(json.dumps(TOOL))]
    double["tools"][0]["parameters"]["properties"]["tags"] = {"type": "array"}
    (tmp_path / "data.jsonl").write_bytes(lines(row(1), double))
    words = ("--model", tiny_model, "--dialect", "hermes")
    assert run("data", "lint", "data.jsonl", *words)[0] == 1
    assert run("data", "lint", "data.jsonl", *words, "--fix", "clean.jsonl")[0] == 0
    assert run("data", "lint", "clean.jsonl", *words)[0] == 0
    kept = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text().splitlines()]
    assert kept[1]["messages"][1]["tool_calls"][0]["arguments"] == {"minutes": 3, "tags": [1]}
    code, printed = run("data", "lint", "data.jsonl", *words, "--fix", "clean.jsonl")
    assert (code, "exists already" in printed) == (2, True)
