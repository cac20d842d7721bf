"""A conversation that is too long -> one that fits: distractor tools go first, then the oldest turns, never a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from callwright.types import Conversation, Tool


def shorten(row: Conversation, measure: Callable[[Conversation], int], longest: int) -> Conversation | None:
    """The row within `longest` by `measure` (tokens, usually), or None where its last exchange alone is longer.

    Tools that the row never calls are left out from the end of the list, as few as are needed; a row without calls
    keeps its tools, since a refusal or a question may be about any of them. Where that is not enough, whole exchanges
    are left out from the beginning. The system turn and the last exchange always stay.

    >>> from callwright.types import Message
    >>> turns = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d")]
    >>> made = shorten(Conversation("1", (), tuple(turns)), lambda row: len(row.messages), 2)
    >>> [message.text for message in made.messages]
    ['c', 'd']
    """
    if measure(row) <= longest:
        return row
    called = {call.name for message in row.messages for call in message.calls}
    if called:
        spare = [tool for tool in row.tools if tool.name not in called]
        low, high = 0, len(spare)
        while low < high:
            middle = (low + high + 1) // 2
            fits = measure(_with_spare(row, spare[:middle])) <= longest
            low, high = (middle, high) if fits else (low, middle - 1)
        row = _with_spare(row, spare[:low])
    for start in _exchanges(row):
        system = row.messages[:1] if row.messages[0].role == "system" else ()
        made = replace(row, messages=(*system, *row.messages[start:]))
        if measure(made) <= longest:
            return made
    return None


def _with_spare(row: Conversation, spare: Sequence[Tool]) -> Conversation:
    """The row with the tools that it calls, and of the others only these."""
    called = {call.name for message in row.messages for call in message.calls}
    kept = {id(tool) for tool in spare}
    return replace(row, tools=tuple(tool for tool in row.tools if tool.name in called or id(tool) in kept))


def _exchanges(row: Conversation) -> list[int]:
    """Places where the row may begin: at a user turn that an assistant turn follows."""
    last = max((i for i, message in enumerate(row.messages) if message.role == "assistant"), default=-1)
    return [i for i, message in enumerate(row.messages) if message.role == "user" and i < last]
