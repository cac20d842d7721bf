"""A conversation -> the rows that train it: one, or one for each turn where a template rewrites earlier turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from callwright.dialects.base import Dialect
from callwright.dialects.native import Native
from callwright.types import Conversation


def views(row: Conversation, dialect: Dialect) -> list[Conversation]:
    """The row itself, or one row for each trained turn of the assistant, cut behind it and trained on it alone.

    Templates that drop the thinking of earlier turns write a turn otherwise once another follows; what a model must
    learn is the turn as it writes it, behind the turns as the template shows them then. Their ids end in #1, #2, ...
    """
    places = [place for place, message in enumerate(row.messages) if message.role == "assistant"]
    if not isinstance(dialect, Native) or len(places) < 2 or not dialect.rewrites(row):
        return [row]
    return turns(row)


def turns(row: Conversation) -> list[Conversation]:
    """One row for each trained turn of the assistant, cut behind it and trained on it alone."""
    places = [place for place, message in enumerate(row.messages) if message.role == "assistant"]
    if len(places) == 1 and places[0] == len(row.messages) - 1:
        return [row]
    return [_until(row, place) for place in places if row.messages[place].train is not False]


def all_views(rows: Iterable[Conversation], dialect: Dialect) -> Iterator[Conversation]:
    """Every row as `views` gives it."""
    for row in rows:
        yield from views(row, dialect)


def _until(row: Conversation, place: int) -> Conversation:
    before = tuple(replace(m, train=False) if m.role == "assistant" else m for m in row.messages[:place])
    number = sum(message.role == "assistant" for message in row.messages[: place + 1])
    return replace(row, id=f"{row.id}#{number}", messages=(*before, row.messages[place]))
