"""A recipe -> what its training will take: memory, hours and money, from its rows and a short probe."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.data.preferences import read_pairs
from callwright.dialects.views import all_views
from callwright.errors import ModelError, RunError
from callwright.models.bundled import BUNDLED
from callwright.models.estimate import GIB, How, Shape, flops, memory, shape_of
from callwright.models.quiet import quiet
from callwright.models.tokenizer import resolve
from callwright.pipeline.rows import training_rows
from callwright.pipeline.tune import (
    Prepared,
    how_of,
    needs_checkpointing,
    objective_of,
    prepare,
    prepare_pairs,
    settings_of,
    trainable_model,
)
from callwright.pipeline.workshop import Workshop, open_workshop
from callwright.recipe import Recipe
from callwright.train.batch import MicroBatch, Schedule, flattened, passes
from callwright.train.fused import fused
from callwright.train.loop import Run, Settings, train
from callwright.train.progress import Progress

# steps whose passes are counted, and steps that the probe takes before and while its clock runs
_COUNTED = 12
_WARM, _TIMED = 1, 2


@dataclass(frozen=True)
class Estimate:
    """Bytes by what they are for; seconds of training, None without a probe; tokens of a step on average.

    padded_tokens: what a step would compute if each row had its prompt to itself.
    """

    parameters: int
    trained: int
    steps: int
    tokens: float
    padded_tokens: float
    flops: float
    bytes: dict[str, float]
    checkpointing: bool
    seconds: float | None
    probed: bool

    @property
    def total_bytes(self) -> float:
        return sum(self.bytes.values())

    def facts(self, price: float | None = None) -> dict[str, str]:
        """What is printed. price: of an hour of the machine."""
        parts = ", ".join(f"{name} {value / GIB:.2f}" for name, value in self.bytes.items() if value > 0.005 * GIB)
        made = {
            "parameters": f"{self.parameters / 1e6:,.0f} M, {self.trained / 1e6:,.2f} M trained",
            "steps": f"{self.steps:,}",
            "tokens a step": f"{self.tokens:,.0f}; {self.padded_tokens / self.tokens:.1f} times as many unshared",
            "arithmetic": f"{self.flops * self.steps / 1e15:,.3g} PFLOP, {self.flops / 1e12:,.3g} TFLOP a step",
            "memory": f"{self.total_bytes / GIB:.2f} GiB: {parts}",
            "gradient checkpointing": "yes" if self.checkpointing else "no",
        }
        if self.seconds is not None:
            how = f"on this machine, by a probe of {_TIMED} steps" if self.probed else "at the rate that was given"
            made["time"] = f"{self.seconds / 60:,.1f} minutes {how}"
            if price is not None:
                made["cost"] = f"{price * self.seconds / 3600:,.2f} at {price} an hour"
        return made


def estimate(
    recipe: Recipe, *, probe: bool = True, config: Path | None = None, tflops: float | None = None
) -> Estimate:
    """Reads and renders the recipe's rows, counts the passes of its first steps, and times two of them.

    config: a config.json to take the model's shape from, where the model itself is not at hand; tokens are then the
    embedded model's, and nothing is timed. tflops: what a machine sustains, to say the time by instead.
    Raises RunError for rewards.
    """
    if recipe.grpo is not None:
        raise RunError("with 'grpo' what a run takes depends on what the model will write; run a few steps instead")
    # another model's tokens are near enough, and its tokenizer need not be fetched
    workshop = open_workshop(recipe if config is None else recipe.model_copy(update={"model": BUNDLED}))
    prepared = _prepared(recipe, workshop)
    settings = settings_of(recipe, len(prepared.examples), workshop.hardware.precision)
    shape = _shape(recipe.model, config)
    schedule = Schedule(prepared.examples, settings.plan)
    checkpointing = needs_checkpointing(recipe, shape, workshop.hardware, prepared)
    objective = objective_of(recipe)
    steps = []
    for step in range(min(_COUNTED, settings.steps)):
        chosen = [prepared.examples[number] for number in schedule.step(step)]
        parts = passes(chosen, settings.plan)[0]
        steps.append(flattened(parts, settings.plan, trunk=objective.continues and not checkpointing))
    # a trunk's activations are kept while its passes come and go
    largest = max(len(batch.layout.positions) for step in steps for batch in step)
    how = replace(how_of(recipe, workshop.hardware, largest), checkpointing=checkpointing)
    if config is not None:
        how = replace(how, on_cpu=False, kernels=False)  # the machine will be another
    arithmetic = [sum(_flops(shape, batch, how) for batch in step) for step in steps]
    seconds = None
    if tflops is not None:
        seconds = statistics.mean(arithmetic) * settings.steps / (tflops * 1e12)
    elif probe and config is None:
        settings = replace(settings, checkpointing=how.checkpointing)
        seconds = _probed(recipe, workshop, prepared, settings, arithmetic)
    return Estimate(
        parameters=shape.total,
        trained=shape.total if recipe.method == "full" else shape.lora(recipe.lora.r),
        steps=settings.steps,
        tokens=statistics.mean(sum(len(batch.token_ids) for batch in step) for step in steps),
        padded_tokens=statistics.mean(len(row.token_ids) for row in prepared.rows)
        * settings.plan.batch_size
        * len(prepared.examples[0]),
        flops=statistics.mean(arithmetic),
        bytes=memory(shape, how),
        checkpointing=how.checkpointing,
        seconds=seconds,
        probed=tflops is None,
    )


def _prepared(recipe: Recipe, workshop: Workshop) -> Prepared:
    if recipe.dpo is not None:
        return prepare_pairs(list(read_pairs(Path(recipe.dpo.pairs))), workshop, recipe.train.max_length)
    rows = all_views(training_rows(recipe).conversations, workshop.dialect)
    return prepare(list(rows), workshop, recipe.train.max_length, recipe.train.weights)


def _shape(model: str, config: Path | None) -> Shape:
    from transformers import AutoConfig

    source = str(config) if config is not None else resolve(model)
    try:
        with quiet():
            return shape_of(AutoConfig.from_pretrained(source))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{source}: its shape cannot be read: {first}; give a config.json with --config") from error


def _flops(shape: Shape, batch: MicroBatch, how: How) -> float:
    pairs = float((batch.layout.positions[batch.layout.past :] + 1).sum())
    return flops(shape, len(batch.token_ids), pairs, len(batch.targets), how)


def _probed(
    recipe: Recipe, workshop: Workshop, prepared: Prepared, settings: Settings, arithmetic: Sequence[float]
) -> float:
    """Seconds of the whole training: those of a few steps, by the arithmetic in them."""
    model: Any = trainable_model(recipe, workshop)
    seconds: list[float] = []

    def watch(progress: Progress) -> None:
        seconds.append(progress.seconds)

    count = min(_WARM + _TIMED, len(arithmetic))
    few = replace(settings, steps=count, save_every=0)
    with tempfile.TemporaryDirectory() as folder, quiet(), fused(model):
        train(model, prepared.examples, few, Run(Path(folder), watch=watch, objective=objective_of(recipe)))
    # the first step is slower, unless it is the only one
    first = min(_WARM, count - 1)
    rate = sum(seconds[first:]) / sum(arithmetic[first:count])
    return rate * statistics.mean(arithmetic) * settings.steps
