"""Raw rows and conversations <-> JSON values, which is what an engine carries to other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callwright.data import canonical
from callwright.data.fields import Fields
from callwright.data.files import RawRow
from callwright.scale import Engine, Function
from callwright.types import BadRow, Conversation


def pack(row: RawRow | BadRow) -> list[Any]:
    """A row as the file gave it."""
    return [row.where, row.number, row.value, row.text] if isinstance(row, RawRow) else [row.where, row.why, row.text]


def unpack(packed: list[Any]) -> RawRow | BadRow:
    """What `pack` was given."""
    return RawRow(*packed) if len(packed) == 4 else BadRow(*packed)


def map_conversations(
    engine: Engine, function: Callable[[Conversation], Any], rows: Iterable[Conversation]
) -> Iterator[Any]:
    """A pure function from the top level of a module over conversations: its results in order, JSON values.

    For work that costs more than the way there and back: a row is sent in canonical form, about 20 microseconds.
    """
    packed = ([row.where, list(row.notes), canonical.to_row(row)] for row in rows)
    return engine.map(_OfConversations(function), packed)


@dataclass(frozen=True, slots=True)
class _OfConversations:
    function: Callable[[Conversation], Any]

    def start(self) -> Function:
        fields = Fields()

        def run(chunk: Sequence[list[Any]]) -> list[Any]:
            return [self.function(_conversation(packed, fields)) for packed in chunk]

        return run


def _conversation(packed: list[Any], fields: Fields) -> Conversation:
    where, notes, row = packed
    return replace(canonical.from_row(row, where, fields), notes=tuple(notes))
