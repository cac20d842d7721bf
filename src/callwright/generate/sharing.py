"""Step engines whose rows begin with sequences that are kept: what is held, kept and reserved, wherever it is computed.

What rows have in common is kept after they ended, with some whole rows, and a new row begins with the longest of them:
the tool block, and a conversation that goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from callwright.generate.kept import Kept, Place
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Feed

State = Mapping[str, NDArray[np.uint8]]
"""What is computed of a sequence, as arrays of bytes."""


@dataclass
class Row:
    """A sequence. reserved: blocks that it may come to need beside those that it shares with `source`, a kept one.

    prefix: what is to be kept of it once it is computed.
    """

    held: list[int]
    reserved: int
    source: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()


class SharingSteps(ABC, Generic[Place]):
    """The part of `Steps` that is the same for engines of this kind; how tokens are computed and stored is theirs.

    room: rows at once. capacity: blocks of all together, each of `block` tokens. kept: sequences that stay for later
    rows, at most.
    """

    most = 512

    def __init__(self, *, room: int, capacity: int, block: int, kept: int, files: PrefixFiles | None) -> None:
        self.room = room
        self._capacity, self._block, self._most_kept, self._files = capacity, block, kept, files
        self._free = list(range(room))
        self._rows: dict[int, Row] = {}
        self._kept: Kept[Place] = Kept()

    @abstractmethod
    def _join(self, sequence: int, place: Place, length: int) -> None:
        """A new sequence begins with so many tokens of a kept one."""

    @abstractmethod
    def _stored(self, sequence: int, length: int) -> Place:
        """So many tokens of a sequence, to be kept."""

    @abstractmethod
    def _let_go(self, place: Place) -> None:
        """A kept sequence is not needed any more."""

    @abstractmethod
    def _end(self, sequence: int) -> None:
        """A row's own tokens are not needed any more."""

    @abstractmethod
    def _state(self, place: Place) -> State:
        """A kept sequence for the disk."""

    @abstractmethod
    def _placed(self, state: State, length: int) -> Place | None:
        """A kept sequence of so many tokens from the disk; None where there is no room."""

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """As `Steps.takes`. A row waits for one that computes its prefix."""
        if not self._free:
            return False
        if any(row.prefix and row.prefix == tuple(tokens[:prefix_len]) for row in self._rows.values()):
            return False
        shared = {row.source for row in self._rows.values()}
        reserved = sum(row.reserved for row in self._rows.values()) + sum(self._needed(len(one)) for one in shared)
        _, common = self._kept.longest(tokens)
        return not self._rows or reserved + self._own(common, len(tokens) + more) <= self._capacity

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """As `Steps.open`."""
        sequence = self._free.pop()
        source, common = self._kept.longest(tokens)
        prefix = tuple(tokens[:prefix_len])
        if common < prefix_len and self._restored(prefix):
            source, common = prefix, prefix_len
        common = min(common, len(tokens) - 1)
        wanted = prefix if common < prefix_len else ()
        own = self._own(common, len(tokens) + more)
        self._rows[sequence] = Row(list(tokens[:common]), own, source[:common], wanted)
        if common:
            self._join(sequence, self._kept.use(source), common)
        return sequence, common

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        del self._rows[sequence].held[length:]

    def close(self, sequence: int) -> None:
        """As `Steps.close`; the sequence is kept for one that goes on from it."""
        tokens = tuple(self._rows.pop(sequence).held)
        if tokens:
            self._keep(sequence, tokens)
        self._end(sequence)
        self._free.append(sequence)

    def _held(self, feeds: Sequence[Feed]) -> None:
        """After a pass over these: prefixes that are whole now are kept."""
        for feed in feeds:
            row = self._rows[feed.sequence]
            row.held.extend(feed.tokens)
            if row.prefix and len(row.held) >= len(row.prefix):
                self._keep(feed.sequence, row.prefix)
                if self._files and row.prefix in self._kept:
                    self._files.save(row.prefix, self._state(self._kept.use(row.prefix)))
                row.prefix = ()

    def _forget(self) -> bool:
        """Lets go of the kept sequence that was used longest ago; whether there was one."""
        if not self._kept:
            return False
        self._let_go(self._kept.forget())
        return True

    def _needed(self, tokens: int) -> int:
        """Blocks for so many tokens."""
        return -(-tokens // self._block)

    def _own(self, common: int, length: int) -> int:
        """Blocks of a row's own where it shares its first `common` tokens; none is shared that it writes into."""
        return self._needed(length) - common // self._block

    def _keep(self, sequence: int, tokens: tuple[int, ...]) -> None:
        """The beginning of a sequence stays for later rows."""
        if tokens in self._kept:
            self._kept.use(tokens)
        elif self._most_kept:
            self._make_room()
            self._kept.put(tokens, self._stored(sequence, len(tokens)))

    def _restored(self, prefix: tuple[int, ...]) -> bool:
        """Whether the prefix was on disk, and is kept now."""
        saved = self._files.load(prefix) if self._files and self._most_kept else None
        if saved is None:
            return False
        self._make_room()
        while (place := self._placed(saved, len(prefix))) is None:
            if not self._forget():
                return False
        self._kept.put(prefix, place)
        return True

    def _make_room(self) -> None:
        """For one more kept sequence."""
        while len(self._kept) >= self._most_kept:
            self._forget()
