"""What a training leaves: weights as PEFT and transformers load them, beside them what else they go with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from callwright.models.join import join_adapters
from callwright.models.load import load_adapter
from callwright.pipeline.folder import write_json
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Recipe
from callwright.types import JsonObject

_NOTES = "callwright.json"
_FOUR_BITS = "four_bits"
TRAINED = {"lora": "adapter", "qlora": "adapter", "full": "model"}
"""Where in a run's folder a method leaves what it trained."""


def save(recipe: Recipe, result: tuple[Any, Any], workshop: Workshop, folder: Path) -> None:
    """What PEFT and transformers load, and beside it the dialect, without which it is asked in other words."""
    model, weights = result
    began = None if recipe.adapter is None else Path(recipe.adapter)
    if recipe.method == "full":
        low = {name: tensor.to(workshop.hardware.dtype) for name, tensor in (weights or model.state_dict()).items()}
        model.config.dtype = workshop.hardware.dtype
        model.save_pretrained(str(folder), state_dict=low)
    else:
        # whole embeddings are never trained, only a row of them, which PEFT keeps by itself
        model.save_pretrained(str(folder), save_embedding_layers=False, state_dict=weights)
    if began is not None:
        join_adapters(began, folder)
    workshop.tokenizer.save_pretrained(str(folder))
    notes: JsonObject = {"dialect": workshop.dialect.name}
    if recipe.method == "qlora" or _notes(began).get(_FOUR_BITS):
        notes[_FOUR_BITS] = True
    if workshop.new_token is not None:
        notes["call_token"] = workshop.tokenizer.convert_ids_to_tokens(workshop.new_token)
    write_json(folder / _NOTES, notes)


def trained_call_token(adapter: Path | None) -> str | None:
    """The token that an adapter brought with it."""
    return cast("str | None", _notes(adapter).get("call_token"))


def trained_dialect(name: str, adapter: Path | None) -> str:
    """The dialect that an adapter was trained in, where the user names none ('auto') and the adapter says it."""
    return str(_notes(adapter).get("dialect", name)) if name == "auto" else name


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter merged into the weights that it was trained on. Raises ModelError as `load_adapter`."""
    return load_adapter(model, adapter, four_bits=of_four_bits(adapter))


def of_four_bits(adapter: Path) -> bool:
    """Whether an adapter was trained on weights of 4 bits."""
    return bool(_notes(adapter).get(_FOUR_BITS))


def _notes(adapter: Path | None) -> JsonObject:
    if adapter is None or not (adapter / _NOTES).is_file():
        return {}
    return cast("JsonObject", json.loads((adapter / _NOTES).read_text(encoding="utf-8")))
