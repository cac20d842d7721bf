"""Recipes of other kinds, walked whole on a tiny model: full fine-tuning, QLoRA, choosing, DPO after SFT."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.data.preferences import corrupted, write_pairs
from callwright.errors import DataError, RecipeError, RunError
from callwright.models.hardware import detect
from callwright.models.load import load_adapter, load_model
from callwright.pipeline.run import run
from callwright.recipe import make_recipe
from tiny import tiny_folder
from watcher import Watcher

TOOLS = [
    {
        "name": name,
        "description": f"{name}.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    for name in ("ring", "knock")
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    with file.open("w") as out:
        for number in range(12):
            call = {"name": ("ring", "knock")[number % 2], "arguments": {"n": number}}
            messages = [
                {"role": "user", "content": f"{call['name']} {number}"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
            ]
            out.write(json.dumps({"id": f"r{number}", "messages": messages, "tools": TOOLS}) + "\n")
    return file


def recipe(folder: Path, model: str, rows: Path, **other: Any) -> dict[str, Any]:
    training = {"steps": 2, "batch_size": 4, "precision": "float32", "threads": 1, **other.pop("train", {})}
    made = {"output": str(folder), "model": model, "dialect": "hermes", "data": {"train": str(rows)}, "lora": {"r": 2}}
    scored = {"data": str(rows), "rows": 2, "max_new_tokens": 4, "base": False}
    return {**made, "train": training, "eval": scored, **other}


@pytest.mark.parametrize("method", ["full", "qlora"])
def test_other_methods_train_and_are_scored(tmp_path: Path, rows: Path, method: str) -> None:
    if method == "qlora" and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    model = tiny_folder(tmp_path / "base", width=64)
    made = run(make_recipe(recipe(tmp_path / "out", model, rows, method=method), "recipe"), Watcher())
    assert made.trained == tmp_path / "out" / {"full": "model", "qlora": "adapter"}[method]
    assert len(made.reports["tuned"].verdicts) == 2
    assert (made.trained / "callwright.json").is_file()


def test_checkpoints_are_chosen_by_rows_that_are_not_trained_on(tmp_path: Path, rows: Path, tiny_model: str) -> None:
    watch = Watcher()
    choose = {"rows": 3, "every": 1, "max_new_tokens": 4}
    run(make_recipe(recipe(tmp_path / "out", tiny_model, rows, train={"choose": choose}), "recipe"), watch)
    assert [step for step, _ in watch.scores] == [1, 2]
    assert watch.seen["rows"] == "9"
    scores = (tmp_path / "out" / "scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in scores] == [1, 2]
    with pytest.raises(DataError, match="leave too few to train on"):
        run(make_recipe(recipe(tmp_path / "b", tiny_model, rows, train={"choose": {"rows": 9}}), "recipe"), watch)


def test_dpo_after_sft_ends_with_one_adapter_of_the_model_itself(tmp_path: Path, rows: Path, tiny_model: str) -> None:
    first = run(make_recipe(recipe(tmp_path / "sft", tiny_model, rows), "recipe"), Watcher()).trained
    pairs = tmp_path / "pairs.jsonl"
    write_pairs(pairs, corrupted(conversations(rows)))
    asked = recipe(tmp_path / "dpo", tiny_model, rows, adapter=str(first), dpo={"pairs": str(pairs)}, data={})
    watch = Watcher()
    second = run(make_recipe(asked, "recipe"), watch).trained
    assert watch.seen["steps"] == "2 of 4 pairs"
    kept = json.loads((tmp_path / "dpo" / "data" / "tools.json").read_text())
    assert [tool["name"] for tool in kept] == ["ring", "knock"], "all pairs declare the same"
    assert json.loads((second / "adapter_config.json").read_text())["r"] == 4
    lines = [json.loads(line) for line in (tmp_path / "dpo" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(0.6931, abs=1e-3), "it begins at the model that the first run left"
    assert lines[0]["rows"] == 8
    load_adapter(load_model(tiny_model, detect("float32")), second)


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL (extra 'rl') is not installed")
def test_rewards_train_after_sft(tmp_path: Path, rows: Path, tiny_model: str) -> None:
    first = run(make_recipe(recipe(tmp_path / "sft", tiny_model, rows), "recipe"), Watcher()).trained
    grpo = {"generations": 2, "max_new_tokens": 6, "rewards": {"format": 1, "name": 2}}
    watch = Watcher()
    asked = recipe(tmp_path / "grpo", tiny_model, rows, adapter=str(first), grpo=grpo)
    second = run(make_recipe(asked, "recipe"), watch).trained
    assert watch.seen["steps"] == "2 of 4 replies"
    assert json.loads((second / "adapter_config.json").read_text())["r"] == 4
    lines = [json.loads(line) for line in (tmp_path / "grpo" / "metrics.jsonl").read_text().splitlines()]
    # a random model ends no reply in six tokens
    assert (lines[0]["reward_format"], lines[0]["reward_name"], lines[0]["reply_tokens"]) == (0, 0, 6)
    assert (tmp_path / "grpo" / "reward.svg").is_file()
    load_adapter(load_model(tiny_model, detect("float32")), second)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"grpo": {}, "dpo": {"pairs": "p.jsonl"}, "data": {}}, "two ways to train; keep one"),
        ({"grpo": {"generations": 3}}, r"4 is no multiple of 'grpo.generations' \(3\)"),
        ({"grpo": {"generations": 2}, "train": {"batch_size": 4, "choose": {}}}, "'grpo' has no 'train.choose'"),
        ({"dpo": {"pairs": "p.jsonl"}}, "'dpo' trains on its 'pairs'; leave 'data.train' and 'synth' out"),
        ({"dpo": {"pairs": "p.jsonl"}, "data": {}, "method": "full"}, "use method lora or qlora"),
        ({"method": "full", "adapter": "a"}, "method full has no adapter"),
        ({"method": "qlora", "call_token": "<call>"}, "use method lora"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, rows: Path, change: dict[str, Any], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        make_recipe(recipe(tmp_path, "m", rows) | change, "recipe")


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    file = tmp_path / "chat.jsonl"
    with file.open("w") as out:
        for number in range(10):
            messages = [
                {"role": "user", "content": f"tell me of {number}"},
                {"role": "assistant", "content": f"It comes after {number - 1}."},
            ]
            out.write(json.dumps({"id": f"c{number}", "messages": messages}) + "\n")
    return file


def test_plain_chat_is_measured_before_and_after(tmp_path: Path, rows: Path, chat: Path, tiny_model: str) -> None:
    settings = {"data": str(chat), "rows": 4, "most": 5.0, "instructions": 3}
    asked = recipe(tmp_path / "out", tiny_model, rows, retention=settings)
    watch = Watcher()
    run(make_recipe(asked, "recipe"), watch)
    kept = json.loads((tmp_path / "out" / "retention.json").read_text())
    assert (kept["rows"], kept["most"]) == (4, 5.0)
    # a random model: about as likely one of its 259 tokens as another
    assert kept["before"] == pytest.approx(259, rel=0.2)
    assert kept["rise"] == pytest.approx(kept["after"] / kept["before"] - 1)
    assert "before" in watch.seen["plain chat"]
    # a random model calls nothing
    assert (kept["answers"], kept["abstained_before"], kept["abstained_after"]) == (4, 1.0, 1.0)
    assert watch.seen["answered without a call"] == "100.0% before, 100.0% after, of 4"
    assert (kept["instructions"], kept["followed_before"]) == (3, 0.0)
    assert watch.seen["instructions followed"].startswith("0.0% [0.0, 56.1] before")
    assert watch.seen["instructions followed"].endswith("of 3")


def test_the_gate_fails_a_run_that_forgets_and_keeps_what_it_trained(
    tmp_path: Path, rows: Path, chat: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([(10.0, 90), (13.0, 90)])
    monkeypatch.setattr("callwright.pipeline.run.perplexity", lambda *given: next(measured))
    asked = recipe(tmp_path / "out", tiny_model, rows, retention={"data": str(chat), "most": 0.25})
    with pytest.raises(
        RunError, match=r"plain chat rose by 30.0% \(10.00 to 13.00\), 25.0% are allowed; mix such rows in"
    ):
        run(make_recipe(asked, "recipe"), Watcher())
    assert (tmp_path / "out" / "adapter" / "adapter_config.json").is_file()
    assert json.loads((tmp_path / "out" / "retention.json").read_text())["rise"] == pytest.approx(0.3)
    shares = iter([1.0, 0.5])
    monkeypatch.setattr("callwright.pipeline.run.perplexity", lambda *given: (10.0, 90))
    monkeypatch.setattr("callwright.pipeline.run.abstention", lambda *given: next(shares))
    with pytest.raises(RunError, match=r"50.0% of 10 plain chat rows are answered without a call, 100.0% were before"):
        run(make_recipe(asked, "recipe"), Watcher())
    obeyed = iter([0.5, 0.1])
    monkeypatch.setattr("callwright.pipeline.run.abstention", lambda *given: None)
    monkeypatch.setattr("callwright.pipeline.run.followed", lambda *given: next(obeyed))
    with pytest.raises(RunError, match=r"10.0% of 9 short instructions are followed, 50.0% were before"):
        run(make_recipe(asked | {"retention": asked["retention"] | {"instructions": 9}}, "recipe"), Watcher())


def test_replay_trains_on_rows_that_are_not_measured(tmp_path: Path, rows: Path, chat: Path, tiny_model: str) -> None:
    retention = {"data": str(chat), "rows": 4, "replay": 0.25, "most": None}
    run(make_recipe(recipe(tmp_path / "out", tiny_model, rows, retention=retention), "recipe"), Watcher())
    written = [row.id for row in conversations(tmp_path / "out" / "data" / "train.jsonl")]
    assert len(written) == 15
    assert sum(name.startswith("c") for name in written) == 3


def test_a_file_without_plain_chat_is_refused(tmp_path: Path, rows: Path, tiny_model: str) -> None:
    asked = recipe(tmp_path / "out", tiny_model, rows, retention={"data": str(rows)})
    with pytest.raises(DataError, match="has no row in which the assistant talks and calls nothing"):
        run(make_recipe(asked, "recipe"), Watcher())
