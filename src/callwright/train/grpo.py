"""Group relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) by TRL's trainer, over trees of tokens.

TRL does the algorithm: groups, advantages, clipping, the steps. What is done here is what it costs: replies come from
whoever plays (an engine that computes a tool block once), and log-probabilities from `Scorer`, where all replies of all
prompts share what they begin with, instead of from padded rows.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from callwright.errors import RunError
from callwright.train.batch import MicroBatch, flatten
from callwright.train.guards import Stop, check_folder
from callwright.train.logprobs import Scorer
from callwright.train.loop import Run, Settings, make_ready, singles
from callwright.train.processes import process_count
from callwright.train.progress import Progress, cut_log, log
from callwright.types import Rendered

_OPTIMIZERS = {
    "adamw": "adamw_torch",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "adafactor": "adafactor",
    "sgd": "sgd",
}


@dataclass(frozen=True)
class Rollout:
    """A reply of the model in training, in tokens (with the stop), and its rewards: None where one does not apply."""

    prompt: Sequence[int]
    written: Sequence[int]
    rewards: Mapping[str, float | None]


Play = Callable[[Sequence[int], int], list[Rollout]]
"""Numbers of rows, one for each reply that is wanted, and a seed -> the replies."""


@dataclass(frozen=True)
class Grpo:
    """rewards: names and weights. The batch of `Settings` is in replies, `generations` of them to each prompt.

    passes: into how many equal ones a step's replies are cut. epsilon: where the ratio is clipped.
    """

    prompts: int
    generations: int
    temperature: float
    max_new_tokens: int
    rewards: Mapping[str, float] = field(default_factory=dict)
    epsilon: float = 0.2
    passes: int = 1


def reinforce(  # what a run has, each from another step
    model: Any, tokenizer: Any, play: Play, settings: Settings, grpo: Grpo, run: Run
) -> None:
    """Trains in place on `grpo.prompts` prompts, and logs as `train` does, with every reward's mean.

    Raises RunError without TRL, with several processes, and where the process was asked to stop; the last checkpoint
    then stands.
    """
    if process_count() > 1:
        raise RunError("rewards train in one process; start the run without torchrun or accelerate launch")
    try:
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import GRPOConfig
    except ImportError as error:
        raise RunError("rewards train with TRL's trainer: pip install 'callwright[rl]'") from error
    checkpoints = run.folder / "checkpoints"
    last = any(checkpoints.glob("checkpoint-*"))
    check_folder(run.folder, started=last, resume=run.resume)
    make_ready(model, settings.checkpointing)
    config = GRPOConfig(
        output_dir=str(checkpoints),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.plan.batch_size // grpo.passes,
        gradient_accumulation_steps=grpo.passes,
        num_generations=grpo.generations,
        max_completion_length=grpo.max_new_tokens,
        temperature=grpo.temperature,
        beta=0.0,  # a reference would be one more adapter, which a run's result then holds too
        epsilon=grpo.epsilon,
        reward_weights=list(grpo.rewards.values()),
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=round(settings.steps * settings.warmup_ratio),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=_OPTIMIZERS[settings.optimizer],
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        gradient_checkpointing=False,  # as `make_ready` has it
        save_steps=settings.save_every or settings.steps,
        save_total_limit=2,
        logging_steps=1,
        report_to=list(run.trackers) or "none",
        disable_tqdm=True,
        seed=settings.plan.seed,
        use_cpu=not torch.cuda.is_available(),
    )
    run.folder.mkdir(parents=True, exist_ok=True)
    with Stop() as stop, warnings.catch_warnings():
        # that rollout_func may change; the version is pinned below the next major one
        warnings.filterwarnings("ignore", message=".*rollout_func")
        trainer = _trainer()(
            model=model,
            processing_class=tokenizer,
            args=config,
            train_dataset=Dataset.from_list([{"prompt": str(number)} for number in range(grpo.prompts)]),
            reward_funcs=[_paid(name) for name in grpo.rewards],
            rollout_func=_rollouts(play, settings.plan.seed),
        )
        trainer.scorer = Scorer(model, grpo.temperature)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_watcher(run, stop, list(grpo.rewards), settings.plan.batch_size))
        cut_log(run.folder / "metrics.jsonl", _step_of(checkpoints) if last else 0)
        trainer.train(resume_from_checkpoint=last)
        if stop.asked and trainer.state.global_step < settings.steps:
            raise stop.error(trainer.state.global_step)


def _trainer() -> Any:
    """TRL's trainer with log-probabilities from trees."""
    from trl import GRPOTrainer

    class TreeTrainer(GRPOTrainer):  # type: ignore[misc]
        scorer: Scorer

        def _get_per_token_logps_and_entropies(
            self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, *_: Any, **__: Any
        ) -> tuple[Tensor, Tensor, None]:
            batch = tree_of(input_ids, attention_mask, logits_to_keep).to(input_ids.device)
            with self.accelerator.autocast():
                found, _hits = self.scorer(batch)
            logps = in_columns(found, batch, logits_to_keep)
            # of a reply that was drawn, -log p is a fair estimate of the entropy, and costs nothing
            return logps, -logps.detach(), None

    return TreeTrainer


