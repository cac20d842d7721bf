"""Trained models -> one of them all, beside what it goes with, and scored where rows are given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callwright.errors import ModelError, RecipeError, RunError
from callwright.export.merging import Method, merge_adapters, merge_models, mergekit_plan
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import resolve
from callwright.pipeline.evaluate import evaluate, open_subject
from callwright.pipeline.folder import write_folder, write_json
from callwright.pipeline.trained import NOTES, Trained, find_trained, of_four_bits, trained_call_token, trained_dialect
from callwright.recipe import Eval
from callwright.score.run import EXACT
from callwright.types import Conversation

_WORDS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


@dataclass(frozen=True, slots=True)
class Part:
    """One of several, and how much it counts."""

    trained: Trained
    weight: float


def parts_of(given: Sequence[str], base: str | None = None) -> list[Part]:
    """FOLDER or FOLDER=WEIGHT, 1 where none is given. Raises RecipeError, ModelError."""
    found = []
    for one in given:
        place, sign, number = one.rpartition("=")
        if not sign or Path(one).exists():
            place, number = one, "1"
        try:
            found.append(Part(find_trained(Path(place), base), float(number)))
        except ValueError:
            raise RecipeError(f"{one}: what stands behind '=' is a weight, as in {place}=0.5") from None
    if len(found) < 2:
        raise RecipeError("give two or more to merge")
    return found


@dataclass(frozen=True, slots=True)
class How:
    """How to merge. density: what ties and dare keep. base: of whole models. mergekit: its command."""

    method: Method = "linear"
    density: float = 0.5
    base: str | None = None
    mergekit: str = "mergekit-yaml"


def merge(parts: Sequence[Part], how: How, folder: Path) -> None:
    """Writes the merged adapter, or the merged model, whole or not at all.

    Raises ModelError for parts of several bases or dialects, RunError where the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: is not empty; give another --output")
    whole = [part.trained.adapter is None for part in parts]
    if any(whole) and not all(whole):
        raise ModelError(
            "adapters and whole models cannot be merged with each other; export the adapters as merged first"
        )
    notes = _notes(parts)
    weights = [part.weight for part in parts]

    def fill(made: Path) -> None:
        if all(whole):
            # as it looks models up, a path with one slash is a name on the hub
            models = [str(Path(part.trained.model).resolve()) for part in parts]
            plan = mergekit_plan(models, weights, how.method, how.density, _place(how.base))
            merge_models(plan, made, how.mergekit)
        else:
            model = load_model(parts[0].trained.model, detect())
            named = {f"part{number}": part.trained.notes for number, part in enumerate(parts)}
            merge_adapters(model, named, weights, how.method, how.density, made)
        for name in _WORDS:
            if (parts[0].trained.notes / name).is_file() and not (made / name).exists():
                shutil.copy(parts[0].trained.notes / name, made / name)
        write_json(made / NOTES, notes)

    folder.parent.mkdir(parents=True, exist_ok=True)
    write_folder(folder, fill)


def _place(base: str | None) -> str | None:
    return resolve(base) if base is not None else None


def exact_matches(
    model: str, adapters: Sequence[Path], rows: Sequence[Conversation], say: Callable[[str], None]
) -> list[int]:
    """How many rows each adapter has right, asked greedily."""
    right = []
    for adapter in adapters:
        say(str(adapter))
        scores = evaluate(open_subject(model, adapter, "auto"), rows, Eval(data="", max_new_tokens=128))
        right.append(sum(score.verdict(EXACT).value == 1 for score in scores))
    return right


def _notes(parts: Sequence[Part]) -> dict[str, object]:
    """What all of them go with. Raises ModelError where they differ in it."""
    first = parts[0].trained
    facts: dict[str, list[Any]] = {
        "base": [part.trained.model for part in parts] if first.adapter else [],
        "dialect": [trained_dialect("auto", part.trained.notes) for part in parts],
        "call token": [trained_call_token(part.trained.notes) for part in parts],
        "precision of training": [of_four_bits(part.trained.notes) for part in parts],
    }
    for what, values in facts.items():
        if len(set(values)) > 1:
            told = json.dumps(values, ensure_ascii=False)
            raise ModelError(f"what differs in its {what} cannot be merged: {told}")
    notes: dict[str, object] = {"dialect": facts["dialect"][0]}
    if facts["precision of training"][0]:
        notes["four_bits"] = True
    return notes | {"merged_of": [[part.trained.name, part.weight] for part in parts]}
