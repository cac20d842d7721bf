"""`callwright curve` with a tiny model: nested rows, finished trainings kept, more sizes later, what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.errors import RecipeError, RunError
from callwright.pipeline.curve import Plan, learning_curve
from callwright.recipe import Recipe, make_recipe
from watcher import Watcher

TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


@pytest.fixture
def recipe(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 24), ("eval", 6)):
        with (tmp_path / f"{name}.jsonl").open("w") as file:
            for n in range(count):
                call = {"name": "set_timer", "arguments": {"minutes": n}}
                messages = [
                    {"role": "user", "content": f"{name}: a timer for {n} minutes"},
                    {"role": "assistant", "content": "", "tool_calls": [call]},
                ]
                file.write(json.dumps({"id": f"{name}{n}", "messages": messages, "tools": [TOOL]}) + "\n")
    return make_recipe(
        {
            "output": "curve",
            "model": tiny_model,
            "dialect": "hermes",
            "data": {"train": "train.jsonl"},
            "lora": {"r": 2, "alpha": 4},
            "train": {"steps": 3, "batch_size": 4, "save_every": 2, "precision": "float32", "threads": 1},
            "eval": {"data": "eval.jsonl", "max_new_tokens": 4},
        },
        "test",
    )


def _trained(folder: Path) -> dict[str, float]:
    return {str(file): file.stat().st_mtime for file in folder.glob("rows-*/adapter/adapter_model.safetensors")}


def _ids(file: Path) -> list[str]:
    return [row.id for row in conversations(file)]


def test_a_curve_goes_on_with_what_is_there(recipe: Recipe) -> None:
    folder = Path(recipe.output)
    points = learning_curve(recipe, Plan((4, 12), (0,), 2.0), Watcher())
    assert [(point.rows, point.seed, len(point.right)) for point in points] == [(4, 0, 6), (12, 0, 6)]
    first = _trained(folder)
    assert len(first) == 2
    assert not list(folder.glob("rows-*/checkpoints"))
    # 12 rows, twice each, in batches of 4; never fewer than the recipe's 3 steps
    assert [_steps(folder / f"rows-{size}-seed-0") for size in (4, 12)] == [3, 6]
    # a larger size holds the rows of a smaller one
    small, large = (_ids(folder / f"rows-{size}-seed-0" / "data" / "train.jsonl") for size in (4, 12))
    assert small == large[:4]

    more = learning_curve(recipe, Plan((4, 8, 12), (0, 1), 2.0), Watcher())
    assert [(point.rows, point.seed) for point in more] == [(4, 0), (4, 1), (8, 0), (8, 1), (12, 0), (12, 1)]
    assert first.items() <= _trained(folder).items()
    assert _ids(folder / "data" / "seed-0.jsonl") != _ids(folder / "data" / "seed-1.jsonl")
    assert sorted(_ids(folder / "data" / "seed-0.jsonl")) == sorted(_ids(folder / "data" / "seed-1.jsonl"))
    assert len(json.loads((folder / "curve.json").read_text())) == 6
    page = (folder / "report.html").read_text()
    assert "Learning curve" in page
    assert "exact match changed by" in page


def test_a_training_that_was_lost_is_made_again(recipe: Recipe) -> None:
    folder = Path(recipe.output)
    before = learning_curve(recipe, Plan((4, 8), (0,), 1.0), Watcher())
    shutil.rmtree(folder / "rows-8-seed-0")
    assert learning_curve(recipe, Plan((4, 8), (0,), 1.0), Watcher()) == before


def test_other_held_out_rows_are_a_new_curve(recipe: Recipe) -> None:
    learning_curve(recipe, Plan((4, 8), (0,), 1.0), Watcher())
    assert recipe.eval is not None
    fewer = recipe.model_copy(update={"eval": recipe.eval.model_copy(update={"rows": 3})})
    points = learning_curve(fewer, Plan((4,), (0,), 1.0), Watcher())
    assert [(point.rows, len(point.right)) for point in points] == [(4, 3)]


@pytest.mark.parametrize(
    ("change", "sizes", "why"),
    [
        ({"eval": None}, (4,), "has no 'eval'"),
        ({}, (4, 25), "the recipe has 24 rows"),
    ],
)
def test_what_has_no_curve_is_refused(recipe: Recipe, change: dict[str, Any], sizes: tuple[int, ...], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        learning_curve(recipe.model_copy(update=change), Plan(sizes, (0,), 1.0), Watcher())


def test_another_recipe_is_refused(recipe: Recipe) -> None:
    learning_curve(recipe, Plan((4,), (0,), 1.0), Watcher())
    other = recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": 0.5})})
    with pytest.raises(RunError, match=r"train\.learning_rate"):
        learning_curve(other, Plan((4,), (0,), 1.0), Watcher())


def _steps(folder: Path) -> int:
    return len((folder / "metrics.jsonl").read_text().splitlines())
