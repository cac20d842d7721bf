"""A recipe -> the rows to train on, with an account of where each came from or why it went, and the rows to score."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from callwright.data import conversations
from callwright.data.augment import augmented
from callwright.data.dedupe import Dropped, dedupe
from callwright.data.mix import Source, mix
from callwright.data.overlap import Seen
from callwright.data.toolset import declared, most_frequent, with_tools, without_parameter_descriptions
from callwright.errors import DataError
from callwright.recipe import Eval, Exclusion, Recipe, Synth, TrainingSource, load_recipe
from callwright.synth import Options, Plan, generate, load_phrasebook
from callwright.tools import load_tools
from callwright.types import BadRow, Conversation, JsonObject, Tool

_SHOWN = 5
_MADE = "synth"


@dataclass
class Account:
    """What became of the rows, by source; the run folder keeps it as `data/rows.json`.

    read: readable rows of a file, made: rows of 'synth'. unreadable: left out as such. used: those that fit the tools
    and were drawn. excluded, repeated: of these, left out again. kept: what is left. `added` counts rows by kind of
    augmentation; `examples` says of the first rows that went, why.
    """

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def count(self, source: str, what: str, rows: int = 1) -> None:
        """Adds to one of a source's numbers."""
        own = self.sources.setdefault(source, {})
        own[what] = own.get(what, 0) + rows

    def left_out(self, source: str, what: str, why: str) -> None:
        """Counts a row that goes, and keeps the reason of the first few."""
        self.count(source, what)
        if self.sources[source][what] <= _SHOWN:
            self.examples.append(why)

    def as_json(self) -> JsonObject:
        """Plain data, as `rows.json` holds it."""
        return {"sources": self.sources, "added": self.added, "examples": self.examples}


def account_facts(account: JsonObject) -> dict[str, str]:
    """What a run prints of an account: a line for each source, and one for what was added.

    >>> account_facts({"sources": {"a.jsonl": {"read": 9, "used": 9, "repeated": 2}}, "added": {"withhold": 3}})
    {'from a.jsonl': '9 read, 9 used, 2 repeated', 'augmented': '3 withhold'}
    """
    facts = {
        f"from {name}": ", ".join(f"{count:,} {what}" for what, count in counts.items())
        for name, counts in account["sources"].items()
    }
    if account["added"]:
        facts["augmented"] = ", ".join(f"{count:,} {kind}" for kind, count in account["added"].items())
    return facts


@dataclass(frozen=True)
class Rows:
    """Conversations to train on; `tools` is the fixed tool set, empty where rows bring their own."""

    conversations: tuple[Conversation, ...]
    tools: tuple[Tool, ...]
    bad: tuple[BadRow, ...]
    account: Account


@dataclass(frozen=True)
class _Row:
    """A row and the source that it is counted under."""

    row: Conversation
    source: str


def fixed_tools(recipe: Recipe) -> tuple[Tool, ...]:
    """The recipe's one tool set, or () where each row brings its own."""
    if recipe.tools.source is not None:
        tools = load_tools(recipe.tools.source)
    elif recipe.tools.most_frequent is not None:
        bad: list[BadRow] = []
        rows = (row for source in recipe.data.sources for row in _read(source, recipe, bad, whole=True))
        tools = most_frequent(rows, recipe.tools.most_frequent)
    else:
        return ()
    if recipe.tools.descriptions == "functions":
        tools = tuple(without_parameter_descriptions(tool) for tool in tools)
    return tools


def training_rows(recipe: Recipe) -> Rows:
    """Reads and mixes `data.train`, makes `synth.rows`, leaves out what is excluded or repeated, and augments.

    Raises DataError at a bad row unless `data.bad_rows` is 'drop', and where no row is left.
    """
    tools = fixed_tools(recipe)
    account = Account()
    bad: list[BadRow] = []
    rows = _given(recipe, tools, account, bad)
    if recipe.synth is not None:
        rows += [_Row(row, _MADE) for row in made_rows(recipe.synth, tools)]
        account.count(_MADE, "made", recipe.synth.rows)
    for row in rows:
        account.count(row.source, "used")
    for exclusion in recipe.data.exclude:
        rows = list(_apart(rows, exclusion, account))
    if recipe.data.dedupe is not None:
        rows = _distinct(rows, recipe.data.dedupe, account)
    if not rows:
        raise DataError(", ".join(source.file for source in recipe.data.sources) or _MADE, "no row is left to train on")
    for row in rows:
        account.count(row.source, "kept")
    kept = [row.row for row in rows]
    if recipe.data.augment is not None:
        chosen = recipe.data.augment
        added, account.added = augmented(kept, chosen.kinds, chosen.copies, random.Random(chosen.seed))
        kept += added
    return Rows(tuple(kept), tools, tuple(bad), account)


def made_rows(settings: Synth, tools: Sequence[Tool]) -> Iterator[Conversation]:
    """The rows of `synth`. Raises ToolError for a phrasebook or plan that does not fit, DataError for bad examples."""
    book = load_phrasebook(settings.phrases, tools) if settings.phrases else None
    examples = tuple(conversations(settings.examples)) if settings.examples else ()
    plan = Plan.of(settings.plan) if settings.plan is not None else Plan()
    return generate(tools, book, settings.rows, settings.seed, Options(plan, settings.tools_per_row, examples=examples))


