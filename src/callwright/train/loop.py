"""Model + examples + Settings -> a trained model, with a log line a step and checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from callwright.errors import RunError
from callwright.models import attention
from callwright.models.load import inner
from callwright.models.shared_kv import PrefixKV
from callwright.train import checkpoint
from callwright.train.batch import Example, MicroBatch, Plan, Schedule, flatten, passes, trunk_length, trunk_pass
from callwright.train.checkpoint import State
from callwright.train.freed import Freed
from callwright.train.guards import Divergence, Stop, bad_rows, check_folder, out_of_memory
from callwright.train.logprobs import Scorer
from callwright.train.objectives.base import Objective
from callwright.train.objectives.sft import Sft
from callwright.train.optimizers import make_optimizer
from callwright.train.processes import Processes, open_processes
from callwright.train.progress import Progress, append, cut_log, log
from callwright.train.trunk import Trunk


@dataclass(frozen=True)
class Settings:
    """The loop's own settings; everything about the model is decided before. Times in seconds, lengths in tokens.

    precision: 'bf16', 'fp16' or 'float32', for autocast. save_every 0 keeps only the last checkpoint.
    checkpointing: activations are computed again in the backward pass instead of kept. shard: FSDP2 instead of DDP.
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
    optimizer: str = "adamw"
    checkpointing: bool = False
    shard: bool = False


@dataclass(frozen=True)
class Choice:
    """How the best checkpoint is found: `score` (higher is better) of the model every `every` steps, and at the end.

    patience: training ends after so many scores in a row without a better one; 0 never.
    """

    every: int
    score: Callable[[], float]
    patience: int = 0


@dataclass(frozen=True)
class Run:
    """Where a run writes, whether it may continue what stands there, who watches, and how its result is chosen."""

    folder: Path
    resume: bool = False
    watch: Callable[[Progress], None] = lambda progress: None
    scored: Callable[[int, float], None] = lambda step, score: None
    objective: Objective = field(default_factory=Sft)
    choice: Choice | None = None
    trackers: tuple[str, ...] = ()


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


def train(model: nn.Module, examples: Sequence[Example], settings: Settings, run: Run) -> State:
    """Trains in place and returns where it ended. What was trained is the caller's to save.

    Raises RunError where the folder holds another run and `resume` is not set, where nothing is supervised, where the
    loss is no number or has run away, and where the process was asked to stop; the last checkpoint then stands.
    """
    if not any(run.objective.weight(example) for example in examples):
        raise RunError("no row has a supervised token: the loss would be on nothing; run 'callwright data lint'")
    checkpoints = run.folder / "checkpoints"
    last = checkpoint.latest(checkpoints)
    check_folder(run.folder, started=last is not None, resume=run.resume)
    make_ready(model, settings.checkpointing)
    processes = open_processes(settings.precision, settings.shard, run.folder, run.trackers)
    scorer = processes.wrap(Scorer(model))
    optimizer = processes.prepare(make_optimizer(settings.optimizer, model, settings))
    state = checkpoint.restore(last, model, optimizer) if last is not None else State()
    model.train()
    walk = _Walk(processes, scorer, optimizer, settings, run, Schedule(examples, settings.plan), examples)
    run.folder.mkdir(parents=True, exist_ok=True)
    cut_log(run.folder / "metrics.jsonl", state.step)
    with Stop() as stop:
        state = _steps(walk, model, state, stop)
    if run.choice is not None and state.best_step not in (0, state.step):
        checkpoint.restore_trained(run.folder / "best", model)
    processes.end()
    return state


def make_ready(model: nn.Module, checkpointing: bool) -> None:
    """Attention over trees, and where it is wanted activations that are computed again."""
    attention.install()
    base = inner(model)
    base.set_attn_implementation(attention.NAME)
    if checkpointing:
        base.activation_checkpointing_enable({"use_reentrant": False})


@dataclass
class _Walk:
    """What steps work with. `plan` may get smaller passes than the settings' where memory does not hold them."""

    processes: Processes
    scorer: nn.Module
    optimizer: Any
    settings: Settings
    run: Run
    schedule: Schedule
    examples: Sequence[Example]

    def __post_init__(self) -> None:
        self.plan = self.settings.plan
        self.freed = Freed()


