"""A raw row -> the same row, watched: which of its keys does a reader never look at?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callwright.types import JsonObject

_TURNS = ("messages", "conversations", "prompt", "completion", "calling", "Instances")
"""Keys whose items are turns, calls or samples: their keys are watched too."""


class Watched(dict[str, Any]):
    """A dict that remembers the keys that were asked for."""

    __slots__ = ("asked",)

    def __init__(self, value: JsonObject) -> None:
        super().__init__(value)
        self.asked: set[object] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As dict's."""
        self.asked.add(key)
        return super().get(key, default)

    def unread(self) -> list[str]:
        """Keys with a value that nobody asked for; those of turns as `messages[].key`."""
        return list(dict.fromkeys(self._unread()))

    def _unread(self) -> Iterator[str]:
        for key, value in self.items():
            if key not in self.asked and value not in (None, "", [], {}):
                yield key
            elif isinstance(value, list):
                turns = (turn for turn in value if isinstance(turn, Watched))
                yield from (f"{key}[].{inner}" for turn in turns for inner in turn._unread())


def watched(row: JsonObject) -> Watched:
    """The row and its turns, watched; what lies deeper stays as it is.

    >>> row = watched({"messages": [{"role": "user", "mood": "glad"}], "tools": [], "score": 3})
    >>> _ = [turn["role"] for turn in row["messages"]]
    >>> row.unread()
    ['messages[].mood', 'score']
    """
    turns = {
        key: [Watched(turn) if isinstance(turn, dict) else turn for turn in row[key]]
        for key in _TURNS
        if isinstance(row.get(key), list)
    }
    return Watched({**row, **turns})
