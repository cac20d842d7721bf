"""A run's folder: one recipe in it, whole files only, and a record of the steps that are done.

recipe.json     the recipe, every default written out        data/        the rows that were trained on, their tools,
                                                             and in rows.json where rows came from or why they went
lint.json       what was checked, and what was found         metrics.jsonl, loss.svg, checkpoints/
adapter/        the trained LoRA, as PEFT saves it           base/, tuned/   report.json and failures.jsonl
report.json     both scores side by side, and what was run   steps.json   which steps are done
report.html     the same to look at, and report.md for a model card
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callwright.errors import RecipeError, RunError
from callwright.recipe import Recipe, make_recipe
from callwright.score.failures import write_atomically
from callwright.types import JsonObject


@dataclass(frozen=True)
class RunFolder:
    """A claimed folder: what stands in it belongs to this recipe."""

    path: Path

    def done(self, step: str, settings: object = None) -> bool:
        """Whether a step was finished, with the same settings."""
        return step in self._steps() and self._steps()[step] == _plain(settings)

    def mark(self, step: str, settings: object = None) -> None:
        """Records that a step is finished."""
        write_json(self.path / "steps.json", {**self._steps(), step: _plain(settings)})

    def _steps(self) -> JsonObject:
        file = self.path / "steps.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def claim(recipe: Recipe) -> RunFolder:
    """Takes the recipe's output folder, empty or of the same recipe; 'eval' and 'retention' may differ, which are cheap
    to run again.

    Raises RunError where the folder holds anything else; nothing is written then.
    """
    path = Path(recipe.output)
    file = path / "recipe.json"
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: the output is a file; give a folder")
    if file.is_file():
        differ = _differences(_written(file), recipe.as_json())
        if differ:
            raise RunError(
                f"{path}: holds another run, with other values of {', '.join(differ)}; "
                "use output=ANOTHER_FOLDER, or delete this one"
            )
    elif path.is_dir() and any(path.iterdir()):
        raise RunError(f"{path}: is not empty and holds no run; use output=ANOTHER_FOLDER")
    path.mkdir(parents=True, exist_ok=True)
    write_json(file, recipe.as_json())
    return RunFolder(path)


def _written(file: Path) -> JsonObject:
    """A folder's recipe. Keys that it was written without had their defaults."""
    content: JsonObject = json.loads(file.read_text(encoding="utf-8"))
    try:
        return make_recipe(content, str(file)).as_json()
    except RecipeError:
        return content


def write_json(path: Path, value: object) -> None:
    """A JSON file, whole or not at all."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """A folder, whole or not at all: filled under another name and then put in place."""
    work = path.with_name(f".{path.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    fill(work)
    shutil.rmtree(path, ignore_errors=True)
    Path(work).replace(path)


def _plain(value: object) -> object:
    return json.loads(json.dumps(value))


def _differences(old: JsonObject, new: JsonObject, at: str = "") -> list[str]:
    """Dotted keys whose values differ, those of measuring and 'output' left out."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        if not at and key in ("eval", "retention", "output"):
            continue
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{at}{key}.")
        elif a != b:
            found.append(f"{at}{key}")
    return found