def _steps(walk: _Walk, model: nn.Module, state: State, stop: Stop) -> State:
    """All steps from `state` on, with their logs, checkpoints and scores."""
    settings, run, processes = walk.settings, walk.run, walk.processes
    checkpoints = run.folder / "checkpoints"
    divergence = Divergence()
    saved = state.step

    def save() -> None:
        nonlocal saved
        if saved != state.step:
            checkpoint.save(checkpoints, model, walk.optimizer, state, processes)
            saved = state.step

    while state.step < settings.steps:
        progress = _step(walk, model, state)
        state = replace(
            state, step=state.step + 1, tokens=state.tokens + progress.tokens, seconds=state.seconds + progress.seconds
        )
        divergence.check(progress.step, progress.loss, checkpoints)
        if processes.first:
            log(run.folder / "metrics.jsonl", progress)
        processes.track(progress.step, {"loss": progress.loss, "lr": progress.learning_rate, **progress.counts})
        ends = state.step == settings.steps
        if run.choice is not None and (ends or state.step % run.choice.every == 0):
            state = _choose(run, run.choice, model, state, processes)
            ends = ends or bool(run.choice.patience and state.worse >= run.choice.patience)
        if ends or (settings.save_every and state.step % settings.save_every == 0):
            save()
        run.watch(progress)
        if ends:
            break
        if processes.any(stop.asked):
            save()
            raise stop.error(state.step)
    return state


def _choose(run: Run, choice: Choice, model: nn.Module, state: State, processes: Processes) -> State:
    """Scores the model as it is now, and keeps it where it is the best so far."""
    training = model.training
    model.eval()
    score = processes.agreed(choice.score())
    model.train(training)
    processes.track(state.step, {"dev_score": score})
    if processes.first:
        append(run.folder / "scores.jsonl", {"step": state.step, "score": round(score, 6)})
    run.scored(state.step, score)
    if state.best_step and score <= state.best_score:
        return replace(state, worse=state.worse + 1)
    checkpoint.save_trained(run.folder / "best", model, processes)
    return replace(state, best_step=state.step, best_score=score, worse=0)


