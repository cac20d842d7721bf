"""Training rows + test rows -> what they share: runs of eight words in requests, and tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from callwright.data.similar import request_text, words
from callwright.types import Conversation, Tool

_RUN = 8
# what a data set puts before a tool's own name: "Weather_1_GetWeather", "calendar.add_event"
_PREFIX = re.compile(r"^(?:.*[./]|[A-Za-z]+_\d+_)")
_NUMBERED = re.compile(r"[A-Za-z]+_\d+_")
_FEW = 5
# names that say too little to mean the same tool anywhere
_COMMON = frozenset(
    {"search", "get", "find", "list", "create", "update", "delete", "query", "send", "add", "run", "call"}
)


@dataclass
class Overlap:
    """Ids of test rows by what they share with training: a request, or a tool (with that tool's name in training)."""

    requests: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        return self.requests.keys() | self.tools.keys()


@dataclass(frozen=True)
class Seen:
    """What training rows say and declare, to ask of any other row."""

    runs: frozenset[str]
    whole: frozenset[str]
    tools: dict[str, str]

    @classmethod
    def of(cls, rows: Iterable[Conversation]) -> Seen:
        """Collects from rows in one pass; a tool that many rows declare is looked at once."""
        runs: set[str] = set()
        whole: set[str] = set()
        tools: dict[str, str] = {}
        known: set[int] = set()
        kept: list[tuple[Tool, ...]] = []
        for row in rows:
            for turn in request_text(row).split("\n"):
                runs.update(runs_of(turn))
                whole.add(" ".join(words(turn)))
            if id(row.tools) not in known:
                known.add(id(row.tools))
                kept.append(row.tools)  # an id is only unique while its object lives
                for tool in row.tools:
                    tools.setdefault(tool_key(tool), tool.name)
        whole.discard("")
        return cls(frozenset(runs), frozenset(whole), tools)

    def request_of(self, row: Conversation) -> str | None:
        """The first run of eight words, or whole shorter request, that training has too."""
        for turn in request_text(row).split("\n"):
            found = next((run for run in runs_of(turn) if run in self.runs), None)
            if found is not None:
                return found
            said = " ".join(words(turn))
            if len(said.split()) >= 3 and said in self.whole:
                return said
        return None

    def tool_of(self, row: Conversation) -> str | None:
        """The first tool of a row that training has too, by training's name for it."""
        return next((self.tools[key] for tool in row.tools if (key := tool_key(tool)) in self.tools), None)


def overlap(seen: Seen, test: Sequence[Conversation]) -> Overlap:
    """Test rows that share requests or tools with what was seen in training.

    Tools whose names carry a service's number ("Weather_1_GetWeather") come from one catalogue: where training has most
    of them, the rest are taken for its tools too, since a catalogue's services are split over files.
    """
    found = Overlap()
    numbered = {
        tool.name: tool_key(tool) in seen.tools for row in test for tool in row.tools if _NUMBERED.match(tool.name)
    }
    same_catalogue = len(numbered) >= _FEW and sum(numbered.values()) * 2 >= len(numbered)
    for row in test:
        if (request := seen.request_of(row)) is not None:
            found.requests[row.id] = request
        tool = seen.tool_of(row)
        if tool is None and same_catalogue:
            tool = next((tool.name for tool in row.tools if tool.name in numbered), None)
        if tool is not None:
            found.tools[row.id] = tool
    return found


def runs_of(text: str) -> list[str]:
    """Every run of eight words of a text, lower case; none where it is shorter."""
    found = words(text)
    return [" ".join(found[i : i + _RUN]) for i in range(len(found) - _RUN + 1)]


def tool_key(tool: Tool) -> str:
    """What makes two tools the same: the words of the name without a service's prefix; common names with parameters.

    >>> tool_key(Tool("Weather_1_GetWeather", "", {})) == tool_key(Tool("get_weather", "", {}))
    True
    """
    own = words(_PREFIX.sub("", tool.name) or tool.name)
    if len(own) > 1 and not set(own) <= _COMMON:
        return " ".join(own)
    return " ".join([*own, "(", *sorted(tool.parameters.get("properties") or {})])


def without_overlap(
    rows: Sequence[Conversation], test: Iterable[Conversation], *, tools: bool
) -> tuple[list[Conversation], list[Conversation]]:
    """(kept, removed) training rows: removed are those that share a request, or with `tools` a tool, with `test`."""
    seen = Seen.of(test)
    kept: list[Conversation] = []
    removed: list[Conversation] = []
    for row in rows:
        shared = seen.request_of(row) is not None or (tools and seen.tool_of(row) is not None)
        (removed if shared else kept).append(row)
    return kept, removed
