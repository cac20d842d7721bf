"""A recipe, run on more and more of its rows with several seeds -> a learning curve. Finished trainings are skipped.

The folder: recipe.json, data/ with every row that may be trained on and the held-out ones, curve.json, report.html, and
`rows-N-seed-S/` for each training, which is the folder of a run.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from callwright.data import conversations, write
from callwright.errors import RecipeError
from callwright.pipeline.folder import RunFolder, claim, write_json
from callwright.pipeline.rows import scored_rows, training_rows
from callwright.pipeline.run import Watcher, check_inputs, run
from callwright.recipe import Data, Recipe, Tools
from callwright.report.run import write_run_report
from callwright.score.curve import Point, as_row, points_of
from callwright.score.run import EXACT
from callwright.types import Report

# with fewer steps the schedule is measured, not the rows
_FEWEST_STEPS = 30


@dataclass(frozen=True)
class Plan:
    """sizes: numbers of rows. seeds: each draws its own rows, of which a size is the first so many, and its own
    training. epochs: how often every row is seen."""

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    epochs: float = 3.0


def learning_curve(recipe: Recipe, plan: Plan, watch: Watcher) -> list[Point]:
    """Trains and scores every size with every seed, all sizes of a seed before the next seed. Returns the curve's
    points, those of former sizes and seeds too.

    Raises RecipeError for a recipe without 'eval' or with 'dpo' or 'grpo', and for a size that there are no rows for.
    """
    _check(recipe)
    check_inputs(recipe)
    folder = claim(recipe)
    pool = _rows(recipe, folder, watch)
    largest = max(plan.sizes)
    if largest > pool:
        raise RecipeError(
            f"--sizes {largest}: the recipe has {pool:,} rows; leave out larger sizes, or give it more data"
        )
    wanted = [(size, seed) for seed in plan.seeds for size in sorted(set(plan.sizes))]
    made = {(point.rows, point.seed): point for point in _read(folder.path / "curve.json")}
    for number, (size, seed) in enumerate(wanted, 1):
        part = _part(recipe, plan, folder.path, size, seed)
        name = f"{size:,} rows, seed {seed} ({number} of {len(wanted)})"
        done = (Path(part.output) / "report.json").is_file()
        watch.step(name, done)
        outcome = run(part, _Within(watch))
        made[size, seed] = Point(size, seed, _right(outcome.reports["tuned"]))
        # an adapter is all that a finished training needs
        shutil.rmtree(Path(part.output) / "checkpoints", ignore_errors=True)
        write_json(folder.path / "curve.json", [as_row(made[key]) for key in sorted(made)])
        write_run_report(folder.path)
    return [made[key] for key in sorted(made)]


def _check(recipe: Recipe) -> None:
    if recipe.eval is None:
        raise RecipeError("a learning curve scores held-out rows; the recipe has no 'eval'")
    if recipe.dpo is not None or recipe.grpo is not None:
        raise RecipeError("a learning curve trains on rows; leave 'dpo' and 'grpo' out of the recipe")


def _rows(recipe: Recipe, folder: RunFolder, watch: Watcher) -> int:
    """Writes every row that may be trained on, and the held-out ones, once. Returns how many there are of the first."""
    marker = recipe.eval.model_dump(mode="json") if recipe.eval else None
    data, skipped = folder.path / "data", folder.done("rows", marker)
    watch.step("rows", skipped)
    if not skipped:
        # what was scored on other rows is no part of this curve
        (folder.path / "curve.json").unlink(missing_ok=True)
        without = recipe.data.model_copy(update={"augment": None})
        made = training_rows(recipe.model_copy(update={"data": without}))
        write(data / "pool.jsonl", made.conversations)
        write(data / "eval.jsonl", scored_rows(recipe, made.tools))
        folder.mark("rows", marker)
    return sum(1 for _ in conversations(data / "pool.jsonl"))


def _read(file: Path) -> list[Point]:
    return points_of(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


def _part(recipe: Recipe, plan: Plan, folder: Path, size: int, seed: int) -> Recipe:
    """The recipe of one training. Its rows declare their tools, and are in an order that is the seed's alone, so that
    a larger size has the rows of a smaller one."""
    drawn = folder / "data" / f"seed-{seed}.jsonl"
    if not drawn.is_file():
        rows = list(conversations(folder / "data" / "pool.jsonl"))
        random.Random(seed).shuffle(rows)
        write(drawn, rows)
    steps = max(math.ceil(size * plan.epochs / recipe.train.batch_size), _fewest(recipe))
    choose = recipe.train.choose if recipe.train.choose and recipe.train.choose.data else None
    assert recipe.eval is not None
    held_out = {"data": str(folder / "data" / "eval.jsonl"), "rows": None, "base": False}
    return recipe.model_copy(
        update={
            "output": str(folder / f"rows-{size}-seed-{seed}"),
            "tools": Tools(),
            "data": Data(train=str(drawn), rows=size, bad_rows=recipe.data.bad_rows, augment=recipe.data.augment),
            "synth": None,
            "train": recipe.train.model_copy(update={"steps": steps, "seed": seed, "choose": choose}),
            "retention": None,
            "eval": recipe.eval.model_copy(update=held_out),
        }
    )


def _fewest(recipe: Recipe) -> int:
    return min(_FEWEST_STEPS, recipe.train.steps or _FEWEST_STEPS)


def _right(report: Report) -> tuple[bool, ...]:
    """Of every held-out row, in order, whether it was exact."""
    found = (verdict for verdicts in report.verdicts.values() for verdict in verdicts)
    return tuple(verdict.value == 1 for verdict in found if verdict.metric == EXACT)


class _Within:
    """Shows the steps of a training, and not again the facts that every training repeats."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self.training = watch.training
        self.chosen = watch.chosen
        self.scoring = watch.scoring

    def step(self, name: str, skipped: bool) -> None:
        if not skipped:
            self._watch.step(f"  {name}", skipped)

    def facts(self, facts: dict[str, str]) -> None: ...
