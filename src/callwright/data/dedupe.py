"""Conversations -> the same without repetitions: equal rows, and rows whose requests are nearly equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callwright.data.canonical import to_row
from callwright.data.similar import request_text, words
from callwright.types import Conversation

_PERMUTATIONS, _BANDS = 128, 32
_SHINGLE = 3


@dataclass
class Dropped:
    """What was left out: (its id, the id of the row that stays) by reason."""

    equal: list[tuple[str, str]] = field(default_factory=list)
    near: list[tuple[str, str]] = field(default_factory=list)


def dedupe(
    rows: Iterable[Conversation], dropped: Dropped, *, threshold: float | None = 0.8, seed: int = 0
) -> Iterator[Conversation]:
    """The first of each set of equal rows, and with a threshold of each set of nearly equal ones, in order.

    Equal is the content: messages and tools, in any order of the tools. Nearly equal are rows that make the same calls
    by name and whose requests share at least `threshold` of their runs of three words, as MinHash estimates it (128
    permutations). `dropped` is filled as rows are read.
    """
    seen: dict[bytes, str] = {}
    near = _Near(threshold, seed) if threshold is not None else None
    for row in rows:
        key = content_key(row)
        if key in seen:
            dropped.equal.append((row.id, seen[key]))
            continue
        seen[key] = row.id
        twin = near.twin(row) if near else None
        if twin is not None:
            dropped.near.append((row.id, twin))
            continue
        yield row


def content_key(row: Conversation) -> bytes:
    """A digest of messages and tools; ids of rows and calls are not part of it."""
    written = to_row(row)
    for message in written["messages"]:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            call.pop("id", None)
    tools = sorted(json.dumps(tool, sort_keys=True) for tool in written["tools"])
    text = json.dumps([written["messages"], tools], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def shingles(text: str) -> list[str]:
    """Runs of three words, and the ends of a shorter text as they are."""
    found = words(text)
    if len(found) <= _SHINGLE:
        return [" ".join(found)]
    return [" ".join(found[i : i + _SHINGLE]) for i in range(len(found) - _SHINGLE + 1)]


class _Near:
    """An index of requests; rows that call different functions are never twins."""

    def __init__(self, threshold: float, seed: int) -> None:
        from rensa import RMinHash, RMinHashLSH

        self._threshold, self._seed = threshold, seed
        self._hash = RMinHash
        self._index = RMinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, num_bands=_BANDS)
        self._kept: list[tuple[str, tuple[str, ...], object]] = []

    def twin(self, row: Conversation) -> str | None:
        """The id of a row that is nearly equal, or None, and then this row is remembered."""
        names = tuple(call.name for message in row.messages for call in message.calls)
        made = self._hash(num_perm=_PERMUTATIONS, seed=self._seed)
        made.update(shingles(request_text(row)))
        found: list[int] = sorted(self._index.query(made))
        for number in found:
            own_id, own_names, other = self._kept[number]
            if own_names == names and made.jaccard(other) >= self._threshold:
                return own_id
        self._index.insert(len(self._kept), made)
        self._kept.append((row.id, names, made))
        return None
