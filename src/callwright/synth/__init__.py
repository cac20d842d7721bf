"""TOOLS -> CONVERSATIONS: training rows from a phrasebook, from the tools alone, or from a teacher."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from callwright.data.similar import request_words
from callwright.errors import ToolError
from callwright.synth.book import BookPhraser
from callwright.synth.compose import Composer, Made
from callwright.synth.focus import Focus
from callwright.synth.ground import Synonyms
from callwright.synth.phrase import Phrasebook, load_phrasebook
from callwright.synth.plain import PlainPhraser
from callwright.synth.plan import Plan, categories
from callwright.synth.request import Phraser, Recorder
from callwright.synth.turns import ResultOf
from callwright.synth.verified import Verified, verify_file
from callwright.synth.verify import CHECKS, synonyms_of, wrong
from callwright.types import Conversation, Tool

__all__ = ["Options", "Phrasebook", "Plan", "Recorder", "Verified", "generate", "load_phrasebook", "verify_file"]

_TRIES = 200


@dataclass(frozen=True)
class Options:
    """What rows are made of.

    per_row: how many tools a row declares, from-to; None declares all of them, in one order, so that rows share them.
    result_of: gives results for the turns after calls; None mocks them. rejected: takes what was thrown away. focus:
    what an evaluation failed at, of which rows are made then; its shares take the place of the plan's.
    """

    plan: Plan = field(default_factory=Plan)
    per_row: tuple[int, int] | None = None
    result_of: ResultOf | None = None
    examples: Sequence[Conversation] = ()
    licence: str = ""
    rejected: Recorder | None = None
    focus: Focus | None = None


def generate(
    tools: Sequence[Tool], book: Phrasebook | None, count: int, seed: int, options: Options | None = None
) -> Iterator[Conversation]:
    """`count` conversations, the same for the same seed; ids and sources name the category.

    Without a phrasebook, requests are made from names, descriptions, realistic values and `options.examples`.
    Raises ToolError where there are no tools, or where no new valid row can be made.
    """
    if not tools:
        raise ToolError("rows cannot be made without tools; give 'tools.source' in the recipe")
    chosen = options or Options()
    rng = random.Random(seed)
    phraser: Phraser
    if book is not None:
        phraser, synonyms = BookPhraser(tools, book, rng, chosen.focus), synonyms_of(book)
    else:
        phraser = PlainPhraser(tools, rng, chosen.examples, focus=chosen.focus)
        synonyms = phraser.synonyms
    maker = _Maker(tuple(tools), phraser, synonyms, rng, chosen)
    plan = Plan.of(chosen.focus.shares) if chosen.focus else chosen.plan
    for category in categories(count, rng, plan):
        yield maker.row(category)


class _Maker:
    """Draws rows until one passes every check."""

    def __init__(
        self, tools: tuple[Tool, ...], phraser: Phraser, synonyms: Synonyms, rng: random.Random, options: Options
    ) -> None:
        self._tools, self._rng, self._options = tools, rng, options
        self._declared = {tool.name: tool for tool in tools}
        self._synonyms = synonyms
        self._kind = "phrasebook" if isinstance(phraser, BookPhraser) else "plain"
        self._asked: Counter[str] = Counter()
        self._composer = Composer(tools, phraser, rng, self._pick, options.result_of)
        self._weights = [phraser.practice(tool) for tool in tools]
        if options.focus is not None:
            failed = [options.focus.tools.get(tool.name, 0.0) for tool in tools]
            # where only calls that were not due failed, any tool will do
            self._weights = failed if any(failed) else self._weights
        self._seen: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def _pick(self) -> Tool:
        """Any tool, or now and then the one that was asked for least, so that none is forgotten; of a focus one that
        failed."""
        if self._options.focus is not None or self._rng.random() < 0.7:
            return self._rng.choices(self._tools, self._weights)[0]
        least = min(self._asked[tool.name] for tool in self._tools)
        return self._rng.choice([tool for tool in self._tools if self._asked[tool.name] == least])

    def row(self, category: str) -> Conversation:
        """A new row of the category, or of 'single' where the category has no words."""
        for attempt in range(_TRIES):
            made = self._composer.make(category)
            if made is None:
                # the words for this category may not exist at all
                category = "single" if attempt > 20 and category != "single" else category
                continue
            if attempt > _TRIES // 2:
                category = "single"
            why = wrong(made.messages, self._declared, self._synonyms) or self._known(made)
            if not why:
                return self._finished(category, made)
            if self._options.rejected is not None:
                calls = [call for message in made.messages for call in message.calls]
                self._options.rejected.add(why, made.messages[0].text, calls)
        raise ToolError(f"no new request could be made after {len(self._seen)} rows; ask for fewer, or add phrases")

    def _known(self, made: Made) -> str:
        key = request_words(made.messages)
        if key in self._seen:
            return "unique: the request was made before"
        self._seen.add(key)
        return ""

    def _finished(self, category: str, made: Made) -> Conversation:
        self._numbers[category] += 1
        called = [call.name for message in made.messages for call in message.calls]
        self._asked.update(called)
        provenance = {
            "generator": self._kind,
            # splits by template keep rows of one wording together
            "template": " + ".join(dict.fromkeys(asked.request.template for asked in made.asked)),
            "checks": list(CHECKS),
        }
        if self._options.licence:
            provenance["licence"] = self._options.licence
        row_id = f"{category}-{self._numbers[category]}"
        tools = self._declared_in(set(called))
        return Conversation(row_id, tools, made.messages, f"synth:{category}", provenance=provenance)

    def _declared_in(self, called: set[str]) -> tuple[Tool, ...]:
        if self._options.per_row is None:
            return self._tools
        low, high = self._options.per_row
        count = max(len(called), min(self._rng.randint(low, high), len(self._tools)))
        others = [tool for tool in self._tools if tool.name not in called]
        chosen = [self._declared[name] for name in sorted(called)] + self._rng.sample(others, count - len(called))
        self._rng.shuffle(chosen)
        return tuple(chosen)
