"""What a training leaves: weights as PEFT and transformers load them, beside them what else they go with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from callwright.errors import ModelError
from callwright.models.bundled import BUNDLED
from callwright.models.join import join_adapters
from callwright.models.load import load_adapter
from callwright.pipeline.folder import write_json
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Recipe
from callwright.types import JsonObject

NOTES = "callwright.json"
"""A file beside weights: their dialect, and what else they go with."""
_ADAPTER = "adapter_config.json"
_FOUR_BITS = "four_bits"
TRAINED = {"lora": "adapter", "qlora": "adapter", "full": "model"}
"""Where in a run's folder a method leaves what it trained."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What was trained. model: the base's name, or the folder of weights that were all trained. name: of the run."""

    name: str
    model: str
    adapter: Path | None
    run: Path | None

    @property
    def notes(self) -> Path:
        """The folder that says what the weights go with."""
        return self.adapter or Path(self.model)


def find_trained(path: Path, base: str | None = None) -> Trained:
    """A run's folder, an adapter's, or that of a whole model. base: instead of the base that an adapter names.

    Raises ModelError where there is none of them.
    """
    if (path / "recipe.json").is_file():
        recipe = json.loads((path / "recipe.json").read_text(encoding="utf-8"))
        if (path / "adapter" / _ADAPTER).is_file():
            return Trained(path.resolve().name, base or recipe["model"], path / "adapter", path)
        if (path / "model" / "config.json").is_file():
            return Trained(path.resolve().name, str(path / "model"), None, path)
        raise ModelError(f"{path}: the run has not trained yet; `callwright run` or `callwright train` goes on with it")
    run = path.resolve().parent if (path.resolve().parent / "recipe.json").is_file() else None
    name = run.name if run else path.resolve().name
    if (path / _ADAPTER).is_file():
        return Trained(name, base or _base_of(path, run), path, run)
    if (path / "config.json").is_file():
        return Trained(name, str(path), None, run)
    raise ModelError(f"{path}: holds no run, no adapter and no model; give a folder of `callwright run`")


def _base_of(adapter: Path, run: Path | None) -> str:
    if run is not None:
        return str(json.loads((run / "recipe.json").read_text(encoding="utf-8"))["model"])
    named = json.loads((adapter / _ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not named:
        raise ModelError(f"{adapter}: says nothing of its base; give --model")
    return BUNDLED if Path(named).name.startswith(f"{BUNDLED}-v") else str(named)


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
    write_json(folder / NOTES, notes)


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
    if adapter is None or not (adapter / NOTES).is_file():
        return {}
    return cast("JsonObject", json.loads((adapter / NOTES).read_text(encoding="utf-8")))