def _step(walk: _Walk, model: nn.Module, state: State) -> Progress:
    """One optimizer step; once more with smaller passes where memory did not hold one, which changes no gradient."""
    chosen = [walk.examples[number] for number in walk.schedule.step(state.step)]
    while True:
        try:
            return _take(walk, model, chosen, state)
        except RuntimeError as error:
            smaller = walk.plan.max_tokens // 2
            longest = max(len(row.token_ids) for example in chosen for row in example)
            if not out_of_memory(error) or walk.processes.count > 1 or walk.plan.max_tokens <= longest:
                if out_of_memory(error):
                    raise RunError(
                        f"step {state.step + 1}: out of memory in a pass of at most {walk.plan.max_tokens} tokens; set "
                        "train.max_tokens lower, or train.gradient_checkpointing: true, or train.max_length lower"
                    ) from error
                raise
        walk.optimizer.zero_grad()
        walk.plan = replace(walk.plan, max_tokens=smaller)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _take(walk: _Walk, model: nn.Module, chosen: Sequence[Example], state: State) -> Progress:
    """Gradients are of sum(loss) / sum(weight) over the whole step, however it was cut and wherever it was computed."""
    processes, settings, objective = walk.processes, walk.settings, walk.run.objective
    start = time.perf_counter()
    weight = sum(map(objective.weight, chosen))
    mine = passes(chosen, walk.plan, processes.count)[processes.rank]
    trunk = _trunk(walk, mine)
    kv = trunk.kv if trunk is not None else None
    sums: dict[str, float] = {"loss": 0.0, "tokens": float(kv.length if kv else 0)}
    over: dict[str, float] = {}
    for number, some in enumerate(mine):
        batch = _batch(some, chosen, walk.plan.share_prefixes, kv).to(processes.device)
        with processes.accumulate(walk.scorer, last=number + 1 == len(mine)):
            got = objective(walk.scorer, batch)  # type: ignore[arg-type]
            # gradients are averaged over processes; the sum over them is what is wanted
            processes.backward(got.total * (processes.count / weight))
        sums["loss"] += float(got.total.detach())
        sums["tokens"] += len(batch.token_ids)
        for name, (value, count) in got.counts.items():
            sums[name] = sums.get(name, 0.0) + float(value)
            over[name] = over.get(name, 0.0) + count
        walk.freed.after_pass()
        if not math.isfinite(sums["loss"]):
            break
    if trunk is not None:
        trunk.backward()
    sums = processes.sum(sums | {f"over {name}": count for name, count in over.items()})
    if not math.isfinite(sums["loss"]):
        raise RunError(_not_a_number(walk, chosen, state, sums["loss"]))
    rate = rate_at(state.step, settings)
    for group in walk.optimizer.param_groups:
        group["lr"] = rate
    norm = processes.clip(model, settings.max_grad_norm)
    if not math.isfinite(norm) and settings.precision != "fp16":
        raise RunError(
            f"step {state.step + 1}: the loss is {sums['loss'] / weight:.4g} and its gradient {norm}; "
            "lower the learning rate, or use precision float32; the last checkpoint stands"
        )
    walk.optimizer.step()
    walk.optimizer.zero_grad()
    seconds = time.perf_counter() - start
    return Progress(
        step=state.step + 1,
        steps=settings.steps,
        loss=sums["loss"] / weight,
        learning_rate=rate,
        tokens=int(sums["tokens"]),
        rows=sum(map(len, chosen)),
        seconds=seconds,
        elapsed=state.seconds + seconds,
        counts={name: sums[name] / max(1.0, sums[f"over {name}"]) for name in over},
    )


def _trunk(walk: _Walk, parts: Sequence[Sequence[Example]]) -> Trunk | None:
    """What a step's passes begin with, computed. Several processes would wait for gradients in the wrong pass."""
    may = walk.run.objective.continues and walk.processes.count == 1 and not walk.settings.checkpointing
    length = trunk_length(parts, walk.plan) if may else 0
    if not length:
        return None
    with walk.processes.autocast():
        return Trunk(walk.scorer, trunk_pass(parts[0][0][0], length).to(walk.processes.device))


def _batch(some: Sequence[Example], chosen: Sequence[Example], share: bool, kv: PrefixKV | None) -> MicroBatch:
    """One pass; a process that has nothing to do computes the step's shortest example, without its loss."""
    if some:
        return replace(flatten(some, share, kv.length if kv else 0), trunk=kv)
    shortest = min(chosen, key=lambda example: sum(len(row.token_ids) for row in example))
    return flatten([shortest], share).silent()


def _not_a_number(walk: _Walk, chosen: Sequence[Example], state: State, loss: float) -> str:
    """Which rows it comes from, each computed alone."""

    def compute(example: Example) -> float:
        batch = flatten([example], walk.plan.share_prefixes).to(walk.processes.device)
        with torch.no_grad(), walk.processes.autocast():
            return float(walk.run.objective(walk.scorer, batch).total)  # type: ignore[arg-type]

    # several processes cannot compute alone
    bad = bad_rows(chosen, compute) if walk.processes.count == 1 else []
    if bad and len(bad) < len(chosen):
        where = f"it comes from {', '.join(bad[:5])}{' and more' if len(bad) > 5 else ''}"
    else:
        where = "it comes from every row: the weights have run away"
    return (
        f"step {state.step + 1}: the loss is {loss}; {where}; lower the learning rate, or use precision float32; "
        "the last checkpoint stands"
    )


def singles(rows: Iterable[Any]) -> list[Example]:
    """Rows as examples of one row each."""
    return [(row,) for row in rows]


def with_steps(settings: Settings, examples: int, epochs: float) -> Settings:
    """The same settings with `steps` for a number of passes over so many examples."""
    return replace(settings, steps=max(1, math.ceil(examples * epochs / settings.plan.batch_size)))
