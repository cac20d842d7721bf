"""Each dialect with two calls as it writes them."""

from __future__ import annotations

from dataclasses import dataclass

from callwright.dialects.base import text_of
from callwright.dialects.families import FAMILIES
from callwright.dialects.families.xlam import XLAM
from callwright.dialects.serving import SERVED, Parsers
from callwright.types import Message, ToolCall

_CALLS = Message(
    "assistant",
    "",
    (ToolCall("set_light", {"room": "hall", "level": 40}), ToolCall("play", {"song": "Für Elise", "loop": True})),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A dialect by its name in a recipe, two calls in it, servers' parsers for it, and what it is for."""

    name: str
    text: str
    vllm: str
    sglang: str
    note: str


def examples() -> list[Example]:
    """All dialects, in the order in which `dialects.DIALECTS` has them, without 'native'."""
    some = {"hermes": FAMILIES["hermes"], "compact": FAMILIES["hermes"], "xlam": XLAM, **FAMILIES}
    notes = {"compact": "tools declared by signatures", "xlam": "the tags of the xLAM-60k guides"}
    made = []
    for name, family in some.items():
        parsers = SERVED.get("hermes" if name == "compact" else name, Parsers())
        made.append(Example(name, text_of(family.write(_CALLS)), parsers.vllm, parsers.sglang, notes.get(name, "")))
    return made