def tree_of(input_ids: Tensor, attention_mask: Tensor, replies: int) -> MicroBatch:
    """Padded rows [B, T], the last `replies` columns what was written -> one flat batch that asks for these."""
    rows = []
    for number, (ids, mask) in enumerate(zip(input_ids, attention_mask, strict=True)):
        there = mask.bool()
        prompt = int(there[:-replies].sum())
        written = int(there[-replies:].sum())
        rows.append(Rendered(ids[there].tolist(), [0.0] * prompt + [1.0] * written, prompt, str(number)))
    return flatten(singles(rows))


def in_columns(found: Tensor, batch: MicroBatch, columns: int) -> Tensor:
    """[N] by place, those of a row side by side -> [B, columns], 0 behind a row's end."""
    first = torch.ones_like(batch.owners)
    first[1:] = (batch.owners[1:] != batch.owners[:-1]).long()
    starts = torch.nonzero(first).squeeze(1)
    column = torch.arange(len(found), device=found.device) - starts[first.cumsum(0) - 1]
    return found.new_zeros(batch.rows, columns).index_put((batch.owners, column), found)


def _rollouts(play: Play, seed: int) -> Callable[[list[str], Any], dict[str, Any]]:
    def rollouts(prompts: list[str], trainer: Any) -> dict[str, Any]:
        training = trainer.model.training
        trainer.model.eval()
        made = play([int(prompt) for prompt in prompts], seed * 1_000_003 + trainer.state.global_step)
        trainer.model.train(training)
        return {
            "prompt_ids": [list(one.prompt) for one in made],
            "completion_ids": [list(one.written) for one in made],
            "logprobs": None,
            "paid": [dict(one.rewards) for one in made],
        }

    return rollouts


def _paid(name: str) -> Callable[..., list[float | None]]:
    def reward(paid: Sequence[Mapping[str, float | None]], **_: Any) -> list[float | None]:
        return [one[name] for one in paid]

    reward.__name__ = name
    return reward


def _watcher(run: Run, stop: Stop, rewards: Sequence[str], replies: int) -> Any:
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        """Logs each step as the loop does, and ends the run where it was asked to."""

        def __init__(self) -> None:
            self._begun = self._last = time.perf_counter()
            self._tokens = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop.asked:
                control.should_save = control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: Any) -> None:
            if "reward" not in logs:
                return
            now, tokens = time.perf_counter(), logs.get("num_tokens", 0.0)
            counts = {"reward": logs["reward"], "reply_tokens": logs["completions/mean_length"]}
            counts |= {f"reward_{name}": logs[f"rewards/{name}/mean"] for name in rewards}
            # a reward that no row of the step could earn
            counts = {name: value for name, value in counts.items() if value is not None and not math.isnan(value)}
            progress = Progress(
                step=state.global_step,
                steps=state.max_steps,
                loss=logs["loss"],
                learning_rate=logs["learning_rate"],
                tokens=int(tokens - self._tokens),
                rows=replies,
                seconds=now - self._last,
                elapsed=now - self._begun,
                counts=counts,
            )
            self._last, self._tokens = now, tokens
            log(run.folder / "metrics.jsonl", progress)
            run.watch(progress)

    return Watcher()


def _step_of(checkpoints: Path) -> int:
    """The step of the last checkpoint."""
    states = [json.loads(file.read_text(encoding="utf-8")) for file in checkpoints.glob("*/trainer_state.json")]
    return max((int(state["global_step"]) for state in states), default=0)
