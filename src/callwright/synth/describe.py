"""A tool's description -> what a person would say who wants it: a verb phrase, and its object alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callwright.data.similar import words
from callwright.synth.pools import pools, verbs
from callwright.types import Tool

_IRREGULAR = {"does": "do", "goes": "go", "has": "have", "is": "be", "applies": "apply"}
# clauses that speak of parameters or of the programme, not of what is wanted
_SUCH = r"(?:given|specified|specific|particular|certain|provided)"
_CLAUSES = re.compile(
    rf"\s+(?:based on|given|according to|using (?:the|a|an|its) {_SUCH}|"
    rf"(?:for|of|with|from|in|on|at) (?:a|the) {_SUCH}|"
    r"by (?:providing|specifying|using|its|their|the given)|between (?:two|specified)|if (?:any|it|the)|"
    r"when |which |that |where |\(|, (?:such|including|given|with optional|optionally))\b.*$",
    re.IGNORECASE,
)
_FILLER = re.compile(rf"\b(?:{_SUCH}|various|desired)\s+", re.IGNORECASE)
_ABOUT = re.compile(
    r"^(?:(?:this|the|a) (?:function|tool|api|endpoint|method)(?: to| that| for)?|api (?:for|to)|"
    r"use this (?:tool |function )?to|"
    r"(?:allow|enable)s? (?:you|users?|the user) to|(?:it )?(?:is )?used to)\s+",
    re.IGNORECASE,
)
_LONGEST = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """`verb` + `thing`: "get" + "the weather forecast". `asks` is whether an answer is wanted rather than a deed."""

    verb: str
    thing: str
    asks: bool

    @property
    def phrase(self) -> str:
        return f"{self.verb} {self.thing}".strip()


def wish(tool: Tool) -> Wish:
    """Of the first sentence of a description where it begins with a verb, else of the name's words.

    >>> wish(Tool("get_weather", "Retrieves the weather forecast for a given city.", {})).phrase
    'retrieve the weather forecast'
    """
    sentence = re.split(r"(?<=[.!?])\s|\n", tool.description.strip(), maxsplit=1)[0].strip(" .!")
    said = _ABOUT.sub("", sentence)
    said = _FILLER.sub("", _CLAUSES.sub("", said)).strip(" ,.:;")
    parts = said.split()
    if parts and 2 <= len(parts) <= _LONGEST and _is_verb(parts[0], tool):
        return _wish(_base(parts[0]), " ".join([parts[1] if parts[1].isupper() else _lower(parts[1]), *parts[2:]]))
    named = words(tool.name.rpartition(".")[2])
    if len(named) > 1 and (_is_verb(named[0], None) or not said):
        return _wish(named[0], f"the {' '.join(named[1:])}")
    if said and len(parts) <= _LONGEST:
        return Wish("get", _lower(said), asks=True)
    return _wish("use", " ".join(named))


def _lower(word: str) -> str:
    """A word as it stands inside a sentence: names in capitals keep them."""
    return word[:1].lower() + word[1:] if word[1:2].islower() or len(word) == 1 else word


def _wish(verb: str, thing: str) -> Wish:
    return Wish(verb, thing, verb in pools()["asking"].split())


def _is_verb(word: str, tool: Tool | None) -> bool:
    base = _base(word)
    return base in verbs() or (tool is not None and words(tool.name)[:1] == [base])


def _base(word: str) -> str:
    """ "Retrieves" -> "retrieve"."""
    low = word.casefold()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    for ending in ("ches", "shes", "sses", "xes", "zzes"):
        if low.endswith(ending):
            return low[:-2]
    if low.endswith("s") and not low.endswith("ss") and low[:-1] in verbs():
        return low[:-1]
    if low.endswith("ing") and (low[:-3] in verbs() or low[:-3] + "e" in verbs()):
        return low[:-3] if low[:-3] in verbs() else low[:-3] + "e"
    return low
