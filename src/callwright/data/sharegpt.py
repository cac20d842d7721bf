"""ShareGPT rows <-> Conversation: turns of human, gpt, function_call and observation, as in Glaive's data."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.data.chat import known_role, read_messages, train_flag
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import opening, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.data.thinking import before_text, split_thinking
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, Role, ToolCall

KEYS = ("conversations", "tools")

FROM: dict[str, Role] = {
    **{"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"},
    **{"function_call": "assistant", "tool_call": "assistant"},
    **{"observation": "tool", "tool": "tool", "tool_response": "tool", "system": "system"},
}
_CALLING = frozenset({"function_call", "tool_call"})
_WRITTEN = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "conversations" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of turns. A function_call right after another, or after gpt's text, is one assistant turn with it.

    Results are tied to calls by ids made here, where there is one for each call. Raises DataError.
    """
    turns = row.get("conversations")
    if isinstance(turns, str):
        turns = fields.decoded(turns, "'conversations'", where)
    if not isinstance(turns, list):
        raise DataError(where, f"'conversations' is {kind_of(turns)}; it must be a list of turns")
    if turns and isinstance(turns[0], dict) and "from" not in turns[0] and "role" in turns[0]:
        messages = read_messages(turns, where, fields)
    else:
        messages = with_ids(_merged(_turns(turns, where, fields)))
    system = text(row.get("system"), "'system'", where)
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where, python=True),
        messages=(Message("system", system), *messages) if system else messages,
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _turns(turns: Sequence[Any], where: str, fields: Fields) -> Iterator[Message]:
    for i, turn in enumerate(turns):
        what = f"conversations[{i}]"
        if not isinstance(turn, dict):
            raise DataError(where, f"{what} is {kind_of(turn)}; it must be an object with 'from' and 'value'")
        speaker, value = turn.get("from"), turn.get("value")
        role = known_role(speaker, FROM, what, where)
        train = train_flag(turn, what, where) if role == "assistant" else None
        if speaker in _CALLING:
            yield Message("assistant", "", _calls(value, what, where, fields), train=train)
        elif role == "tool" and isinstance(value, dict | list):
            yield Message("tool", json.dumps(value, ensure_ascii=False, default=str))
        else:
            said = text(value, f"{what}.value", where)
            thinking, said = split_thinking(said) if role == "assistant" else ("", said)
            yield Message(role, said, train=train, thinking=thinking)


def _calls(value: Any, what: str, where: str, fields: Fields) -> tuple[ToolCall, ...]:
    # Glaive quotes the arguments with '...', which Python reads and JSON does not
    calls = fields.decoded(value, what, where, python=True) if isinstance(value, str) else value
    if isinstance(calls, dict):
        calls = [calls]
    if not isinstance(calls, list) or not calls:
        raise DataError(where, f"{what} is a function_call without a call; its value must be a name and arguments")
    return tuple([fields.call(call, f"{what}[{n}]", where) for n, call in enumerate(calls)])


def _merged(messages: Iterator[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        if last and message.calls and last.role == "assistant" and last.train == message.train:
            merged[-1] = dataclasses.replace(last, calls=last.calls + message.calls)
        else:
            merged.append(message)
    return merged


def to_row(conversation: Conversation) -> JsonObject:
    """The row of turns; parallel calls stand in one function_call as a list. Raises DataError for what it cannot hold.

    Ids of calls and names of results are not written: a reader gets them back by order.
    """
    where = place_of(conversation)
    messages = conversation.messages
    for last, message in itertools.pairwise(messages):
        if last.role == "assistant" and message.calls and last.train == message.train:
            raise DataError(where, "sharegpt cannot hold an assistant turn with calls right after another turn of it")
    row: JsonObject = own_fields(conversation)
    system, messages = opening(conversation)
    if system:
        row["system"] = system
    row["conversations"] = [turn for message in messages for turn in _written(message, where)]
    row["tools"] = dump(tools_json(conversation.tools), where)
    return row


def _written(message: Message, where: str) -> Iterator[JsonObject]:
    flag = {} if message.train is None else {"train": message.train}
    if message.text or message.thinking or not message.calls:
        yield {"from": _WRITTEN[message.role], "value": before_text(message) + message.text, **flag}
    if message.calls:
        calls = [{"name": call.name, "arguments": call.arguments} for call in message.calls]
        yield {"from": "function_call", "value": dump(calls if len(calls) > 1 else calls[0], where), **flag}
