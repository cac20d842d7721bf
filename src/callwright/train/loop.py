"""Model + Rendered rows + Settings -> a trained model, with a log line a step and checkpoints that resume exactly."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from callwright.errors import RunError
from callwright.models import attention
from callwright.train import checkpoint
from callwright.train.batch import MicroBatch, Plan, micro_batches, prefix_keys, step_rows
from callwright.train.checkpoint import State
from callwright.train.objectives import sft
from callwright.types import JsonObject, Rendered

Objective = Callable[[nn.Module, MicroBatch], sft.Loss]


@dataclass(frozen=True)
class Settings:
    """The loop's own settings; everything about the model is decided before. Times in seconds, lengths in tokens.

    precision: 'bf16', 'fp16' or 'float32', for autocast. save_every 0 keeps only the last checkpoint.
    """

    plan: Plan
    steps: int
    learning_rate: float
    schedule: str = "cosine"
    warmup_ratio: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    precision: str = "bf16"
    save_every: int = 50


@dataclass(frozen=True)
class Progress:
    """What a step tells whoever watches: loss per unit of weight, share of supervised tokens guessed right."""

    step: int
    steps: int
    loss: float
    token_accuracy: float
    learning_rate: float
    tokens: int
    rows: int
    seconds: float
    elapsed: float

    @property
    def seconds_left(self) -> float:
        return self.elapsed / self.step * (self.steps - self.step)


@dataclass(frozen=True)
class Run:
    """Where a run writes, whether it may continue what stands there, and who watches."""

    folder: Path
    resume: bool = False
    watch: Callable[[Progress], None] = lambda progress: None
    objective: Objective = sft.loss


def rate_at(step: int, settings: Settings) -> float:
    """The learning rate of step `step` (from 0): linear warm-up, then linear, cosine or constant.

    >>> [round(rate_at(s, Settings(Plan(1, 1, 0), 10, 1.0, "linear", 0.2)), 2) for s in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.12]
    """
    warmup = round(settings.steps * settings.warmup_ratio)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, settings.steps - warmup)
    if settings.schedule == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "linear":
        return settings.learning_rate * (1 - done)
    return settings.learning_rate


def train(model: nn.Module, rows: Sequence[Rendered], settings: Settings, run: Run) -> State:
    """Trains in place and returns where it ended. The adapter is the caller's to save.

    Raises RunError where the folder holds another run and `resume` is not set, or where nothing is supervised.
    """
    if not any(any(row.weights) for row in rows):
        raise RunError("no row has a supervised token: the loss would be on nothing; run 'callwright data lint'")
    checkpoints = run.folder / "checkpoints"
    last = checkpoint.latest(checkpoints)
    if last is not None and not run.resume:
        raise RunError(f"{run.folder}: holds another run's checkpoints; pass --resume to go on, or use a new folder")
    attention.install()
    _use_tree_attention(model)
    mixed = {"bf16": "bf16", "fp16": "fp16"}.get(settings.precision, "no")
    # accelerate holds one precision for the whole process; a second run, in a notebook or a test, has its own
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=mixed, cpu=not torch.cuda.is_available())
    optimizer = _optimizer(model, settings)
    state = checkpoint.restore(last, model, optimizer) if last is not None else State(0, 0, 0.0)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    prepared.train()
    machine = _Machine(accelerator, prepared, optimizer, run.objective)
    keys = prefix_keys(rows, settings.plan)
    run.folder.mkdir(parents=True, exist_ok=True)
    log = run.folder / "metrics.jsonl"
    _cut_log(log, state.step)
    while state.step < settings.steps:
        progress = _step(machine, _work(rows, keys, settings, state.step), settings, state)
        state = State(state.step + 1, state.tokens + progress.tokens, state.seconds + progress.seconds)
        if accelerator.is_main_process:
            _log(log, progress)
            due = settings.save_every and state.step % settings.save_every == 0
            if due or state.step == settings.steps:
                checkpoint.save(checkpoints, model, optimizer.optimizer, state)
        run.watch(progress)
    return state


def _work(rows: Sequence[Rendered], keys: Sequence[int], settings: Settings, step: int) -> list[MicroBatch]:
    chosen = step_rows(keys, settings.plan, step)
    return list(micro_batches([rows[i] for i in chosen], [keys[i] for i in chosen], settings.plan))


@dataclass(frozen=True)
class _Machine:
    """What a step works with: the model and optimizer as accelerate wrapped them, and the loss."""

    accelerator: Accelerator
    model: nn.Module
    optimizer: Any
    objective: Objective


def _step(machine: _Machine, work: Sequence[MicroBatch], settings: Settings, state: State) -> Progress:
    """One optimizer step. Gradients are of sum(loss) / sum(weight) over the whole step, however it was cut."""
    accelerator, model, optimizer = machine.accelerator, machine.model, machine.optimizer
    start = time.perf_counter()
    weight = sum(batch.total_weight for batch in work)
    share = list(work[accelerator.process_index :: accelerator.num_processes])
    loss_sum, correct, tokens = 0.0, 0, 0
    for number, batch in enumerate(share):
        batch = batch.to(accelerator.device)
        with accelerator.no_sync(model) if number + 1 < len(share) else nullcontext(), accelerator.autocast():
            got = machine.objective(model, batch)
        # DDP averages gradients over processes; the sum over them is what is wanted
        accelerator.backward(got.total * (accelerator.num_processes / weight))
        loss_sum += float(got.total.detach())
        correct += got.correct
        tokens += len(batch.token_ids)
    if not math.isfinite(loss_sum):
        raise RunError(
            f"step {state.step + 1}: the loss is {loss_sum}; lower the learning rate, or use precision float32"
        )
    rate = rate_at(state.step, settings)
    for group in optimizer.param_groups:
        group["lr"] = rate
    if settings.max_grad_norm:
        accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    seconds = time.perf_counter() - start
    supervised = sum(len(batch.targets) for batch in share)
    return Progress(
        step=state.step + 1,
        steps=settings.steps,
        loss=loss_sum / weight,
        token_accuracy=correct / max(1, supervised),
        learning_rate=rate,
        tokens=tokens,
        rows=sum(batch.rows for batch in work),
        seconds=seconds,
        elapsed=state.seconds + seconds,
    )


def _use_tree_attention(model: nn.Module) -> None:
    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    base.set_attn_implementation(attention.NAME)


def _optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    parameters = list(checkpoint.trained(model).values())
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def _log(path: Path, progress: Progress) -> None:
    row: JsonObject = {
        "step": progress.step,
        "loss": round(progress.loss, 6),
        "token_accuracy": round(progress.token_accuracy, 4),
        "lr": progress.learning_rate,
        "tokens": progress.tokens,
        "rows": progress.rows,
        "tokens_per_s": round(progress.tokens / progress.seconds, 1),
        "elapsed_s": round(progress.elapsed, 2),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _cut_log(path: Path, step: int) -> None:
    """Drops lines after the checkpoint that a resumed run starts from, so that no step stands in the log twice."""
    if path.is_file():
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")


def _lines(path: Path) -> Iterator[str]:
    """The complete lines of a log; a killed run may leave half a line."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield line


def with_steps(settings: Settings, rows: int, epochs: float) -> Settings:
    """The same settings with `steps` for a number of passes over `rows` rows."""
    return replace(settings, steps=max(1, math.ceil(rows * epochs / settings.plan.batch_size)))
