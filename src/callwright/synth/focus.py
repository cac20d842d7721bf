"""Failures of an evaluation -> what to make more rows of, and which of the user's own rows are nearest to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from callwright.data.overlap import Seen
from callwright.data.similar import WordIndex, request_text, words
from callwright.errors import RunError
from callwright.synth.phrase import SLOT, Template
from callwright.types import Conversation, JsonObject, Message, Tool

# a tool that was called in place of another one is practised too, so that the two are told apart
_TAKEN_FOR = 0.5
_HAS_PARAMETER = 4.0
_SAYS_ALIKE = 8.0


@dataclass(frozen=True)
class Focus:
    """How often each tool failed, and each of its parameters; in which categories; and the words of those requests."""

    tools: Mapping[str, float]
    parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    requests: Mapping[str, Sequence[frozenset[str]]] = field(default_factory=dict)

    def weight(self, tool: str, template: Template) -> float:
        """How often a wording is used, against 1 for one that has nothing to do with what failed."""
        failed = self.parameters.get(tool) or {}
        own = set(SLOT.findall(template.say)) | set(template.fixed)
        share = sum(count for name, count in failed.items() if name in own) / max(1.0, sum(failed.values()))
        said = frozenset(words(SLOT.sub(" ", template.say)))
        alike = max((_jaccard(said, request) for request in self.requests.get(tool, ())), default=0.0)
        return 1 + _HAS_PARAMETER * share + _SAYS_ALIKE * alike


def focus_of(failures: Sequence[JsonObject], tools: Sequence[Tool]) -> Focus:
    """What failed, of these tools. Raises RunError where none of them is in any failure."""
    declared = {tool.name for tool in tools}
    weights: defaultdict[str, float] = defaultdict(float)
    parameters: defaultdict[str, Counter[str]] = defaultdict(Counter)
    requests: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    categories: Counter[str] = Counter()
    for failure in failures:
        due = [call for call in failure["expected_calls"] if call["name"] in declared]
        if failure["expected_calls"] and not due:
            continue
        categories[_category(failure)] += 1
        for call in due:
            weights[call["name"]] += 1
            requests[call["name"]].append(frozenset(words(failure["request"])))
            parameters[call["name"]].update(_wrong(call, failure["got_calls"]))
        names = {call["name"] for call in due}
        for call in failure["got_calls"]:
            if call["name"] in declared - names:
                weights[call["name"]] += _TAKEN_FOR
    if not categories:
        called = sorted({call["name"] for failure in failures for call in failure["expected_calls"]})
        raise RunError(f"the failures are of other tools ({', '.join(called[:5])}); give the tools that were scored")
    total = sum(categories.values())
    shares = {name: count / total for name, count in categories.items() if name != "single"}
    return Focus(dict(weights), {name: dict(one) for name, one in parameters.items()}, shares, dict(requests))


def nearest(pool: Iterable[Conversation], failures: Sequence[JsonObject], count: int) -> list[Conversation]:
    """Up to `count` rows of the pool: for each failure in turn the next nearest by its words, of those that call the
    tools which were due, or were called instead; where no call was due, of rows without one.

    Rows that share a request with a failure are not taken: the failures may be scored again.
    """
    # what was asked in the rows that failed, as rows
    asked = (Conversation("", (), (Message("user", failure["request"]),)) for failure in failures)
    seen = Seen.of(asked)
    groups: defaultdict[str, list[Conversation]] = defaultdict(list)
    for row in pool:
        if seen.request_of(row) is None:
            for name in _called(row) or {""}:
                groups[name].append(row)
    indexes = {name: WordIndex([words(request_text(row)) for row in rows]) for name, rows in groups.items()}
    queues = [_ranked(failure, groups, indexes) for failure in failures]
    taken: dict[int, Conversation] = {}
    while queues and len(taken) < count:
        left = []
        for queue in queues:
            found = next((row for row in queue if id(row) not in taken), None)
            if found is not None and len(taken) < count:
                taken[id(found)] = found
                left.append(queue)
        queues = left
    return [_marked(row) for row in taken.values()]


def _ranked(
    failure: JsonObject, groups: Mapping[str, Sequence[Conversation]], indexes: Mapping[str, WordIndex]
) -> Iterator[Conversation]:
    """The rows of the failure's groups, nearest first, the groups in turn."""
    due = list(dict.fromkeys(call["name"] for call in failure["expected_calls"])) or [""]
    instead = [call["name"] for call in failure["got_calls"]]
    names = [name for name in dict.fromkeys([*due, *instead]) if name in groups]
    said = words(failure["request"])
    found = [indexes[name].search(said, len(groups[name])) for name in names]
    for place in range(max(map(len, found), default=0)):
        yield from (groups[name][rows[place]] for name, rows in zip(names, found, strict=True) if place < len(rows))


def _marked(row: Conversation) -> Conversation:
    return replace(row, provenance={**row.provenance, "chosen": "near a failure"})


def _called(row: Conversation) -> set[str]:
    return {call.name for message in row.messages for call in message.calls}


def _category(failure: JsonObject) -> str:
    """Of which kind rows are that practise what failed."""
    if len(failure["expected_calls"]) > 1:
        return "parallel"
    if failure["expected_calls"]:
        return "single"
    return "missing" if failure["expected_text"].rstrip().endswith("?") else "no_call"


def _wrong(call: JsonObject, got: Sequence[JsonObject]) -> list[str]:
    """The parameters that the nearest call of the same tool has otherwise; all of them where there is none."""
    due = call["arguments"]
    same = [other["arguments"] for other in got if other["name"] == call["name"]]
    if not same:
        return list(due)
    near = max(same, key=lambda other: sum(due.get(name) == value for name, value in other.items()))
    return [name for name in due | near if due.get(name) != near.get(name)]


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
