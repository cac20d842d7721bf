"""Checked rows + a recipe -> an adapter or a model in the run folder, with its log, loss curve and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.data.preferences import Preference
from callwright.dialects.tokenise import render_many
from callwright.dialects.views import turns
from callwright.errors import DataError
from callwright.generate.local import LocalEngine
from callwright.generate.prefix_cache import PrefixCache
from callwright.models import kernels
from callwright.models.call_token import grow
from callwright.models.estimate import GIB, How, Shape, memory, shape_of
from callwright.models.hardware import Hardware
from callwright.models.load import LoraSettings, add_lora, inner, load_model, parameter_counts, unfreeze
from callwright.pipeline.folder import RunFolder, write_folder
from callwright.pipeline.trained import TRAINED, save, with_adapter
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Recipe
from callwright.report.plots import loss_curve, reward_curve
from callwright.train.batch import Example, Plan
from callwright.train.checkpoint import trained, whole
from callwright.train.fused import fused
from callwright.train.grpo import Grpo, Play, reinforce
from callwright.train.loop import Choice, Run, Settings, singles, train, with_steps
from callwright.train.objectives.base import Objective
from callwright.train.objectives.dpo import Dpo
from callwright.train.objectives.sft import Sft
from callwright.train.processes import is_first
from callwright.train.progress import Progress
from callwright.types import Conversation, Rendered


@dataclass(frozen=True)
class Prepared:
    """Examples as tokens. `too_long` names those that `train.max_length` leaves out whole: a call is never cut.

    asked: for rewards, the rows themselves, each ending in the turn that the model is to write.
    """

    examples: tuple[Example, ...]
    too_long: tuple[str, ...]
    asked: tuple[Conversation, ...] = ()

    @property
    def rows(self) -> list[Rendered]:
        """The rows of all examples."""
        return [row for example in self.examples for row in example]

    def facts(self) -> dict[str, str]:
        """What is printed before training: counts in tokens."""
        rows = self.rows
        total = sum(len(row.token_ids) for row in rows)
        prefixes = {tuple(row.token_ids[: row.prefix_len]) for row in rows}
        shared = sum(len(prefix) for prefix in prefixes)
        own = sum(len(row.token_ids) - row.prefix_len for row in rows)
        supervised = sum(1 for row in rows for weight in row.weights if weight)
        return {
            "rows": f"{len(rows):,}" + (f" ({len(self.too_long)} left out, too long)" if self.too_long else ""),
            "tokens": f"{total:,}, of which {supervised:,} carry loss",
            "prefixes": f"{len(prefixes):,} different, {shared:,} tokens; {own:,} tokens are the rows' own",
        }


def prepare(
    rows: Sequence[Conversation], workshop: Workshop, max_length: int, weights: Mapping[str, float] | None = None
) -> Prepared:
    """Conversations -> tokens and weights, by meaning where `weights` says so. Raises DataError: all are too long."""
    rendered = list(render_many(rows, workshop.dialect, workshop.tokenizer, weights=weights))
    kept = tuple(row for row in rendered if len(row.token_ids) <= max_length)
    if not kept:
        shortest = min(len(row.token_ids) for row in rendered)
        raise DataError(
            "train.max_length", f"every row is longer than {max_length} tokens; the shortest has {shortest}"
        )
    return Prepared(tuple(singles(kept)), tuple(row.id for row in rendered if len(row.token_ids) > max_length))


def prepare_pairs(pairs: Sequence[Preference], workshop: Workshop, max_length: int) -> Prepared:
    """Pairs -> tokens; the replies' weights are 1. Raises DataError where all are too long."""
    rows = [row for pair in pairs for row in (pair.chosen, pair.rejected)]
    rendered = list(render_many(rows, workshop.dialect, workshop.tokenizer))
    examples = list(zip(rendered[0::2], rendered[1::2], strict=True))
    kept = tuple(pair for pair in examples if max(len(row.token_ids) for row in pair) <= max_length)
    if not kept:
        raise DataError("train.max_length", f"every pair has a row that is longer than {max_length} tokens")
    long = tuple(pair[0].id for pair in examples if max(len(row.token_ids) for row in pair) > max_length)
    return Prepared(kept, long)


def prepare_asked(rows: Sequence[Conversation], workshop: Workshop, recipe: Recipe) -> Prepared:
    """Conversations -> one row for each turn that is asked of the model. Raises DataError where all are too long."""
    assert recipe.grpo is not None
    asked = [turn for row in rows for turn in turns(row)]
    prepared = prepare(asked, workshop, recipe.train.max_length)
    left_out = set(prepared.too_long)
    return replace(prepared, asked=tuple(row for row in asked if row.id not in left_out))


def settings_of(recipe: Recipe, examples: int, precision: str) -> Settings:
    """The loop's settings for a number of examples; with rewards, each is answered `generations` times."""
    chosen = recipe.train
    examples *= recipe.grpo.generations if recipe.grpo else 1
    plan = Plan(chosen.batch_size, chosen.max_tokens, chosen.seed, share_prefixes=chosen.share_prefixes)
    settings = Settings(
        plan=plan,
        steps=chosen.steps or 1,
        learning_rate=chosen.learning_rate,
        schedule=chosen.schedule,
        warmup_ratio=chosen.warmup_ratio,
        weight_decay=chosen.weight_decay,
        max_grad_norm=chosen.max_grad_norm,
        precision=precision,
        save_every=chosen.save_every,
        optimizer=chosen.optimizer,
        shard=chosen.shard,
    )
    return settings if chosen.steps else with_steps(settings, examples, chosen.epochs)


