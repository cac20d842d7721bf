"""A conversation that grew too long -> what of it a model is shown: what matters for the request, or notes of the rest.

A call is never shown without its result, nor a result without its call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from callwright.data.similar import WordIndex, words
from callwright.types import Conversation, Message

Length = Callable[[Conversation], int]
"""Tokens of a conversation's prompt."""

_RANKED = 60
"""The constant of reciprocal rank fusion (Cormack 2009)."""


def units(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    """Messages in pieces that stay together: an assistant's calls with their results, every other message alone.

    >>> from callwright.types import ToolCall
    >>> call = Message("assistant", "", (ToolCall("f", {}, "c"),))
    >>> [len(unit) for unit in units([Message("user", "a"), call, Message("tool", "1"), Message("assistant", "b")])]
    [1, 2, 1]
    """
    found: list[list[Message]] = []
    for message in messages:
        if message.role == "tool" and found:
            found[-1].append(message)
        else:
            found.append([message])
    return [tuple(unit) for unit in found]


@dataclass(frozen=True)
class Pruning:
    """Shows the system text, the last request with all that follows it, and of what came before whatever fits: ranked
    by its words (BM25 over the last request) and its age together.

    rank: another ranking, places of units best first, by embeddings for example. recent: how many units before the last
    request stay whatever their words.
    """

    recent: int = 2
    rank: Callable[[str, Sequence[str]], Sequence[int]] | None = None

    def shown(self, conversation: Conversation, length: Length, room: int) -> Conversation:
        """The same conversation with fewer messages; it may still be too long where the request alone is."""
        if length(conversation) <= room:
            return conversation
        head, before, after = _parts(conversation.messages)
        request = after[0].text if after else ""
        order = [*range(len(before) - 1, len(before) - 1 - min(self.recent, len(before)), -1)]
        order += [place for place in self._ranked(request, before) if place not in order]
        # units that fit are found by halving: each look costs a prompt
        low, high = 0, len(order)
        while low < high:
            middle = (low + high + 1) // 2
            if length(_with(conversation, head, before, order[:middle], after)) <= room:
                low = middle
            else:
                high = middle - 1
        return _with(conversation, head, before, order[:low], after)

    def _ranked(self, request: str, before: Sequence[tuple[Message, ...]]) -> list[int]:
        texts = [unit_text(unit) for unit in before]
        ranks = [list(range(len(before)))[::-1]]
        if self.rank is not None:
            ranks.append(list(self.rank(request, texts)))
        else:
            ranks.append(WordIndex([words(text) for text in texts]).matching(words(request), len(texts)))
        return fused(ranks)


class Scribe(Protocol):
    """Writes notes: those that there are, and what is to be added -> the new ones."""

    def __call__(self, notes: str, messages: Sequence[Message]) -> str: ...


def list_calls(notes: str, messages: Sequence[Message]) -> str:
    """Notes without a model: one line for each call with its result, and one for each request that had none.

    >>> from callwright.types import ToolCall
    >>> call = Message("assistant", "", (ToolCall("add", {"a": 1}, "c"),))
    >>> list_calls("", [Message("user", "add one"), call, Message("tool", "2", call_id="c")])
    'add(a=1) -> 2'
    """
    lines = notes.splitlines()
    for unit in units(messages):
        results = {message.call_id: message.text for message in unit if message.role == "tool"}
        for call in unit[0].calls:
            arguments = ", ".join(
                f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items()
            )
            lines.append(f"{call.name}({arguments}) -> {' '.join(results.get(call.id, '').split())[:120]}")
    return "\n".join(lines)


@dataclass
class Whiteboard:
    """Notes in the place of the history: what came before the last request is written into them, once it no longer
    fits. scribe: who writes; `list_calls`, a model, or an endpoint. longest: characters, of which the last are kept."""

    scribe: Scribe = list_calls
    longest: int = 2000
    notes: str = ""
    _noted: int = 0
    _seen: list[Message] = field(default_factory=list)

    def shown(self, conversation: Conversation, length: Length, room: int) -> Conversation:
        """The system text with the notes, and the last request with what follows; all of it where that fits."""
        if not self.notes and length(conversation) <= room:
            return conversation
        head, before, after = _parts(conversation.messages)
        while True:
            noted = self._note(head, before, after)
            made = replace(conversation, messages=noted)
            if length(made) <= room or len(self.notes) < 40:
                return made
            # the oldest notes go first
            self.notes = self.notes[len(self.notes) // 4 :].partition("\n")[2]

    def _note(
        self, head: Sequence[Message], before: Sequence[tuple[Message, ...]], after: Sequence[Message]
    ) -> tuple[Message, ...]:
        flat = [message for unit in before for message in unit]
        if fresh := flat[self._noted :]:
            self.notes = self.scribe(self.notes, fresh)[-self.longest :]
            self._noted = len(flat)
        text = "\n\n".join(filter(None, [*(message.text for message in head), self.written]))
        return (*([Message("system", text)] if text else []), *after)

    @property
    def written(self) -> str:
        """As the system text holds it."""
        return f"Notes of what was done before, oldest first:\n{self.notes}" if self.notes else ""


def fused(ranks: Sequence[Sequence[int]]) -> list[int]:
    """Several rankings -> one, by reciprocal ranks.

    >>> fused([[0, 1, 2], [1, 2]])
    [1, 2, 0]
    """
    scores: dict[int, float] = {}
    for rank in ranks:
        for position, place in enumerate(rank, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (_RANKED + position)
    return sorted(scores, key=lambda place: -scores[place])


def unit_text(unit: Sequence[Message]) -> str:
    """The words that a unit is ranked by."""
    calls = [
        f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for message in unit for call in message.calls
    ]
    return "\n".join([*(message.text for message in unit), *calls])


def _parts(messages: Sequence[Message]) -> tuple[list[Message], list[tuple[Message, ...]], list[Message]]:
    """The system's messages, the units before the last request, and the messages from it on."""
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=0)
    head = [message for message in messages[:last] if message.role == "system"]
    before = [message for message in messages[:last] if message.role != "system"]
    return head, units(before), list(messages[last:])


def _with(
    conversation: Conversation,
    head: Sequence[Message],
    before: Sequence[tuple[Message, ...]],
    kept: Sequence[int],
    after: Sequence[Message],
) -> Conversation:
    middle = [message for place in sorted(kept) for message in before[place]]
    return replace(conversation, messages=(*head, *middle, *after))
