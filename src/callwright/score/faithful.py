"""What an assistant says after results -> the numbers and names in it that nobody gave, and those that it passes on.

Numbers count in digits and in words, rounded or as a percentage; dates and times in their usual forms. Names are words
with a capital letter inside a sentence: a word that begins a sentence is never taken for one, and languages that
capitalise more than names (German) are judged too strictly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from callwright.data.similar import words
from callwright.synth.fill import words as number_words
from callwright.synth.ground import Said

_DIGITS = re.compile(r"(?<![\w.,])[-+]?[$€£]?(\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(%|percent\b|per cent\b)?")
_MARKER = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_NAME = re.compile(r"[^\W\d_][\w'’-]*")
_OPENING = " \t\"“'*_-•(["
_ENDS = ".!?:;\n"
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})")
_ISO_TIME = re.compile(r"\b(\d{2}):(\d{2})")
_SPELLED = {number_words(n): n for n in range(2, 100)}
_SPELLED_WORD = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _SPELLED), key=len, reverse=True)) + r")\b")
_NO_NAMES = frozenset(("i", "i'm", "i've", "i'll", "i'd", "ok", "okay", "am", "pm", "yes", "no"))
_SHORTEST = 4


@dataclass(frozen=True)
class Claim:
    """A number or a name of a text. value: the number, None for a name; decimals: how many it was given to."""

    text: str
    value: float | None = None
    decimals: int = 0
    percent: bool = False


@dataclass(frozen=True)
class Known:
    """What texts and JSON results give: their numbers and words, and what follows from dates, times and lists."""

    texts: tuple[str, ...]

    @cached_property
    def said(self) -> Said:
        return Said("\n".join(self.texts))

    @cached_property
    def numbers(self) -> frozenset[float]:
        found = set(self.said.numbers)
        found |= {float(len(value)) for text in self.texts for value in _lists(_value(text))}
        for hour, _ in _ISO_TIME.findall(self.said.text):
            found.add(float(int(hour) % 12 or 12))
        return frozenset(found)

    @cached_property
    def words(self) -> frozenset[str]:
        found = set(words(self.said.text)) | set(re.findall(r"[^\W_]+", self.said.folded))
        for year, month, day in _ISO_DATE.findall(self.said.text):
            try:
                moment = date(int(year), int(month), int(day))
            except ValueError:
                continue
            found |= {word for form in ("%A", "%a", "%B", "%b") for word in words(moment.strftime(form))}
        return frozenset(found)

    def gives(self, claim: Claim) -> bool:
        """Whether a claim stands here, or follows from what does."""
        if claim.value is None:
            return set(words(claim.text)) <= self.words or set(re.findall(r"[^\W_]+", claim.text.casefold())) <= (
                self.words
            )
        if any(_rounds(number, claim.value, claim.decimals) for number in self.numbers):
            return True
        return claim.percent and any(_rounds(100 * number, claim.value, claim.decimals) for number in self.numbers)


def claims(text: str) -> list[Claim]:
    """The numbers and names of a text, in no particular order; numbers of list items are none.

    >>> [claim.text for claim in claims("It is 21.5 degrees in Oslo, and two rooms are free.")]
    ['21.5', 'two', 'Oslo']
    """
    bare = _MARKER.sub(" ", text)
    found = []
    for match in _DIGITS.finditer(bare):
        digits = match[1].replace(",", "")
        found.append(Claim(match[1], float(digits), len(digits.partition(".")[2]), percent=bool(match[2])))
    spelled = _SPELLED_WORD.finditer(bare.casefold().replace("-", " "))
    found += [Claim(match[1], float(_SPELLED[match[1]])) for match in spelled]
    return found + list(_names(bare))


def invented(text: str, known: Known) -> list[str]:
    """The numbers and names of a text that nothing known gives.

    >>> invented("It is 22 degrees in Bergen.", Known(("weather in Oslo?", '{"degrees": 21.6}')))
    ['Bergen']
    """
    return list(dict.fromkeys(claim.text for claim in claims(text) if not known.gives(claim)))


def passed_on(results: Sequence[str], before: Sequence[str], after: Sequence[str]) -> bool | None:
    """Whether later texts or calls hold a number, or a word of four letters, that results gave and nobody had said;
    None where results gave nothing new."""
    said = Known(tuple(before))
    leaves = [leaf for text in results for leaf in _leaves(_value(text))]
    new_words = {word for leaf in leaves for word in words(leaf) if len(word) >= _SHORTEST} - said.words
    new_numbers = {number for leaf in leaves for number in Said(leaf).numbers if re.search(r"\d", leaf)} - said.numbers
    if not new_words and not new_numbers:
        return None
    later = Known(tuple(after))
    if new_words & later.words:
        return True
    told = [claim for text in after for claim in claims(text) if claim.value is not None]
    return any(_rounds(number, claim.value or 0.0, claim.decimals) for number in new_numbers for claim in told)


def absent(required: Sequence[Any], text: str) -> list[str]:
    """Those of some values that a text does not hold: numbers by value, texts as whole words."""
    known = Known((text,))
    return [
        str(value)
        for value in required
        if not (float(value) in known.numbers if _is_number(value) else known.said.holds(str(value)))
    ]


def told_of(text: str, results: Sequence[str], before: Sequence[str]) -> list[Any]:
    """The numbers and names that a text takes from results and that nobody had said: what another text must hold."""
    given, said = Known(tuple(results)), Known(tuple(before))
    found = [claim for claim in claims(text) if given.gives(claim) and not said.gives(claim)]
    return list(dict.fromkeys(claim.text if claim.value is None else claim.value for claim in found))


def _names(text: str) -> Iterator[Claim]:
    for match in _NAME.finditer(text):
        word = re.sub(r"['’]s$", "", match[0])
        before = text[: match.start()].rstrip(_OPENING)
        begins = not before or before[-1] in _ENDS
        if word[:1].isupper() and word.casefold() not in _NO_NAMES and not begins:
            yield Claim(word)


def _rounds(number: float, claimed: float, decimals: int) -> bool:
    """Whether a number is the one that is claimed, to as many decimals as that has."""
    return abs(abs(number) - claimed) < 1e-9 or abs(abs(number) - claimed) <= 0.5 * 10**-decimals * (1 + 1e-9)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _leaves(value: Any) -> Iterator[str]:
    """The strings and numbers in a result; what it calls them says nothing."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _lists(inner)