def _read(source: TrainingSource, recipe: Recipe, bad: list[BadRow], *, whole: bool = False) -> Iterator[Conversation]:
    """The rows of a source; bad ones go to the list where the recipe drops them."""
    return conversations(
        source.file, limit=None if whole else source.rows, bad=bad if recipe.data.bad_rows == "drop" else None
    )


def _given(recipe: Recipe, tools: tuple[Tool, ...], account: Account, bad: list[BadRow]) -> list[_Row]:
    """The rows of one file in its order, or a mix of several."""
    read: list[list[Conversation]] = []
    others = recipe.tools.others if recipe.tools.most_frequent is not None else None
    plain = recipe.tools.descriptions == "functions"
    for source in recipe.data.sources:
        before = len(bad)
        rows = list(_read(source, recipe, bad))
        account.count(source.file, "read", len(rows))
        if len(bad) > before:
            account.count(source.file, "unreadable", len(bad) - before)
        read.append(list(_fitted(rows, tools, others=others, plain=plain)))
    if isinstance(recipe.data.train, str):
        return [_Row(row, recipe.data.train) for row in read[0]]
    named = [
        Source(source.file, [_named(row, source.file) for row in rows], source.weight, source.cap)
        for source, rows in zip(recipe.data.sources, read, strict=True)
    ]
    origin = {id(row): source.name for source in named for row in source.rows}
    mixed = mix(named, recipe.data.rows, recipe.data.seed).rows if named else []
    return [_Row(row, origin[id(row)]) for row in mixed]


def _named(row: Conversation, file: str) -> Conversation:
    return row if row.source else replace(row, source=Path(file).name.split(".")[0])


def _fitted(
    rows: Iterable[Conversation], tools: Sequence[Tool], *, others: float | None, plain: bool
) -> Iterator[Conversation]:
    """Rows with the fixed tool set; `plain` leaves out what parameters say where rows bring tools of their own."""
    if others is not None:
        yield from with_tools(rows, tools, others)
        return
    for row in rows:
        yield declared(described(row) if plain and not tools else row, tools)


def described(row: Conversation) -> Conversation:
    """The row with its own tools as `tools.descriptions: functions` has them."""
    return replace(row, tools=tuple(without_parameter_descriptions(tool) for tool in row.tools))


def _apart(rows: Iterable[_Row], exclusion: Exclusion, account: Account) -> Iterator[_Row]:
    """Rows that share no request, or with `tools` no tool, with a test file."""
    seen = Seen.of(conversations(exclusion.file))
    for each in rows:
        shared, what = seen.request_of(each.row), "request"
        if shared is None and exclusion.tools:
            shared, what = seen.tool_of(each.row), "tool"
        if shared is None:
            yield each
        else:
            why = f"{each.row.where or each.row.id}: shares the {what} '{shared}' with {exclusion.file}"
            account.left_out(each.source, "excluded", why)


def _distinct(rows: Sequence[_Row], threshold: float, account: Account) -> list[_Row]:
    """The first of rows that are equal, or nearly so."""
    dropped = Dropped()
    kept = {id(row) for row in dedupe((each.row for each in rows), dropped, threshold=threshold)}
    why = {gone: f"equal to {stays}" for gone, stays in dropped.equal}
    why |= {gone: f"makes the calls of {stays} for nearly its request" for gone, stays in dropped.near}
    for each in rows:
        if id(each.row) not in kept:
            account.left_out(each.source, "repeated", f"{each.row.where or each.row.id}: {why[each.row.id]}")
    return [each for each in rows if id(each.row) in kept]


def held_out_rows(
    settings: Eval, tools: Sequence[Tool], *, others: float | None = None, plain: bool = False
) -> list[Conversation]:
    """The rows of `eval.data`, drawn with the seed. With a number, `others`, rows that call anything but the
    tools are left out or refused, as in training (`with_tools`).

    `plain` leaves out the descriptions of parameters where rows bring tools of their own, as they were trained on.
    Raises DataError for a bad row, or where no row is left.
    """
    rows = list(_fitted(conversations(settings.data), tools, others=others, plain=plain))
    if settings.rows is not None and settings.rows < len(rows):
        rows = random.Random(settings.seed).sample(rows, settings.rows)
    if not rows:
        raise DataError(settings.data, "no row is left to score")
    return rows


def declared_rows(run: Path | None, data: str, rows: int | None, tools: str | None = None) -> list[Conversation]:
    """Held-out rows with the tools of a run's folder, as its own evaluation has them; all, or `rows` drawn with seed 1.

    tools: instead of the run's. Raises DataError, ToolError, RecipeError.
    """
    settings = Eval(data=data, rows=rows)
    if tools is not None or run is None or not (run / "recipe.json").is_file():
        return held_out_rows(settings, load_tools(tools) if tools else ())
    recipe = load_recipe(run / "recipe.json")
    file = run / "data" / "tools.json"
    given = load_tools(str(file)) if file.is_file() else ()
    return scored_rows(recipe.model_copy(update={"eval": settings}), given)


def scored_rows(recipe: Recipe, tools: Sequence[Tool]) -> list[Conversation]:
    """The held-out rows of a recipe, with the tools and left-out rows of its training. Raises DataError."""
    assert recipe.eval is not None
    one_set = recipe.tools.most_frequent is not None or (recipe.dpo is not None and bool(tools))
    others = recipe.tools.others if one_set else None
    return held_out_rows(recipe.eval, tools, others=others, plain=recipe.tools.descriptions == "functions")
