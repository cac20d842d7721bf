"""Computed prefixes in memory: a tool block is computed once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from callwright.models.shared_kv import PrefixKV


@dataclass
class PrefixCache:
    """Computed prefixes by their tokens: the least recently used leave when `max_bytes` is passed."""

    max_bytes: int = 1 << 30
    _kept: OrderedDict[tuple[int, ...], PrefixKV] = field(default_factory=OrderedDict)
    hits: int = 0
    misses: int = 0

    def get(self, tokens: tuple[int, ...]) -> PrefixKV | None:
        """The prefix, if it is kept."""
        found = self._kept.get(tokens)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(tokens)
        return found

    def __contains__(self, tokens: tuple[int, ...]) -> bool:
        return tokens in self._kept

    def put(self, tokens: tuple[int, ...], prefix: PrefixKV) -> None:
        """Keeps a prefix, and lets go of older ones; one that is larger than the budget is not kept."""
        if prefix.bytes > self.max_bytes:
            return
        self._kept[tokens] = prefix
        while sum(kept.bytes for kept in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)
