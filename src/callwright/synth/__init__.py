"""TOOLS -> CONVERSATIONS: training rows without a teacher, from a phrasebook or from the tools alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from callwright.errors import ToolError
from callwright.schema import sample_value
from callwright.synth.fill import BUILT_IN, Said
from callwright.synth.noise import roughen
from callwright.synth.phrase import Phrasebook, Request, ask, fill, load_phrasebook, plain_book
from callwright.synth.plan import Plan, categories
from callwright.synth.verify import wrong
from callwright.types import Conversation, Message, Tool, ToolCall

__all__ = ["Phrasebook", "Plan", "generate", "load_phrasebook"]

_TRIES = 200


def generate(
    tools: Sequence[Tool], book: Phrasebook | None, count: int, seed: int, plan: Plan | None = None
) -> Iterator[Conversation]:
    """`count` conversations, the same for the same seed; ids and sources name the category.

    Without a phrasebook, requests are made from names, descriptions and sampled values.
    Raises ToolError where there are no tools, or where no new valid row can be made.
    """
    if not tools:
        raise ToolError("rows cannot be made without tools; give 'tools.source' in the recipe")
    rng = random.Random(seed)
    made = _Maker(tuple(tools), book or _plain(tools, rng), rng)
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    for category in categories(count, rng, plan or Plan()):
        for _ in range(_TRIES):
            category = made.possible(category)
            numbers[category] = numbers.get(category, 0) + 1
            row = made.row(category, numbers[category])
            key = row.messages[0].text.casefold()
            if key not in seen and not wrong(row, made.copied):
                break
            numbers[category] -= 1
            category = "single" if category != "single" and rng.random() < 0.05 else category
        else:
            raise ToolError(f"no new request could be made after {len(seen)} rows; ask for fewer, or add phrases")
        seen.add(key)
        yield row


class _Maker:
    """Draws requests and the turns that answer them."""

    def __init__(self, tools: tuple[Tool, ...], book: Phrasebook, rng: random.Random) -> None:
        self._tools, self._book, self._rng = tools, book, rng
        self._missing = [(name, pair) for name, phrases in book.tools.items() for pair in phrases.missing]
        # a value from a plain pool is the text that was said
        self.copied = frozenset(
            (name, parameter)
            for name, phrases in book.tools.items()
            for parameter, pools in phrases.slots.items()
            if all(p not in BUILT_IN and all(said == value for said, value in book.pools[p]) for p in pools)
        )

    def possible(self, category: str) -> str:
        """The category, or 'single' where the book has nothing for it."""
        nothing = {"no_call": not self._book.no_call, "missing": not self._missing}
        return "single" if nothing.get(category) else category

    def row(self, category: str, number: int) -> Conversation:
        request, calls, answer = {
            "single": self._single,
            "parallel": self._parallel,
            "no_call": self._no_call,
            "missing": self._lacking,
        }[category]()
        text = roughen(request, self._rng, self._book.openers, self._book.tails)
        messages = (Message("user", text), Message("assistant", answer, calls))
        return Conversation(f"{category}-{number}", self._tools, messages, f"synth:{category}")

    def _one(self) -> tuple[Request, ToolCall]:
        tool = self._rng.choice(self._tools)
        request = ask(self._book.tools[tool.name], self._book, self._rng)
        order = list(tool.parameters.get("properties") or {})
        arguments = {name: request.arguments[name] for name in order if name in request.arguments}
        return request, ToolCall(tool.name, arguments)

    def _single(self) -> tuple[Request, tuple[ToolCall, ...], str]:
        request, call = self._one()
        return request, (call,), ""

    def _parallel(self) -> tuple[Request, tuple[ToolCall, ...], str]:
        count = 2 if self._rng.random() < 0.75 else 3
        parts = [self._one() for _ in range(count)]
        pieces: list[tuple[str, bool]] = []
        for position, (request, _) in enumerate(parts):
            if position:
                joints = self._book.joints
                pieces.append(
                    (self._rng.choice(joints) if position + 1 == count else self._rng.choice((", ", *joints)), False)
                )
            pieces += request.pieces
        return Request(tuple(pieces), {}), tuple(call for _, call in parts), ""

    def _no_call(self) -> tuple[Request, tuple[ToolCall, ...], str]:
        say, answer = self._rng.choice(self._book.no_call)
        return fill(say, {}, self._book, self._rng), (), answer

    def _lacking(self) -> tuple[Request, tuple[ToolCall, ...], str]:
        name, (say, question) = self._rng.choice(self._missing)
        return fill(say, self._book.tools[name].slots, self._book, self._rng), (), question


def _plain(tools: Sequence[Tool], rng: random.Random) -> Phrasebook:
    samples: dict[str, dict[str, list[Said]]] = {}
    for tool in tools:
        required = tool.parameters.get("required") or ()
        properties = tool.parameters.get("properties") or {}
        root = tool.parameters
        samples[tool.name] = {
            name: [_said(sample_value(properties[name], rng, root)) for _ in range(40)]
            for name in required
            if name in properties
        }
    return plain_book(tools, samples)


def _said(value: object) -> Said:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # braces would be read as slots
    return text.replace("{", "(").replace("}", ")") if not isinstance(value, str) else text, value
