"""A phrasebook -> requests: templates filled from pools, values listed in one breath, values left unsaid."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from callwright.synth.bank import Bank
from callwright.synth.fill import BUILT_IN, Said
from callwright.synth.focus import Focus
from callwright.synth.phrase import SLOT, Phrasebook, Phrases, Template
from callwright.synth.request import Around, Asked, Lacking, Piece, Request
from callwright.types import JsonObject, Tool, ToolCall

# a slot at the end of a template with the words that lead to it: without it, the value is missing
_LAST = re.compile(r"[,:]?(?: (?:for|to|at|on|in|of|with|by|from|that|saying|about))? ?\{(\w+)\}$")
_OPEN_END = frozenset("a an the some my our this that is are be it me us to for and".split())  # noqa: SIM905
_FROM_BANK = 0.4
_WORKED_OUT = 1.5


@dataclass
class BookPhraser:
    """Asks in the words of a phrasebook, rather those that a focus is on; for what no tool does also in those of the
    general bank."""

    tools: Sequence[Tool]
    book: Phrasebook
    rng: random.Random
    focus: Focus | None = None
    around: Around = field(init=False)

    def __post_init__(self) -> None:
        self.around = self.book.around
        self._bank = Bank(self.tools)
        self._by_name = {tool.name: tool for tool in self.tools}
        self._weights: dict[str, list[float]] = {}
        self._missing = [(name, pair) for name, phrases in self.book.tools.items() for pair in phrases.missing]
        self._cut = [entry for name, phrases in self.book.tools.items() for entry in _cut(self._by_name[name], phrases)]
        self._several = [(name, p) for name, phrases in self.book.tools.items() for p in phrases.several]

    def ask(self, tool: Tool) -> Asked:
        """One of the tool's templates, filled."""
        phrases = self.book.tools[tool.name]
        template = self._template(tool.name, phrases)
        pieces, meant = self._filled(template.say, phrases, tool)
        return Asked(Request(pieces, template.say), (_call(tool, meant | template.fixed),))

    def _template(self, name: str, phrases: Phrases) -> Template:
        if self.focus is None:
            return self.rng.choice(phrases.templates)
        if name not in self._weights:
            self._weights[name] = [self.focus.weight(name, template) for template in phrases.templates]
        return self.rng.choices(phrases.templates, self._weights[name])[0]

    def practice(self, tool: Tool) -> float:
        """More where a value has to be worked out from its words, as times and durations have."""
        pools = {pool for sources in self.book.tools[tool.name].slots.values() for pool in sources}
        return _WORKED_OUT if pools & BUILT_IN.keys() else 1.0

    def ask_several(self) -> Asked | None:
        """A template whose one slot holds a list of values, or the same template again for other values."""
        if not self._several:
            return None
        name, parameter = self.rng.choice(self._several)
        tool, phrases = self._by_name[name], self.book.tools[name]
        having = [t for t in phrases.templates if f"{{{parameter}}}" in t.say]
        template = self.rng.choice(having)
        count = 2 if self.rng.random() < 0.8 else 3
        if self.rng.random() < 0.4:
            return self._again(tool, template, count)
        values = [self._said(parameter, phrases, tool) for _ in range(count)]
        if len({str(value) for _, value in values}) < count or any(" and " in piece.text for piece, _ in values):
            return None
        pieces, meant = self._filled(template.say.replace(f"{{{parameter}}}", "\0"), phrases, tool)
        listed = tuple(self._listed([piece for piece, _ in values]))
        joined = [part for piece in pieces for part in _with_list(piece, listed)]
        calls = tuple(_call(tool, meant | template.fixed | {parameter: value}) for _, value in values)
        return Asked(Request(tuple(joined), template.say), calls)

    def _listed(self, values: Sequence[Piece]) -> list[Piece]:
        last = self.rng.choice((" and ", " and ", " and ", " & ", " plus ", ", ", " and also "))
        parts: list[Piece] = []
        for number, value in enumerate(values):
            parts += [Piece(last if number == len(values) - 1 else ", ")] * bool(number) + [value]
        return parts

    def _again(self, tool: Tool, template: Template, count: int) -> Asked:
        phrases = self.book.tools[tool.name]
        pieces: list[Piece] = []
        calls: list[ToolCall] = []
        joint = self.rng.choice((", ", ", ", " and ", "; ", ", and "))
        for number in range(count):
            part, meant = self._filled(template.say, phrases, tool)
            call = _call(tool, meant | template.fixed)
            if call in calls:
                continue
            pieces += ([Piece(joint)] if number else []) + list(part)
            calls.append(call)
        if len(calls) > 1:
            pieces.append(Piece(self.rng.choice(("", "", " too", " as well", ", too", " also"))))
        return Asked(Request(tuple(pieces), template.say), tuple(calls))

    def lack(self) -> Lacking | None:
        """A pair of the book's own, or a template that is cut before its last value."""
        if self._cut and (not self._missing or self.rng.random() < 0.5):
            tool, template, parameter, question = self.rng.choice(self._cut)
            phrases = self.book.tools[tool.name]
            pieces, meant = self._filled(template.say, phrases, tool)
            (piece, value) = self._said(parameter, phrases, tool)
            call = _call(tool, meant | template.fixed | {parameter: value})
            return Lacking(Request(pieces, template.say), question, Request((piece,), parameter), call)
        if not self._missing:
            return None
        name, (say, question) = self.rng.choice(self._missing)
        pieces, _ = self._filled(say, self.book.tools[name], self._by_name[name])
        return Lacking(Request(pieces, say), question)

    def idle(self) -> Asked | None:
        """The book's own, or something that nobody's functions do."""
        if not self.book.no_call or self.rng.random() < _FROM_BANK:
            say, answer = self._bank.draw(self.rng)
            return Asked(Request((Piece(say),), say), (), answer)
        say, answer = self.rng.choice(self.book.no_call)
        pieces, _ = self._filled(say, Phrases((), {}), None)
        return Asked(Request(pieces, say), (), answer)

    def _filled(self, say: str, phrases: Phrases, tool: Tool | None) -> tuple[tuple[Piece, ...], JsonObject]:
        """The pieces of a template, and the arguments that its slots mean; a slot that is no parameter means none."""
        parts = SLOT.split(say)
        said = {name: self._said(name, phrases, tool) for name in dict.fromkeys(parts[1::2])}
        pieces = tuple(said[part][0] if i % 2 else Piece(part) for i, part in enumerate(parts) if part)
        return pieces, {name: value for name, (_, value) in said.items() if name in phrases.slots}

    def _said(self, name: str, phrases: Phrases, tool: Tool | None) -> tuple[Piece, Any]:
        surface, value = draw(phrases.slots.get(name, (name,)), self.book.pools, self.rng)
        schema = (tool.parameters.get("properties") or {}).get(name) if tool else None
        closed = isinstance(schema, dict) and "enum" in schema
        return Piece(surface, "choice" if closed else "value"), value


