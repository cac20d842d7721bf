"""A teacher's answer, however it is wrapped -> the rows in it, and what of it cannot be read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from callwright.types import JsonObject

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*\s*(.*?)(?:```|\Z)", re.DOTALL)
_ROW_KEYS = ("request", "turns")
_ROW_START = re.compile(r'\{\s*"(?:request|turns)"')
_MOST_FAILURES = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a teacher offered for one row, as JSON, and the key of the question that it answers."""

    raw: Any
    category: str
    question: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that is not used: a kind that can be counted, and why."""

    candidate: Candidate
    kind: str
    why: str

    def to_json(self) -> JsonObject:
        """As a line of the file of rejected rows."""
        made = self.candidate
        return {
            "kind": self.kind,
            "why": self.why,
            "category": made.category,
            "question": made.question,
            "raw": made.raw,
        }


def candidates(text: str, category: str, question: str) -> Iterator[Candidate | Rejected]:
    """The rows in an answer: a JSON list, an object that holds one, or objects one after another.

    Thoughts, fences and words around them are passed over. Of a list that breaks off, the whole rows are given, and
    the rest is rejected.
    """
    bare = _THOUGHT.sub("", text)
    fenced = [found[1] for found in _FENCE.finditer(bare) if found[1].lstrip()[:1] in ("[", "{")]
    found = False
    for body in fenced or [bare]:
        for value in _values(body):
            found = True
            if isinstance(value, ValueError):
                yield Rejected(Candidate(body, category, question), "broken JSON", str(value))
                continue
            for raw in _rows(value):
                yield Candidate(raw, category, question)
    if not found:
        yield Rejected(Candidate(text, category, question), "broken JSON", "the answer holds no JSON")


def _values(body: str) -> Iterator[Any]:
    """JSON values, lists taken apart, and a ValueError for each that cannot be read."""
    decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
    place, failures = 0, 0
    while failures < _MOST_FAILURES and (start := _next(body, place)) >= 0:
        try:
            value, place = decoder.raw_decode(body, start)
        except (ValueError, RecursionError) as error:
            failures += 1
            if body[start] == "[":
                # its rows may be whole where the list is not
                place = start + 1
                continue
            yield ValueError(f"at character {start}: {error}")
            following = _ROW_START.search(body, start + 1)
            if following is None:
                return
            place = following.start()
            continue
        yield from value if isinstance(value, list) else [value]


def _next(body: str, place: int) -> int:
    """Where the next list or object begins."""
    return min((at for at in (body.find("[", place), body.find("{", place)) if at >= 0), default=-1)


def _rows(value: Any) -> Iterator[Any]:
    """The value, or the rows that it holds under one key, whatever its name."""
    if isinstance(value, dict) and not any(key in value for key in _ROW_KEYS):
        held = [inner for inner in value.values() if isinstance(inner, list)]
        if len(held) == 1 and held[0] and all(isinstance(inner, dict) for inner in held[0]):
            yield from held[0]
            return
    yield value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large")
    return value
