"""Two processes under torchrun (gloo, on the CPU) do what one does: DDP and FSDP2; checkpoints; one that dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from callwright.models.load import LoraSettings, add_lora, unfreeze
from callwright.train.batch import Plan
from callwright.train.loop import Run, Settings, train
from callwright.train.processes import part
from callwright.train.progress import Progress
from small_run import ROWS, SETTINGS
from tiny import tiny

SETTINGS = replace(SETTINGS, plan=Plan(4, 60, 0), learning_rate=0.005, save_every=3, steps=20)
KINDS = {"ddp": (False, False), "fsdp2": (True, False), "fsdp2-full": (True, True)}


def run(kind: str, folder: Path, settings: Settings = SETTINGS, resume: bool = False, die: int = 0) -> None:
    """One training, by as many processes as run this."""
    shard, full = KINDS[kind]
    model = unfreeze(tiny("llama"), 1) if full else add_lora(tiny("llama"), LoraSettings(r=4), 1)

    def watch(progress: Progress) -> None:
        if progress.step == die and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)

    train(model, ROWS, replace(settings, shard=shard), Run(folder, resume=resume, watch=watch))


def launch(*words: str, folder: Path | None = None) -> tuple[int, str]:
    """A program, by two processes -> its exit status and what they said."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    command += ["--rdzv-endpoint", "localhost:0", *words]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}:{root / 'tests'}", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    status, out = launch(__file__, str(folder), *KINDS)
    assert status == 0, out[-3000:]
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_lose_what_one_does(tmp_path: Path, together: Path, kind: str) -> None:
    """20 steps with the same rows a step, within 1e-4; then two steps more by one process, from what both saved."""
    run(kind, tmp_path)
    two = losses(together / kind)
    assert len(two) == 20
    assert two == pytest.approx(losses(tmp_path), abs=1e-4)
    assert (together / kind / "checkpoints" / "step-000020" / "shards").is_dir() == kind.startswith("fsdp2")
    for folder in (tmp_path, together / kind):
        run(kind, folder, replace(SETTINGS, steps=22), resume=True)
    assert losses(together / kind) == pytest.approx(losses(tmp_path), abs=1e-4)
    assert len(losses(tmp_path)) == 22


def test_one_process_that_dies_ends_the_run_which_goes_on_alone(tmp_path: Path) -> None:
    status, out = launch(__file__, str(tmp_path), "ddp", "--die")
    assert status != 0
    assert "SIGKILL" in out
    assert (tmp_path / "ddp" / "checkpoints" / "step-000006").is_dir()
    run("ddp", tmp_path / "whole")
    run("ddp", tmp_path / "ddp", resume=True)
    assert losses(tmp_path / "ddp") == pytest.approx(losses(tmp_path / "whole"), abs=1e-4)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_recipe_by_two_processes(tmp_path: Path, tiny_model: str, method: str) -> None:
    """`torchrun -m callwright train`, sharded: what is saved is whole, and loads as one process's does."""
    tool = {"name": "ring", "description": "Ring.", "parameters": {"type": "object", "properties": {}}}
    with (tmp_path / "rows.jsonl").open("w") as file:
        for number in range(8):
            answer = {"role": "assistant", "content": "", "tool_calls": [{"name": "ring", "arguments": {}}]}
            messages = [{"role": "user", "content": f"ring {number}"}, answer]
            file.write(json.dumps({"id": f"r{number}", "messages": messages, "tools": [tool]}) + "\n")
    training = {"steps": 3, "batch_size": 4, "precision": "float32", "threads": 1, "shard": True, "learning_rate": 0.01}
    asked = {
        "output": "two",
        "model": tiny_model,
        "dialect": "hermes",
        "method": method,
        "data": {"train": "rows.jsonl"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps({**asked, "train": training}))
    status, out = launch("-m", "callwright", "train", "recipe.yaml", folder=tmp_path)
    assert status == 0, out[-3000:]
    assert out.count("trained: two") == 1
    one = [sys.executable, "-m", "callwright", "train", "recipe.yaml", "output=one"]
    subprocess.run(one, cwd=tmp_path, check=True, capture_output=True)
    name = {"lora": "adapter/adapter_model.safetensors", "full": "model/model.safetensors"}[method]
    two, alone = load_file(tmp_path / "two" / name), load_file(tmp_path / "one" / name)
    assert two.keys() == alone.keys()
    for key, tensor in alone.items():
        assert torch.allclose(two[key].float(), tensor.float(), atol=2e-4), key


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    for kind in words[1:]:
        if kind in KINDS:
            options: dict[str, Any] = {"die": 7} if "--die" in words else {}
            run(kind, Path(words[0]) / kind, **options)
    part()
    # one that ends in the group can be aborted
    assert not torch.distributed.is_initialized()


if __name__ == "__main__":
    main(sys.argv[1:])
