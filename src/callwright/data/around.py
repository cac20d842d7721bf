"""A row + the data that it stands in -> which tools could do another's job, and what near requests call."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from callwright.data.overlap import tool_key
from callwright.data.similar import ToolIndex, WordIndex, words
from callwright.types import Conversation, Tool

Augmentation = Callable[[Conversation, random.Random, "Around"], Conversation | None]

_NEAR, _ALIKE = 10, 0.4
"""So many of the nearest requests are looked at; they count where they share such a part of all their words."""

_ACTIONS: dict[str, frozenset[str]] = {
    word: frozenset(kinds.split())
    for kinds, group in {
        # what is computed and what is looked up cannot be told apart by a name
        "read": "get retrieve find search show list check lookup look fetch query view read display see tell access "
        "obtain count identify describe monitor track calculate compute estimate predict measure convert evaluate "
        "analyze assess determine recommend detect verify validate compare guess",
        "make": "create add make insert generate schedule book register submit post upload send order reserve",
        "make change": "set",
        "change": "update modify edit change rename adjust",
        "drop": "delete remove cancel clear",
    }.items()
    for word in group.split()
}


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is written as a list."""
    return frozenset(text.split())


READS = frozenset(word for word, kinds in _ACTIONS.items() if kinds == {"read"})
"""Words for looking something up, or computing it."""

VERBS = frozenset(_ACTIONS) | word_set(
    "play turn start stop dim mute save rate ask mark pay open close lock unlock move give take run build design "
    "translate perform provide allow manage record report publish test train deploy encrypt share follow help"
)
"""Words that an instruction may begin with."""

_EMPTY = word_set(
    "the and for with from that this your you are was all any about into onto based given specific particular certain "
    "information details detail data info list new existing various available current user users such other "
    "provide provides function tool api value values name names type using used use their its has have can which "
    "more much please tell me"
)


@dataclass(frozen=True)
class Around:
    """What lies about the row: tools of other rows for distractors, and other rows to join with and to learn from."""

    tools: Sequence[Tool] = ()
    rows: Sequence[Conversation] = ()

    @cached_property
    def index(self) -> ToolIndex:
        """The tools by their words, built when it is first asked for."""
        return ToolIndex(self.tools)

    @cached_property
    def _asked(self) -> list[tuple[frozenset[str], frozenset[str]]]:
        """The words of a request and the functions that it is answered with."""
        found = []
        for row in self.rows:
            for message, answer in zip(row.messages, row.messages[1:], strict=False):
                if message.role == "user" and answer.calls:
                    found.append((frozenset(words(message.text)), frozenset(call.name for call in answer.calls)))
        return found

    @cached_property
    def _requests(self) -> WordIndex:
        return WordIndex([sorted(said) for said, _ in self._asked])

    def called_for(self, text: str) -> set[str]:
        """The functions that the data calls for requests like this one: what they could do, they could do here."""
        said = frozenset(words(text))
        names: set[str] = set()
        for number in self._requests.search(sorted(said), _NEAR):
            other, called = self._asked[number]
            if len(said & other) >= _ALIKE * len(said | other):
                names |= called
        return names


def made(row: Conversation, name: str, **changes: Any) -> Conversation:
    """The row with changes, marked with what made it."""
    steps = [*row.provenance.get("augmented", ()), name]
    provenance = {**row.provenance, **changes.pop("provenance", {}), "augmented": steps, "origin": origin(row)}
    return replace(row, id=f"{row.id}~{name}", provenance=provenance, **changes)


def origin(row: Conversation) -> list[str]:
    """The ids of the rows that a row was made of: a split keeps them on one side."""
    return list(row.provenance.get("origin") or [row.id])


def could_stand_in(other: Tool, tool: Tool, request: str) -> bool:
    """Whether a reader might take `other` for what `tool` is asked for: the same kind of action on the same things.

    Errs towards yes. Actions are of the same kind where a name shows none.

    >>> add = Tool("add_record", "Add a DNS record.", {})
    >>> could_stand_in(Tool("create_dns_record", "Create a record in the cloud.", {}), add, "add an MX record")
    True
    >>> could_stand_in(Tool("delete_dns_record", "Delete a record.", {}), add, "add an MX record")
    False
    """
    if tool_key(other) == tool_key(tool):
        return True
    mine, theirs = _actions(tool), _actions(other)
    if mine and theirs and not mine & theirs:
        return False
    known = things(tool.name) | things(tool.description) | things(request)
    return any(
        not about or 2 * len(about & known) >= len(about) for about in (things(other.name), things(other.description))
    )


def related(other: Tool, tool: Tool, request: str) -> bool:
    """Whether two tools are of one field: a word of their names in common, or `could_stand_in`."""
    return bool(things(other.name) & (things(tool.name) | things(tool.description))) or could_stand_in(
        other, tool, request
    )


def mentions(tool: Tool, texts: Iterable[str]) -> bool:
    """Whether a text speaks of what a tool is about."""
    about = things(tool.name) | things(tool.description)
    return any(about & things(text) for text in texts)


@lru_cache(maxsize=1 << 15)
def things(text: str) -> frozenset[str]:
    """Words that say what it is about: no actions, no empty words, plurals as singulars."""
    found = (word.removesuffix("s") if len(word) > 3 else word for word in words(text))
    return frozenset(word for word in found if len(word) >= 3 and word not in _EMPTY and word not in _ACTIONS)


def _actions(tool: Tool) -> frozenset[str]:
    named = next((word for word in words(tool.name) if word in _ACTIONS), None)
    first = next(iter(words(tool.description)), "")
    return _ACTIONS.get(named or first, _ACTIONS.get(first.removesuffix("s"), frozenset()))
