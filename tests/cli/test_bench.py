"""`callwright eval --bench`: options that contradict each other, and what it prints and leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callwright.data.sources import bfcl_installed
from command_line import Cli


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give --data with held-out rows, or --bench bfcl"),
        (("--data", "rows.jsonl", "--bench", "bfcl"), "give --data with held-out rows, or --bench bfcl"),
        (("--data", "rows.jsonl", "--base"), "--base and --train-tools go with --bench"),
        (("--bench", "bfcl", "--base"), "there is no --adapter"),
        (("--bench", "bfcl", "--slices", "all"), "--slices go with --data"),
        (("--bench", "bfcl", "--temperature", "0.5"), "--slices go with --data"),
        (("--bench", "bfcl", "--tools", "tools.py"), "--slices go with --data"),
        (("--bench", "bfcl", "--rendered", "smollm2-135m"), "there is none"),
        (("--bench", "bfcl", "--engine", "torch", "--endpoint", "http://127.0.0.1:1"), "a server does"),
        (("--bench", "gorilla"), "give bfcl, or bfcl:CATEGORY,CATEGORY"),
    ],
)
def test_what_cannot_go_together_is_said(words: tuple[str, ...], why: str, callwright: Cli) -> None:
    code, _, errors = callwright("eval", "smollm2-135m", *words)
    assert code == 2
    assert why in " ".join(errors.split())


@pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")
def test_a_bench_of_a_tiny_model(callwright: Cli, tiny_model: str, tmp_path: Path) -> None:
    words = ("eval", tiny_model, "--dialect", "hermes", "--rows", "2", "--max-new-tokens", "4", "--output", "out")
    bench = ("--bench", "bfcl:irrelevance,simple_python")
    code, printed, errors = callwright(*words, *bench, "--json")
    assert code == 0, errors
    made = json.loads(printed)["runs"]["base"]
    assert {key: one["n"] for key, one in made["categories"].items()} == {"simple_python": 2, "irrelevance": 2}
    assert made["categories"]["irrelevance"]["of"] == 240
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == {"runs": {"base": made}}
    before = (tmp_path / "out" / "base" / "results.jsonl").read_bytes()
    code, printed, _ = callwright(*words, *bench)
    assert (code, "irrelevance" in printed, "web search" in printed) == (0, True, True)
    assert (tmp_path / "out" / "base" / "results.jsonl").read_bytes() == before
    code, _, errors = callwright(*words, *bench, "--mode", "forced")
    assert code == 2
    assert "other settings (mode)" in " ".join(errors.split())
