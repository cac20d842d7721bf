"""Every verb, as a user types it: help with an example, JSON for machines, and the whole walk on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from callwright.cli.app import app
from callwright.pipeline.trained import trained_dialect
from command_line import Cli
from report_schema import check_report

TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}
VERBS = [
    ("init",),
    ("run",),
    ("train",),
    ("eval",),
    ("report",),
    ("compare",),
    ("curve",),
    ("calibrate",),
    ("chat",),
    ("agent",),
    ("serve",),
    ("doctor",),
    ("estimate",),
    ("dialects",),
    ("synth",),
    ("export",),
    ("verify",),
    ("merge",),
    ("push",),
    *(("tools", verb) for verb in ("show", "lint", "diff")),
    *(("data", verb) for verb in ("show", "lint", "convert", "stats", "split")),
    *(("data", verb) for verb in ("dedupe", "overlap", "mix", "augment", "pairs", "migrate", "review", "verify")),
]


@pytest.fixture
def run(callwright: Cli, tmp_path: Path) -> Cli:
    """Runs the command line in this process, in an empty folder: (exit code, stdout, stderr)."""
    rows = []
    for n in range(12):
        call = {"name": "set_timer", "arguments": {"minutes": n}}
        messages = [
            {"role": "user", "content": f"a timer for {n} minutes"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ]
        rows.append({"id": f"r{n}", "messages": messages, "tools": [TOOL]})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tools.json").write_text(json.dumps([TOOL]))

    return callwright


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_has_an_example_and_json(verb: tuple[str, ...], run: Cli) -> None:
    code, printed, _ = run(*verb, "--help")
    assert code == 0
    assert "Example: callwright " + " ".join(verb) in " ".join(printed.split())
    assert "--json" in printed


def test_the_verbs_above_are_all_there_are() -> None:
    made: Any = typer.main.get_command(app)
    found = {
        (name, *inner)
        for name, command in made.commands.items()
        for inner in ([(sub,) for sub in command.commands] if hasattr(command, "commands") else [()])
    }
    assert found == set(VERBS)


def result(run: Cli, *words: str, stdin: str = "") -> Any:
    code, printed, errors = run(*words, "--json", stdin=stdin)
    assert code == 0, errors
    return json.loads(printed)


def test_looking_at_data(run: Cli, tiny_model: str) -> None:
    words = ("--model", tiny_model, "--dialect", "hermes")
    shown = result(run, "data", "show", "rows.jsonl", "--row", "2", *words)
    assert shown["row"]["id"] == "r1"
    assert len(shown["token_ids"]) == len(shown["weights"]) > shown["prefix_len"] > 0
    code, printed, _ = run("data", "show", "rows.jsonl", *words)
    assert (code, "a timer for 0 minutes" in printed, f"{len(shown['token_ids']):,}" in printed) == (0, True, True)
    stats = result(run, "data", "stats", "rows.jsonl", "--model", tiny_model, "--dialect", "hermes")
    assert stats["rows"] == 12
    assert result(run, "data", "lint", "rows.jsonl", *words)["errors"] == 0
    assert run("data", "show", "rows.jsonl", "--row", "99")[0] == 2


def test_converting_and_splitting(run: Cli, tmp_path: Path) -> None:
    converted = result(run, "data", "convert", "rows.jsonl", "x.json", "--to", "xlam")
    assert converted == {"rows": 12, "refused": [], "dropped": []}
    split = ("data", "split", "x.json", "--train", "a.jsonl", "--held-out", "b.jsonl", "--rows", "3")
    assert result(run, *split) == {"train": 9, "held_out": 3}
    assert run("data", "convert", "rows.jsonl", "x.json")[0] == 2, "an existing file is not overwritten"


def test_tools_and_doctor(run: Cli, tiny_model: str) -> None:
    shown = result(run, "tools", "show", "tools.json", "--model", tiny_model)
    assert [tool["name"] for tool in shown["tools"]] == ["set_timer"]
    assert 0 < shown["tools"][0]["tokens"] < shown["prompt_tokens"]
    found = result(run, "doctor", tiny_model)
    assert found["findings"]["dialect"]["value"] == "hermes"
    assert set(found["hardware"]) == {"device", "precision", "attention", "threads"}
    code, printed, _ = run("doctor", tiny_model)
    assert (code, "<|im_end|>" in printed) == (0, True)


def test_the_doctor_says_how_calls_are_written_and_served(run: Cli, tiny_model: str) -> None:
    code, out, _ = run("doctor", tiny_model, "--json")
    findings = json.loads(out)["findings"]
    assert code == 0
    assert findings["calls"]["value"] == "hermes"
    assert findings["stops"]["value"] == "<|im_end|>"
    assert findings["vLLM"]["value"].endswith("--tool-call-parser hermes")


def test_every_dialect_is_listed_with_its_calls(run: Cli) -> None:
    code, out, _ = run("dialects", "--json")
    found = {one["name"]: one for one in json.loads(out)}
    assert code == 0
    assert {"hermes", "xlam", "harmony", "functiongemma"} <= set(found)
    assert found["pythonic"]["text"] == "[set_light(room='hall', level=40), play(song='Für Elise', loop=True)]"
    code, out, _ = run("dialects")
    assert code == 0
    assert "<|tool_call_start|>" in out


def test_the_walk_skips_what_is_finished(run: Cli, tmp_path: Path, tiny_model: str) -> None:
    recipe = {
        "output": "out",
        "model": tiny_model,
        "dialect": "compact",
        "data": {"train": "rows.jsonl"},
        "train": {"steps": 2, "batch_size": 4, "precision": "float32"},
        "eval": {"data": "rows.jsonl", "rows": 4, "max_new_tokens": 8},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    code, printed, errors = run("run", "r.yaml")
    assert code == 0, errors
    assert "exact" in printed
    assert "done before" not in errors
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"adapter", "base", "tuned", "report.json", "loss.svg", "metrics.jsonl", "lint.json", "data"} <= made
    assert {"report.html", "report.md"} <= made
    for folder in ("out", "out/base", "out/tuned"):
        check_report(tmp_path / folder / "report.json")
    before = (tmp_path / "out" / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    code, again, errors = run("run", "r.yaml")
    assert (code, again) == (0, printed)
    assert errors.count("done before") == 4
    assert (tmp_path / "out" / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == before
    summary = result(run, "run", "r.yaml", "eval.rows=3")
    assert summary["scores"]["tuned"]["exact_match"]["n"] == 3

    words = ("--adapter", "out/adapter")
    assert json.loads((tmp_path / "out" / "adapter" / "callwright.json").read_text()) == {"dialect": "compact"}
    scored = result(run, "eval", tiny_model, "--data", "rows.jsonl", "--rows", "2", *words, "--output", "scored")
    assert scored["exact_match"]["n"] == 2
    assert trained_dialect("auto", Path("out/adapter")) == "compact"
    assert trained_dialect("xlam", Path("out/adapter")) == "xlam", "what the user names comes first"
    check_report(tmp_path / "scored" / "report.json")
    assert "callwright eval" in (tmp_path / "scored" / "report.md").read_text()
    assert (tmp_path / "scored" / "report.html").is_file()
    chat = ("chat", tiny_model, "--tools", "tools.json", *words)
    reply = result(run, *chat, stdin="hello\n")
    assert set(reply) == {"text", "calls", "broken", "ending"}


def test_eval_samples_and_slices(run: Cli, tmp_path: Path, tiny_model: str) -> None:
    asked = ("eval", tiny_model, "--data", "rows.jsonl", "--rows", "2", "--dialect", "hermes", "--output", "scored")
    asked += ("--max-new-tokens", "8")
    found = result(run, *asked, "--samples", "2", "--temperature", "1", "--slices", "typos,order")
    assert (found["flakiness"]["runs"], found["flakiness"]["n"]) == (2, 2)
    assert list(found["slices"]) == ["plain", "typos", "order"]
    assert found["slices"]["order"]["skipped"] == {"declares one tool": 2}
    assert sum(mode["n"] for mode in found["by_mode"].values()) == 2 - round(2 * found["exact_match"]["value"])
    kept = json.loads((tmp_path / "scored" / "report.json").read_text())["aggregates"]
    assert kept == found
    assert (tmp_path / "scored" / "slices" / "typos" / "failures.jsonl").is_file()
    code, printed, _ = run(*asked, "--slices", "order")
    assert code == 0
    assert "order: 2 left out: declares one tool" in printed
    code, _, errors = run(*asked, "--samples", "3")
    assert code == 2 and "give a --temperature" in errors
    code, _, errors = run(*asked, "--slices", "ordr")
    assert code == 2 and "did you mean 'order'" in errors


def test_adapters_load_in_plain_peft(run: Cli, tmp_path: Path, tiny_model: str) -> None:
    from peft import AutoPeftModelForCausalLM

    recipe = {"output": "out", "model": tiny_model, "dialect": "hermes", "data": {"train": "rows.jsonl"}}
    (tmp_path / "r.yaml").write_text(json.dumps(recipe | {"train": {"steps": 1, "batch_size": 2}}))
    assert result(run, "train", "r.yaml")["adapter"] == "out/adapter"
    model = AutoPeftModelForCausalLM.from_pretrained("out/adapter")
    assert model.peft_config["default"].r == 16