def objective_of(recipe: Recipe) -> Objective:
    """What the recipe trains for."""
    if recipe.dpo is None:
        return Sft()
    return Dpo(recipe.dpo.beta, recipe.dpo.sft, recipe.dpo.label_smoothing)


def trainable_model(recipe: Recipe, workshop: Workshop) -> Any:
    """The recipe's model, with what it trains switched on."""
    base = load_model(recipe.model, workshop.hardware, recipe.method)
    if recipe.method == "full":
        return unfreeze(base, recipe.train.seed)
    if recipe.adapter is not None:
        base = with_adapter(base, Path(recipe.adapter))
    if workshop.new_token is not None:
        grow(base, workshop.tokenizer, workshop.new_token)
    return add_lora(base, LoraSettings(**recipe.lora.model_dump()), recipe.train.seed, workshop.new_token)


def needs_checkpointing(recipe: Recipe, shape: Shape, hardware: Hardware, prepared: Prepared) -> bool:
    """The recipe's own choice, or whether the largest pass would keep more than half of the memory that the weights
    leave."""
    chosen = recipe.train.gradient_checkpointing
    if chosen != "auto":
        return chosen
    tokens = max(recipe.train.max_tokens, *(len(row.token_ids) for row in prepared.rows))
    taken = memory(shape, how_of(recipe, hardware, tokens))
    return taken["activations"] > (hardware.memory_gib * GIB - taken["weights"]) / 2


def how_of(recipe: Recipe, hardware: Hardware, tokens: int) -> How:
    """What memory goes by, before anything is chosen from it."""
    on_cpu = hardware.device == "cpu"
    return How(
        recipe.method,
        recipe.lora.r,
        tokens,
        recipe.train.optimizer,
        precise=hardware.precision == "float32",
        on_cpu=on_cpu,
        kernels=on_cpu and hardware.precision == "bf16" and not kernels.load(),
    )


@dataclass(frozen=True)
class Watchers:
    """Who is told of steps, and of scores while training."""

    step: Callable[[Progress], None]
    score: Callable[[int, float], None]


def tune(  # noqa: PLR0913  # what a run has, each from another step
    recipe: Recipe,
    prepared: Prepared,
    workshop: Workshop,
    folder: RunFolder,
    watch: Watchers,
    *,
    resume: bool,
    judge: Judge | None = None,
    player: Player | None = None,
) -> tuple[int, int]:
    """Trains and saves the adapter, or with method full the model; (trained, all) parameters.

    judge: scores the model while it trains, for `train.choose`. player: trains by rewards instead. A failed run
    keeps its checkpoints.
    """
    model = trainable_model(recipe, workshop)
    settings = settings_of(recipe, len(prepared.examples), workshop.hardware.precision)
    checkpointing = needs_checkpointing(recipe, shape_of(model.config), workshop.hardware, prepared)
    settings = replace(settings, checkpointing=checkpointing)
    choice = None
    if recipe.train.choose is not None and judge is not None:
        engine = engine_inside(model, workshop, settings.plan.batch_size)
        choice = Choice(recipe.train.choose.every, lambda: judge(engine), recipe.train.choose.patience)
    run = Run(
        folder.path,
        resume=resume,
        watch=watch.step,
        scored=watch.score,
        objective=objective_of(recipe),
        choice=choice,
        trackers=tuple(recipe.train.trackers),
    )
    with fused(model):
        if player is None:
            train(model, prepared.examples, settings, run)
        else:
            play = player.play(engine_inside(model, workshop, settings.plan.batch_size))
            reinforce(model, workshop.tokenizer, play, settings, player.grpo, run)
    # all processes gather what they hold parts of
    weights = None
    if recipe.train.shard:
        weights = whole(model.state_dict() if recipe.method == "full" else trained(model))
    if is_first():
        write_folder(folder.path / TRAINED[recipe.method], lambda work: save(recipe, (model, weights), workshop, work))
        loss_curve(folder.path / "metrics.jsonl", folder.path / "loss.svg")
        if player is not None:
            reward_curve(folder.path / "metrics.jsonl", folder.path / "reward.svg")
    return parameter_counts(model)


Judge = Callable[[LocalEngine], float]
"""Scores a model by real generation; higher is better."""


@dataclass(frozen=True)
class Player:
    """How rewards train: who plays with an engine, and the settings of that."""

    play: Callable[[LocalEngine], Play]
    grpo: Grpo


def engine_inside(model: Any, workshop: Workshop, batch_size: int) -> LocalEngine:
    """What generates with a model while it is in training."""
    # computed prefixes are of the weights as they were
    none = PrefixCache(max_bytes=0)
    return LocalEngine(inner(model), workshop.tokenizer, workshop.dialect.stops, batch_size, cache=none)
