"""A tool and values for it -> a request as people ask: orders, questions, wishes, fragments, corrections."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from callwright.data.similar import words
from callwright.synth.describe import Wish, wish
from callwright.synth.request import Piece, Request
from callwright.types import JsonObject, Tool

_ORDERS = (
    "{phrase}",
    "{phrase}",
    "{phrase}",
    "please {phrase}",
    "can you {phrase}",
    "could you {phrase}",
    "could you please {phrase}",
    "i need you to {phrase}",
    "help me {phrase}",
    "go ahead and {phrase}",
    "i'd like you to {phrase}",
    "would you {phrase}",
)
_WISHES = (
    "i want to {phrase}",
    "i'd like to {phrase}",
    "i need to {phrase}",
    "i was hoping to {phrase}",
    "is it possible to {phrase}",
    "i'm trying to {phrase}",
    "time to {phrase}",
    "we should {phrase}",
    "let's {phrase}",
    "any chance you could {phrase}",
)
_QUESTIONS = (
    "what is {thing}",
    "what's {thing}",
    "show me {thing}",
    "tell me {thing}",
    "give me {thing}",
    "find {thing}",
    "i need {thing}",
    "do you have {thing}",
    "can i see {thing}",
    "let me know {thing}",
    "i'm looking for {thing}",
    "curious about {thing}",
    "could you look up {thing}",
    "pull up {thing}",
)
_FRAGMENTS = ("{thing}", "{thing} please", "need {thing}", "{thing}, quickly")
_CORRECTIONS = (", no wait, ", ", sorry, ", ", i mean ", ", actually ", " - no, ")

# the word that leads to a value of this kind; "" where the parameter's own words are better
_LEADS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (
        frozenset({"city", "country", "location", "place", "region", "area", "venue", "town", "state"}),
        ("in", "for", "in", "around"),
    ),
    (frozenset({"origin", "source", "from"}), ("from",)),
    (frozenset({"destination", "target", "to"}), ("to",)),
    (frozenset({"date", "day"}), ("on", "for", "on")),
    (frozenset({"time", "hour"}), ("at", "at", "for")),
    (frozenset({"email", "recipient", "contact", "receiver"}), ("to", "for")),
    (frozenset({"author", "artist"}), ("by",)),
    (frozenset({"topic", "subject", "query", "keyword", "term"}), ("about", "on", "for")),
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value to be said: the parameter's name, its schema, the words for the value, the value."""

    name: str
    schema: JsonObject
    said: str
    value: object


def ask_plainly(tool: Tool, asked: Sequence[Value], rng: random.Random) -> Request:
    """A request for a tool that says every value; the words of values are pieces of their own."""
    core = _core(wish(tool), rng)
    clauses = [_clause(one, rng) for one in rng.sample(asked, len(asked))]
    if len(clauses) == 1 and rng.random() < 0.08:
        # "for Oslo, get the weather"
        return Request(_joined([*clauses[0], Piece(", "), Piece(core)]), f"{asked[0].name}, {core}")
    pieces = [Piece(core)]
    for number, clause in enumerate(clauses):
        joint = ", " if ":" in clause[0].text or "=" in clause[0].text else " "
        if number and rng.random() < 0.25:
            joint = rng.choice((", ", " and ", ", ", " - "))
        pieces += [Piece(joint), *clause]
    return Request(_joined(pieces), core)


def _core(wanted: Wish, rng: random.Random) -> str:
    kinds = [_ORDERS, _WISHES]
    if wanted.asks:
        kinds += [_QUESTIONS, _QUESTIONS, _FRAGMENTS]
    return rng.choice(rng.choice(kinds)).format(phrase=wanted.phrase, thing=wanted.thing)


def _clause(one: Value, rng: random.Random) -> list[Piece]:
    label = " ".join(words(one.name)) or one.name
    if isinstance(one.value, bool):
        return _boolean(label, one.value, rng)
    kind: Literal["value", "choice"] = "choice" if "enum" in one.schema else "value"
    value = [Piece(one.said, kind)]
    if rng.random() < 0.05 and isinstance(one.value, str) and "enum" not in one.schema:
        value = [Piece(_other(one.said) + rng.choice(_CORRECTIONS)), *value]
    lead = next((leads for names, leads in _LEADS if names & set(words(one.name))), None)
    style = rng.random()
    if lead and style < 0.6:
        return [Piece(rng.choice(lead) + " "), *value]
    # with several parameters of one kind only their names can tell them apart
    if style < 0.75:
        leading = (f"with {label} ", f"with the {label} ", f"{label} ", f"for {label} ", f"using {label} ")
        return [Piece(rng.choice(leading)), *value]
    if style < 0.9:
        naming = (f"{label}: ", f"the {label} is ", f"{label} = ", f"where the {label} is ")
        return [Piece(rng.choice(naming)), *value]
    return [Piece(rng.choice(("use ", "take ", "with "))), *value, Piece(f" as the {label}")]


def _boolean(label: str, value: bool, rng: random.Random) -> list[Piece]:
    if value:
        return [Piece(rng.choice((f"with {label}", f"{label}: yes", f"{label} on", f"make it {label}")))]
    return [Piece(rng.choice((f"without {label}", f"no {label}", f"{label} off", f"not {label}")))]


def _other(said: str) -> str:
    """A first try at a value, which is taken back."""
    first = said.split()[0] if said.split() else said
    return first[: max(2, len(first) // 2)] + "..." if len(first) > 3 else "um"


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Neighbouring pieces of plain words as one."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and piece.kind == joined[-1].kind == "words":
            joined[-1] = Piece(joined[-1].text + piece.text)
        elif piece.text:
            joined.append(piece)
    return tuple(joined)
