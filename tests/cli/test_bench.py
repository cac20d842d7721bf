"""`callwright eval --bench`: options that contradict each other, what it prints and leaves behind, and whom it asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callwright.data.sources import bfcl_installed
from callwright.score.bfcl import entries
from command_line import Cli
from serve.serving import TWO, running, served

needs_bfcl = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")
BENCH = ("--bench", "bfcl:irrelevance,simple_python")
SHORT = ("--dialect", "hermes", "--max-new-tokens", "4")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give --data with held-out rows, or --bench bfcl, or"),
        (("--data", "rows.jsonl", "--bench", "bfcl"), "give --data with held-out rows, or --bench bfcl, or"),
        (("--data", "rows.jsonl", "--base"), "--base and --train-tools go with --bench"),
        (("--bench", "bfcl", "--base"), "there is no --adapter"),
        (("--bench", "bfcl", "--base", "--adapter", "a", "--endpoint", "http://127.0.0.1:1"), "ask twice"),
        (("--bench", "bfcl", "--slices", "all"), "--latency go with --data"),
        (("--bench", "bfcl", "--temperature", "0.5"), "--latency go with --data"),
        (("--bench", "bfcl", "--tools", "tools.py"), "--latency go with --data"),
        (("--bench", "bfcl", "--rendered", "smollm2-135m"), "there is none"),
        (("--bench", "bfcl", "--engine", "torch", "--endpoint", "http://127.0.0.1:1"), "a server does"),
        (("--bench", "bfcl", "--engine", "tourch"), "torch"),
        (("--bench", "gorilla"), "give bfcl, or bfcl:CATEGORY,CATEGORY"),
    ],
)
def test_what_cannot_go_together_is_said(words: tuple[str, ...], why: str, callwright: Cli) -> None:
    code, _, errors = callwright("eval", "smollm2-135m", *words)
    assert code == 2
    assert why in " ".join(errors.split())


@needs_bfcl
def test_a_bench_of_a_tiny_model(callwright: Cli, tiny_model: str, tmp_path: Path) -> None:
    words = ("eval", tiny_model, *SHORT, "--rows", "2", "--output", "out", *BENCH)
    code, printed, errors = callwright(*words, "--json")
    assert code == 0, errors
    made = json.loads(printed)["runs"]["base"]
    assert {key: one["n"] for key, one in made["categories"].items()} == {"simple_python": 2, "irrelevance": 2}
    assert made["categories"]["irrelevance"]["of"] == 240
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == {"runs": {"base": made}}
    before = (tmp_path / "out" / "base" / "results.jsonl").read_bytes()
    code, printed, _ = callwright(*words)
    assert (code, "irrelevance" in printed, "web search" in printed) == (0, True, True)
    assert (tmp_path / "out" / "base" / "results.jsonl").read_bytes() == before
    code, _, errors = callwright(*words, "--mode", "forced")
    assert code == 2
    assert "other settings (mode)" in " ".join(errors.split())


@needs_bfcl
def test_by_the_engine_that_serves_as_by_torch_alone(callwright: Cli, tiny_model: str, tmp_path: Path) -> None:
    for name, more in (("alone", ()), ("served", ("--engine", "torch"))):
        code, _, errors = callwright("eval", tiny_model, *SHORT, "--rows", "3", "--output", name, *BENCH, *more)
        assert code == 0, errors
    (first, *alone), (other, *also) = (
        (tmp_path / name / "base" / "results.jsonl").read_text().splitlines() for name in ("alone", "served")
    )
    assert alone == also
    assert (json.loads(first)["settings"]["engine"], json.loads(other)["settings"]["engine"]) == ("torch", "TorchSteps")


@needs_bfcl
@pytest.mark.parametrize("rendered", [(), ("--rendered", "smollm2-135m", "--dialect", "hermes")])
def test_a_server_is_asked_both_ways(
    rendered: tuple[str, ...], address: str, callwright: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = ("eval", "org/model", "--endpoint", address, *rendered, "--rows", "2", "--output", "out", "--json")
    code, printed, errors = callwright(*words, *BENCH)
    assert code == 0, errors
    found = json.loads(printed)["runs"]["org/model"]["categories"]
    assert found["simple_python"]["unread"] == 0
    # it calls get_weather, whatever is offered: where nothing is due, that is wrong by both
    assert (found["irrelevance"]["theirs"], found["irrelevance"]["strict"]) == (0, 0)
    lines = (tmp_path / "out" / "org-model" / "results.jsonl").read_text().splitlines()
    called = [call["name"] for call in json.loads(lines[1])["calls"]]
    # a server that writes the prompts itself also holds the calls to what is offered
    assert (called == ["get_weather", "set_alarm"]) == bool(rendered)
    assert called


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server whose model, named by a path, writes the same two calls whatever is asked."""
    with running([served([TWO], "org/model")]) as found:
        yield f"{found}/v1"


@needs_bfcl
def test_rows_that_share_tools_are_also_left_out(callwright: Cli, tiny_model: str, tmp_path: Path) -> None:
    offered = entries("simple_javascript")[0].asked["function"][0]
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    tool = {"name": offered["name"], "description": "", "parameters": {"type": "object", "properties": {}}}
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": said, "tools": [tool]}) + "\n")
    words = ("eval", tiny_model, *SHORT, "--max-new-tokens", "1", "--train-tools", "rows.jsonl", "--output", "out")
    code, printed, errors = callwright(*words, "--bench", "bfcl:simple_javascript", "--json")
    assert code == 0, errors
    made = json.loads(printed)
    whole, kept = (one["base"]["categories"]["simple_javascript"] for one in (made["runs"], made["without_shared"]))
    assert whole["n"] - kept["n"] == len(made["shared"]) > 0
    assert set(made["shared"].values()) == {offered["name"]}
    assert "without the" in callwright(*words, "--bench", "bfcl:simple_javascript")[1]


def evaluation(model: str, output: Path) -> subprocess.Popen[bytes]:
    """Started as a user does, in a process of its own."""
    words = ("eval", model, *SHORT, "--rows", "4", *BENCH, "--output", str(output))
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "callwright", *words],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@needs_bfcl
def test_killed_and_called_again_it_leaves_the_same_bytes(tiny_model: str, tmp_path: Path) -> None:
    killed = tmp_path / "killed" / "base" / "results.jsonl"
    with evaluation(tiny_model, tmp_path / "killed") as process:
        while process.poll() is None and not (killed.is_file() and killed.read_bytes().count(b"\n") > 4):
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert 4 < killed.read_bytes().count(b"\n") < 1 + 2 * 4
    assert not (tmp_path / "killed" / "report.json").exists()
    for name in ("killed", "whole"):
        with evaluation(tiny_model, tmp_path / name) as process:
            _, errors = process.communicate()
            assert process.returncode == 0, errors.decode()
    for file in ("base/results.jsonl", "report.json"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
