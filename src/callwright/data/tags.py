"""Text with `<tag>...</tag>` in it -> its pieces, and the JSON objects that stand one after another in a body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callwright.data import strict
from callwright.data.fields import Fields
from callwright.errors import DataError


def pieces(text: str, tag: str) -> Iterator[tuple[bool, str]]:
    """Text cut at a tag: (inside, piece) in order, none of them empty outside. A closing inside JSON is part of it.

    Raises ValueError for an opening without its closing.

    >>> list(pieces('a <t>{"x": "</t>"}</t> b', "t"))
    [(False, 'a '), (True, '{"x": "</t>"}'), (False, ' b')]
    """
    opening, closing = f"<{tag}>", f"</{tag}>"
    place = 0
    while (start := text.find(opening, place)) >= 0:
        if start > place:
            yield False, text[place:start]
        body = start + len(opening)
        end = _end(text, body, closing)
        if end < 0:
            raise ValueError(f"'{opening}' at character {start + 1} is never closed")
        yield True, text[body:end]
        place = end + len(closing)
    if place < len(text):
        yield False, text[place:]


def _end(text: str, start: int, closing: str) -> int:
    place = start
    while True:
        place = after_space(text, place)
        if text.startswith(closing, place):
            return place
        try:
            _, place = strict.DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return text.find(closing, start)


def after_space(text: str, place: int) -> int:
    """The place of the next character that is not white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def objects(text: str, what: str, where: str, fields: Fields) -> list[Any]:
    """JSON values that follow each other, on lines or not, or one Python literal. Raises DataError."""
    found: list[Any] = []
    place = after_space(text, 0)
    while place < len(text):
        try:
            value, place = strict.DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return [*found, *_python(text[place:], what, where, fields)]
        found.append(value)
        place = after_space(text, place)
    return found


def _python(text: str, what: str, where: str, fields: Fields) -> list[Any]:
    """What Python prints for a value, or for one value a line."""
    try:
        return [fields.decoded(text, what, where, python=True)]
    except DataError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [fields.decoded(line, what, where, python=True) for line in lines]
