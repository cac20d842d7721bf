"""A row -> the same without a required value in its request, answered by a question for it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from callwright.data.around import Around, could_stand_in, made, things, word_set
from callwright.data.similar import words
from callwright.types import Conversation, JsonObject, Message

MISSING = "missing"
"""The key of a row's provenance that names the tool and the parameter that were taken away."""


def drop_value(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """A required value cut out of the request: the answer becomes a question for it, and the row ends there.

    Cut is the whole phrase ("for the city of Oslo"), and only where what is left still reads as a request. Left alone
    are rows in which the value is said twice or in part elsewhere, stands in another argument, has a default, or can
    be guessed ("today"); rows with another tool that could do without it; and rows whose other required values are not
    said word for word, since those would have to be asked for too.
    """
    if [message.role for message in row.messages[:2]] != ["user", "assistant"] or len(row.messages[1].calls) != 1:
        return None
    request, call = row.messages[0], row.messages[1].calls[0]
    tool = next((tool for tool in row.tools if tool.name == call.name), None)
    if tool is None or any(could_stand_in(o, tool, request.text) for o in row.tools if o is not tool):
        return None
    required = list(tool.parameters.get("required") or ())
    if any(not _says(request.text, call.arguments.get(name)) for name in required):
        return None
    for name in rng.sample(required, len(required)):
        schema = (tool.parameters.get("properties") or {}).get(name)
        if not isinstance(schema, dict) or (noun := _noun(name, schema)) is None:
            continue
        others = {key: value for key, value in call.arguments.items() if key != name}
        left = _without(request.text, call.arguments[name], name, list(others.values()))
        if left is not None and all(_says(left, others[key]) for key in required if key != name):
            answer = Message("assistant", _question(noun, schema, rng))
            missing = {MISSING: {"tool": tool.name, "parameter": name}}
            return made(row, "drop_value", messages=(replace(request, text=left), answer), provenance=missing)
    return None


def missing_words(row: Conversation) -> frozenset[str]:
    """Words that a question for the value taken from a row must have one of; empty where none was taken."""
    missing = row.provenance.get(MISSING)
    if not isinstance(missing, dict):
        return frozenset()
    schemas = (tool.parameters.get("properties") or {} for tool in row.tools if tool.name == missing["tool"])
    schema = next((found.get(missing["parameter"]) for found in schemas), None)
    noun = _noun(missing["parameter"], schema) if isinstance(schema, dict) else None
    return frozenset(words(f"{missing['parameter']} {noun or ''}"))


def _says(text: str, value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and _count(text, str(value)) > 0


def _count(text: str, said: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(said)}(?!\w)", text, re.IGNORECASE)) if said.strip() else 0


_PREPOSITIONS = (
    "for|of|in|at|on|to|from|with|by|about|near|using|under|regarding|against|into|via|through|named|called|titled"
)
_ARTICLES = "the|a|an|my|our|your|this|that"
_LABELS = "ID|name|number|code|identifier|unique|identification|username"
# participles that mean nothing without the phrase behind them
_PARTICIPLES = "located|based|related|belonging|written|specializing|focused|focusing|dated|starting|ending|made|posted"
_PARTICIPLES += "|published|issued|situated|associated|registered|identified"
# what may stand behind a phrase that is cut out whole
_BEHIND = r"(?=\s*(?:$|[.!?;]|,\s*(?:and|with|using|including|please|for|from|at|in)\b|"
_BEHIND += r"(?:with|for|in|on|at|from|by|to|using|during|via|today|tomorrow|tonight|now|please)\b))"
# words that leave a sentence open at its end, or before another preposition
_OPEN = rf"(?:{_PREPOSITIONS}|{_ARTICLES}|{_PARTICIPLES}|and|or|as|is|are|be|between|than|according|ID|due|such)"
_GUESSABLE = word_set("today now current currently here tonight my me mine home this latest next all any")


def _phrases(said: str, name: str) -> Iterator[re.Pattern[str]]:
    """Ways in which a value stands in a request, the widest first; the group `keep` stays."""
    own = "|".join(re.escape(word) for word in words(name) if len(word) > 1) or "value"
    value = rf"(?P<open>['\"]?)(?<!\w){re.escape(said)}(?!\w)(?P=open)"
    label = rf"(?:(?:{own}|{_LABELS})\s+)"
    yield re.compile(
        rf"(?P<keep>)[\s,]*\b(?:(?:{_PARTICIPLES}|which is|that is)\s+)?(?:{_PREPOSITIONS})\s+(?:(?:{_ARTICLES})\s+)?"
        rf"{label}{{0,4}}(?:(?:of|is|named|called|titled)\s+)?{value}(?:\s+(?:{own}))?{_BEHIND}",
        re.IGNORECASE,
    )
    # "the phrase 'Good morning'" keeps its noun
    quoted = rf"(['\"]){re.escape(said)}\2"
    nouns = rf"(?P<keep>\b(?:{_ARTICLES})(?:\s+[A-Za-z]+){{1,2}}?)"
    yield re.compile(rf"{nouns}\s+(?:(?:named|called|titled)\s+)?{quoted}{_BEHIND}", re.IGNORECASE)


def _without(text: str, value: Any, name: str, others: Sequence[Any]) -> str | None:
    said = value if isinstance(value, str) else str(value)
    if _count(text, said) != 1 or said.casefold() in _GUESSABLE or set(words(said)) <= _GUESSABLE:
        return None
    if any(said.casefold() in str(other).casefold() or str(other).casefold() in said.casefold() for other in others):
        return None
    for pattern in _phrases(said, name):
        found = pattern.search(text)
        if found is None:
            continue
        left = _tidy(text[: found.start()] + found["keep"] + text[found.end() :])
        if _reads(left, text) and not _hints(left, said):
            return left
    return None


def _tidy(text: str) -> str:
    text = re.sub(r"\s+([,.?!;])", r"\1", re.sub(r"\s{2,}", " ", text)).strip(" ,;")
    return text[:1].upper() + text[1:] if text[:1].islower() and text[-1:] in ".?!" else text


def _reads(left: str, text: str) -> bool:
    """Whether what is left is still a request: about something, closed, and with no two prepositions run together."""
    clash = rf"\b{_OPEN}\s*[,.!?;]|\b{_OPEN}\s*$|\b(?:{_ARTICLES}|and|or|is|of)\s+(?:{_PREPOSITIONS})\b"
    fresh = {found[0] for found in re.finditer(clash, left, re.IGNORECASE)}
    before = {found[0] for found in re.finditer(clash, text, re.IGNORECASE)}
    return (
        len(left.split()) >= 3 and bool(things(left)) and fresh <= before and _open_quotes(left) == _open_quotes(text)
    )


def _open_quotes(text: str) -> tuple[int, int]:
    """Quotes without a partner; an apostrophe inside a word is none."""
    return text.count('"') % 2, len(re.findall(r"(?<!\w)'|'(?!\w)", text)) % 2


def _hints(left: str, said: str) -> bool:
    """Whether a part of the value is still said, be it in another form: "Africa" in "African"."""
    rest = words(left)
    stems = [word[:5] for word in words(said) if len(word) >= 4 or word.isdigit()]
    return any(word == stem or (len(stem) >= 4 and word.startswith(stem)) for word in rest for stem in stems)


# they open as refusals do, see augment
_QUESTIONS = (
    "I need the {noun} for that. Could you tell me?",
    "I can do that. Could you tell me the {noun}?",
    "I need to know the {noun} to do that. What is it?",
    "I can help with that. Could you please provide the {noun}?",
    "I don't know the {noun} yet. Could you add that?",
    "I need one more thing for that: could you tell me the {noun}?",
)
_CHOICES = (
    "I can do that. Which {noun}: {choices}?",
    "I need the {noun} for that: {choices}?",
    "I need to know the {noun} first. Is it {choices}?",
)
_NOT_NOUNS = word_set("from to since until by is has on off at in for of with q x y n")
_SHOWN = {"id": "ID", "url": "URL", "ip": "IP address", "dob": "date of birth", "isbn": "ISBN", "num": "number of"}


def _noun(name: str, schema: JsonObject) -> str | None:
    """What to ask for, from a short description or else the name; None where neither is a noun, or a default is known.

    >>> _noun("organization_id", {})
    'organization ID'
    >>> _noun("object_name", {"description": "Title"}), _noun("from", {})
    ('title', None)
    """
    described = str(schema.get("description", ""))
    if "default" in schema or re.search(r"\b(default|optional|if known|leave empty)", described, re.IGNORECASE):
        return None
    parts = described.rstrip(".").split()
    if 1 <= len(parts) <= 2 and all(part.isalpha() for part in parts):
        return described.rstrip(".").lower()
    own = words(name)
    if not own or own[0] in _NOT_NOUNS or len("".join(own)) < 2:
        return None
    return " ".join(_SHOWN.get(word, word) for word in own)


def _question(noun: str, schema: JsonObject, rng: random.Random) -> str:
    choices = schema.get("enum")
    if isinstance(choices, list) and 2 <= len(choices) <= 5:
        listed = f"{', '.join(map(str, choices[:-1]))} or {choices[-1]}"
        return rng.choice(_CHOICES).format(noun=noun, choices=listed)
    return rng.choice(_QUESTIONS).format(noun=noun)
