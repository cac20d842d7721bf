"""Killed and resumed, a run ends with the adapter of an uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


def _write(folder: Path, model: str) -> None:
    with (folder / "data.jsonl").open("w") as file:
        for n in range(40):
            call = {"name": "set_timer", "arguments": {"minutes": n}}
            messages = [
                {"role": "user", "content": f"a timer for {n} minutes"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
            ]
            file.write(json.dumps({"id": f"r{n}", "messages": messages, "tools": [TOOL]}) + "\n")
    recipe = {
        "output": "out",
        "model": model,
        "dialect": "hermes",
        "data": {"train": "data.jsonl"},
        # dropout: the random state must be resumed too
        "lora": {"r": 4, "alpha": 8, "dropout": 0.1},
        "train": {"steps": 30, "batch_size": 4, "save_every": 3, "precision": "float32", "threads": 1},
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from callwright.cli import main; main()", *words]


def _steps(log: Path) -> list[int]:
    return [json.loads(line)["step"] for line in log.read_text().splitlines() if line.endswith("}")]


def test_kill_and_resume_is_bit_for_bit(tmp_path: Path, tiny_model: str) -> None:
    _write(tmp_path, tiny_model)
    whole = ["train", "recipe.yaml", "output=whole"]
    subprocess.run(_command(*whole), cwd=tmp_path, check=True, capture_output=True)

    log = tmp_path / "cut" / "metrics.jsonl"
    process = subprocess.Popen(
        _command("train", "recipe.yaml", "output=cut"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (log.is_file() and len(_steps(log)) >= 8):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "adapter").exists()

    refused = subprocess.run(
        _command("train", "recipe.yaml", "output=cut"), cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    subprocess.run(
        _command("train", "recipe.yaml", "output=cut", "--resume"), cwd=tmp_path, check=True, capture_output=True
    )

    adapters = [tmp_path / name / "adapter" / "adapter_model.safetensors" for name in ("whole", "cut")]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()
    assert _steps(log) == list(range(1, 31))
