"""Tools -> their text in a dialect, written once for each tool list that rows share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from callwright.types import Tool

_KEPT = 16_384


@dataclass(frozen=True)
class ToolsText:
    """Remembers the text of tool lists by identity: readers hand equal lists out as one object."""

    write: Callable[[Sequence[Tool]], str]
    _known: dict[int, tuple[Sequence[Tool], str]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, tools: Sequence[Tool]) -> str:
        """The text of `tools`."""
        known = self._known.get(id(tools))
        # The list itself is kept beside its text, so its id cannot come back as another list's.
        if known is not None:
            return known[1]
        if len(self._known) >= _KEPT:
            self._known.clear()
        text = self.write(tools)
        self._known[id(tools)] = (tools, text)
        return text
