"""A row -> what it must not share with a row on the other side of a split: its dialogue, its template, its tools."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from callwright.data.similar import words
from callwright.types import Conversation

By = Literal["row", "dialogue", "template", "tool", "called"]

_FEW_WORDS = 4
_SLOT = "\x00"


def row_keys(row: Conversation) -> Sequence[str]:
    """The row itself; a row that an augmentation made is one with the rows that it was made of."""
    origin = row.provenance.get("origin")
    return [str(each) for each in origin] if isinstance(origin, list) and origin else [row.id]


def dialogue_keys(row: Conversation) -> Sequence[str]:
    """The dialogue that the provenance names, and how the row opens: rows cut from one dialogue begin alike.

    An opening of fewer than four words says little, and the first answer is added to it.
    """
    keys = [f"row {key}" for key in row_keys(row)]
    if (named := row.provenance.get("dialogue")) not in (None, ""):
        keys.append(f"dialogue {named}")
    asked = next((message for message in row.messages if message.role == "user"), None)
    opening = words(asked.text) if asked else []
    answer = next((message for message in row.messages if message.role == "assistant"), None)
    if len(opening) < _FEW_WORDS and answer:
        opening += ["->", *words(answer.text), *(f"{call.name} {call.arguments!r}" for call in answer.calls)]
    return [*keys, f"opening {' '.join(opening)}"] if opening else keys


def template_keys(row: Conversation) -> Sequence[str]:
    """The templates that the provenance names; without one, the first request with the calls' values taken out."""
    named = row.provenance.get("template")
    if named not in (None, "", []):
        return [f"template {each}" for each in (named if isinstance(named, list) else [named])]
    asked = next((message.text for message in row.messages if message.role == "user"), "").casefold()
    values = [v for m in row.messages for call in m.calls for v in _texts(call.arguments.values())]
    for value in sorted(set(values), key=len, reverse=True):
        asked = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _SLOT, asked)
    pieces = (" ".join(words(piece)) for piece in re.sub(r"\d+", "0", asked).split(_SLOT))
    return [f"request {'{}'.join(pieces)}"]


def tool_keys(row: Conversation) -> Sequence[str]:
    """Every tool that the row offers or calls, by name."""
    return list(dict.fromkeys([*(tool.name for tool in row.tools), *called_keys(row)]))


def called_keys(row: Conversation) -> Sequence[str]:
    """Every tool that the row calls, by name."""
    return list(dict.fromkeys(call.name for message in row.messages for call in message.calls))


KEYS: dict[str, Callable[[Conversation], Sequence[str]]] = {
    "row": row_keys,
    "dialogue": dialogue_keys,
    "template": template_keys,
    "tool": tool_keys,
    "called": called_keys,
}


def _texts(values: Iterable[object]) -> list[str]:
    """Values as a request may say them; those of lists and objects one by one."""
    found: list[str] = []
    for value in values:
        if isinstance(value, dict):
            found += _texts(value.values())
        elif isinstance(value, list):
            found += _texts(value)
        elif value not in (None, "") and not isinstance(value, bool):
            found.append(str(value).casefold())
    return found


@dataclass
class Groups:
    """Rows that share a key are one group, and so are those joined by a third. A group is its least place.

    Only rows of several keys are remembered, by their keys' places: numbers in [0, 2**64) drawn from key and seed.
    """

    by: By
    seed: int
    _above: dict[int, int] = field(default_factory=dict)

    def add(self, row: Conversation) -> None:
        """Joins the groups that a row belongs to."""
        first, *others = self._places(row)
        for other in others:
            a, b = self._root(first), self._root(other)
            if a != b:
                self._above[max(a, b)] = min(a, b)

    def of(self, row: Conversation) -> int:
        """The group of a row, once all rows were added."""
        return self._root(self._places(row)[0])

    @property
    def linked(self) -> bool:
        """Whether some row had several keys."""
        return bool(self._above)

    def _places(self, row: Conversation) -> list[int]:
        keys = KEYS[self.by](row) or [f"\x00{row.id}"]
        return [_place(self.seed, key) for key in keys]

    def _root(self, place: int) -> int:
        above = self._above
        while (parent := above.get(place)) is not None:
            if (grand := above.get(parent)) is not None:
                above[place] = grand
            place = parent
        return place


def _place(seed: int, key: str) -> int:
    digest = hashlib.blake2b(f"{seed}\x00{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)
