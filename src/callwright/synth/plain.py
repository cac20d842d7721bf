"""Tools alone, or with some requests of the user's own -> requests: values by schema, words by description."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from callwright.data.coverage import Coverage
from callwright.data.similar import words
from callwright.errors import ToolError
from callwright.schema import validate
from callwright.synth import values
from callwright.synth.bank import Bank
from callwright.synth.examples import templates_of, values_of
from callwright.synth.fill import Said
from callwright.synth.focus import Focus
from callwright.synth.grammar import Value, ask_plainly
from callwright.synth.ground import Synonyms, ungrounded
from callwright.synth.phrase import SLOT, Template
from callwright.synth.request import Around, Asked, Lacking, Piece, Request
from callwright.types import Conversation, JsonObject, Tool, ToolCall

_TRIES = 30
# how often a wording is the user's own, and where something failed; how often a value is one of their own requests,
# which have it in the form that they want; how often a parameter is given that failed
_OWN_WORDS, _OWN_WORDS_FAILED = 0.6, 0.9
_OWN_VALUE = 0.9
_PRACTISED = 0.7
_QUESTIONS = (
    "Which {}?",
    "What {} should I use?",
    "What is the {}?",
    "Please tell me the {}.",
    "I need the {} for that.",
)


@dataclass
class PlainPhraser:
    """Asks for tools without a phrasebook. The wordings of `examples`, the user's own rows, are used again, and their
    values in other wordings; of both rather those that a focus is on."""

    tools: Sequence[Tool]
    rng: random.Random
    examples: Sequence[Conversation] = ()
    around: Around = field(default_factory=Around)
    focus: Focus | None = None
    synonyms: Synonyms = field(init=False)

    def __post_init__(self) -> None:
        self.coverage = Coverage(self.tools)
        self._bank = Bank(self.tools)
        self._templates, self.synonyms = templates_of(self.examples, self.tools)
        self._own = values_of(self.examples, self.tools)
        self._weights = {
            name: [self.focus.weight(name, one) if self.focus else 1.0 for one in own]
            for name, own in self._templates.items()
        }

    def ask(self, tool: Tool) -> Asked | None:
        """A request and its call, every value said in it; None where this tool's values cannot be put into words."""
        for _ in range(_TRIES):
            own = self._templates.get(tool.name)
            if own and self.rng.random() < (_OWN_WORDS_FAILED if self.focus else _OWN_WORDS):
                asked = self._from_template(tool, self.rng.choices(own, self._weights[tool.name])[0])
            else:
                said = self._values(tool, self._names(tool))
                asked = Asked(ask_plainly(tool, said, self.rng), (_call(tool, {one.name: one.value for one in said}),))
            (call,) = asked.calls
            if not validate(call.arguments, tool.parameters) and not ungrounded(
                call, tool, asked.request.text, self.synonyms
            ):
                self.coverage.add(call)
                return asked
        return None

    def practice(self, tool: Tool) -> float:
        """The same for every tool."""
        return 1.0

    def ask_several(self) -> Asked | None:
        """Nothing: which values people list in one breath is not known from a schema."""
        return None

    def lack(self) -> Lacking | None:
        """A request that leaves one required value unsaid, the question for it, and the value."""
        able = [tool for tool in self.tools if tool.parameters.get("required")]
        if not able:
            return None
        tool = self.rng.choice(able)
        properties = _properties(tool)
        lacking = self.rng.choice([name for name in tool.parameters["required"] if name in properties] or [""])
        if not lacking:
            return None
        said = self._values(tool, self._names(tool))
        request = ask_plainly(tool, [one for one in said if one.name != lacking], self.rng)
        (missing,) = (one for one in said if one.name == lacking)
        label = " ".join(words(lacking)) or lacking
        completion = Request((Piece(missing.said, "value"),), lacking)
        call = _call(tool, {one.name: one.value for one in said})
        return Lacking(request, self.rng.choice(_QUESTIONS).format(label), completion, call)

    def idle(self) -> Asked:
        """Something that none of the tools does."""
        say, answer = self._bank.draw(self.rng)
        return Asked(Request((Piece(say),), say), (), answer)

    def _from_template(self, tool: Tool, template: Template) -> Asked:
        parts = SLOT.split(template.say)
        properties = _properties(tool)
        said = {name: self._said(tool, name, properties[name]) for name in dict.fromkeys(parts[1::2])}
        pieces = tuple(Piece(said[part][0], "value") if i % 2 else Piece(part) for i, part in enumerate(parts) if part)
        meant = {name: value for name, (_, value) in said.items()}
        return Asked(Request(pieces, template.say), (_call(tool, meant | template.fixed),))

    def _names(self, tool: Tool) -> list[str]:
        """The required parameters, with none, some or all of the others: all three must be seen."""
        required = set(tool.parameters.get("required") or ())
        optional = [name for name in _properties(tool) if name not in required]
        share = self.rng.choice((0.0, 0.25, 0.5, 1.0)) if len(optional) <= 4 else self.rng.choice((0.0, 0.15, 0.4))
        chosen = {name for name in optional if self.rng.random() < share}
        rare = [name for name in optional if self.coverage.present[tool.name, name] == 0 and name not in chosen]
        if rare and self.rng.random() < 0.5:
            chosen.add(self.rng.choice(rare))
        if self.focus is not None and self.rng.random() < _PRACTISED:
            failed = self.focus.parameters.get(tool.name) or {}
            able = [name for name in optional if name in failed]
            chosen |= set(self.rng.choices(able, [failed[name] for name in able])) if able else set()
        return [name for name in _properties(tool) if name in required or name in chosen]

    def _values(self, tool: Tool, names: Sequence[str]) -> list[Value]:
        properties = _properties(tool)
        return [Value(name, properties[name], *self._said(tool, name, properties[name])) for name in names]

    def _said(self, tool: Tool, name: str, schema: JsonObject) -> Said:
        if isinstance(schema.get("enum"), list) and schema["enum"] and self.rng.random() < 0.5:
            value = self.coverage.rarest_value(tool, name, schema)
            return values.shown(value), value
        own = self._own.get((tool.name, name))
        if own and self.rng.random() < _OWN_VALUE:
            return self.rng.choice(own)
        try:
            return values.draw(name, schema, tool.parameters, self.rng)
        except ToolError as error:
            raise ToolError(f"{tool.name}.{name}: {error}") from error


def _properties(tool: Tool) -> Mapping[str, JsonObject]:
    named = tool.parameters.get("properties") or {}
    return {name: schema if isinstance(schema, dict) else {} for name, schema in named.items()}


def _call(tool: Tool, meant: Mapping[str, object]) -> ToolCall:
    return ToolCall(tool.name, {name: meant[name] for name in _properties(tool) if name in meant})
