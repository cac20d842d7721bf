"""Dev rows for choosing a checkpoint, and how a model in training is scored on them: exact match by real generation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from callwright.data import conversations
from callwright.errors import DataError
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Options
from callwright.pipeline.evaluate import score_with
from callwright.pipeline.tune import Judge
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Recipe
from callwright.score.run import EXACT
from callwright.types import Conversation


def apart(rows: Sequence[Conversation], recipe: Recipe) -> tuple[list[Conversation], list[Conversation]]:
    """(rows to train on, dev rows): of `train.choose.data`, or else drawn from the rows themselves.

    Raises DataError where there are too few rows to draw from.
    """
    choose = recipe.train.choose
    if choose is None:
        return list(rows), []
    if choose.data is not None:
        dev = list(conversations(Path(choose.data)))
        drawn = random.Random(recipe.train.seed).sample(dev, min(choose.rows, len(dev)))
        return list(rows), drawn
    able = [number for number, row in enumerate(rows) if row.messages[-1].role == "assistant"]
    if len(able) <= 2 * choose.rows:
        raise DataError(
            "train.choose", f"{choose.rows} dev rows of {len(able)} leave too few to train on; name a file in 'data'"
        )
    taken = set(random.Random(recipe.train.seed).sample(able, choose.rows))
    return [row for number, row in enumerate(rows) if number not in taken], [rows[number] for number in sorted(taken)]


def judge_of(recipe: Recipe, rows: Sequence[Conversation], workshop: Workshop) -> Judge:
    """Scores an engine on dev rows: the share of exact matches."""
    assert recipe.train.choose is not None
    options = Options(max_new_tokens=recipe.train.choose.max_new_tokens)

    def judge(engine: LocalEngine) -> float:
        scores = list(score_with(engine, rows, workshop.dialect, workshop.tokenizer, options))
        return sum(float(score.verdict(EXACT).value or 0) for score in scores) / len(scores)

    return judge
