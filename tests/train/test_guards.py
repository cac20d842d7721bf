"""What goes wrong in a run: bad rows are named, memory is made do with, checkpoints outlive everything."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from callwright.errors import RunError
from callwright.models.load import LoraSettings, add_lora
from callwright.train import checkpoint, loop
from callwright.train.batch import MicroBatch
from callwright.train.guards import Divergence
from callwright.train.loop import Choice, Run, train
from callwright.train.objectives.base import Loss
from callwright.train.objectives.sft import Sft
from callwright.train.progress import Progress
from small_run import ROWS, SETTINGS
from tiny import tiny


def lora() -> Any:
    return add_lora(tiny("llama"), LoraSettings(r=4), 1)


class Poisoned(Sft):
    """A loss that is no number wherever one row is inside."""

    def __call__(self, scorer: Any, batch: MicroBatch) -> Loss:
        made = super().__call__(scorer, batch)
        return replace(made, total=made.total * (math.nan if "r7" in batch.names else 1.0))


def test_the_row_that_spoils_a_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"step \d: the loss is nan; it comes from r7; lower"):
        train(lora(), ROWS, replace(SETTINGS, save_every=1), Run(tmp_path, objective=Poisoned()))


def test_a_loss_that_runs_away_ends_the_run() -> None:
    watch = Divergence()
    for step in range(1, 30):
        watch.check(step, 1.0, Path("c"))
    with pytest.raises(RunError, match=r"has run away: .* at step 1\d; lower train.learning_rate"):
        for step in range(30, 45):
            watch.check(step, 8.0, Path("c"))


def test_full_memory_is_met_with_smaller_passes_and_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lora()
    train(whole, ROWS, SETTINGS, Run(tmp_path / "whole"))
    flatten, sizes = loop.flatten, []

    def small_memory(examples: Any, share: bool = True, trunk: int = 0) -> MicroBatch:
        batch = flatten(examples, share, trunk)
        if len(batch.token_ids) > 60:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: ")
        sizes.append(len(batch.token_ids))
        return batch

    monkeypatch.setattr(loop, "flatten", small_memory)
    cut = lora()
    train(cut, ROWS, SETTINGS, Run(tmp_path / "cut"))
    assert max(sizes) <= 60
    for name, parameter in checkpoint.trained(whole).items():
        assert torch.allclose(parameter, checkpoint.trained(cut)[name], atol=2e-4), name
    with pytest.raises(RunError, match=r"out of memory in a pass of at most \d+ tokens; set train.max_tokens lower"):
        monkeypatch.setattr(loop, "flatten", _never)
        train(lora(), ROWS, SETTINGS, Run(tmp_path / "never"))


def _never(*given: Any) -> MicroBatch:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_saves_first(tmp_path: Path, number: int) -> None:
    def ask(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(RunError, match=r"stopped by signal SIG\w+ after step [34], with a checkpoint; --resume"):
        train(lora(), ROWS, SETTINGS, Run(tmp_path, watch=ask))
    found = checkpoint.latest(tmp_path / "checkpoints")
    assert found is not None
    assert found.name in ("step-000003", "step-000004")
    assert train(lora(), ROWS, SETTINGS, Run(tmp_path, resume=True)).step == SETTINGS.steps


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = checkpoint.save_file

    def full(tensors: Any, path: Path) -> None:
        written(tensors, path)
        if "step-000004" in str(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match="No space left on device; make room and go on with --resume from step-000002"):
        train(lora(), ROWS, replace(SETTINGS, save_every=2), Run(tmp_path))
    monkeypatch.setattr(checkpoint, "save_file", written)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-000002"]
    assert train(lora(), ROWS, SETTINGS, Run(tmp_path, resume=True)).step == SETTINGS.steps


def test_two_runs_with_one_seed_are_equal_bit_for_bit(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        model = add_lora(tiny("llama"), LoraSettings(r=4, dropout=0.2), 3)
        train(model, ROWS, SETTINGS, Run(tmp_path / name))
        made.append(checkpoint.trained(model))
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_the_best_checkpoint_is_what_is_left(tmp_path: Path) -> None:
    """Scores rise and fall; the weights of the best score are in the model at the end."""
    model = lora()
    scores, seen = iter([0.1, 0.5, 0.3]), []

    def score() -> float:
        seen.append({name: tensor.detach().clone() for name, tensor in checkpoint.trained(model).items()})
        assert not model.training
        return next(scores)

    told: list[tuple[int, float]] = []
    run = Run(tmp_path, choice=Choice(2, score), scored=lambda step, value: told.append((step, value)))
    state = train(model, ROWS, SETTINGS, run)
    assert told == [(2, 0.1), (4, 0.5), (6, 0.3)]
    assert (state.step, state.best_step, state.best_score) == (6, 4, 0.5)
    assert all(torch.equal(seen[1][name], tensor) for name, tensor in checkpoint.trained(model).items())
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]


def test_training_ends_where_scores_stay_behind(tmp_path: Path) -> None:
    scores = iter([0.4, 0.3, 0.4, 0.9])
    state = train(lora(), ROWS, SETTINGS, Run(tmp_path, choice=Choice(1, lambda: next(scores), patience=2)))
    assert (state.step, state.best_step) == (3, 1)


def test_a_resumed_run_remembers_the_best(tmp_path: Path) -> None:
    first = iter([0.2, 0.9])
    train(lora(), ROWS, replace(SETTINGS, steps=2, save_every=1), Run(tmp_path, choice=Choice(1, lambda: next(first))))
    later = iter([0.1] * 4)
    model: nn.Module = lora()
    run = Run(tmp_path, resume=True, choice=Choice(1, lambda: next(later)))
    state = train(model, ROWS, replace(SETTINGS, save_every=1), run)
    assert (state.best_step, state.best_score) == (2, 0.9)


def test_a_tracker_is_told_of_every_step(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(lora(), ROWS, SETTINGS, Run(tmp_path, trackers=("tensorboard",)))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (tmp_path / "callwright").glob("events.*")
    read = EventAccumulator(str(events))
    read.Reload()
    logged = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [event.value for event in read.Scalars("loss")] == pytest.approx(logged, abs=1e-5)


def test_a_tracker_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"train.trackers: comet_ml cannot be imported; install it with pip"):
        train(lora(), ROWS, SETTINGS, Run(tmp_path, trackers=("comet_ml",)))
