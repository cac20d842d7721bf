"""A row's turns -> why they may not be used, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from callwright.schema import validate
from callwright.synth.ground import Synonyms, unsaid
from callwright.synth.phrase import SLOT, Phrasebook
from callwright.types import Message, Tool

CHECKS = ("format", "schema", "grounded", "unique")
"""What every row has passed, as its provenance names them."""


def wrong(messages: Sequence[Message], declared: Mapping[str, Tool], synonyms: Synonyms) -> str:
    """A thing wrong with a row, "" for none; what stands before the colon names the check.

    An empty turn, a call of no declared tool, arguments that do not validate, or values that nobody said before.
    """
    for message in messages:
        if not message.text.strip() and not message.calls:
            return f"format: an empty {message.role} turn"
        for call in message.calls:
            if call.name not in declared:
                return f"schema: {call.name}: no such tool is declared"
            problems = validate(call.arguments, declared[call.name].parameters)
            if problems:
                return f"schema: {call.name}: {problems[0]}"
    for call, values in unsaid(messages, declared, synonyms):
        return f"grounded: {call.name}: nobody said {', '.join(values)}"
    return ""


def synonyms_of(book: Phrasebook) -> Synonyms:
    """The words that a phrasebook itself declares to mean a value: pool entries, and wordings that fix an argument."""
    found: dict[tuple[str, str], dict[object, list[str]]] = {}
    for name, phrases in book.tools.items():
        for parameter, sources in phrases.slots.items():
            ways = found.setdefault((name, parameter), {})
            for said, value in (entry for pool in sources for entry in book.pools.get(pool, ())):
                if said != value and not SLOT.search(said):
                    ways.setdefault(value, []).append(said)
        for template in phrases.templates:
            for parameter, value in template.fixed.items():
                spoken = max(_words_of(template.say), key=len, default="")
                found.setdefault((name, parameter), {}).setdefault(value, []).append(spoken)
    return found


def _words_of(say: str) -> Iterable[str]:
    """The parts of a template between its slots."""
    return (part.strip() for part in SLOT.split(say)[::2])
