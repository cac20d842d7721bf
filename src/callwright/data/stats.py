"""Conversations -> DataStats: kinds of rows, tools called and not, lengths, languages, provenance, gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from callwright.data.coverage import Coverage, enum_of
from callwright.data.language import language_of
from callwright.data.similar import request_text
from callwright.data.tally import Histogram, Lengths, Tally, most_first
from callwright.types import Conversation, JsonObject, ToolCall

CATEGORIES = {
    "single": "one call for one request",
    "parallel": "several calls in one turn, for one request",
    "nested": "calls in several turns for one request, each after results",
    "multi-turn": "calls, and several turns of the user",
    "clarify": "no call, and the last answer is a question",
    "no call": "no call, and the last answer is no question",
}
"""What a row can be; the first that fits. They add up to the rows."""

_MOST_SETS = 100_000
_BATCH = 256
_OF_ONE_ROW = ("origin", "dialogue")
"""Keys of provenance that name rows, not kinds of rows."""
_QUESTION = ("?", "？", "؟")


@dataclass(frozen=True, slots=True)
class Size:
    """A rendered row in tokens: all of it, those that are trained, and those of the prefix that rows share."""

    tokens: int
    trained: int
    prefix: int


Measure = Callable[[Sequence[Conversation]], Sequence[Size | None]]
"""Rows -> their sizes, in order; None for a row that the dialect cannot write."""


@dataclass(frozen=True, slots=True)
class DataStats:
    """What a data set holds. Counts are (name, count), most first.

    `calls_by_tool` has every declared tool, with 0 for those that no row calls. `undeclared` are called names that
    their row does not declare. `distinct_tool_sets` is counted up to 100,000. `languages` are of the user's text, of
    rows that have any. `provenance` counts each key's values. `lengths` are per row. `unwritable` rows have no tokens.
    """

    rows: int
    turns: int
    calls: int
    categories: tuple[tuple[str, int], ...]
    calls_by_tool: tuple[tuple[str, int], ...]
    undeclared: tuple[tuple[str, int], ...]
    distinct_tool_sets: int
    argument_types: tuple[tuple[str, int], ...]
    languages: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, int], ...]
    provenance: dict[str, tuple[tuple[str, int], ...]]
    coverage: JsonObject
    coverage_by_tool: JsonObject
    gaps: tuple[str, ...]
    lengths: dict[str, Lengths]
    unwritable: int = 0

    @property
    def never_called(self) -> tuple[str, ...]:
        """Declared tools that no row calls."""
        return tuple(name for name, count in self.calls_by_tool if not count)

    def to_json(self) -> JsonObject:
        """Everything, for files and machines; counts as objects."""
        found = asdict(self)
        counted = ("categories", "calls_by_tool", "undeclared", "argument_types", "languages", "sources")
        found |= {name: dict(found[name]) for name in counted}
        found["provenance"] = {key: dict(values) for key, values in self.provenance.items()}
        return found | {"never_called": list(self.never_called)}


def stats(conversations: Iterable[Conversation], measure: Measure | None = None) -> DataStats:
    """Count in one pass, in memory that grows with the different tools and lengths, not with the rows.

    `measure` gives sizes in tokens; without it there are none.

    >>> from callwright.types import Message
    >>> counted = stats([Conversation("a", (), (Message("user", "hello"), Message("assistant", "Hello there.")))])
    >>> counted.rows, counted.turns, dict(counted.categories)["no call"], counted.lengths["user characters"].most
    (1, 2, 1, 5)
    """
    count = _Count()
    rows = iter(conversations)
    while chunk := list(islice(rows, _BATCH)):
        for row in chunk:
            count.add(row)
        for size in measure(chunk) if measure else ():
            count.size(size)
    return count.result()


def category_of(row: Conversation) -> str:
    """One of CATEGORIES."""
    calling = [len(message.calls) for message in row.messages if message.calls]
    if not calling:
        answers = [message.text for message in row.messages if message.role == "assistant"]
        return "clarify" if answers and answers[-1].rstrip().endswith(_QUESTION) else "no call"
    if sum(message.role == "user" for message in row.messages) > 1:
        return "multi-turn"
    if len(calling) > 1:
        return "nested"
    return "parallel" if calling[0] > 1 else "single"


@dataclass
class _Count:
    """The running counts."""

    rows: int = 0
    turns: int = 0
    unwritable: int = 0
    categories: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CATEGORIES, 0)))
    coverage: Coverage = field(default_factory=Coverage)
    undeclared: Tally = field(default_factory=Tally)
    types: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    sources: Tally = field(default_factory=Tally)
    provenance: dict[str, Tally] = field(default_factory=dict)
    tool_sets: set[int] = field(default_factory=set)
    lengths: dict[str, Histogram] = field(default_factory=dict)

    def add(self, row: Conversation) -> None:
        self.rows += 1
        self.turns += len(row.messages)
        self.categories[category_of(row)] += 1
        self.sources.add(row.source or "(none)")
        self._tools(row)
        for key, value in (row.provenance or {"provenance": "(none)"}).items():
            if key not in _OF_ONE_ROW:
                self._provenance(key, value)
        if said := request_text(row).strip():
            self.languages[language_of(said)] += 1
        self._length("user characters", len(said))
        self._length("turns", len(row.messages))
        self._length("tools offered", len(row.tools))

    def size(self, size: Size | None) -> None:
        if size is None:
            self.unwritable += 1
            return
        self._length("tokens", size.tokens)
        self._length("trained tokens", size.trained)
        self._length("shared prefix tokens", size.prefix)

    def _length(self, name: str, value: int) -> None:
        self.lengths.setdefault(name, Histogram()).add(value)

    def _tools(self, row: Conversation) -> None:
        declared = {tool.name: tool for tool in row.tools}
        for tool in row.tools:
            self.coverage.declare(tool)
        if len(self.tool_sets) < _MOST_SETS:
            # a hash instead of the set itself: 60,000 rows may offer as many sets
            self.tool_sets.add(hash(frozenset(declared)))
        for message in row.messages:
            for call in message.calls:
                if call.name not in declared:
                    self.undeclared.add(call.name)
                    continue
                self.coverage.add(call)
                self._types(call, declared[call.name].parameters.get("properties") or {})

    def _types(self, call: ToolCall, properties: JsonObject) -> None:
        for name, value in call.arguments.items():
            schema = properties.get(name)
            self.types[_type_of(value, schema if isinstance(schema, dict) else {})] += 1

    def _provenance(self, key: str, value: Any) -> None:
        tally = self.provenance.setdefault(key if len(self.provenance) < 50 else "(other keys)", Tally())
        if isinstance(value, dict):
            value = [name for name, passed in value.items() if passed]
        for each in value if isinstance(value, list) else (value,):
            tally.add(str(each))

    def result(self) -> DataStats:
        calls = self.coverage.calls
        return DataStats(
            rows=self.rows,
            turns=self.turns,
            calls=calls.total() + self.undeclared.counts.total(),
            categories=tuple(self.categories.items()),
            calls_by_tool=most_first(Counter({name: calls[name] for name in self.coverage.parameters})),
            undeclared=self.undeclared.most_common(),
            distinct_tool_sets=len(self.tool_sets),
            argument_types=most_first(self.types),
            languages=most_first(self.languages),
            sources=self.sources.most_common(),
            provenance={key: tally.most_common() for key, tally in self.provenance.items()},
            coverage=asdict(self.coverage.totals()),
            coverage_by_tool=self.coverage.to_json(),
            gaps=tuple(self.coverage.gaps()),
            lengths={name: histogram.lengths() for name, histogram in self.lengths.items()},
            unwritable=self.unwritable,
        )


def _type_of(value: Any, schema: JsonObject) -> str:
    """The JSON type of an argument, and what its schema says more of a string."""
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    if isinstance(value, str):
        if enum_of(schema):
            return "string of an enum"
        return f"string, {schema['format']}" if isinstance(schema.get("format"), str) else "string"
    kinds = {int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), type(value).__name__)
