"""A recipe -> the rows to train on and the rows to score."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callwright.data import conversations
from callwright.data.toolset import declared, most_frequent, with_tools, without_parameter_descriptions
from callwright.errors import DataError
from callwright.recipe import Eval, Recipe, Synth
from callwright.synth import Options, Plan, generate, load_phrasebook
from callwright.tools import load_tools
from callwright.types import BadRow, Conversation, Tool


@dataclass(frozen=True)
class Rows:
    """Conversations to train on; `tools` is the fixed tool set, empty where rows bring their own."""

    conversations: tuple[Conversation, ...]
    tools: tuple[Tool, ...]
    bad: tuple[BadRow, ...]


def fixed_tools(recipe: Recipe) -> tuple[Tool, ...]:
    """The recipe's one tool set, or () where each row brings its own."""
    if recipe.tools.source is not None:
        tools = load_tools(recipe.tools.source)
    elif recipe.tools.most_frequent is not None:
        assert recipe.data.train is not None
        bad: list[BadRow] = []
        rows = conversations(recipe.data.train, bad=bad if recipe.data.bad_rows == "drop" else None)
        tools = most_frequent(rows, recipe.tools.most_frequent)
    else:
        return ()
    if recipe.tools.descriptions == "functions":
        tools = tuple(without_parameter_descriptions(tool) for tool in tools)
    return tools


def training_rows(recipe: Recipe) -> Rows:
    """Reads `data.train` and makes `synth.rows`. Raises DataError at a bad row unless `data.bad_rows` is 'drop'."""
    tools = fixed_tools(recipe)
    bad: list[BadRow] = []
    rows: list[Conversation] = []
    if recipe.data.train is not None:
        given = conversations(
            recipe.data.train, limit=recipe.data.rows, bad=bad if recipe.data.bad_rows == "drop" else None
        )
        rows += with_tools(given, tools) if recipe.tools.most_frequent else (declared(row, tools) for row in given)
    if recipe.synth is not None:
        rows += made_rows(recipe.synth, tools)
    if not rows:
        raise DataError(str(recipe.data.train), "no row is left to train on")
    return Rows(tuple(rows), tools, tuple(bad))


def made_rows(settings: Synth, tools: Sequence[Tool]) -> Iterator[Conversation]:
    """The rows of `synth`. Raises ToolError for a phrasebook or plan that does not fit, DataError for bad examples."""
    book = load_phrasebook(settings.phrases, tools) if settings.phrases else None
    examples = tuple(conversations(settings.examples)) if settings.examples else ()
    plan = Plan.of(settings.plan) if settings.plan is not None else Plan()
    return generate(tools, book, settings.rows, settings.seed, Options(plan, settings.tools_per_row, examples=examples))


def held_out_rows(settings: Eval, tools: Sequence[Tool], *, only_tools: bool) -> list[Conversation]:
    """The rows of `eval.data`, drawn with the seed. `only_tools` leaves out rows that call anything else.

    Raises DataError for a bad row, or where no row is left.
    """
    given = conversations(settings.data)
    rows = list(with_tools(given, tools) if only_tools else (declared(row, tools) for row in given))
    if settings.rows is not None and settings.rows < len(rows):
        rows = random.Random(settings.seed).sample(rows, settings.rows)
    if not rows:
        raise DataError(settings.data, "no row is left to score")
    return rows
