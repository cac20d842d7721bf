"""Conversations -> the same without repetitions: equal rows, and rows whose requests are nearly equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from callwright.data import canonical, raw
from callwright.data.canonical import to_row
from callwright.data.fields import Fields
from callwright.data.packed import OfRow, map_rows
from callwright.data.similar import request_text, words
from callwright.errors import DataError
from callwright.scale import Engine
from callwright.types import BadRow, Conversation

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
    seen = _Seen(dropped, threshold)
    return (row for row in rows if seen.is_new(row.id, _signature(row, near=threshold is not None, seed=seed)))


def dedupe_file(
    source: str, output: str, *, threshold: float | None = 0.8, seed: int = 0, engine: Engine | None = None
) -> tuple[int, Dropped]:
    """`dedupe` from a file to a file in canonical form: how many rows stay, and what was left out.

    The engine reads rows and computes their signatures; comparing them is left to this process. Raises DataError for a
    row that cannot be read.
    """
    reading, rows = raw(source)
    task = _Signing(threshold is not None, seed)
    dropped = Dropped()
    seen = _Seen(dropped, threshold)
    kept = 0
    with canonical.row_writer(output) as put:
        for where, row, signature in map_rows(engine, reading, task, rows):
            if row is None:
                raise DataError(where, signature)
            if seen.is_new(row["id"], signature):
                put(row, where)
                kept += 1
    return kept, dropped


@dataclass(frozen=True, slots=True)
class _Signing:
    """A row -> where it stood, its canonical form, its signature; or None and why it cannot be read."""

    near: bool
    seed: int

    def start(self, fields: Fields) -> OfRow:
        return self._signed

    def _signed(self, row: Conversation | BadRow, unread: Sequence[str]) -> list[Any]:
        if isinstance(row, BadRow):
            return [row.where, None, row.why]
        return [row.where, to_row(row), _signature(row, near=self.near, seed=self.seed)]


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


def _signature(row: Conversation, *, near: bool, seed: int) -> list[Any]:
    """What rows are compared by, as JSON values: content, names of the calls, and with `near` the request's MinHash."""
    key = content_key(row).hex()
    if not near:
        return [key, [], ""]
    from rensa import RMinHash

    names = [call.name for message in row.messages for call in message.calls]
    made = RMinHash(num_perm=_PERMUTATIONS, seed=seed)
    made.update(shingles(request_text(row)))
    return [key, names, made.__getstate__().hex()]


class _Seen:
    """The rows that stay, by signature; rows that call different functions are never twins."""

    def __init__(self, dropped: Dropped, threshold: float | None) -> None:
        self._dropped, self._threshold = dropped, threshold
        self._equal: dict[str, str] = {}
        self._kept: list[tuple[str, list[str], Any]] = []
        if threshold is not None:
            from rensa import RMinHashLSH

            self._index = RMinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, num_bands=_BANDS)

    def is_new(self, row_id: str, signature: list[Any]) -> bool:
        """Whether no row before is equal or nearly equal; if so, this one is remembered, otherwise noted as dropped."""
        key, names, state = signature
        if key in self._equal:
            self._dropped.equal.append((row_id, self._equal[key]))
            return False
        self._equal[key] = row_id
        twin = self._twin(row_id, names, state) if self._threshold is not None else None
        if twin is not None:
            self._dropped.near.append((row_id, twin))
        return twin is None

    def _twin(self, row_id: str, names: list[str], state: str) -> str | None:
        from rensa import RMinHash

        made = RMinHash(num_perm=_PERMUTATIONS, seed=0)
        made.__setstate__(bytes.fromhex(state))
        found: list[int] = sorted(self._index.query(made))
        for number in found:
            own_id, own_names, other = self._kept[number]
            if own_names == names and made.jaccard(other) >= self._threshold:
                return own_id
        self._index.insert(len(self._kept), made)
        self._kept.append((row_id, names, made))
        return None