def draw(sources: Sequence[str], pools: Mapping[str, Sequence[Said]], rng: random.Random) -> Said:
    """A value from one of some pools; a pool's entry may name other pools."""
    source = rng.choice(list(sources))
    if source in BUILT_IN:
        return BUILT_IN[source](rng)
    surface, value = rng.choice(pools[source])
    while found := SLOT.search(surface):
        inner, _ = draw((found[1],), pools, rng)
        surface = surface[: found.start()] + inner + surface[found.end() :]
        value = surface
    return surface, value


def _call(tool: Tool, meant: JsonObject) -> ToolCall:
    order = list(tool.parameters.get("properties") or {})
    return ToolCall(tool.name, {name: meant[name] for name in order if name in meant})


def _with_list(piece: Piece, listed: Sequence[Piece]) -> list[Piece]:
    """A piece, with the list in place of its mark."""
    before, mark, after = piece.text.partition("\0")
    if not mark:
        return [piece]
    parts = [Piece(before), *listed, Piece(after)]
    return [part for part in parts if part.text]


def _cut(tool: Tool, phrases: Phrases) -> list[tuple[Tool, Template, str, str]]:
    """(tool, template without its last slot, that slot's parameter, the question for it)."""
    required = set(tool.parameters.get("required") or ())
    questions: dict[str, str] = {}
    for say, question in phrases.missing:
        unsaid = required - set(SLOT.findall(say))
        if len(unsaid) == 1:
            questions.setdefault(unsaid.pop(), question)
    whole = {template.say for template in phrases.templates}
    found = []
    for template in phrases.templates:
        last = _LAST.search(template.say)
        if last is None or last[1] not in questions:
            continue
        rest = template.say[: last.start()].rstrip(" ,:")
        ended = rest.split()[-1:] and rest.split()[-1] in _OPEN_END
        given = set(SLOT.findall(rest)) | set(template.fixed)
        if len(rest.split()) > 1 and not ended and rest not in whole and required - given == {last[1]}:
            found.append((tool, replace(template, say=rest), last[1], questions[last[1]]))
    return found
