"""Messages -> the same messages, results tied to the calls that they answer by ids made here."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from callwright.types import Message


def with_ids(messages: Sequence[Message], *, every_call: bool = False) -> tuple[Message, ...]:
    """Give ids to calls that have none and to the results right after them: by name, else in order.

    A turn with fewer results than calls stays as it is, since nothing says which call was answered; `every_call` gives
    ids even then. The ids are the same for the same messages.

    >>> from callwright.types import ToolCall
    >>> pair = with_ids([Message("assistant", "", (ToolCall("f", {}),)), Message("tool", "1")])
    >>> pair[0].calls[0].id, pair[1].call_id, pair[1].name
    ('call_0', 'call_0', 'f')
    """
    changed = list(messages)
    fresh = _fresh_ids(messages)
    for place, message in enumerate(messages):
        if any(not call.id for call in message.calls):
            _pair_turn(changed, place, fresh, every_call)
    return tuple(changed)


def _pair_turn(messages: list[Message], place: int, fresh: Iterator[str], every_call: bool) -> None:
    calls = list(messages[place].calls)
    lacking = [i for i, call in enumerate(calls) if not call.id]
    after = itertools.takewhile(lambda i: messages[i].role == "tool", range(place + 1, len(messages)))
    unpaired = [i for i in after if not messages[i].call_id]
    if len(unpaired) < len(lacking) and not every_call:
        return
    for i in lacking:
        calls[i] = dataclasses.replace(calls[i], id=next(fresh))
    messages[place] = dataclasses.replace(messages[place], calls=tuple(calls))
    left = [calls[i] for i in lacking]
    for i in unpaired[: len(lacking)]:
        call = next((call for call in left if call.name == messages[i].name), left[0])
        left.remove(call)
        messages[i] = dataclasses.replace(messages[i], call_id=call.id, name=messages[i].name or call.name)


def with_names(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Name each result after the call whose id it bears, where the source names only the id."""
    names: dict[str, str] = {}
    named: list[Message] = []
    for message in messages:
        names.update((call.id, call.name) for call in message.calls if call.id)
        if message.role == "tool" and not message.name and message.call_id in names:
            message = dataclasses.replace(message, name=names[message.call_id])
        named.append(message)
    return tuple(named)


def _fresh_ids(messages: Sequence[Message]) -> Iterator[str]:
    taken = {call.id for message in messages for call in message.calls} | {message.call_id for message in messages}
    return (name for n in itertools.count() if (name := f"call_{n}") not in taken)
