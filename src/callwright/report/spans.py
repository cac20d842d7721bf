"""A raw reply and the calls that it was parsed to -> its characters by what they are, for any dialect.

Names, keys and values are looked for in the order in which the parser gave them; what is not found, as an escaped value
may not be, stays scaffold. So no dialect has to be known, and a report can be made from files alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.types import JsonObject

SCAFFOLD, NAME, KEY, ARGUMENT, TEXT, BROKEN = "scaffold", "name", "key", "argument", "text", "broken"

Piece = tuple[str, str]
"""What it is, and the text."""

Mark = tuple[int, int, str]
"""Where it begins, where it ends, and what it is."""

_GAP = 60
"""Characters that may stand between a key and its value."""


def pieces(raw: str, calls: Sequence[JsonObject], text: str, broken: Sequence[JsonObject]) -> list[Piece]:
    """The raw text, cut where its meaning changes. Calls are `{"name", "arguments"}`, broken ones `{"text"}`.

    >>> pieces('<call>{"f": {"x": 1}}', [{"name": "f", "arguments": {"x": 1}}], "", [])
    [('scaffold', '<call>{"'), ('name', 'f'), ('scaffold', '": {"'), ('key', 'x'), ('scaffold', '": '), \
('argument', '1'), ('scaffold', '}}')]
    """
    kinds = [SCAFFOLD if calls or broken else TEXT] * len(raw)
    for words in [text, *text.split("\n")]:
        _paint(kinds, raw, words.strip(), TEXT)
    for failed in broken:
        _paint(kinds, raw, str(failed.get("text", "")), BROKEN)
    for start, end, kind in _marks(raw, calls):
        kinds[start:end] = [kind] * (end - start)
    return list(_joined(raw, kinds))


def _paint(kinds: list[str], raw: str, words: str, kind: str) -> None:
    start = raw.find(words) if words else -1
    if start >= 0:
        kinds[start : start + len(words)] = [kind] * len(words)


def _marks(raw: str, calls: Sequence[JsonObject]) -> Iterator[Mark]:
    place = 0
    for call in calls:
        name = str(call["name"])
        start = raw.find(name, place) if name else -1
        if start < 0:
            continue
        first = place = start + len(name)
        yield start, first, NAME
        for key, value in call["arguments"].items():
            # some families sort keys, which the parser puts back into the order of the schema
            found = _argument(raw, place, key, value) or _argument(raw, first, key, value)
            if found:
                yield from found
                place = max(place, found[-1][1])


def _argument(raw: str, place: int, key: str, value: Any) -> tuple[Mark, Mark] | None:
    """Where a key stands, with its value soon behind it."""
    start = raw.find(key, place) if key else -1
    while start >= 0:
        found = _value(raw, start + len(key), value)
        if found:
            return (start, start + len(key), KEY), (*found, ARGUMENT)
        start = raw.find(key, start + 1)
    return None


def _value(raw: str, place: int, value: Any) -> tuple[int, int] | None:
    """Where a value stands: the first of the ways to write it, and of two at one place the longer."""
    ways = {json.dumps(value, ensure_ascii=False), json.dumps(value), json.dumps(value, separators=(",", ":"))}
    ways |= {repr(value)} | ({value} if isinstance(value, str) and value else set())
    found = [(start, -len(way)) for way in ways if (start := raw.find(way, place, place + _GAP + len(way))) >= 0]
    if not found:
        return None
    start, length = min(found)
    return start, start - length


def _joined(raw: str, kinds: Sequence[str]) -> Iterator[Piece]:
    start = 0
    for place in range(1, len(raw) + 1):
        if place == len(raw) or kinds[place] != kinds[start]:
            yield kinds[start], raw[start:place]
            start = place
