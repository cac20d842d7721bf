"""Checked rows + a recipe -> an adapter in the run folder, with its log, loss curve and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect
from callwright.dialects.tokenise import render_many
from callwright.errors import DataError
from callwright.models.call_token import add_call_token, grow
from callwright.models.hardware import Hardware, detect
from callwright.models.load import LoraSettings, add_lora, load_model, parameter_counts
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.folder import RunFolder, write_folder, write_json
from callwright.recipe import Recipe
from callwright.report.plots import loss_curve
from callwright.train.batch import Plan
from callwright.train.loop import Progress, Run, Settings, train, with_steps
from callwright.train.lora import fused_lora
from callwright.types import Conversation, JsonObject, Rendered

_NOTES = "callwright.json"


@dataclass(frozen=True)
class Prepared:
    """Rows as tokens. `too_long` names the rows that `train.max_length` leaves out whole: a call is never cut."""

    rows: tuple[Rendered, ...]
    too_long: tuple[str, ...]

    def facts(self) -> dict[str, str]:
        """What is printed before training: counts in tokens."""
        total = sum(len(row.token_ids) for row in self.rows)
        prefixes = {tuple(row.token_ids[: row.prefix_len]) for row in self.rows}
        shared = sum(len(prefix) for prefix in prefixes)
        own = sum(len(row.token_ids) - row.prefix_len for row in self.rows)
        supervised = sum(1 for row in self.rows for weight in row.weights if weight)
        return {
            "rows": f"{len(self.rows):,}" + (f" ({len(self.too_long)} left out, too long)" if self.too_long else ""),
            "tokens": f"{total:,}, of which {supervised:,} carry loss",
            "prefixes": f"{len(prefixes):,} different, {shared:,} tokens; {own:,} tokens are the rows' own",
        }


@dataclass(frozen=True)
class Workshop:
    """What a recipe's model needs around it."""

    hardware: Hardware
    tokenizer: Any
    dialect: Dialect
    new_token: int | None = None


def open_workshop(recipe: Recipe) -> Workshop:
    """Loads the tokenizer, chooses the dialect and looks at the machine. Raises ModelError."""
    tokenizer = load_tokenizer(recipe.model)
    hardware = detect(recipe.train.precision, recipe.train.threads)
    dialect = dialect_for(recipe.dialect, tokenizer)
    added = add_call_token(tokenizer, recipe.call_token, dialect.family) if recipe.call_token else None
    return Workshop(hardware, tokenizer, dialect, added)


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
    return Prepared(kept, tuple(row.id for row in rendered if len(row.token_ids) > max_length))


def settings_of(recipe: Recipe, rows: int, precision: str) -> Settings:
    """The loop's settings for a number of rows."""
    chosen = recipe.train
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
    )
    return settings if chosen.steps else with_steps(settings, rows, chosen.epochs)


def tune(
    recipe: Recipe,
    prepared: Prepared,
    workshop: Workshop,
    folder: RunFolder,
    watch: Callable[[Progress], None],
    *,
    resume: bool,
) -> tuple[int, int]:
    """Trains and saves the adapter; (trained, all) parameters. A failed run keeps its checkpoints."""
    lora = LoraSettings(**recipe.lora.model_dump())
    base = load_model(recipe.model, workshop.hardware)
    if workshop.new_token is not None:
        grow(base, workshop.tokenizer, workshop.new_token)
    model = add_lora(base, lora, recipe.train.seed, workshop.new_token)
    settings = settings_of(recipe, len(prepared.rows), workshop.hardware.precision)
    with fused_lora(model):
        train(model, prepared.rows, settings, Run(folder.path, resume=resume, watch=watch))
    write_folder(folder.path / "adapter", lambda work: _save(model, workshop, work))
    loss_curve(folder.path / "metrics.jsonl", folder.path / "loss.svg")
    return parameter_counts(model)


def _save(model: Any, workshop: Workshop, folder: Path) -> None:
    """What PEFT and transformers load, and beside it the dialect, without which the adapter is asked in other words."""
    # whole embeddings are never trained, only a row of them, which PEFT keeps by itself
    model.save_pretrained(str(folder), save_embedding_layers=False)
    workshop.tokenizer.save_pretrained(str(folder))
    notes: JsonObject = {"dialect": workshop.dialect.name}
    if workshop.new_token is not None:
        notes["call_token"] = workshop.tokenizer.convert_ids_to_tokens(workshop.new_token)
    write_json(folder / _NOTES, notes)


def trained_call_token(adapter: Path | None) -> str | None:
    """The token that an adapter brought with it."""
    if adapter is None or not (adapter / _NOTES).is_file():
        return None
    return cast("str | None", json.loads((adapter / _NOTES).read_text(encoding="utf-8")).get("call_token"))


def trained_dialect(name: str, adapter: Path | None) -> str:
    """The dialect that an adapter was trained in, where the user names none ('auto') and the adapter says it."""
    if name != "auto" or adapter is None or not (adapter / _NOTES).is_file():
        return name
    return str(json.loads((adapter / _NOTES).read_text(encoding="utf-8"))["dialect"])
